"""What the caller holds: asking, waiting, following, errors as data."""

import asyncio
import gc
import sys
import threading
import time
import types
from datetime import UTC, datetime, timedelta

import pytest

from celeriac import AsyncResult, Celeriac
from celeriac.current import set_current_application
from celeriac.errors import (
    InvalidMessage,
    TaskFailed,
    TaskRevokedError,
    UnknownTask,
    WouldDeadlock,
)
from celeriac.errors import TimeoutError as WaitTimeout

SOON = 10.0


# --- attributes -------------------------------------------------------------------------------------------


def test_a_result_tells_all_about_its_task(app):
    @app.task
    def work(x, y=0):
        return x + y

    result = work.delay(1, y=2)
    assert (result.state, result.status, result.info, result.result) == ("PENDING", "PENDING", None, None)
    assert (result.ready(), result.successful(), result.failed()) == (False, False, False)
    assert (result.worker, result.date_done, result.traceback) == (None, None, None)

    with app.embedded() as worker:
        assert result.get(timeout=SOON) == 3
        running_on = worker.worker.id

    assert (result.state, result.status, result.info, result.result) == ("SUCCESS", "SUCCESS", 3, 3)
    assert (result.ready(), result.successful(), result.failed()) == (True, True, False)
    assert (result.name, result.args, result.kwargs) == (work.name, [1], {"y": 2})
    assert (result.retries, result.queue, result.worker) == (0, "default", running_on)
    assert abs(result.date_done.timestamp() - time.time()) < 60
    assert result.traceback is None


def test_reading_it_again_asks_the_store_no_more_once_it_has_ended(memory_app, monkeypatch):
    result = memory_app.task(lambda: 3).delay()
    with memory_app.embedded():
        result.get(timeout=SOON)
    monkeypatch.setattr(memory_app.broker, "get", None)

    assert (result.state, result.result, result.get(), result.ready()) == ("SUCCESS", 3, 3, True)


def test_an_id_that_nobody_knows_is_unknown_not_pending(app):
    result = app.AsyncResult("never-sent")

    assert result.state == "UNKNOWN"
    assert (result.info, result.name, result.args, result.retries, result.queue) == (None,) * 5
    assert not result.ready()
    for wait in (lambda: result.get(timeout=SOON), lambda: asyncio.run(result.aget(timeout=SOON))):
        with pytest.raises(UnknownTask, match="never-sent"):
            wait()
    assert [(u.state, u.ready) for u in result.updates(timeout=SOON)] == [("UNKNOWN", True)]


def test_forgetting_deletes_what_has_ended_and_nothing_else(app):
    done, waiting = app.task(name="done")(lambda: 3), app.task(name="waiting")(lambda: 4)
    with app.embedded():
        result = done.delay()
        result.get(timeout=SOON)
    other = waiting.delay()

    assert result.forget() is True
    assert result.forget() is False
    assert result.state == "UNKNOWN"
    assert other.forget() is False
    assert other.state == "PENDING"


# --- waiting ----------------------------------------------------------------------------------------------


def test_get_gives_up_after_its_timeout(app):
    result = app.task(lambda: None).delay()

    before = time.monotonic()
    with pytest.raises(WaitTimeout, match=r"not ended within 0.1 s"):
        result.get(timeout=0.1)
    with pytest.raises(WaitTimeout):
        asyncio.run(result.aget(timeout=0.1))
    with pytest.raises(WaitTimeout):
        list(result.updates(timeout=0.1))
    assert 0.3 <= time.monotonic() - before < 2.0


def test_a_time_out_is_a_builtin_one_too(memory_app):
    with pytest.raises(TimeoutError):
        memory_app.task(lambda: None).delay().get(timeout=0)


def test_get_aget_and_await_give_the_same(app):
    @app.task
    async def work(n: int) -> int:
        return n * n

    async def all_ways():
        return [await work.delay(2).aget(timeout=SOON), await work.delay(3), await (await work.adelay(4))]

    with app.embedded():
        assert work.delay(1).get(timeout=SOON) == 1
        assert asyncio.run(all_ways()) == [4, 9, 16]


def test_a_result_may_be_waited_for_long_after_or_long_before(app):
    task = app.task(lambda: 5)
    result = task.delay()
    got = []
    waiters = [threading.Thread(target=lambda: got.append(result.get(timeout=SOON))) for _ in range(5)]
    for waiter in waiters:
        waiter.start()

    with app.embedded():
        for waiter in waiters:
            waiter.join(SOON)

    assert got == [5] * 5
    assert app.AsyncResult(result.id).get() == 5


def test_waiting_learns_of_the_end_at_once(app):
    task = app.task(lambda: time.time())
    with app.embedded():
        task.delay().get(timeout=SOON)
        delays = []
        for _ in range(20):
            ended = task.delay().get(timeout=SOON)
            delays.append(time.time() - ended)

    assert sorted(delays)[10] < 0.1


# --- many results -----------------------------------------------------------------------------------------


def test_ten_thousand_results_are_waited_for_with_one_thread_and_a_handful_of_connections(app, url, request):
    @app.task
    async def work(n: int) -> int:
        return n

    def connections() -> int:
        return len(request.getfixturevalue("integration_redis").cli("CLIENT", "LIST").splitlines())

    async def wait_for_all(results):
        waiting = asyncio.gather(*results)
        await asyncio.sleep(0)  # all of them are waiting now
        held = threading.active_count() - threads, connections() - before if is_redis else 0
        with app.embedded():
            return await asyncio.wait_for(waiting, 60), held

    is_redis = url.startswith("redis")
    app.broker.ping()
    before = connections() if is_redis else 0
    threads = threading.active_count()
    results = work.delay_many((n,) for n in range(10_000))

    values, (more_threads, more_connections) = asyncio.run(wait_for_all(results))

    assert values == list(range(10_000))
    assert more_threads <= 2
    assert more_connections <= 5


def test_waiting_threads_share_one_listener(memory_app, monkeypatch):
    task = memory_app.task(lambda: 1)
    made = []
    listener = memory_app.broker.listener
    monkeypatch.setattr(memory_app.broker, "listener", lambda: made.append(1) or listener())
    results = [task.delay() for _ in range(50)]
    threads = [threading.Thread(target=result.get, kwargs={"timeout": SOON}) for result in results]
    for thread in threads:
        thread.start()

    with memory_app.embedded():
        for thread in threads:
            thread.join(SOON)

    assert made == [1]


def test_the_waiters_leave_nothing_behind(memory_app):
    task = memory_app.task(lambda: 1)
    result = task.delay()

    async def give_up():
        waiter = asyncio.ensure_future(result.aget())
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)

    asyncio.run(give_up())
    with pytest.raises(WaitTimeout):
        result.get(timeout=0)
    follower = result.updates()
    next(follower)
    del follower
    gc.collect()

    assert not memory_app.hub._followers


# --- deadlocks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
def test_waiting_inside_a_task_for_one_that_has_not_ended_is_an_error(app, is_async):
    @app.task(queue="nobody-serves-it")
    def child():
        return 1

    if is_async:

        @app.task
        async def parent():
            return await child.delay()
    else:

        @app.task
        def parent():
            return child.delay().get()

    with app.embedded(), pytest.raises(WouldDeadlock, match="while it holds a slot"):
        parent.delay().get(timeout=SOON)


def test_waiting_inside_a_task_can_be_allowed(app):
    @app.task
    def child():
        return 1

    @app.task
    def parent():
        return child.delay().get(timeout=SOON, disable_sync_subtasks=False)

    @app.task
    async def parent_async():
        return await child.delay().aget(timeout=SOON, disable_sync_subtasks=False)

    with app.embedded():
        assert parent.delay().get(timeout=SOON) == 1
        assert parent_async.delay().get(timeout=SOON) == 1


def test_what_has_ended_already_may_be_read_inside_a_task(app):
    @app.task
    def child():
        return 1

    @app.task
    def parent(task_id: str) -> int:
        return app.AsyncResult(task_id).get()

    @app.task
    async def parent_async(task_id: str) -> int:
        return await app.AsyncResult(task_id)

    with app.embedded():
        result = child.delay()
        result.get(timeout=SOON)
        assert parent.delay(result.id).get(timeout=SOON) == 1
        assert parent_async.delay(result.id).get(timeout=SOON) == 1


# --- errors as data ---------------------------------------------------------------------------------------


class CardDeclined(Exception):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, code)
        self.code = code


def failing(app, error):
    @app.task(name=f"fail-{len(app.tasks)}")
    def fail():
        raise error

    return fail


def test_a_builtin_error_comes_back_as_itself(app):
    fail = failing(app, ValueError("bad", 3))

    with app.embedded():
        result = fail.delay()
        with pytest.raises(ValueError, match="bad") as caught:
            result.get(timeout=SOON)

    assert caught.value.args == ("bad", 3)
    assert any("The traceback in the worker" in note for note in caught.value.__notes__)
    assert result.state == "FAILURE"
    assert result.failed()
    assert "raise error" in result.traceback
    assert "celeriac/worker" not in result.traceback
    assert isinstance(result.info, ValueError)
    assert isinstance(result.get(propagate=False), ValueError)
    [update] = result.updates()
    assert (update.state, update.error, update.error_type) == (
        "FAILURE",
        "('bad', 3)",
        "builtins.ValueError",
    )


def test_an_error_type_that_is_imported_here_comes_back_as_itself(memory_app):
    fail = failing(memory_app, CardDeclined("no money", 51))

    with memory_app.embedded(), pytest.raises(CardDeclined) as caught:
        fail.delay().get(timeout=SOON)

    assert caught.value.args == ("no money", 51)


def test_an_error_type_that_is_not_imported_here_is_a_task_failed(memory_app, monkeypatch):
    module = types.ModuleType("only_in_the_worker")
    monkeypatch.setitem(sys.modules, "only_in_the_worker", module)
    kind = type("Elsewhere", (Exception,), {"__module__": "only_in_the_worker"})
    fail = failing(memory_app, kind("gone"))

    with memory_app.embedded(), pytest.raises(TaskFailed) as caught:
        fail.delay().get(timeout=SOON)

    assert caught.value.type_name == "only_in_the_worker.Elsewhere"
    assert caught.value.message == "gone"
    assert "raise error" in caught.value.traceback
    assert str(caught.value) == "only_in_the_worker.Elsewhere: gone"


@pytest.mark.parametrize(
    "error",
    [
        ValueError(object()),
        KeyError({"a": 1}),
        OSError(2, "No such file", "/x"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    ],
)
def test_an_error_with_odd_arguments_still_tells_its_message(memory_app, error):
    fail = failing(memory_app, error)

    with memory_app.embedded(), pytest.raises((type(error), TaskFailed)) as caught:
        fail.delay().get(timeout=SOON)

    assert str(error) in str(caught.value)


def test_a_revoked_task_raises_that_it_was(app):
    result = app.task(lambda: None).delay()

    assert result.revoke() is True
    assert result.state == "REVOKED"
    assert result.revoke() is False
    for wait in (lambda: result.get(timeout=SOON), lambda: asyncio.run(result.aget(timeout=SOON))):
        with pytest.raises(TaskRevokedError, match="revoked"):
            wait()


# --- following --------------------------------------------------------------------------------------------


def test_updates_tell_each_change_until_the_end(app):
    @app.task(bind=True)
    def work(self):
        for step in (1, 2):
            self.progress(step, 2, f"step {step}")
            assert seen[step].wait(SOON)
        return "done"

    seen = {1: threading.Event(), 2: threading.Event()}
    result = work.delay()
    states, steps = [], []
    updates = result.updates(timeout=SOON)
    first = next(updates)
    assert (first.state, first.current, first.total, first.status) == ("PENDING", 0, 1, "")

    with app.embedded():
        for update in updates:
            states.append(update.state)
            if update.state == "PROGRESS":
                steps.append((update.current, update.total, update.status))
                seen[update.current].set()
            last = update

    assert steps == [(1, 2, "step 1"), (2, 2, "step 2")]
    assert [state for state in states if state != "STARTED"] == ["PROGRESS", "PROGRESS", "SUCCESS"]
    assert (last.ready, last.result, last.current) == (True, "done", 2)


def test_many_tasks_are_followed_over_one_stream(app):
    @app.task(bind=True)
    async def work(self, n):
        await self.acheckpoint(n, current=n, total=5)
        return n

    async def follow(ids):
        return [update async for update in app.aupdates(ids, timeout=SOON)]

    results = work.delay_many((n,) for n in range(5))
    with app.embedded():
        updates = list(app.updates(results, timeout=SOON))
        again = asyncio.run(follow([result.id for result in results]))

    ends = {update.id: update.result for update in updates if update.ready}
    assert ends == {result.id: n for n, result in enumerate(results)}
    assert [update.ready for update in again] == [True] * 5


def test_a_tick_comes_when_nothing_else_does(memory_app):
    result = memory_app.task(lambda: None).delay()
    updates = memory_app.updates([result], tick=0.01, timeout=SOON)

    assert next(updates).state == "PENDING"
    assert next(updates) is None
    assert next(updates) is None


def test_following_nothing_ends_at_once(memory_app):
    assert list(memory_app.updates([])) == []


def test_results_are_equal_by_their_ids(memory_app):
    result = memory_app.task(lambda: None).delay()

    assert result == memory_app.AsyncResult(result.id) == AsyncResult(result.id, Celeriac("other"))
    assert result != result.id
    assert repr(result) == f"<AsyncResult: {result.id}>"


def test_waiting_asks_the_store_nothing_while_nothing_happens(app, monkeypatch):
    task = app.task(lambda: 1)
    results = [task.delay() for _ in range(100)]
    asked = []
    get = app.broker.get
    monkeypatch.setattr(app.broker, "get", lambda ids: asked.append(len(ids)) or get(ids))

    with pytest.raises(WaitTimeout):
        list(app.updates(results, timeout=1.5))

    assert len(asked) <= 1


def test_a_result_made_of_an_id_alone_belongs_to_the_current_application(memory_app):
    set_current_application(memory_app)
    work = memory_app.task(name="lone")(lambda: None)

    sent = work.delay()

    assert AsyncResult(sent.id).state == "PENDING"


def test_a_wait_that_is_over_names_the_task_and_its_state(memory_app):
    work = memory_app.task(name="slow")(lambda: None)

    sent = work.delay()

    with pytest.raises(WaitTimeout, match=rf"task {sent.id} \(PENDING\) has not ended"):
        sent.get(timeout=0.5)


# --- another moment -------------------------------------------------------------------------------------


def test_a_task_can_be_moved_to_another_moment_or_started_at_once(app):
    work = app.task(name="work")(lambda: "done")
    result = work.apply_async(countdown=3600)

    assert result.reschedule(eta=datetime.now(UTC) + timedelta(days=1))
    assert app.broker.get([result.id])[0].due > app.clock.now() + 80_000
    with pytest.raises(InvalidMessage, match="not both"):
        result.reschedule(countdown=1, eta=5.0)
    with app.embedded():
        assert app.reschedule(result.id, countdown=0)
        assert result.get(timeout=SOON) == "done"
    assert not result.reschedule()
    assert not work.apply().reschedule()
