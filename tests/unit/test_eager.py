"""`apply()` and `task_always_eager`: the whole of a run, without store and worker."""

import asyncio
import datetime as dt

import pytest

from celeriac import Celeriac, EagerResult, Ignore, Middleware, Reject, Retry, Task, current_task
from celeriac.errors import InvalidArguments, Rejected


@pytest.fixture
def app() -> Celeriac:
    return Celeriac("eager", broker="sqlite:////nowhere/at/all.db")  # any use of a store would fail


def test_apply_runs_here_and_now(app):
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    result = add.apply((1,), {"y": 2})

    assert isinstance(result, EagerResult)
    assert result.get() == 3
    assert (result.state, result.ready(), result.successful(), result.failed()) == (
        "SUCCESS",
        True,
        True,
        False,
    )
    assert (result.name, result.args, result.kwargs, result.queue) == (add.name, [1], {"y": 2}, "default")
    assert result.date_done is not None


def test_arguments_and_result_go_through_json(app):
    @app.task
    def later(day: dt.date, days: tuple[int, ...]) -> dt.date:
        assert type(days) is tuple
        return day + dt.timedelta(days=sum(days))

    assert later.apply((dt.date(2026, 1, 1), [1, 2])).get() == dt.date(2026, 1, 4)


def test_a_wrong_call_fails_at_the_caller(app):
    with pytest.raises(InvalidArguments):
        app.task(lambda x: x).apply()


def test_an_async_task_runs_with_and_without_a_loop_around(app):
    @app.task
    async def add(x: int, y: int) -> int:
        await asyncio.sleep(0)
        return x + y

    async def inside() -> int:
        return add.apply((3, 4)).get()

    assert add.apply((1, 2)).get() == 3
    assert asyncio.run(inside()) == 7


def test_errors_are_kept_as_data_and_raised_by_get(app):
    @app.task
    def fail():
        raise ValueError("bad")

    result = fail.apply()

    assert result.failed()
    assert "ValueError: bad" in result.traceback
    assert isinstance(result.get(propagate=False), ValueError)
    with pytest.raises(ValueError, match="bad"):
        result.get()


def test_the_traceback_shows_the_tasks_code_only(app):
    @app.task
    async def fail():
        raise ValueError("bad")

    assert "During handling" not in fail.apply().traceback


@pytest.mark.parametrize("is_async", [False, True])
def test_retries_follow_at_once_and_start_from_the_checkpoint(app, is_async):
    seen = []

    def step(self):
        seen.append((self.request.retries, self.cursor, self.request.is_eager))
        self.checkpoint(self.request.retries + 10)
        if self.request.retries < 2:
            raise self.retry(countdown=3600)
        return "done"

    if is_async:

        async def work(self):
            return step(self)
    else:

        def work(self):
            return step(self)

    result = app.task(bind=True, name="work")(work).apply()

    assert result.get() == "done"
    assert result.retries == 2
    assert seen == [(0, None, True), (1, 10, True), (2, 11, True)]


def test_one_retry_too_many_fails_with_the_error_behind_it(app):
    @app.task(bind=True, max_retries=1)
    def work(self):
        try:
            raise OSError("away")
        except OSError as error:
            raise self.retry(exc=error) from error

    with pytest.raises(OSError, match="away"):
        work.apply().get()


def test_ignore_reject_and_retry_can_be_raised(app):
    @app.task(bind=True)
    def work(self, what):
        if what == "retry" and self.request.retries:
            return "again"
        raise {"ignore": Ignore(), "reject": Reject("no"), "retry": Retry(when=1)}[what]

    assert work.apply(("ignore",)).get() is None
    assert work.apply(("ignore",)).state == "SUCCESS"
    assert work.apply(("retry",)).get() == "again"
    with pytest.raises(Rejected, match="no"):
        work.apply(("reject",)).get()


def test_what_was_reported_is_there_to_see(app):
    @app.task(bind=True)
    def work(self):
        self.update_state(state="PROGRESS", meta={"current": 1, "total": 2, "status": "half"})
        raise KeyError("x")

    [update] = work.apply().updates()

    assert (update.state, update.current, update.status, update.ready) == ("FAILURE", 1, "half", True)


def test_an_eager_result_knows_its_updates_without_a_store(app):
    result = app.task(lambda: 5).apply()

    async def follow():
        return [update async for update in result.aupdates()]

    assert [update.result for update in result.updates()] == [5]
    assert [update.result for update in asyncio.run(follow())] == [5]
    assert result.revoke() is False
    assert result.forget() is False
    assert asyncio.run(awaited(result)) == 5


async def awaited(result):
    return await result


def test_the_current_task_is_the_innermost(app):
    seen = []

    @app.task
    def inner():
        seen.append(current_task.name)
        seen.append(current_task.request.parent_id is not None)

    @app.task
    def outer():
        seen.append(current_task.name)
        inner.apply().get()
        seen.append(current_task.name)

    outer.apply().get()

    assert seen == [outer.name, inner.name, True, outer.name]
    assert not current_task


def test_a_run_inside_a_called_task_is_the_current_one(app):
    seen = []

    @app.task
    def innermost():
        seen.append(current_task.name)

    @app.task
    def called():
        innermost.apply().get()
        seen.append(current_task.name)

    @app.task
    def outer():
        called()
        seen.append(current_task.name)

    outer.apply().get()

    assert seen == [innermost.name, called.name, outer.name]


def test_hooks_and_middleware_are_called(app):
    called = []

    class Noisy(Task):
        def on_success(self, retval, task_id, args, kwargs):
            called.append(("hook", retval))

    class Layer(Middleware):
        def before_run(self, request):
            called.append(("before", request.is_eager))

        def on_success(self, request, result):
            called.append(("moment", result))

    app.add_middleware(Layer())
    app.task(base=Noisy)(lambda: 3).apply()

    assert called == [("before", True), ("hook", 3), ("moment", 3)]


# --- task_always_eager ------------------------------------------------------------------------------------


def test_always_eager_runs_every_way_of_calling_in_the_caller(app):
    app.conf.task_always_eager = True

    @app.task
    def add(x: int, y: int = 0) -> int:
        return x + y

    async def from_a_coroutine():
        return [
            await (await add.adelay(1, 2)),
            await (await add.aapply_async((3, 4))),
            *[await result for result in await add.adelay_many([(5,), {"x": 6}])],
        ]

    assert add.delay(1, 2).get() == 3
    assert add.apply_async((3, 4), countdown=60).get() == 7
    assert [result.get() for result in add.delay_many([(5,), {"x": 6}])] == [5, 6]
    assert app.send_task(add.name, (7,)).get() == 7
    assert asyncio.run(from_a_coroutine()) == [3, 7, 5, 6]


def test_an_eager_error_is_raised_by_delay_only_when_asked(app):
    app.conf.task_always_eager = True
    fail = app.task(lambda: 1 / 0)

    assert fail.delay().failed()

    app.conf.task_eager_propagates = True
    with pytest.raises(ZeroDivisionError):
        fail.delay()
