"""Running a task here and now: what `apply` and `task_always_eager` do, on the worker's own steps.

No store and no worker: arguments and result go through JSON as they would, retries follow at once,
time limits do not count.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

from celeriac.clock import Clock
from celeriac.context import Job, Run
from celeriac.message import Delivery, Message, Record, Request
from celeriac.middleware import Moments
from celeriac.outcome import Settlement
from celeriac.states import State, Verdict
from celeriac.steering import Line
from celeriac.task import on_a_loop
from celeriac.worker.batches import BatchRunner, batch_of_one
from celeriac.worker.pools import E, R, Runs
from celeriac.worker.runner import Runner

_STATES = {Verdict.SUCCEEDED: State.SUCCEEDED, Verdict.CANCELLED: State.CANCELLED}


class _Notes:
    """Keeps what a run reports, for the record."""

    def __init__(self) -> None:
        self.custom, self.meta, self.checkpoint = "", b"", b""
        self.children: tuple[str, ...] = ()

    def report(
        self,
        run: Run,  # noqa: ARG002
        *,
        state: str | None = None,
        meta: bytes | None = None,
        checkpoint: bytes | None = None,
        children: tuple[str, ...] = (),
    ) -> Callable[[float], None]:
        self.custom = self.custom if state is None else state
        self.meta = self.meta if meta is None else meta
        self.checkpoint = self.checkpoint if checkpoint is None else checkpoint
        self.children += children
        return lambda _timeout: None

    def log(self, run: Run, line: Line) -> None:
        """Keep nothing: what is said here is the caller's."""


class _EagerRun(Run):
    """A run that tells its task so."""

    __slots__ = ()

    def _make_request(self) -> Request:
        from msgspec.structs import replace

        return replace(super()._make_request(), is_eager=True)


def run(job: Job, message: Message, moments: Moments, clock: Clock) -> Record:
    """Run *message* to its end and return its record."""
    notes, runner, started = _Notes(), Runner(moments, clock), clock.now()
    retries = 0
    while True:
        settlement = _run_once(runner, job, _delivery(message, retries, notes.checkpoint), notes)
        if settlement.verdict is not Verdict.RETRY:
            break
        retries += 1
    state = _STATES.get(settlement.verdict, State.FAILED)
    return Record(
        message,
        state,
        custom=notes.custom,
        started=started,
        finished=clock.now(),
        worker=socket.gethostname(),
        fence=retries + 1,
        retries=retries,
        meta=notes.meta,
        result=settlement.body if state is State.SUCCEEDED else b"",
        error=b"" if state is State.SUCCEEDED else settlement.body,
        checkpoint=notes.checkpoint,
        children=notes.children,
    )


def _delivery(message: Message, retries: int, checkpoint: bytes) -> Delivery:
    return Delivery(
        id=message.id,
        name=message.name,
        queue=message.queue,
        priority=message.priority,
        payload=message.payload,
        options=message.options,
        fence=retries + 1,
        retries=retries,
        crashes=0,
        crash_limit=message.crash_limit,
        checkpoint=checkpoint,
    )


def _run_once(runner: Runner, job: Job, delivery: Delivery, notes: _Notes) -> Settlement:
    host = socket.gethostname()
    if job.batching is None:
        return _run_to_its_end(runner, _EagerRun(job, delivery, notes, host))
    return _run_to_its_end(BatchRunner(runner), batch_of_one(job, delivery, notes, host, _EagerRun))[0][1]


def _run_to_its_end(runner: Runs[R, E], this: R) -> E:
    if not asyncio.iscoroutinefunction(this.job.body):
        return runner.run_here(this)
    if not on_a_loop():
        return asyncio.run(runner.run_async(this))
    return _in_thread(lambda: asyncio.run(runner.run_async(this)))


def _in_thread(call: Callable[[], E]) -> E:
    """Run *call* in a thread of its own: this one's event loop is busy with the caller."""
    answer: list[Any] = []
    thread = threading.Thread(target=lambda: answer.append(call()), name="celeriac-eager")
    thread.start()
    thread.join()
    return answer[0]  # type: ignore[no-any-return]
