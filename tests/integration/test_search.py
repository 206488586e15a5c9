"""`app.search`, `app.totals`, `app.queues`, `app.view` and `app.bulk`, on each kind of store."""

import asyncio
import itertools

import pytest

from celeriac import Celeriac
from celeriac.clock import ManualClock
from celeriac.errors import InvalidFilter, InvalidMessage
from celeriac.message import Message
from celeriac.outcome import Settlement
from celeriac.redaction import HIDDEN
from celeriac.search import MOST_READ
from celeriac.states import State, Verdict
from celeriac.testing.contract.given import Courier

_numbers = itertools.count(1)

NAMES = ("shop.add", "shop.mail", "shop.fail")


@pytest.fixture
def clock():
    return ManualClock(1_700_000_000.0)


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.redis)])
def app(request, url_of, clock):
    url = "memory://" if request.param == "memory" else url_of(request.param)
    app = Celeriac(f"search-{next(_numbers)}", broker=url, clock=clock, set_as_current=False)
    yield app
    app.close()


def send(app, name="shop.add", count=1, args=(), kwargs=None, **options):
    return [app.send_task(name, args, kwargs, **options).id for _ in range(count)]


def run(app, verdict=Verdict.SUCCEEDED, body=b"1", count=1000, name="w"):
    """Let a worker take tasks and end them so."""
    worker = Courier(app.broker, app.clock, name, names=NAMES, queues=("default", "mail"))
    tasks = worker.claim(count)
    worker.settles(*(Settlement(task.id, task.fence, verdict, body) for task in tasks))
    app.broker.retire([worker.id], app.clock.now())
    return [task.id for task in tasks]


def found(app, query="", count=50):
    """The ids on all pages."""
    ids, after = [], ""
    while True:
        page = app.search(query, after=after, count=count)
        ids += [task.id for task in page.tasks]
        assert page.more is bool(page.after)
        if not (after := page.after):
            return ids


def test_tasks_are_searched_in_words(app):
    send(app, "shop.add", 3, args=(1,))
    [mail] = send(app, "shop.mail", kwargs={"user_id": 42}, queue="mail")
    done = run(app, count=2)

    assert found(app, "state:SUCCESS") == done[::-1] or sorted(found(app, "state:SUCCESS")) == sorted(done)
    assert found(app, "queue:mail") == found(app, "arg.user_id:42") == found(app, "-name:shop.add") == [mail]
    assert sorted(found(app, "mail")) == [mail]
    assert len(found(app, "state:queued|succeeded")) == 4


def test_a_task_is_shown_with_all_that_is_known(app, clock):
    sent = app.send_task("shop.mail", (1,), {"to": "a@b.c"}, priority=3, expires=clock.now() + 900)
    clock.advance(5)
    run(app, body=b'{"sent":true}')

    [task] = app.search().tasks

    assert (task.id, task.name, task.state, task.inside) == (sent.id, "shop.mail", "SUCCESS", "succeeded")
    assert (task.args, task.kwargs, task.result) == ([1], {"to": "a@b.c"}, {"sent": True})
    assert (task.priority, task.finished - task.created, task.attempts, task.worker) == (3, 5.0, 1, "w")
    assert (task.root_id, task.error, task.unreadable, task.has_ended) == (sent.id, None, {}, True)
    assert app.view(sent.id).result == {"sent": True}
    assert app.view("unknown") is None


def test_an_error_is_shown_with_its_type_and_traceback(app):
    send(app)
    run(app, Verdict.FAILED, b'{"type":"builtins.OSError","message":"no","traceback":"at home"}')

    [task] = app.search("error:oserror").tasks

    assert (task.error_type, task.error, task.traceback) == ("builtins.OSError", "no", "at home")


def test_bytes_that_cannot_be_read_are_told_of_and_raise_nothing(app, clock):
    broken = Message("a", "shop.add", created=clock.now(), payload=b"{", options=b"[")
    app.broker.send([broken], clock.now())
    run(app, body=b"\xff")

    [task] = app.search().tasks

    assert (task.args, task.kwargs, task.result, task.root_id) == (None, None, None, "a")
    assert set(task.unreadable) == {"args", "options", "result"}
    assert found(app, "arg.x:1") == found(app, "schedule:*") == []


def test_values_under_telling_keys_are_hidden_on_demand(app):
    send(app, kwargs={"password": "hunter2", "iban": "x"})
    run(app, body=b'{"token":"t"}')

    [task] = app.search().tasks
    shown = task.redacted(("iban",))

    assert task.kwargs["password"] == "hunter2"
    assert (shown.kwargs, shown.result) == ({"password": HIDDEN, "iban": HIDDEN}, {"token": HIDDEN})


@pytest.mark.parametrize("query", ["", "name:shop.*", "shop", "-queue:nowhere"])
def test_pages_of_any_size_have_each_task_once(app, query):
    sent = send(app, count=7)
    run(app, count=3)

    for count in (1, 2, 3, 7, 50):
        assert sorted(found(app, query, count)) == sorted(sent)


def test_one_can_go_on_behind_any_task_of_a_page(app):
    send(app, count=6)
    run(app, count=3)
    whole = found(app, "shop")

    tasks = app.search("shop").tasks

    for number, task in enumerate(tasks, 1):
        assert [each.id for each in app.search("shop", after=task.place).tasks] == whole[number:]


def test_a_search_that_has_to_read_each_record_reads_so_many_and_says_where_to_search_on(app, clock):
    [rare] = send(app, kwargs={"x": 1})
    sent = [Message(f"{number:06d}", "shop.add", created=clock.now()) for number in range(MOST_READ + 100)]
    app.broker.send(sent, clock.now())

    page = app.search("arg.x:1")

    assert (len(page.tasks), page.more) == (0, True)
    assert MOST_READ <= page.searched < MOST_READ + 300
    assert found(app, "arg.x:1") == [rare]


def test_a_query_that_cannot_be_read_is_refused(app):
    for query in ("state:no", "x:y"):
        with pytest.raises(InvalidFilter, match="expected one of"):
            app.search(query)


def test_a_worker_may_be_called_by_its_name(app):
    send(app, count=2)
    worker = Courier(app.broker, app.clock, "host.1", names=NAMES)
    [task] = worker.claim()

    assert found(app, "worker:host.1@host") == found(app, "worker:host.1") == [task.id]


def test_totals_and_queues_are_told(app):
    send(app, count=3)
    run(app, count=1)

    assert str(app.totals()[State.QUEUED]) == "2"
    assert [(queue.name, queue.queued) for queue in app.queues()] == [("default", 2)]


def test_a_search_can_be_awaited(app):
    [sent] = send(app)

    page = asyncio.run(app.asearch("state:queued"))

    assert [task.id for task in page.tasks] == [sent]


# --- bulk -----------------------------------------------------------------------------------------


def test_a_dry_run_counts_and_says_why_not(app, clock):
    send(app, count=4)
    run(app, count=1)
    clock.advance(1)

    result = app.bulk("name:shop.add", "revoke")

    assert (result.dry_run, result.matched, result.eligible, result.done) == (True, 4, 3, 0)
    assert result.left == {"it has ended": 1}
    assert len(found(app, "state:queued")) == 3


@pytest.mark.parametrize("count", [3, 1_203])
def test_all_that_fit_are_revoked(app, clock, count):
    sent = [Message(f"{number:06d}", "shop.add", created=clock.now() - 1) for number in range(count)]
    app.broker.send(sent, clock.now())
    [other] = send(app, "shop.mail")

    result = app.bulk("name:shop.add", "revoke", dry_run=False)

    assert (result.matched, result.eligible, result.done, result.left) == (count, count, count, {})
    assert len(found(app, "state:cancelled", 500)) == count
    assert found(app, "state:queued") == [other]


def test_failed_tasks_are_retried_and_those_that_never_ran_are_told_of(app, clock):
    send(app, count=3)
    run(app, Verdict.FAILED, b'{"type":"builtins.OSError"}', count=2)
    clock.advance(1)

    result = app.bulk("name:*", "retry", dry_run=False)

    assert (result.matched, result.eligible, result.done) == (3, 2, 2)
    assert result.left == {"it has not failed": 1}
    assert len(found(app, "state:queued")) == 3


def test_ended_tasks_are_deleted(app, clock):
    send(app, count=5)
    run(app, count=3)
    clock.advance(1)

    result = app.bulk("state:succeeded", "delete", dry_run=False)

    assert (result.done, len(found(app))) == (3, 2)


def test_scheduled_tasks_are_run_now(app, clock):
    sent = send(app, count=3, countdown=60)
    clock.advance(1)

    result = app.bulk("state:scheduled", "run-now", dry_run=False)

    assert result.done == 3
    assert sorted(found(app, "state:queued")) == sorted(sent)


def test_what_runs_is_noted_or_stopped_and_counted_once(app, clock):
    send(app, count=2)
    Courier(app.broker, app.clock, "w", names=NAMES).claim(1)
    clock.advance(1)

    result = app.bulk("shop.add", "revoke", dry_run=False, terminate=True)

    assert (result.matched, result.done, result.left) == (2, 2, {})


def test_what_is_sent_after_the_start_is_left_alone(app, clock):
    old = send(app)
    clock.advance(5)
    until = clock.now()
    new = send(app)

    result = app.bulk("shop.add", "revoke", dry_run=False, until=until)

    assert (result.matched, found(app, "state:cancelled"), found(app, "state:queued")) == (1, old, new)


def test_progress_is_told_step_by_step_and_may_end_it(app, clock):
    sent = [Message(f"{number:06d}", "shop.add", created=clock.now() - 1) for number in range(1_100)]
    app.broker.send(sent, clock.now())
    seen = []

    app.bulk("shop.add", "revoke", dry_run=False, progress=seen.append)

    assert [each.matched for each in seen[:4]] == [0, 500, 1_000, 1_100]
    assert [each.done for each in seen[4:7]] == [500, 1_000, 1_100]


@pytest.mark.parametrize(("query", "action"), [("", "revoke"), ("  ", "delete"), ("x", "explode")])
def test_nothing_is_done_with_all_tasks_by_mistake(app, query, action):
    send(app)

    with pytest.raises(InvalidMessage):
        app.bulk(query, action, dry_run=False)
    assert len(found(app, "state:queued")) == 1


def test_a_bulk_can_be_awaited(app, clock):
    send(app)
    clock.advance(1)

    assert asyncio.run(app.abulk("shop.add", "revoke", dry_run=False)).done == 1
