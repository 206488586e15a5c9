"""The worker's heart: what happens to one run, as a list of short steps.

load → enter → call → name the outcome → decide → leave. `run_here` is the path of a `def`, `run_async`
of an `async def`; they differ in one `await`. Nothing here touches a store.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import random
import traceback
import types
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, Final

import msgspec

from celeriac.clock import Clock, as_timestamp
from celeriac.context import Hook, Run, reset_current, set_current
from celeriac.errors import (
    DecodeError,
    Ignore,
    InvalidArguments,
    InvalidMessage,
    Reject,
    Replaced,
    Retry,
    SoftTimeLimitExceeded,
)
from celeriac.middleware import Moments, Surroundings
from celeriac.outcome import (
    ErrorInfo,
    Failure,
    Outcome,
    RejectAsked,
    ReplacedBy,
    RetryAsked,
    Settlement,
    Success,
    decide,
    decode_error,
)
from celeriac.states import FAILURE, RETRY, REVOKED, SUCCESS, Verdict
from celeriac.worker.log import log

_STATUS: Final = {
    Verdict.SUCCEEDED: SUCCESS,
    Verdict.FAILED: FAILURE,
    Verdict.CANCELLED: REVOKED,
    Verdict.RETRY: RETRY,
}
_NO_RESULT: Final = Success(b"")
_OURS: Final = frozenset({__name__, "celeriac.worker.batches"})  # whose frames are in no traceback of a task

_forks = 0  # between this process and the first one; the process id would be a system call for each task


def _count_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)


class Runner:
    """Runs tasks for one worker.

    Args:
        moments: the application's middleware.
        chance: draws from 0 to 1, for the jitter of retries.
        limited: told of a run that has a limit when its code is about to start.
    """

    def __init__(
        self,
        moments: Moments,
        clock: Clock,
        *,
        chance: Callable[[], float] = random.random,
        limited: Callable[[Run], None] | None = None,
    ) -> None:
        self._limited = limited
        self._moments = moments
        self._now = clock.now
        self._chance = chance
        self._forks = _forks
        self._watched = any(moments.calls.values())

    # --- the two paths ----------------------------------------------------------------------------

    def run_here(self, run: Run) -> Settlement:
        """Run a `def` in this thread and say what shall become of the task."""
        token = set_current(run)
        value: Any = None
        outcome: Outcome | None = None
        try:
            self.enter(run)
            value = run.job.body(*run.args, **run.kwargs)
            outcome = _NO_RESULT if value is None else self.success(run, value)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything; all of it is an outcome
            value = shown_to_hooks(error)
            outcome = outcome_of(run, error)
        finally:
            run.done = True
            if outcome is None:  # nobody will leave
                self.depart(run, value)
                reset_current(token)
        if _forks != self._forks:
            self.end_copy()
        try:
            return self.leave(run, outcome, value)
        finally:
            reset_current(token)

    async def run_async(self, run: Run) -> Settlement:
        """Run an `async def` on this loop and say what shall become of the task."""
        token = set_current(run)
        value: Any = None
        outcome: Outcome | None = None
        try:
            soft = self.enter(run)
            call = run.job.body(*run.args, **run.kwargs)
            value = await (call if soft is None else steered(run, call))
            outcome = _NO_RESULT if value is None else self.success(run, value)
        except BaseException as error:  # noqa: BLE001 - as above; the cancellation of a loop's task too
            value = shown_to_hooks(error)
            outcome = outcome_of(run, error)
        finally:
            run.done = True
            if outcome is None:
                self.depart(run, value)
                reset_current(token)
        if _forks != self._forks:
            self.end_copy()
        try:
            return self.leave(run, outcome, value)
        finally:
            reset_current(token)

    # --- the steps --------------------------------------------------------------------------------

    def begin(self, run: Run) -> float | None:
        """Note that *run* starts now; from here on its limits count. Return the soft one, in seconds."""
        run.started = self._now()
        if not run.delivery.options and run.job.time_limit is None and run.job.soft_time_limit is None:
            return None
        soft, hard = run.limits()
        if self._limited is not None and (soft is not None or hard is not None):
            self._limited(run)
        return soft

    def enter(self, run: Run, *, alone: bool = True) -> float | None:
        """Make *run* ready to be called: arguments, middleware, hook; return its soft limit in seconds.

        Args:
            alone: False for a call of a batch, which is surrounded as a whole.
        """
        soft = self.begin(run) if not run.started else run.limits()[0]
        if run.delivery.options:
            run.load()
        else:
            run.args, run.kwargs = run.job.load(run.delivery.payload)
        if self._watched:
            if alone:
                self.surround(run)
            for call in self._moments["before_run"]:
                call(run.request)
        if "before_start" in run.job.hooks:
            run.job.hook("before_start")(run.id, run.args, run.kwargs)
        return soft

    def surround(self, run: Run) -> None:
        """Enter what middleware puts around *run*; `depart` leaves it."""
        if calls := self._moments["around_run"]:
            fields = {"hook": "around_run", "task": run.delivery.name, "id": run.id}
            around = Surroundings(calls, run.requests, **fields)
            around.__enter__()
            run.around = around

    def depart(self, run: Run, error: BaseException | None) -> None:
        """Leave what `surround` has entered, with the *error* that the code has raised."""
        around, run.around = run.around, None
        if around is not None:
            around.leave(error)

    def end_copy(self) -> None:
        """End the process if it is a copy, made by code that forked and came back in both of them.

        The copy has the sockets and the event loop of the process, and would answer for it.
        """
        if _forks != self._forks:
            os._exit(0)

    def success(self, run: Run, value: Any) -> Outcome:
        """Say what it means that *run*'s code has given *value*; raises where that cannot be kept."""
        if value is None or not run.keeps_result:
            return _NO_RESULT
        return Success(run.job.dump(value))

    def leave(self, run: Run, outcome: Outcome, value: Any) -> Settlement:
        """Settle *run*, and tell those who want to know; *value* is its result, or the error."""
        if not self._watched and type(outcome) is Success and not run.job.hooks and run.children is None:
            return Settlement(run.delivery.id, run.delivery.fence, Verdict.SUCCEEDED, outcome.result)
        try:
            settlement = self.settle(run, outcome)
            if self._watched or run.job.hooks:
                self._tell_hooks(run, settlement, value)
                self._tell_moments(run, settlement, value)
            return settlement
        finally:
            if run.around is not None:
                self.depart(run, None if type(outcome) is Success else value)

    def lose(self, run: Run, outcome: Outcome) -> Settlement:
        """Say what becomes of *run*, whose code was ended from outside, and tell those who want to know."""
        settlement = self.settle(run, outcome)
        if not self._watched and not run.job.hooks:
            return settlement
        token = set_current(run)
        try:
            with contextlib.suppress(Exception):  # broken arguments, perhaps what it was ended for
                run.load()
            error = decode_error(settlement.body).rebuild() if settlement.body else None
            self._tell_hooks(run, settlement, error)
            self._tell_moments(run, settlement, error)
        finally:
            reset_current(token)
        return settlement

    def settle(self, run: Run, outcome: Outcome) -> Settlement:
        """Decide what becomes of *run*'s task after *outcome*; hand over whom it has sent."""
        if run.children is not None:
            run.report_children()
        if type(outcome) is Success:  # the common case, before the table of all cases
            return Settlement(run.delivery.id, run.delivery.fence, Verdict.SUCCEEDED, outcome.result)
        now, chance = self._now(), self._chance()
        return decide(
            run.delivery, outcome, policy=run.job.policy, now=now, chance=chance, limit=_retry_limit(run)
        )

    def settle_error(self, run: Run, error: BaseException) -> Settlement:
        """Decide what becomes of *run*'s task after an *error* around its code; its rules may be broken."""
        try:
            return self.settle(run, outcome_of(run, error))
        except Exception as broken:  # noqa: BLE001 - user code: `throws` may hold what is no type
            return self.settle(run, Failure(ErrorInfo.of(broken)))

    # --- telling others ---------------------------------------------------------------------------

    def _tell_hooks(self, run: Run, settlement: Settlement, value: Any) -> None:
        hooks, verdict = run.job.hooks, settlement.verdict
        if not hooks or verdict not in _STATUS:
            return
        info = None if verdict is Verdict.SUCCEEDED else decode_error(settlement.body)
        if verdict is Verdict.SUCCEEDED:
            self._hook(run, "on_success", value, run.id, run.args, run.kwargs)
        elif verdict is Verdict.FAILED:
            self._hook(run, "on_failure", value, run.id, run.args, run.kwargs, info)
        elif verdict is Verdict.RETRY:
            self._hook(run, "on_retry", value, run.id, run.args, run.kwargs, info)
        self._hook(run, "after_return", _STATUS[verdict], value, run.id, run.args, run.kwargs, info)

    def _hook(self, run: Run, name: Hook, *args: Any) -> None:
        if name in run.job.hooks:
            self._quietly(run, name, run.job.hook(name), args)

    def _tell_moments(self, run: Run, settlement: Settlement, value: Any) -> None:
        if not self._watched:
            return
        match settlement.verdict:
            case Verdict.SUCCEEDED:
                self._moment(run, "on_success", run.request, value)
            case Verdict.FAILED:
                self._moment(run, "on_failure", run.request, decode_error(settlement.body))
            case Verdict.RETRY:
                self._moment(run, "on_retry", run.request, decode_error(settlement.body), settlement.due)
            case Verdict.CANCELLED:
                self._moment(run, "on_revoked", run.request)
        self._moment(run, "after_run", run.request)

    def _moment(self, run: Run, name: str, *args: Any) -> None:
        for call in self._moments[name]:
            self._quietly(run, name, call, args)

    def _quietly(self, run: Run, name: str, call: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Call user code whose error must not change the outcome."""
        try:
            answer = call(*args)
            if inspect.iscoroutine(answer):
                answer.close()
                raise TypeError(f"{name} must be a plain function, not async")
        except BaseException as error:  # noqa: BLE001 - user code; the task has ended, nothing interrupts it
            log.error(
                "hook failed", extra={"hook": name, "task": run.delivery.name, "id": run.id}, exc_info=error
            )


@types.coroutine
def steered(run: Run, call: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Await *call*, turning the cancellation that a soft limit made into SoftTimeLimitExceeded inside it."""
    step: Callable[[], Any] = partial(call.send, None)
    while True:
        try:
            waits_for = step()
        except StopIteration as stop:
            return stop.value
        try:
            step = partial(call.send, (yield waits_for))
        except asyncio.CancelledError as error:
            step = partial(call.throw, _soft_limit_of(run) or error)
        except BaseException as error:  # noqa: BLE001 - passed on to where it belongs
            step = partial(call.throw, error)


def _soft_limit_of(run: Run) -> BaseException | None:
    """Take the soft limit that interrupted *run*, if that is what happened."""
    error = run.interrupted
    if run.verdict is not None or not isinstance(error, SoftTimeLimitExceeded):
        return None
    if (task := asyncio.current_task()) is not None:
        task.uncancel()
    return error


def _retry_limit(run: Run) -> int | None:
    """Return the message's own `max_retries`; None where it has none, or cannot be read."""
    if not run.delivery.options:
        return None
    try:
        return run.load_options().max_retries
    except DecodeError:  # what failed the run must not keep it from being settled
        return None


# --- naming the outcome ---------------------------------------------------------------------------


def outcome_of(run: Run, error: BaseException) -> Outcome:
    """Say what it means that the task's code (or the steps around it) raised *error*."""
    if run.verdict is not None and (run.interrupted is not None or isinstance(error, asyncio.CancelledError)):
        return run.verdict  # whatever the task made of the interruption
    if isinstance(error, MemoryError):  # what the code has held goes first, or there is no room to say so
        traceback.clear_frames(error.__traceback__)
    match error:
        case Retry():
            return _retry_asked(error)
        case Ignore():
            return _NO_RESULT
        case Replaced() if run.request.is_eager:
            return Success(run.job.dump(error.value))
        case Replaced():
            return ReplacedBy(tuple(error.graph), error.end)
        case Reject():
            return RejectAsked(error.reason, error.requeue)
        case InvalidMessage() if not run.done and not run.args and not run.kwargs:
            return Failure(_without_our_frames(error))
    job = run.job
    return Failure(_without_our_frames(error), job.policy.wants(error), isinstance(error, job.throws))


def shown_to_hooks(error: BaseException) -> BaseException | None:
    """Return what hooks get where a success has its result: the error itself, or the one behind a retry."""
    if isinstance(error, Ignore | Replaced):
        return None
    return error.exc if isinstance(error, Retry) and error.exc is not None else error


def _retry_asked(error: Retry) -> RetryAsked:
    cause = error.exc if error.exc is not None else error
    info = ErrorInfo.of(cause)
    if error.when is None:
        return RetryAsked(info, max_retries=error.max_retries)
    if isinstance(error.when, int | float):
        return RetryAsked(info, after=float(error.when), max_retries=error.max_retries)
    return RetryAsked(info, at=as_timestamp(error.when), max_retries=error.max_retries)


def _without_our_frames(error: BaseException) -> ErrorInfo:
    """Describe *error* with a traceback that begins in the task's own code."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") in _OURS:
        trace = trace.tb_next
    if isinstance(error, InvalidArguments | SoftTimeLimitExceeded) and trace is None:
        return msgspec.structs.replace(ErrorInfo.of(error), traceback="")
    return ErrorInfo.of(error.with_traceback(trace))
