"""unique, on_conflict, throttle, debounce, idempotency_key: as people write them, on each store."""

import asyncio
import itertools
import pickle
from datetime import timedelta

import pytest

from celeriac import Celeriac, Middleware, chain, chord, group
from celeriac.clock import ManualClock
from celeriac.errors import ConfigurationError, DuplicateTask, InvalidMessage, TaskRevokedError

SOON = 10.0
_numbers = itertools.count(1)


@pytest.fixture
def still(url):
    """An application whose clock stands still; nothing runs."""
    with Celeriac(f"unique-{next(_numbers)}", broker=url, clock=ManualClock(), set_as_current=False) as app:
        yield app


def test_the_same_call_gives_the_first_ones_result_until_that_has_ended(app):
    ran = []

    @app.task(unique=True)
    def work(n, *, size=1):
        ran.append((n, size))
        return len(ran)

    first, same, kwargs, other = work.delay(1), work.delay(1), work.delay(n=1, size=1), work.delay(2)
    assert first.id == same.id == kwargs.id != other.id
    with app.embedded():
        assert [result.get(timeout=SOON) for result in (first, same, other)] == [1, 1, 2]
        assert work.delay(1).get(timeout=SOON) == 3

    assert ran == [(1, 1), (2, 1), (1, 1)]


@pytest.mark.parametrize("key", ["customer", lambda customer, cents: customer])
def test_with_a_key_only_that_has_to_be_the_same(still, key):
    work = still.task(unique=True, key=key, name="work")(lambda customer, cents: None)

    assert work.delay("ada", 1).id == work.delay("ada", 2).id != work.delay("bob", 1).id


def test_a_conflict_may_raise_the_error_that_names_the_first_one(still):
    work = still.task(unique=True, on_conflict="raise", name="work")(lambda n: None)
    first = work.delay(1)

    with pytest.raises(DuplicateTask) as raised:
        work.delay(1)

    assert raised.value.id == first.id
    assert first.id in str(raised.value)


def test_of_many_calls_a_conflict_tells_which_have_been_sent(still, monkeypatch):
    monkeypatch.setattr("celeriac.task.BULK", 2)  # calls in a batch
    work = still.task(unique=True, on_conflict="raise", name="work")(lambda n: None)
    first = work.delay(4)

    with pytest.raises(DuplicateTask) as raised:
        work.delay_many([(1,), (2,), (3,), (4,), (5,)])

    assert raised.value.id == first.id
    assert raised.value.__notes__ == ["3 calls had been sent before"]
    assert [still.AsyncResult(each).name for each in raised.value.sent] == ["work"] * 3
    assert [info.queued for info in still.queues()] == [4]

    with pytest.raises(DuplicateTask) as raised:
        asyncio.run(work.adelay_many([(6,), (6,)]))

    assert raised.value.sent == (raised.value.id,)


def test_a_conflict_survives_its_way_between_processes():
    error = pickle.loads(pickle.dumps(DuplicateTask("taken", "task-1", ["task-2"])))

    assert (str(error), error.id, error.sent) == ("taken", "task-1", ("task-2",))


def test_a_conflict_may_replace_the_one_that_waits(app):
    work = app.task(unique=True, key="customer", on_conflict="replace", name="work")(lambda customer, n: n)
    first, second = work.delay("ada", 1), work.delay("ada", 2)

    with app.embedded():
        assert second.get(timeout=SOON) == 2
        with pytest.raises(TaskRevokedError, match="a newer call took its place"):
            first.get(timeout=SOON)


@pytest.mark.parametrize("options", [{"unique": 60}, {"throttle": timedelta(minutes=1)}])
def test_for_a_minute_there_is_one_call_whatever_becomes_of_it(still, options):
    work = still.task(name="work", **options)(lambda: None)
    first = work.delay()
    first.revoke()
    still.clock.advance(59)
    assert work.delay().id == first.id
    still.clock.advance(2)

    assert work.delay().id != first.id


def test_a_debounced_call_waits_and_the_newest_one_is_run(still):
    work = still.task(debounce=5, key="document", name="work")(lambda document, text: None)
    results = []
    for text in "abc":
        results.append(work.delay("readme", text))
        still.clock.advance(3)

    states = [result.state for result in results]
    assert states == ["REVOKED", "REVOKED", "PENDING"]
    [record] = still.broker.get([results[2].id])
    assert record.due == pytest.approx(still.clock.now() + 2, abs=0.5)
    assert record.message.payload == b'[["readme","c"],{}]'


def test_an_idempotency_key_gives_the_first_runs_result_also_after_its_end(app):
    ran = []

    @app.task
    def charge(cents):
        ran.append(cents)
        return cents

    @app.task
    def refund(cents):
        return -cents

    with app.embedded():
        assert charge.apply_async((5,), idempotency_key="order 7").get(timeout=SOON) == 5
        assert charge.apply_async((6,), idempotency_key="order 7").get(timeout=SOON) == 5
        assert refund.apply_async((7,), idempotency_key="order 7").get(timeout=SOON) == -7

    assert ran == [5]


@pytest.mark.parametrize(
    "options",
    [{"unique": True}, {"unique": True, "on_conflict": "raise"}, {"throttle": 60}, {"debounce": 60}],
)
@pytest.mark.parametrize("way", ["apply_async", "delay_many", "signature", "by name", "apply"])
def test_a_unique_task_takes_no_idempotency_key_that_would_make_it_another(memory_app, options, way):
    work = memory_app.task(name="work", **options)(lambda n: None)
    ways = {
        "apply_async": lambda **key: work.apply_async((1,), **key),
        "delay_many": lambda **key: work.delay_many([(1,)], **key),
        "signature": lambda **key: work.s(1).apply_async(**key),
        "by name": lambda **key: memory_app.send_task("work", (1,), **key),
        "apply": lambda **key: work.apply((1,), **key),
    }

    with pytest.raises(InvalidMessage, match=r"^work is unique.* no idempotency key"):
        ways[way](idempotency_key="order 7")
    assert not memory_app.queues()


def test_an_idempotency_key_holds_for_a_task_that_is_known_elsewhere_only(still):
    first = still.send_task("elsewhere", (1,), idempotency_key="order 7")

    assert still.send_task("elsewhere", (2,), idempotency_key="order 7").id == first.id
    by_signature = still.signature("elsewhere", (3,), remote=True)
    assert by_signature.apply_async(idempotency_key="order 7").id == first.id
    assert still.send_task("elsewhere", (2,), idempotency_key="order 8").id != first.id


@pytest.mark.parametrize("shape", ["chain", "chain of one", "group", "chord", "link", "schedule"])
def test_nothing_larger_has_an_idempotency_key(memory_app, shape):
    work = memory_app.task(name="work")(lambda n=0: None)
    key = {"idempotency_key": "order 7"}
    ways = {
        "chain": lambda: chain(work.si(1), work.si(2)).apply_async(**key),
        "chain of one": lambda: chain(work.si(1)).apply_async(**key),
        "group": lambda: group(work.si(1), work.si(2)).apply_async(**key),
        "chord": lambda: chord([work.si(1), work.si(2)], work.si(3)).apply_async(**key),
        "link": lambda: work.apply_async((1,), link=work.si(2), **key),
        "schedule": lambda: memory_app.schedules.add("s", 60, chain(work.si(1), work.si(2)).set(**key)),
    }

    with pytest.raises(InvalidMessage, match="an idempotency key, so another task may stand for it"):
        ways[shape]()
    assert not memory_app.queues()


def test_coroutines_and_bulk_calls_know_it_too(memory_app):
    work = memory_app.task(unique=True, name="work")(lambda n: None)

    async def main():
        first = await work.adelay(1)
        assert (await work.aapply_async((1,))).id == first.id
        assert len({result.id for result in await work.adelay_many([(1,), (2,)])}) == 2
        assert (await work.s(1).adelay()).id == first.id
        return first

    first = asyncio.run(main())
    assert len({result.id for result in work.delay_many([(1,), (2,), (2,)])}) == 2
    assert work.s(1).delay().id == first.id


@pytest.mark.parametrize("shape", ["chain", "group", "link", "schedule"])
def test_a_unique_task_can_be_no_part_of_something_larger(memory_app, shape):
    work = memory_app.task(unique=True, name="work")(lambda n=0: None)
    plain = memory_app.task(lambda n=0: None, name="plain")
    ways = {
        "chain": lambda: chain(plain.s(), work.si(1)).delay(),
        "group": lambda: group(work.s(1), work.s(2)).delay(),
        "link": lambda: work.apply_async((1,), link=plain.si()),
        "schedule": lambda: memory_app.schedules.add("s", 60, work.s(1)),
    }

    with pytest.raises(InvalidMessage, match="is unique"):
        ways[shape]()


@pytest.mark.parametrize(
    "options",
    [
        {"unique": -1},
        {"unique": "yes"},
        {"throttle": 0},
        {"debounce": True},
        {"unique": True, "throttle": 5},
        {"on_conflict": "raise"},
        {"unique": True, "on_conflict": "explode"},
        {"debounce": 5, "on_conflict": "raise"},
        {"key": "n"},
    ],
)
def test_options_that_make_no_sense_are_refused(memory_app, options):
    with pytest.raises(ConfigurationError, match="work"):
        memory_app.task(name="work", **options)(lambda n: None)


def test_middleware_hears_only_of_what_was_sent(memory_app):
    sent = []

    class Ears(Middleware):
        def after_publish(self, message):
            sent.append(message.id)

    memory_app.add_middleware(Ears())
    work = memory_app.task(unique=True, name="work")(lambda: None)

    assert [work.delay().id, work.delay().id] == sent * 2
