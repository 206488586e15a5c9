"""What Sentry is told of tasks on real workers: how many events, whose they are, and what stands in them."""

import asyncio
import json
from collections.abc import Callable, Iterator

import pytest
import sentry_sdk
from sentry_sdk.transport import Transport

from celeriac.contrib.sentry import SentryMiddleware
from celeriac.message import Message, new_ids
from tests.integration.command_line import started
from tests.waiting import wait_until

SOON = 10.0


class Sent(Transport):
    """Keeps what would go to Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict] = []

    def capture_envelope(self, envelope) -> None:
        self.events += [item.payload.json for item in envelope.items if item.type == "event"]

    def wait_for(self, count: int) -> list[dict]:
        wait_until(lambda: len(self.events) >= count, SOON, what=f"{count} events")
        return self.events

    @property
    def one(self) -> dict:
        [event] = self.wait_for(1)
        return event


@pytest.fixture
def sent() -> Iterator[Sent]:
    sent = Sent()
    with sentry_sdk.isolation_scope(), sentry_sdk.new_scope():
        sentry_sdk.init("http://key@localhost/1", transport=sent, default_integrations=True)
        yield sent
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(None)


@pytest.fixture
def told(memory_app, sent) -> Callable[..., object]:
    """The application, whose errors are told."""
    memory_app.add_middleware(SentryMiddleware())
    return memory_app


def frames_of(event: dict) -> list[str]:
    return [frame["function"] for frame in event["exception"]["values"][-1]["stacktrace"]["frames"]]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_failure_is_one_event_with_the_task_and_its_own_traceback(told, sent, kind):
    def deep():
        raise ValueError("no such card")

    def charge(order):
        deep()

    async def acharge(order):
        await asyncio.sleep(0)
        deep()

    task = told.task(name="shop.charge", queue="money")(charge if kind == "def" else acharge)
    with told.embedded(queues=["money"]) as worker:
        result = task.delay(7)
        result.get(timeout=SOON, propagate=False)
        event = sent.one
    [error] = event["exception"]["values"]

    assert (error["type"], error["value"]) == ("ValueError", "no such card")
    assert error["mechanism"] == {"type": "celeriac", "handled": False}
    assert frames_of(event) == ["charge" if kind == "def" else "acharge", "deep"]
    assert event["transaction"] == "shop.charge"
    assert event["transaction_info"] == {"source": "task"}
    assert event["level"] == "error"
    assert "fingerprint" not in event
    assert event["tags"] == {
        "celeriac.task": "shop.charge",
        "celeriac.task_id": result.id,
        "celeriac.queue": "money",
        "celeriac.worker": worker.options.hostname,
    }
    assert event["contexts"]["celeriac"]["retries"] == 0


def test_retries_are_not_told_but_the_last_one(told, sent):
    @told.task(bind=True, autoretry_for=(OSError,), max_retries=2, default_retry_delay=0.01)
    def fetch(self):
        raise OSError("line broke")

    with told.embedded():
        fetch.delay().get(timeout=SOON, propagate=False)
        event = sent.one

    assert event["contexts"]["celeriac"]["retries"] == 2


def test_retries_are_told_as_warnings_to_those_who_ask(memory_app, sent):
    memory_app.add_middleware(SentryMiddleware(retries=True))

    @memory_app.task(bind=True)
    def fetch(self):
        try:
            raise OSError("line broke")
        except OSError as error:
            raise self.retry(exc=error, countdown=0, max_retries=1)  # noqa: B904 - as people write it

    with memory_app.embedded():
        fetch.delay().get(timeout=SOON, propagate=False)
        events = sent.wait_for(2)

    assert [event["level"] for event in events] == ["warning", "error"]
    assert {event["exception"]["values"][-1]["type"] for event in events} == {"OSError"}
    assert frames_of(events[0]) == frames_of(events[1]) == ["fetch"]


def test_when_retries_run_out_without_an_error_that_is_the_error(told, sent):
    @told.task(bind=True)
    def fetch(self):
        raise self.retry(countdown=0, max_retries=0)

    with told.embedded():
        fetch.delay().get(timeout=SOON, propagate=False)
        event = sent.one

    assert [error["type"] for error in event["exception"]["values"]] == ["Retry", "MaxRetriesExceededError"]


@pytest.mark.parametrize(("expected", "count"), [(False, 0), (True, 1)])
def test_expected_errors_are_told_to_those_who_ask(memory_app, sent, expected, count):
    memory_app.add_middleware(SentryMiddleware(expected=expected))

    @memory_app.task(throws=(LookupError,))
    def find():
        raise KeyError("gone")

    with memory_app.embedded():
        find.delay().get(timeout=SOON, propagate=False)

    assert len(sent.events) == count


def test_success_and_control_are_not_told(told, sent):
    from celeriac import Ignore, Reject

    @told.task
    def control(what):
        if what:
            raise {"ignore": Ignore(), "reject": Reject("no")}[what]

    with told.embedded():
        for what in ("", "ignore"):
            control.delay(what).get(timeout=SOON, propagate=False)

    assert sent.events == []


def test_tags_and_breadcrumbs_stay_with_their_task(told, sent):
    async def work(number):
        sentry_sdk.set_tag(f"own-{number}", "yes")
        sentry_sdk.add_breadcrumb(message=f"step {number}")
        await asyncio.sleep(0.001)
        raise ValueError(number)

    task = told.task(name="async")(work)

    @told.task(name="threads")
    def in_thread(number):
        sentry_sdk.set_tag(f"own-{number}", "yes")
        sentry_sdk.add_breadcrumb(message=f"step {number}")
        raise ValueError(number)

    sentry_sdk.add_breadcrumb(message="of nobody")
    with told.embedded(threads=2):
        results = [(task if n % 2 else in_thread).delay(n) for n in range(20)]
        for result in results:
            result.get(timeout=SOON, propagate=False)
        events = sent.wait_for(20)

    for event in events:
        number = event["exception"]["values"][-1]["value"]
        assert [tag for tag in event["tags"] if tag.startswith("own-")] == [f"own-{number}"]
        assert [crumb["message"] for crumb in event["breadcrumbs"]["values"]] == [f"step {number}"]


def test_what_a_task_captures_itself_has_its_tags(told, sent):
    @told.task(name="shop.look")
    def look():
        sentry_sdk.capture_message("odd")

    with told.embedded():
        result = look.delay()
        result.get(timeout=SOON)

    assert sent.one["tags"]["celeriac.task_id"] == result.id
    assert sent.one["transaction"] == "shop.look"


def test_the_error_of_a_batch_is_one_event(told, sent):
    @told.task(batch_size=2, batch_wait=30.0)
    def save(items):
        raise ValueError("disk full")

    with told.embedded():
        results = [save.delay(n) for n in range(2)]
        for result in results:
            result.get(timeout=SOON, propagate=False)
        event = sent.one

    assert frames_of(event) == ["save"]
    assert event["contexts"]["celeriac"]["ids"] == [result.id for result in results]


def test_errors_of_calls_in_a_batch_are_events_of_their_own(told, sent):
    @told.task(batch_size=3, batch_wait=30.0)
    def save(items):
        return [ValueError(f"no {item}") if item else None for item in items]

    with told.embedded():
        results = [save.delay(n) for n in range(3)]
        for result in results:
            result.get(timeout=SOON, propagate=False)
        events = sent.wait_for(2)

    assert {event["tags"]["celeriac.task_id"] for event in events} == {result.id for result in results[1:]}


def test_a_call_that_cannot_start_is_told_too(told, sent):
    @told.task(name="shop.add")
    def add(x, y):
        return x + y

    with told.embedded():
        told.publish([Message("1" * 28, "shop.add", payload=b"[[1],{}]", created=told.clock.now())])
        event = sent.one

    assert event["exception"]["values"][-1]["type"] == "InvalidArguments"
    assert event["tags"]["celeriac.task_id"] == "1" * 28


MODULE = """
import json, os, sentry_sdk
from celeriac import Celeriac
from celeriac.contrib.sentry import SentryMiddleware
from sentry_sdk.transport import Transport

class File(Transport):
    def capture_envelope(self, envelope):
        with open("events", "a") as file:
            for item in envelope.items:
                if item.type == "event":
                    file.write(json.dumps(item.payload.json, default=str) + "\\n")

sentry_sdk.init("http://key@localhost/1", transport=File())
app = Celeriac("shop", broker="sqlite:///shop.db")
app.add_middleware(SentryMiddleware())

@app.task(name="fail", executor="process")
def fail():
    raise ValueError("alone")

@app.task(name="die", executor="process", crash_limit=0)
def die():
    os._exit(3)

@app.task(name="late", time_limit=0.3)
async def late():
    import asyncio
    await asyncio.sleep(60)
"""


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("fail", "ValueError", "alone"),
        ("die", "WorkerLostError", "the process that ran it died"),
        ("late", "TimeLimitExceeded", ""),
    ],
)
def test_a_real_worker_tells_once(tmp_path, name, error, said):
    from celeriac import Celeriac

    (tmp_path / "shop.py").write_text(MODULE)
    with (
        Celeriac("shop", broker=f"sqlite:///{tmp_path}/shop.db", set_as_current=False) as app,
        started("-A", "shop", "worker", "--processes", "1", cwd=tmp_path) as worker,
    ):
        [task_id] = new_ids(1, app.clock.now())
        app.publish([Message(task_id, name, created=app.clock.now(), crash_limit=0)])
        app.AsyncResult(task_id).get(timeout=60, propagate=False)
        assert worker.stop() == 0
    [event] = map(json.loads, (tmp_path / "events").read_text().splitlines())
    last = event["exception"]["values"][-1]

    assert last["type"] == error
    assert said in last["value"]
    assert event["tags"]["celeriac.task_id"] == task_id
