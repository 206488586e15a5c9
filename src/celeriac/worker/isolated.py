"""Tasks with `executor="process"`: each runs alone in a child process that can be killed at any moment.

Children are kept and used again. The parent's side is a pool of threads, one waiting on each busy
child; the child's side runs one task at a time on its main thread. They talk over a pipe in JSON. A
child whose parent is gone ends itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any, Final

import msgspec

from celeriac.broker import Report
from celeriac.clock import SystemClock
from celeriac.context import Job, Run
from celeriac.errors import OperationalError, SoftTimeLimitExceeded
from celeriac.message import Delivery
from celeriac.middleware import Moments
from celeriac.outcome import ChildLost, Settlement
from celeriac.worker.log import log
from celeriac.worker.pools import Done, ThreadPool
from celeriac.worker.runner import Runner, outcome_of

Loader = Callable[[], tuple[Mapping[str, Job], Moments]]

SOFT_SIGNAL: Final = signal.SIGUSR1
ANSWER_TIMEOUT: Final = 30.0


class _Order(msgspec.Struct, tag=True):
    """Run this."""

    delivery: Delivery
    hostname: str
    started: float


class _Stored(msgspec.Struct, tag=True):
    """Your report is stored, or could not be."""

    error: str = ""


class _Progress(msgspec.Struct, tag=True):
    """Store this report; *answer*: I wait for it."""

    report: Report
    answer: bool


class _Ended(msgspec.Struct, tag=True):
    """The task has ended so."""

    settlement: Settlement


_encode: Final = msgspec.msgpack.Encoder().encode
_decode_order: Final = msgspec.msgpack.Decoder(_Order | _Stored).decode
_decode_news: Final = msgspec.msgpack.Decoder(_Progress | _Ended).decode


# --- the parent's side ----------------------------------------------------------------------------


class _Child:
    """A child process and the pipe to it."""

    def __init__(self, loader: Loader) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=serve, args=(loader, theirs), daemon=True, name="celeriac-isolated"
        )
        self.process.start()
        theirs.close()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; SIGKILL goes to everything that the task has started too."""
        with contextlib.suppress(ProcessLookupError, PermissionError, TypeError):
            if number is signal.SIGKILL:
                os.killpg(self.process.pid or 0, number) if self.process.pid else None
            elif self.process.pid:
                os.kill(self.process.pid, number)

    def end(self) -> str:
        """Make sure that it is dead, and say how it died."""
        self.signal(signal.SIGKILL)
        with contextlib.suppress(AttributeError, ValueError):
            self.process.kill()
        self.process.join(5.0)
        self.pipe.close()
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"the process that ran it exited with status {code}"
        return f"the process that ran it was killed by signal {-code} ({signal.Signals(-code).name})"


class IsolatedPool(ThreadPool):
    """Threads that each wait on a child process.

    Args:
        loader: makes the table of tasks in a fresh process; must be picklable.
    """

    def __init__(self, runner: Runner, done: Done, room: Callable[[], int], loader: Loader) -> None:
        super().__init__(runner, done, room)
        self._loader = loader
        self._free: list[_Child] = []
        self._busy: dict[str, _Child] = {}
        self._children = threading.Lock()

    def run_one(self, run: Run) -> Settlement:
        """Have a child run *run*, and wait for how it ends."""
        self._runner.begin(run)
        try:
            child = self._take(run)
        except OSError as error:
            return self._runner.settle(run, ChildLost(f"no process could be started for it: {error}"))
        try:
            settlement = self._converse(run, child)
        except (EOFError, OSError, msgspec.MsgspecError):
            with self._children:
                self._busy.pop(run.id, None)
            reason = child.end()
            return self._runner.settle(run, run.verdict or ChildLost(reason))
        self._give_back(run, child)
        return settlement

    def _take(self, run: Run) -> _Child:
        with self._children:
            child = self._free.pop() if self._free else None
        if child is not None and not child.process.is_alive():
            child.end()
            child = None
        child = child or _Child(self._loader)
        with self._children:
            self._busy[run.id] = child
        return child

    def _give_back(self, run: Run, child: _Child) -> None:
        with self._children:
            self._busy.pop(run.id, None)
            reusable = run.interrupted is None and not self._closed
            if reusable:
                self._free.append(child)
        if not reusable:  # a signal may still be on its way to it
            child.end()

    def _converse(self, run: Run, child: _Child) -> Settlement:
        child.pipe.send_bytes(_encode(_Order(run.delivery, run.hostname, run.started)))
        while True:
            news = _decode_news(child.pipe.recv_bytes())
            if isinstance(news, _Ended):
                return news.settlement
            answer = self._pass_on(run, news)
            if news.answer:
                child.pipe.send_bytes(_encode(answer))

    def _pass_on(self, run: Run, news: _Progress) -> _Stored:
        report = news.report
        wait = run.reporter.report(run, state=report.state, meta=report.meta, checkpoint=report.checkpoint)
        try:
            if news.answer:
                wait(ANSWER_TIMEOUT)
        except OperationalError as error:
            return _Stored(str(error))
        return _Stored()

    def interrupt(self, run: Run, error: BaseException) -> bool:
        """Signal the child at a soft limit, kill it for anything else."""
        with self._children:
            child = self._busy.get(run.id)
            if child is None or run.done:
                return False
            run.interrupted = error
            child.signal(SOFT_SIGNAL if isinstance(error, SoftTimeLimitExceeded) else signal.SIGKILL)
            return True

    def close(self) -> None:
        """Kill every child."""
        super().close()
        with self._children:
            children = self._free + list(self._busy.values())
            self._free = []
        for child in children:
            child.signal(signal.SIGKILL)


# --- the child's side -----------------------------------------------------------------------------


class _PipeReporter:
    """Sends a run's progress to the parent."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.answered = threading.Semaphore(0)
        self.error = ""

    def report(
        self,
        run: Run,
        *,
        state: str | None = None,
        meta: bytes | None = None,
        checkpoint: bytes | None = None,
    ) -> Callable[[float], None]:
        waits = checkpoint is not None
        report = Report(run.delivery.id, run.delivery.fence, state, meta, checkpoint)
        self._pipe.send_bytes(_encode(_Progress(report, waits)))
        return self._wait if waits else lambda _timeout: None

    def _wait(self, timeout: float) -> None:
        if not self.answered.acquire(timeout=timeout) or self.error:
            raise OperationalError(self.error or f"the checkpoint could not be stored within {timeout:g} s")


def serve(loader: Loader, pipe: Connection) -> None:
    """Run orders from *pipe* until it ends; the main function of a child."""
    os.setsid()  # so that killing this process's group kills what its tasks have started
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    current: list[Run] = []
    signal.signal(SOFT_SIGNAL, lambda *_: _soft_limit(current))
    reporter = _PipeReporter(pipe)
    orders: list[_Order] = []
    arrived = threading.Semaphore(0)
    threading.Thread(target=_listen, args=(pipe, reporter, orders, arrived), daemon=True).start()
    jobs, moments = loader()
    runner = Runner(moments, SystemClock())
    while True:
        arrived.acquire()
        order = orders.pop()
        run = Run(jobs[order.delivery.name], order.delivery, reporter, order.hostname)
        run.started = order.started
        current[:] = [run]
        settlement = _run(runner, run)
        current.clear()
        pipe.send_bytes(_encode(_Ended(settlement)))


def _run(runner: Runner, run: Run) -> Settlement:
    try:
        if asyncio.iscoroutinefunction(run.job.body):
            return asyncio.run(runner.run_async(run))
        return runner.run_here(run)
    except SoftTimeLimitExceeded as error:  # it came just after the task's code
        log.debug("soft limit came late", extra={"id": run.id})

        return runner.settle(run, outcome_of(run, error))


def _soft_limit(current: list[Run]) -> None:
    if current and not current[0].done:
        raise SoftTimeLimitExceeded(f"ran longer than its soft limit of {current[0].limits()[0]:g} s")


def _listen(
    pipe: Connection, reporter: _PipeReporter, orders: list[_Order], arrived: threading.Semaphore
) -> None:
    """Sort what comes from the parent; end the process when the parent is gone."""
    while True:
        try:
            news: Any = _decode_order(pipe.recv_bytes())
        except (EOFError, OSError):
            log.debug("parent is gone")
            os.killpg(0, signal.SIGKILL)
            return
        if isinstance(news, _Order):
            orders.append(news)
            arrived.release()
        else:
            reporter.error = news.error
            reporter.answered.release()
