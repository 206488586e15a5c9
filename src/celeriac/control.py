"""Steering workers that run anywhere, by way of the store: `app.control`.

A worker hears of it with its next heartbeat, about every two seconds (a fifth of its lease, if that is less).
"""

from __future__ import annotations

import threading
from fnmatch import fnmatchcase
from typing import Any, Final

from celeriac.broker import WorkerInfo
from celeriac.clock import SystemClock
from celeriac.errors import NotRunning, UnknownTask, UnknownWorker
from celeriac.errors import TimeoutError as WaitTimeout
from celeriac.message import Record, check_id
from celeriac.states import State
from celeriac.steering import LOG_AT_ONCE, STACK_LOGGER, Command, Stack, Verb, line_of

__all__ = ["Control"]

LOOK_EVERY: Final = 0.1  # seconds
STACK_TIMEOUT: Final = 5.0
SOME: Final = 5


class Control:
    """Tells workers what to do.

    A worker is named by the id of one of its processes, by its name (all processes of it), or by a pattern
    such as `web-*` for either; `*` is all.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    def workers(self, which: str = "*") -> list[WorkerInfo]:
        """Return the live worker processes that *which* names.

        Raises:
            UnknownWorker: there is none; for `*` too.
        """
        alive = self._app.broker.workers(self._app.clock.now())
        found = [worker for worker in alive if which in (worker.id, worker.name)]
        found = found or [
            worker for worker in alive if fnmatchcase(worker.id, which) or fnmatchcase(worker.name, which)
        ]
        if found:
            return found
        if not alive:
            raise UnknownWorker("no worker is alive")
        names = sorted({worker.name for worker in alive})
        more = f" and {len(names) - SOME} more" if len(names) > SOME else ""
        others = f"{', '.join(names[:SOME])}{more}"
        raise UnknownWorker(f"no live worker is called {which!r}; alive are {others}", names)

    def drain(self, worker: str) -> list[str]:
        """Have workers claim nothing more: they finish what runs and idle, until they are resumed or stopped.

        A process that takes a drained one's place is drained too; a worker that is started anew is not.

        Returns:
            The ids of the worker processes that were told.

        Raises:
            UnknownWorker: nobody is called so.
        """
        return self._tell(worker, "drain")

    def resume(self, worker: str) -> list[str]:
        """Have drained workers claim again; see `drain`."""
        return self._tell(worker, "resume")

    def stop(self, worker: str) -> list[str]:
        """End workers in good order, as SIGTERM does: with all their processes, also when one is named.

        An embedded worker ends too, and its program goes on without it. Who starts workers again when they
        end (systemd, Kubernetes) will do so.

        Returns, raises: as `drain`.
        """
        return self._tell(worker, "stop")

    def _tell(self, which: str, verb: Verb) -> list[str]:
        ids = [worker.id for worker in self.workers(which)]
        known = self._app.broker.command(ids, Command(verb), self._app.clock.now())
        told = [worker for worker, is_known in zip(ids, known, strict=True) if is_known]
        if not told:
            raise UnknownWorker(f"the worker {which!r} has just ended")
        self._app.acted(verb, which, len(told))
        return told

    # --- stacks -------------------------------------------------------------------------------------------

    def stack(self, task_id: str, timeout: float = STACK_TIMEOUT) -> Stack:
        """Return where a running task is now: its calls with file, line and function, and no values.

        The worker writes it to the task's log, where it stays.

        Args:
            timeout: seconds to wait for the worker, which hears of it with its next heartbeat.

        Raises:
            UnknownTask: there is none. NotRunning: it does not run now, or has ended meanwhile.
            TimeoutError: the worker did not answer in time.
        """
        record = self._running(check_id(task_id))
        after = self._newest(task_id)
        ids = [record.worker]
        if not self._app.broker.command(ids, Command("stack", task_id), self._app.clock.now())[0]:
            raise NotRunning(
                f"the worker {record.worker} of task {task_id} is gone: the task will be run again"
            )
        until = SystemClock.monotonic() + timeout
        pause = threading.Event()
        while (found := self._answer(task_id, after)) is None:
            self._running(task_id)
            if SystemClock.monotonic() >= until:
                raise WaitTimeout(
                    f"worker {record.worker} has not told within {timeout:g} s where task {task_id} is: wait "
                    "longer; if it never does, code that lets no other thread run holds up its process"
                )
            pause.wait(LOOK_EVERY)
        return found

    def _running(self, task_id: str) -> Record:
        [record] = self._app.broker.get([task_id])
        if record is None:
            raise UnknownTask(f"no task has the id {task_id!r}")
        if record.state is not State.RUNNING:
            raise NotRunning(f"task {task_id} ({record.message.name}) does not run: it is {record.outside}")
        found: Record = record
        return found

    def _newest(self, task_id: str) -> int:
        """Return the number of the last line of a task's log."""
        last = 0
        while entries := self._app.broker.read_log(task_id, last, LOG_AT_ONCE):
            last = entries[-1].number
        return last

    def _answer(self, task_id: str, after: int) -> Stack | None:
        for entry in self._app.broker.read_log(task_id, after, LOG_AT_ONCE):
            line = line_of(entry)
            if line.logger == STACK_LOGGER:
                return Stack(task_id, line.time, line.text)
        return None
