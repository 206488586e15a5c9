"""What a test wants to go wrong, task by task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from celeriac.context import Job, Run

Kind = Literal["error", "death before", "death after", "lost lease"]


class Fault(msgspec.Struct):
    """Something that goes wrong in the next runs of one task.

    Attributes:
        task: its name. times: how often.
        error: what the code raises, where that is the fault.
    """

    kind: Kind
    task: str
    times: int
    error: BaseException | None = None


class Faults:
    """What was asked for, and has not happened yet."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def plan(self, fault: Fault) -> None:
        """Let *fault* happen in the runs to come, after those that were planned before."""
        self._planned.append(fault)

    def take(self, task: str) -> Fault | None:
        """Return what goes wrong in the run of *task* that is about to start; None for nothing."""
        for fault in self._planned:
            if fault.task == task:
                fault.times -= 1
                if not fault.times:
                    self._planned.remove(fault)
                return fault
        return None

    @property
    def left(self) -> list[str]:
        """The tasks for which something was planned that has not happened."""
        return [fault.task for fault in self._planned]


class WorkerDied(BaseException):
    """Ends a worker of a test in the middle of what it does; no user code sees it."""


class Raising:
    """A job whose code raises an error instead of doing what it does.

    It stands for the job of one run, so everything else is asked of that.
    """

    def __init__(self, job: Job, error: BaseException) -> None:
        self._job, self._error = job, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._job, name)

    @property
    def body(self) -> Callable[..., Any]:
        """What raises; a coroutine function where the job's own is one."""
        if self._job.executor != "loop":
            return self._raise

        async def body(*_: Any, **__: Any) -> Any:
            raise self._error

        return body

    def _raise(self, *_: Any, **__: Any) -> Any:
        raise self._error


def make_raise(run: Run, error: BaseException) -> None:
    """Let the code of *run* raise *error*."""
    job: Any = Raising(run.job, error)
    run.job = job
