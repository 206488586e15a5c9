"""A task's own hooks, on every executor that shares the test's process."""

import asyncio
import threading

import pytest

from celeriac import Ignore, Reject, Task
from celeriac.errors import TaskFailed
from celeriac.outcome import ErrorInfo

SOON = 10.0


class Watched(Task):
    """Notes every hook that is called; *abstract*, its subclasses have `run`."""

    default_retry_delay = 0.0

    def __init__(self) -> None:
        self.called: list[tuple[str, tuple]] = []

    def before_start(self, *args):
        self.called.append(("before_start", args))

    def on_success(self, *args):
        self.called.append(("on_success", args))

    def on_failure(self, *args):
        self.called.append(("on_failure", args))

    def on_retry(self, *args):
        self.called.append(("on_retry", args))

    def after_return(self, *args):
        self.called.append(("after_return", args))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.called]


def make(app, is_async, body, **options):
    if is_async:

        async def work(self, *args, **kwargs):
            return body(self, *args, **kwargs)
    else:

        def work(self, *args, **kwargs):
            return body(self, *args, **kwargs)

    return app.task(bind=True, base=Watched, name="work", **options)(work)


both = pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])


@both
def test_success_calls_before_start_on_success_after_return(app, is_async):
    work = make(app, is_async, lambda self, x, y: x + y)

    with app.embedded():
        result = work.delay(1, y=2)
        result.get(timeout=SOON)

    call = (result.id, (1,), {"y": 2})
    assert work.called == [
        ("before_start", call),
        ("on_success", (3, *call)),
        ("after_return", ("SUCCESS", 3, *call, None)),
    ]


@both
def test_failure_calls_on_failure_with_the_error_and_its_description(app, is_async):
    error = KeyError("x")

    def body(self):
        raise error

    work = make(app, is_async, body)

    with app.embedded():
        result = work.delay()
        result.get(timeout=SOON, propagate=False)

    assert work.names == ["before_start", "on_failure", "after_return"]
    exc, task_id, args, kwargs, info = work.called[1][1]
    assert (exc, task_id, args, kwargs) == (error, result.id, (), {})
    assert isinstance(info, ErrorInfo)
    assert (info.type, info.message) == ("builtins.KeyError", "'x'")
    assert work.called[2][1][:2] == ("FAILURE", error)


@both
def test_retry_calls_on_retry_with_the_error_behind_it(app, is_async):
    error = OSError("away")

    def body(self):
        if not self.request.retries:
            raise self.retry(exc=error)

    work = make(app, is_async, body)

    with app.embedded():
        work.delay().get(timeout=SOON)

    assert work.names == [
        "before_start",
        "on_retry",
        "after_return",
        "before_start",
        "on_success",
        "after_return",
    ]
    assert work.called[1][1][0] is error
    assert work.called[1][1][4].message == "away"
    assert work.called[2][1][:2] == ("RETRY", error)


def test_a_retry_without_an_error_hands_the_retry_itself(memory_app):
    def body(self):
        if not self.request.retries:
            raise self.retry()

    work = make(memory_app, False, body)

    with memory_app.embedded():
        work.delay().get(timeout=SOON)

    assert type(work.called[1][1][0]).__name__ == "Retry"


def test_one_retry_too_many_is_a_failure_with_the_error_behind_it(memory_app):
    error = OSError("away")

    def body(self):
        raise self.retry(exc=error)

    work = make(memory_app, False, body, max_retries=0)

    with memory_app.embedded():
        work.delay().get(timeout=SOON, propagate=False)

    assert work.names == ["before_start", "on_failure", "after_return"]
    assert work.called[1][1][0] is error


@both
def test_ignore_counts_as_a_success_with_no_result(memory_app, is_async):
    def body(self):
        raise Ignore

    work = make(memory_app, is_async, body)

    with memory_app.embedded():
        result = work.delay()
        result.get(timeout=SOON)

    assert work.called[1:] == [
        ("on_success", (None, result.id, (), {})),
        ("after_return", ("SUCCESS", None, result.id, (), {}, None)),
    ]


def test_reject_is_a_failure_and_with_requeue_nothing_at_all(memory_app):
    seen = threading.Event()

    def body(self, requeue):
        if requeue and seen.is_set():
            return
        seen.set()
        raise Reject("no", requeue=requeue)

    work = make(memory_app, False, body)

    with memory_app.embedded():
        work.delay(False).get(timeout=SOON, propagate=False)
        assert work.names == ["before_start", "on_failure", "after_return"]
        work.called.clear()
        seen.clear()
        work.delay(True).get(timeout=SOON)

    assert work.names == ["before_start", "before_start", "on_success", "after_return"]


@both
def test_arguments_that_do_not_fit_fail_without_running(memory_app, is_async):
    ran = []

    def body(self, *args):
        ran.append(args)

    work = make(memory_app, is_async, body)
    work.run.__func__.__annotations__ = {"args": int}
    result = memory_app.send_task("work", ("no number",))

    with memory_app.embedded(), pytest.raises(Exception, match="Expected `int`"):
        result.get(timeout=SOON)

    assert not ran
    assert work.names == ["on_failure", "after_return"]


def test_an_error_in_before_start_fails_the_task_without_running_it(memory_app):
    ran = []

    class Guarded(Task):
        name = "guarded"

        def before_start(self, task_id, args, kwargs):
            raise PermissionError("not today")

        def run(self):
            ran.append(1)

    task = memory_app.register_task(Guarded)

    with memory_app.embedded(), pytest.raises(PermissionError, match="not today"):
        task.delay().get(timeout=SOON)
    assert not ran


@pytest.mark.parametrize("error", [ValueError("in the hook"), SystemExit(1), KeyboardInterrupt()])
def test_an_error_in_a_later_hook_is_logged_and_changes_nothing(memory_app, caplog, error):
    class Clumsy(Task):
        name = "clumsy"

        def on_success(self, retval, task_id, args, kwargs):
            raise error

        def run(self):
            return 3

    task = memory_app.register_task(Clumsy)

    with memory_app.embedded():
        assert task.delay().get(timeout=SOON) == 3
        assert task.delay().get(timeout=SOON) == 3

    [record, _] = [record for record in caplog.records if record.message == "hook failed"]
    assert (record.hook, record.task) == ("on_success", "clumsy")


def test_an_async_hook_is_an_error_that_is_said(memory_app, caplog):
    class Wrong(Task):
        name = "wrong"

        async def on_success(self, retval, task_id, args, kwargs):
            pass

        def run(self):
            return 3

    task = memory_app.register_task(Wrong)

    with memory_app.embedded():
        assert task.delay().get(timeout=SOON) == 3

    [record] = [record for record in caplog.records if record.message == "hook failed"]
    assert "must be a plain function" in str(record.exc_info[1])


def test_hooks_see_their_run_through_request(memory_app):
    seen = []

    class Asking(Task):
        name = "asking"

        def after_return(self, status, retval, task_id, args, kwargs, einfo):
            seen.append((self.request.id == task_id, status))

        async def run(self):
            await asyncio.sleep(0)
            raise RuntimeError

    task = memory_app.register_task(Asking)

    with memory_app.embedded(), pytest.raises((RuntimeError, TaskFailed)):
        task.delay().get(timeout=SOON)

    assert seen == [(True, "FAILURE")]
