"""Being run again, refused or ignored: self.retry, autoretry_for, and the exceptions that control a run."""

import datetime as dt
import itertools
import threading
import time

import pytest

from celeriac import Ignore, Reject, Retry
from celeriac.errors import MaxRetriesExceededError, Rejected, TaskFailed

SOON = 10.0


def make(app, is_async, body, **options):
    """Make a task of the plain function *body*, as `def` or `async def`."""
    if is_async:

        async def work(self, *args):
            return body(self, *args)
    else:

        def work(self, *args):
            return body(self, *args)

    return app.task(bind=True, name="work", **options)(work)


both = pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])


# --- self.retry -------------------------------------------------------------------------------------------


@both
def test_a_task_that_asks_for_it_is_run_again(app, is_async):
    def body(self, goal):
        if self.request.retries < goal:
            raise self.retry(countdown=0)
        return self.request.retries

    work = make(app, is_async, body)

    with app.embedded():
        result = work.delay(2)
        assert result.get(timeout=SOON) == 2
    assert (result.retries, result.state) == (2, "SUCCESS")
    assert result.args == [2]


def test_a_retry_waits_for_its_countdown_or_eta(app):
    started = []

    @app.task(bind=True)
    def work(self, how):
        started.append(time.time())
        if self.request.retries == 0:
            if how == "countdown":
                raise self.retry(countdown=0.4)
            if how == "eta":
                raise self.retry(eta=dt.datetime.now(dt.UTC) + dt.timedelta(seconds=0.4))
            raise Retry(when=dt.datetime.now(dt.UTC) + dt.timedelta(seconds=0.4))

    with app.embedded():
        for how in ("countdown", "eta", "raised"):
            started.clear()
            work.delay(how).get(timeout=SOON)
            assert 0.4 <= started[1] - started[0] < 2.0


def test_while_it_waits_its_state_is_retry_and_its_info_the_error(app):
    @app.task(bind=True)
    def work(self):
        try:
            raise OSError("the bank is closed")
        except OSError as error:
            raise self.retry(exc=error, countdown=60) from error

    with app.embedded():
        result = work.delay()
        update = next(update for update in result.updates(timeout=SOON) if update.state == "RETRY")

    assert (update.error, update.ready) == ("the bank is closed", False)
    assert result.state == "RETRY"
    assert isinstance(result.info, OSError)
    assert "the bank is closed" in result.traceback
    assert result.retries == 1


@both
def test_past_max_retries_the_error_behind_it_is_the_tasks(app, is_async):
    def body(self):
        try:
            raise ConnectionError("away")
        except ConnectionError as error:
            raise self.retry(exc=error, countdown=0) from error

    work = make(app, is_async, body, max_retries=2)

    with app.embedded():
        result = work.delay()
        with pytest.raises(ConnectionError, match="away"):
            result.get(timeout=SOON)

    assert (result.retries, result.state) == (2, "FAILURE")


def test_past_max_retries_without_an_error_it_is_said(memory_app):
    @memory_app.task(bind=True, max_retries=1, default_retry_delay=0)
    def work(self):
        raise self.retry()

    with memory_app.embedded(), pytest.raises(MaxRetriesExceededError, match="no retry left after 1"):
        work.delay().get(timeout=SOON)


def test_max_retries_can_be_given_by_task_call_and_retry(memory_app):
    @memory_app.task(bind=True, max_retries=0, default_retry_delay=0)
    def work(self, most=None):
        raise self.retry(exc=KeyError(), max_retries=most)

    with memory_app.embedded():
        for call, retries in (
            (lambda: work.delay(), 0),
            (lambda: work.delay(3), 3),
            (lambda: work.apply_async(max_retries=2), 2),
            (lambda: work.apply_async((1,), max_retries=2), 1),
        ):
            result = call()
            result.get(timeout=SOON, propagate=False)
            assert result.retries == retries


def test_retry_can_be_returned_instead_of_raised(memory_app):
    @memory_app.task(bind=True)
    def work(self):
        if self.request.retries:
            return "again"
        asked = self.retry(countdown=0, throw=False)
        assert isinstance(asked, Retry)
        raise asked

    with memory_app.embedded():
        assert work.delay().get(timeout=SOON) == "again"


def test_a_retry_cannot_change_the_call(memory_app):
    @memory_app.task(bind=True)
    def work(self):
        raise self.retry(args=(1,), queue="other")

    with memory_app.embedded(), pytest.raises(TypeError, match="cannot change args, queue"):
        work.delay().get(timeout=SOON)


# --- autoretry_for ----------------------------------------------------------------------------------------


@both
def test_errors_that_are_named_are_retried_without_being_asked(app, is_async):
    def body(self):
        if self.request.retries < 2:
            raise ConnectionResetError
        return self.request.retries

    work = make(app, is_async, body, autoretry_for=(ConnectionError,), default_retry_delay=0)

    with app.embedded():
        assert work.delay().get(timeout=SOON) == 2


def test_errors_that_are_exempt_are_not(memory_app):
    @memory_app.task(autoretry_for=(OSError,), dont_autoretry_for=(FileNotFoundError,), default_retry_delay=0)
    def work():
        raise FileNotFoundError("x")

    with memory_app.embedded():
        result = work.delay()
        with pytest.raises(FileNotFoundError):
            result.get(timeout=SOON)
    assert result.retries == 0


def test_backoff_doubles_up_to_its_largest(memory_app):
    started = []

    @memory_app.task(autoretry_for=(KeyError,), retry_backoff=0.1, retry_backoff_max=0.2, retry_jitter=False)
    def work():
        started.append(time.time())
        raise KeyError

    with memory_app.embedded(), pytest.raises(KeyError):
        work.delay().get(timeout=SOON)

    pauses = [later - earlier for earlier, later in itertools.pairwise(started)]
    assert [round(pause, 1) for pause in pauses] == [0.1, 0.2, 0.2]


# --- control ----------------------------------------------------------------------------------------------


@both
def test_ignore_ends_without_a_result(app, is_async):
    def body(self):
        raise Ignore

    work = make(app, is_async, body)
    with app.embedded():
        result = work.delay()
        assert result.get(timeout=SOON) is None
    assert result.state == "SUCCESS"


@both
def test_reject_fails_and_is_not_retried(app, is_async):
    def body(self):
        raise Reject("not mine")

    work = make(app, is_async, body, autoretry_for=(Exception,), default_retry_delay=0)

    with app.embedded():
        result = work.delay()
        with pytest.raises(Rejected, match="not mine"):
            result.get(timeout=SOON)
    assert result.retries == 0


@both
def test_reject_with_requeue_puts_it_back_uncounted(app, is_async):
    runs = []

    def body(self):
        runs.append((self.request.retries, self.request.crashes))
        if len(runs) == 1:
            raise Reject("not now", requeue=True)
        return "done"

    work = make(app, is_async, body)

    with app.embedded():
        result = work.delay()
        assert result.get(timeout=SOON) == "done"
    assert runs == [(0, 0), (0, 0)]
    assert result.retries == 0


def test_a_subclass_of_retry_counts_as_one(memory_app):
    class Later(Retry):
        pass

    @memory_app.task(bind=True)
    def work(self):
        if self.request.retries:
            return "again"
        raise Later("later", when=0)

    with memory_app.embedded():
        assert work.delay().get(timeout=SOON) == "again"


def test_revoked_while_it_waits_for_a_retry_it_is_not_run_again(app):
    @app.task(bind=True)
    def work(self):
        raise self.retry(countdown=60)

    with app.embedded():
        result = work.delay()
        next(update for update in result.updates(timeout=SOON) if update.state == "RETRY")
        assert result.revoke() is True
        assert result.state == "REVOKED"


def test_revoked_while_it_runs_it_is_not_retried(app):
    running, revoked = threading.Event(), threading.Event()

    @app.task(bind=True)
    def work(self):
        running.set()
        assert revoked.wait(SOON)
        raise self.retry(countdown=0)

    with app.embedded():
        result = work.delay()
        assert running.wait(SOON)
        assert result.revoke() is True
        revoked.set()
        list(result.updates(timeout=SOON))

    assert result.state == "REVOKED"


# --- expected errors --------------------------------------------------------------------------------------


def test_an_expected_error_is_logged_without_a_traceback(memory_app, caplog):
    @memory_app.task(throws=(LookupError,))
    def expected():
        raise KeyError("x")

    @memory_app.task
    def unexpected():
        raise KeyError("y")

    caplog.set_level("INFO", logger="celeriac")
    with memory_app.embedded():
        for task in (expected, unexpected):
            with pytest.raises((KeyError, TaskFailed)):
                task.delay().get(timeout=SOON)

    by_task = {record.task: record for record in caplog.records if record.message == "task failed"}
    assert (by_task[expected.name].levelname, by_task[expected.name].traceback) == ("INFO", "")
    assert by_task[unexpected.name].levelname == "ERROR"
    assert "raise KeyError" in by_task[unexpected.name].traceback
