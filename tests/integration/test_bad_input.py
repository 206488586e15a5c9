"""Bad input and bad days that one process can see: a clear error, no lost task, and the worker goes on."""

import asyncio
import sqlite3
import threading

import pytest

from celeriac import Celeriac
from celeriac.errors import (
    DecodeError,
    EncodeError,
    InvalidArguments,
    InvalidName,
    PayloadTooLarge,
    TaskFailed,
)
from celeriac.message import Message
from tests.waiting import wait_until

SOON = 10.0


@pytest.fixture
def alive(app):
    """Say that a worker of *app* still runs tasks."""
    probe = app.task(name="alive")(lambda: "alive")
    return lambda: probe.delay().get(timeout=SOON) == "alive"


both = pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])


def make(app, is_async, body):
    """Make a task of the plain function *body*, as `def` or `async def`."""
    if is_async:

        async def work():
            await asyncio.sleep(0)
            return body()
    else:

        def work():
            return body()

    return app.task(name="work")(work)


# --- unknown names ----------------------------------------------------------------------------------------


def test_an_unknown_task_waits_for_a_worker_that_knows_it(app, alive):
    result = app.send_task("known.later", (1,), {"y": 2})

    with app.embedded():
        assert alive()
        assert result.state == "PENDING"
        wait_until(lambda: [queue.parked for queue in app.broker.queues()] == [1], what="it to be parked")

    app.task(name="known.later")(lambda x, y: x + y)
    with app.embedded():
        assert result.get(timeout=SOON) == 3


def test_an_unknown_task_is_run_though_another_worker_does_not_know_it(app, alive):
    """As in a rolling deploy: old workers and new ones serve the same queue."""
    with app.embedded():
        app.task(name="new")(lambda: "done")
        with app.embedded():
            results = [app.tasks["new"].delay() for _ in range(20)]
            assert [result.get(timeout=3) for result in results] == ["done"] * 20


def test_a_known_task_called_wrongly_by_a_stranger_fails_with_the_signature(app, alive):
    @app.task(name="strict")
    def strict(x: int) -> int:
        return x

    with Celeriac(app.main, broker=app.broker_url, set_as_current=False) as stranger:
        if app.broker_url.startswith("memory:"):
            stranger._connection.use(app.broker)
        results = [
            stranger.send_task("strict"),
            stranger.send_task("strict", (1, 2)),
            stranger.send_task("strict", ("no number",)),
        ]
    with app.embedded():
        for result, said in zip(results, ["missing", "too many", "Expected `int`"], strict=True):
            with pytest.raises(InvalidArguments, match=said):
                app.AsyncResult(result.id).get(timeout=SOON)
        assert alive()


# --- values -----------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    "value",
    [object(), float("nan"), [float("inf")], {"x": 1j}, lambda: 0],
    ids=["object", "nan", "inf", "complex", "function"],
)
def test_a_result_without_json_form_fails_the_task(memory_app, is_async, value):
    work = make(memory_app, is_async, lambda: value)

    with memory_app.embedded():
        result = work.delay()
        with pytest.raises(EncodeError, match="the result of work cannot be serialised"):
            result.get(timeout=SOON)
    assert result.state == "FAILURE"


def test_a_result_larger_than_the_limit_fails_the_task(app, alive):
    app.conf.result_payload_limit = 1_000

    @app.task
    def work(size: int) -> str:
        return "x" * size

    with app.embedded():
        with pytest.raises(
            PayloadTooLarge, match=r"the result of .* is 2,002 bytes as JSON, the limit is 1,000"
        ):
            work.delay(2_000).get(timeout=SOON)
        assert len(work.delay(900).get(timeout=SOON)) == 900
        assert alive()


def test_a_result_that_cannot_become_the_annotated_type_is_an_error_of_the_caller(memory_app):
    @memory_app.task
    def work() -> int:
        return "no number"

    with memory_app.embedded():
        result = work.delay()
        with pytest.raises(DecodeError, match=r"the result of .* cannot be read"):
            result.get(timeout=SOON)
    assert result.state == "SUCCESS"
    [update] = result.updates()
    assert update.result == "no number"


@pytest.mark.parametrize(
    "text", ["\0", "\u202e", "a\nb", "\x1b[31m", "𝄞", "'; drop table tasks; --", "{{7*7}}"], ids=ascii
)
def test_strange_text_comes_through_unharmed(app, text):
    echo = app.task(lambda value, **named: [value, named])

    with app.embedded():
        assert echo.delay(text, **{text: text}).get(timeout=SOON) == [text, {text: text}]


def test_large_and_deep_values_come_through(app):
    echo = app.task(lambda value: value)
    deep = 1
    for _ in range(500):
        deep = [deep]

    with app.embedded():
        assert echo.delay("x" * 5_000_000).get(timeout=SOON) == "x" * 5_000_000
        assert echo.delay(deep).get(timeout=SOON) == deep


def test_a_value_that_is_nested_without_end_fails_at_the_caller(memory_app):
    endless: list = []
    endless.append(endless)

    with pytest.raises(EncodeError, match="nested too deeply"):
        memory_app.task(lambda value: value).delay(endless)


# --- names ------------------------------------------------------------------------------------------------


HOSTILE = ["a\nb", "a\0b", "a b", "a{b}", "../../etc/passwd\n", "x" * 10_000, "", "\ud800", "a'b", 'a"b']


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
def test_no_hostile_name_queue_or_id_reaches_a_store(memory_app, name):
    work = memory_app.task(lambda: None)

    for call in (
        lambda: memory_app.send_task(name),
        lambda: work.apply_async(queue=name),
        lambda: work.apply_async(task_id=name),
        lambda: work.delay_many([()], queue=name),
        lambda: memory_app.AsyncResult(name),
        lambda: memory_app.embedded(queues=[name]),
    ):
        with pytest.raises(InvalidName):
            call()
    assert memory_app.broker.queues() == []


@pytest.mark.parametrize("name", ["a:b:c", "..", "celeriac:queue", "größe", "x" * 128, "@", "~", "1=1"])
def test_an_odd_but_legal_name_works_as_queue_and_id(app, name):
    work = app.task(lambda: "done")

    with app.embedded(queues=[name]):
        result = work.apply_async(queue=name, task_id=name)
        assert result.get(timeout=SOON) == "done"
        assert (result.queue, result.id) == (name, name)


def test_odd_but_legal_task_names_work(app):
    tasks = [app.task(name=name)(lambda: "done") for name in ("../x", "a:b", "a.<locals>.b", "é" * 255)]

    with app.embedded():
        assert [task.delay().get(timeout=SOON) for task in tasks] == ["done"] * 4


# --- errors -----------------------------------------------------------------------------------------------


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class Worse(Exception):
    @property
    def args(self):
        raise RuntimeError("no arguments either")

    def __str__(self) -> str:
        raise SystemExit(1)


@both
@pytest.mark.parametrize("kind", [Mute, Worse])
def test_an_error_whose_str_raises_fails_the_task_and_nothing_else(memory_app, is_async, kind):
    def body():
        raise kind

    work = make(memory_app, is_async, body)
    with memory_app.embedded():
        result = work.delay()
        with pytest.raises(TaskFailed, match="its __str__ raised"):
            result.get(timeout=SOON)
        assert result.state == "FAILURE"
        with pytest.raises(TaskFailed):
            work.delay().get(timeout=SOON)


class OddError(BaseException):
    pass


@both
@pytest.mark.parametrize(
    "error",
    [SystemExit(3), KeyboardInterrupt(), OddError("odd"), GeneratorExit()],
    ids=lambda e: type(e).__name__,
)
def test_an_error_that_is_no_exception_fails_the_task_and_not_the_worker(app, alive, is_async, error):
    def body():
        raise error

    work = make(app, is_async, body)
    with app.embedded():
        result = work.delay()
        with pytest.raises(TaskFailed, match=type(error).__name__):
            result.get(timeout=SOON)
        assert result.state == "FAILURE"
        assert alive()


def test_a_cancellation_of_its_own_making_fails_a_coroutine(memory_app):
    @memory_app.task
    async def work():
        raise asyncio.CancelledError

    @memory_app.task
    async def cancels_itself():
        asyncio.current_task().cancel()
        await asyncio.sleep(60)

    with memory_app.embedded():
        for task in (work, cancels_itself):
            with pytest.raises(TaskFailed, match="CancelledError"):
                task.delay().get(timeout=SOON)


def test_stop_iteration_fails_a_task_like_any_error(memory_app):
    @memory_app.task
    def work():
        raise StopIteration(3)

    @memory_app.task
    async def work_async():
        raise StopIteration(3)

    with memory_app.embedded():
        for task in (work, work_async):
            with pytest.raises((StopIteration, RuntimeError, TaskFailed)):
                task.delay().get(timeout=SOON)


def test_an_error_with_a_huge_message_and_traceback_is_cut(app):
    def deep(n):
        if n:
            deep(n - 1)
        raise ValueError("x" * 1_000_000)

    work = app.task(name="work")(lambda: deep(200))

    with app.embedded():
        result = work.delay()
        with pytest.raises((ValueError, TaskFailed)):
            result.get(timeout=SOON)
    assert 1_000 < len(result.traceback) <= 64 * 1024
    [update] = result.updates()
    assert len(update.error) <= 16 * 1024


def test_endless_recursion_fails_the_task(app, alive):
    def endless():
        return endless()

    work = app.task(name="work")(endless)

    with app.embedded():
        with pytest.raises(RecursionError):
            work.delay().get(timeout=SOON)
        assert alive()


def test_running_out_of_memory_in_python_fails_the_task(app, alive):
    work = app.task(name="work")(lambda: bytearray(1 << 62))

    with app.embedded():
        with pytest.raises(MemoryError):
            work.delay().get(timeout=SOON)
        assert alive()


def test_a_thread_that_a_task_leaves_behind_disturbs_nobody(memory_app):
    may_end = threading.Event()

    @memory_app.task
    def work():
        threading.Thread(target=may_end.wait, args=(SOON,), daemon=True).start()
        return "done"

    with memory_app.embedded():
        assert work.delay().get(timeout=SOON) == "done"
    may_end.set()


# --- broken records ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"\xff\xfe", b"{", b"[1]", b'{"a": 1}', b"[[], []]", b'["x", {}]'])
def test_a_message_with_broken_arguments_fails_and_the_worker_goes_on(app, alive, payload):
    app.task(name="work")(lambda *args: None)
    app.broker.send([Message("broken", "work", payload=payload, created=app.clock.now())], app.clock.now())

    with app.embedded():
        with pytest.raises(DecodeError):
            app.AsyncResult("broken").get(timeout=SOON)
        assert alive()


@both
@pytest.mark.parametrize("options", [b"\xff", b"[]", b'{"time_limit": "x"}', b'{"headers": 3}'])
def test_a_message_with_broken_options_fails_and_the_worker_goes_on(app, alive, options, is_async):
    make(app, is_async, lambda: None)
    app.broker.send([Message("broken", "work", options=options, created=app.clock.now())], app.clock.now())

    with app.embedded():
        with pytest.raises(DecodeError, match="options"):
            app.AsyncResult("broken").get(timeout=SOON)
        assert alive()


def test_a_record_with_broken_bytes_is_a_failure_that_says_so(url_of):
    with Celeriac("broken", broker=url_of("sqlite")) as app:
        work = app.task(lambda: "done")
        result, other = work.delay(), work.delay()
        with app.embedded():
            assert result.get(timeout=SOON) == "done"
            other.get(timeout=SOON)
        path = app.broker_url.removeprefix("sqlite:///")
        again, intact = app.AsyncResult(result.id), app.AsyncResult(other.id)
        with sqlite3.connect(path) as file:
            changed = break_result(file, result.id)
        file.close()

        assert changed
        with pytest.raises(DecodeError, match="cannot be read"):
            again.get(timeout=SOON)
        assert intact.get(timeout=SOON) == "done"
        with app.embedded():
            assert work.delay().get(timeout=SOON) == "done"


def break_result(file: sqlite3.Connection, task_id: str) -> int:
    """Write nonsense over a stored result; return how many rows that changed."""
    which = "seq = (select seq from messages where id = ?)"
    return file.execute(f"update tasks set result = ? where {which}", (b"\xff{", task_id)).rowcount
