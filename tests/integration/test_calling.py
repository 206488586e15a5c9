"""Every way of calling a task, carried by a store to a worker."""

import asyncio
import dataclasses
import datetime as dt
import enum
import threading
import time
import uuid
from decimal import Decimal
from pathlib import Path

import msgspec
import pydantic
import pytest

from celeriac import Task
from celeriac.errors import BrokerUnavailable, EncodeError, InvalidArguments, InvalidMessage, PayloadTooLarge

SOON = 10.0  # seconds; nothing here takes that long


# --- ways to call -----------------------------------------------------------------------------------------


def test_all_ways_of_calling_come_to_the_same(app):
    @app.task
    def add(x: int, y: int = 10) -> int:
        return x + y

    async def from_a_coroutine():
        return [
            await (await add.adelay(1, y=5)),
            await (await add.aapply_async((1,), {"y": 6}, priority=3)),
            *[await result for result in await add.adelay_many([(1, 7), {"x": 1}])],
        ]

    with app.embedded():
        assert add.delay(1, 2).get(timeout=SOON) == 3
        assert add.delay(x=1).get(timeout=SOON) == 11
        assert add.apply_async((1,), {"y": 3}).get(timeout=SOON) == 4
        assert add.apply_async([1]).get(timeout=SOON) == 11
        assert [r.get(timeout=SOON) for r in add.delay_many([(1, 2), {"x": 1, "y": 3}])] == [3, 4]
        assert app.send_task(add.name, (1, 4)).get(timeout=SOON) == 5
        assert asyncio.run(from_a_coroutine()) == [6, 7, 8, 11]


def test_def_async_def_and_classes_run_alike(app):
    @app.task
    def plain(n: int) -> int:
        return n + 1

    @app.task
    async def coroutine(n: int) -> int:
        await asyncio.sleep(0)
        return n + 2

    @app.task(bind=True)
    def bound(self, n: int) -> tuple[str, int]:
        return self.name, n

    @app.task(bind=True)
    async def bound_async(self, n: int) -> tuple[str, int]:
        return self.name, n

    class LongTask(Task):
        name = "long"

        def run(self, n: int) -> int:
            return n + 3

    class LongAsyncTask(Task):
        name = "long-async"

        async def run(self, n: int) -> int:
            return n + 4

    long, long_async = app.register_task(LongTask), app.register_task(LongAsyncTask())

    with app.embedded():
        results = [task.delay(1) for task in (plain, coroutine, bound, bound_async, long, long_async)]

        assert [result.get(timeout=SOON) for result in results] == [
            2,
            3,
            (bound.name, 1),
            (bound_async.name, 1),
            4,
            5,
        ]


# --- types ------------------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    when: dt.datetime


class Struct(msgspec.Struct):
    tags: set[str]


class Model(pydantic.BaseModel):
    amount: Decimal


VALUES = [
    (Point, Point(1, dt.datetime(2026, 1, 2, tzinfo=dt.UTC))),
    (Struct, Struct({"a", "b"})),
    (Model, Model(amount=Decimal("1.10"))),
    (dt.datetime, dt.datetime(2026, 1, 2, 3, 4, 5, 678901, dt.UTC)),
    (dt.date, dt.date(2026, 1, 2)),
    (dt.timedelta, dt.timedelta(days=1, milliseconds=5)),
    (uuid.UUID, uuid.UUID(int=7)),
    (Decimal, Decimal("3.1400")),
    (Colour, Colour.RED),
    (bytes, b"\x00\xff"),
    (set[int], {1, 2}),
    (tuple[int, str], (1, "a")),
    (Path, Path("/tmp/ä")),
    (list[Point], [Point(1, dt.datetime(2026, 1, 2, tzinfo=dt.UTC))]),
]


def test_arguments_and_results_come_back_as_their_annotated_types(app):
    seen = []

    def echo(number, kind):
        def run(value, *, named):
            seen.append((value, named))
            return value

        run.__annotations__ = {"value": kind, "named": kind, "return": kind}
        return app.task(name=f"echo-{number}")(run)

    tasks = [echo(number, kind) for number, (kind, _) in enumerate(VALUES)]

    with app.embedded(concurrency=1):
        results = [task.delay(value, named=value) for task, (_, value) in zip(tasks, VALUES, strict=True)]
        got = [result.get(timeout=SOON) for result in results]

    values = [value for _, value in VALUES]
    assert got == values
    assert [type(value) for value in got] == [type(value) for value in values]
    assert seen == [(value, value) for value in values]


def test_a_result_asked_for_by_id_has_its_type_where_the_task_is_known(memory_app):
    @memory_app.task
    def when() -> dt.date:
        return dt.date(2026, 1, 2)

    with memory_app.embedded():
        task_id = when.delay().id
        assert memory_app.AsyncResult(task_id).get(timeout=SOON) == dt.date(2026, 1, 2)


# --- a wrong call fails at the caller ---------------------------------------------------------------------


def test_a_wrong_call_fails_at_the_caller_however_it_is_made(memory_app):
    @memory_app.task
    def add(x: int, y: int) -> int:
        return x + y

    async def from_a_coroutine():
        for call in (add.adelay(1), add.aapply_async((1,)), add.adelay_many([(1,)])):
            with pytest.raises(InvalidArguments):
                await call

    for call in (
        lambda: add.delay(1),
        lambda: add.delay(1, 2, 3),
        lambda: add.delay(1, z=3),
        lambda: add.apply_async((1,)),
        lambda: add.apply_async((), {"x": 1}),
        lambda: add.delay_many([(1, 2), (1,)]),
        lambda: memory_app.send_task(add.name, (1,)),
        lambda: add.apply((1,)),
    ):
        with pytest.raises(InvalidArguments, match="cannot be called so"):
            call()
    asyncio.run(from_a_coroutine())

    assert memory_app.broker.queues() == []


@pytest.mark.parametrize(
    "value", [object(), lambda: 0, float("nan"), [float("inf")], {"a": {1j}}, Exception(), "\ud800"]
)
def test_an_argument_without_json_form_fails_at_the_caller(memory_app, value):
    @memory_app.task
    def take(x, y=None):
        pass

    for call in (
        lambda: take.delay(value),
        lambda: take.delay(1, y=value),
        lambda: take.delay_many([(value,)]),
        lambda: memory_app.send_task("another", (value,)),
    ):
        with pytest.raises(EncodeError, match="cannot be serialised"):
            call()

    assert memory_app.broker.queues() == []


def test_an_argument_of_50_mb_fails_at_the_caller_and_the_limit_can_be_raised(memory_app):
    @memory_app.task
    def size(text: str) -> int:
        return len(text)

    text = "x" * 50_000_000

    with pytest.raises(PayloadTooLarge, match=r"50,000,.* bytes as JSON, the limit is 16,777,216"):
        size.delay(text)

    memory_app.conf.task_payload_limit = 60_000_000
    with memory_app.embedded():
        assert size.delay(text).get(timeout=SOON) == 50_000_000


# --- options ----------------------------------------------------------------------------------------------


def test_options_reach_the_task(app):
    @app.task(bind=True)
    def look(self, x, y):
        request = self.request
        return {
            name: getattr(request, name)
            for name in (
                "id",
                "task",
                "args",
                "kwargs",
                "retries",
                "crashes",
                "hostname",
                "queue",
                "priority",
                "root_id",
                "parent_id",
                "eta",
                "expires",
                "deadline",
                "headers",
                "is_eager",
                "called_directly",
                "delivery_info",
            )
        }

    before = time.time()
    with app.embedded(queues=["default", "mail"]) as worker:
        result = look.apply_async(
            (1,),
            {"y": 2},
            task_id="my-id",
            countdown=0.01,
            expires=60,
            queue="mail",
            priority=7,
            headers={"trace": "abc"},
            time_limit=30,
        )
        seen = result.get(timeout=SOON)

    after = time.time()
    assert before < seen.pop("eta") < after
    assert before + 60 <= seen.pop("expires") <= after + 60
    assert before + 30 <= seen.pop("deadline") <= after + 30
    assert seen == {
        "id": "my-id",
        "task": look.name,
        "args": [1],
        "kwargs": {"y": 2},
        "retries": 0,
        "crashes": 0,
        "hostname": worker.options.hostname,
        "queue": "mail",
        "priority": 7,
        "root_id": "my-id",
        "parent_id": None,
        "headers": {"trace": "abc"},
        "is_eager": False,
        "called_directly": False,
        "delivery_info": {"queue": "mail", "routing_key": "mail", "priority": 7},
    }


def test_a_child_knows_its_parent_and_root(app):
    family = []
    grown = threading.Event()

    @app.task(bind=True)
    def grow(self, depth):
        family.append((self.request.id, self.request.parent_id, self.request.root_id))
        if depth:
            grow.delay(depth - 1)
        else:
            grown.set()

    with app.embedded():
        root = grow.delay(2).id
        assert grown.wait(SOON)

    ids = [task_id for task_id, _, _ in family]
    assert ids[0] == root
    assert [parent for _, parent, _ in family] == [None, *ids[:-1]]
    assert {found for _, _, found in family} == {root}


def test_a_child_sent_from_a_coroutine_knows_its_parent_too(memory_app):
    @memory_app.task(bind=True)
    async def child(self) -> str | None:
        return self.request.parent_id

    @memory_app.task
    async def parent() -> list[str]:
        sent = [await child.adelay(), await child.aapply_async(), *await child.adelay_many([()])]
        return [result.id for result in sent]

    with memory_app.embedded():
        result = parent.delay()
        ids = result.get(timeout=SOON)
        assert [memory_app.AsyncResult(one).get(timeout=SOON) for one in ids] == [result.id] * 3


def test_an_own_id_makes_sending_repeatable(app):
    runs = []

    @app.task
    def work(n):
        runs.append(n)
        return n

    first = work.apply_async((1,), task_id="order-17")
    second = work.apply_async((2,), task_id="order-17")

    with app.embedded():
        assert first == second
        assert second.get(timeout=SOON) == 1
        assert work.apply_async((3,), task_id="order-17").get(timeout=SOON) == 1

    assert runs == [1]


@pytest.mark.parametrize("when", [{"countdown": -100}, {"countdown": 0}, {"eta": 1.0}])
def test_what_is_due_already_starts_at_once(app, when):
    @app.task
    def work():
        return "done"

    result = work.apply_async(**when)

    with app.embedded():
        assert result.get(timeout=SOON) == "done"


def test_nothing_starts_before_its_time(app):
    @app.task
    def work() -> float:
        return time.time()

    with app.embedded():
        assert work.delay().get(timeout=SOON)
        due = time.time() + 0.5
        results = [
            work.apply_async(countdown=0.5),
            work.apply_async(eta=due),
            work.apply_async(eta=dt.datetime.fromtimestamp(due, dt.UTC)),
        ]
        assert {result.state for result in results} == {"PENDING"}
        started = [result.get(timeout=SOON) for result in results]

    assert all(due <= moment < due + 1.0 for moment in started)


def test_a_naive_eta_is_meant_in_the_applications_zone(memory_app):
    memory_app.conf.timezone = "Asia/Tokyo"

    @memory_app.task
    def work():
        pass

    eta = dt.datetime(2040, 1, 1, 9)
    record = memory_app.broker.get([work.apply_async(eta=eta).id])[0]

    assert record.message.eta == dt.datetime(2040, 1, 1, tzinfo=dt.UTC).timestamp()


def test_an_expired_task_is_never_run(app):
    runs = []

    @app.task
    def work():
        runs.append(1)

    result = work.apply_async(expires=-1)

    with app.embedded():
        assert [update.state for update in result.updates(timeout=SOON)][-1] == "REVOKED"

    assert not runs
    assert "expired" in str(result.info)


def test_the_larger_priority_runs_first(app):
    order = []

    @app.task
    def work(n):
        order.append(n)

    results = [work.apply_async((n,), priority=n % 5) for n in range(10)]

    with app.embedded(concurrency=1):
        for result in results:
            result.get(timeout=SOON)

    assert order == [4, 9, 3, 8, 2, 7, 1, 6, 0, 5]


def test_routes_and_queues_keep_work_apart(app):
    app.conf.task_routes = {"mail.*": "mail"}

    @app.task(name="mail.send")
    def send():
        return "sent"

    @app.task
    def other():
        return "other"

    mail, plain = send.delay(), other.delay()
    with app.embedded(queues=["mail"]):
        assert mail.get(timeout=SOON) == "sent"
        assert (mail.queue, plain.queue) == ("mail", "default")
        assert plain.state == "PENDING"


def test_ignored_results_are_not_kept(app):
    @app.task(ignore_result=True)
    def silent() -> int:
        return 3

    with app.embedded():
        assert silent.delay().get(timeout=SOON) is None
        assert silent.apply_async(ignore_result=False).get(timeout=SOON) == 3
        result = silent.delay()
        result.get(timeout=SOON)
        assert result.state == "SUCCESS"


def test_bulk_calls_have_no_id_of_their_own(memory_app):
    task = memory_app.task(lambda: None)

    for call in (
        lambda: task.delay_many([()], task_id="x"),
        lambda: asyncio.run(task.adelay_many([()], task_id="x")),
    ):
        with pytest.raises(TypeError, match="task_id"):
            call()


def test_an_unknown_option_of_a_call_is_an_error(memory_app):
    task = memory_app.task(lambda: None)

    for call in (
        lambda: task.apply_async(count_down=3),
        lambda: task.delay_many([()], count_down=3),
        lambda: memory_app.send_task("x", count_down=3),
        lambda: task.apply(count_down=3),
    ):
        with pytest.raises(TypeError, match="count_down"):
            call()


# --- many -------------------------------------------------------------------------------------------------


def test_a_generator_is_sent_in_batches_and_never_drawn_far_ahead(memory_app, monkeypatch):
    @memory_app.task
    def add(x, y=0):
        return x + y

    drawn, sent = 0, []
    send = memory_app.broker.send

    def calls():
        nonlocal drawn
        for n in range(3_500):
            drawn += 1
            yield (n, 1) if n % 2 else {"x": n}

    def spy(messages, now):
        assert drawn - sum(sent) <= 1_000
        sent.append(len(messages))
        return send(messages, now)

    monkeypatch.setattr(memory_app.broker, "send", spy)
    results = add.delay_many(calls(), queue="bulk")

    assert sent == [1_000, 1_000, 1_000, 500]
    assert len({result.id for result in results}) == 3_500
    assert memory_app.broker.queues()[0].queued == 3_500


def test_bulk_calls_are_all_run(app):
    @app.task
    async def double(n: int) -> int:
        return 2 * n

    with app.embedded():
        results = double.delay_many((n,) for n in range(2_500))
        assert [result.get(timeout=30) for result in results] == [2 * n for n in range(2_500)]


def test_a_failing_batch_says_how_many_calls_had_been_sent(memory_app):
    @memory_app.task
    def work(n):
        pass

    async def from_a_coroutine():
        await work.adelay_many([*[(n,) for n in range(1_000)], ()])

    for call in (
        lambda: work.delay_many([*[(n,) for n in range(1_000)], ()]),
        lambda: asyncio.run(from_a_coroutine()),
    ):
        with pytest.raises(InvalidArguments) as caught:
            call()
        assert caught.value.__notes__ == ["1000 calls had been sent before"]


# --- coroutines -------------------------------------------------------------------------------------------


def test_adelay_never_blocks_the_loop_and_coalesces_what_comes_together(memory_app, monkeypatch):
    task = memory_app.task(lambda n: n)
    in_send, may_go = threading.Event(), threading.Event()
    batches = []
    send = memory_app.broker.send

    def slow_send(messages, now):
        batches.append(len(messages))
        in_send.set()
        assert may_go.wait(SOON)
        return send(messages, now)

    async def main():
        first = asyncio.ensure_future(task.adelay(0))
        await asyncio.to_thread(in_send.wait, SOON)
        others = [asyncio.ensure_future(task.adelay(n)) for n in range(1, 501)]
        for _ in range(100):  # the loop turns though the store does not answer
            await asyncio.sleep(0)
        assert not first.done()
        may_go.set()
        return [await first, *await asyncio.gather(*others)]

    monkeypatch.setattr(memory_app.broker, "send", slow_send)
    results = asyncio.run(main())

    assert batches == [1, 500]
    assert len({result.id for result in results}) == 501


def test_a_message_that_the_store_refuses_fails_alone(memory_app, monkeypatch):
    task = memory_app.task(lambda n: n)
    send = memory_app.broker.send

    def picky_send(messages, now):
        if any(message.queue == "bad" for message in messages):
            raise InvalidMessage("not this one")
        return send(messages, now)

    async def main():
        calls = [task.aapply_async((n,), queue="bad" if n == 5 else "good") for n in range(10)]
        return await asyncio.gather(*calls, return_exceptions=True)

    monkeypatch.setattr(memory_app.broker, "send", picky_send)
    answers = asyncio.run(main())

    assert isinstance(answers.pop(5), InvalidMessage)
    assert {answer.state for answer in answers} == {"PENDING"}


def test_a_cancelled_caller_does_not_disturb_the_others(memory_app, monkeypatch):
    task = memory_app.task(lambda n: n)
    in_send, may_go = threading.Event(), threading.Event()
    send = memory_app.broker.send

    def slow_send(messages, now):
        in_send.set()
        assert may_go.wait(SOON)
        return send(messages, now)

    async def main():
        one, two = (asyncio.ensure_future(task.adelay(n)) for n in (1, 2))
        await asyncio.to_thread(in_send.wait, SOON)
        one.cancel()
        may_go.set()
        return await asyncio.gather(one, two, return_exceptions=True)

    monkeypatch.setattr(memory_app.broker, "send", slow_send)
    cancelled, sent = asyncio.run(main())

    assert isinstance(cancelled, asyncio.CancelledError)
    assert sent.state == "PENDING"


def test_every_loop_in_a_process_can_send(app):
    task = app.task(lambda n: n)

    async def send(n):
        return await task.adelay(n)

    ids = [asyncio.run(send(n)).id for n in range(3)]

    assert [app.AsyncResult(one).state for one in ids] == ["PENDING"] * 3


# --- a store that is away ---------------------------------------------------------------------------------


def test_a_call_gives_up_within_its_deadline_and_at_once_when_asked(url_of, start_redis):
    from celeriac import Celeriac

    server = start_redis()
    with Celeriac("away", broker=server.url, broker_connection_timeout=0.5) as app:
        task = app.task(lambda: None)
        task.delay()
        server.stop()

        def seconds(call):
            before = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                call()
            return time.monotonic() - before

        assert seconds(lambda: task.delay()) < 1.5
        assert seconds(lambda: task.apply_async(retry=False)) < 0.4
        assert seconds(lambda: asyncio.run(task.adelay())) < 1.5
        assert seconds(lambda: asyncio.run(task.aapply_async(retry=False))) < 0.4
        server.start()
        assert task.delay().state == "PENDING"
