"""Tasks with `executor="process"`: each runs alone in a child process that can be killed at any moment.

Children are kept and used again. The parent's side is a pool of threads, one waiting on each busy
child; the child's side runs one task at a time on its main thread. They talk over a pipe in JSON. A
child whose parent is gone ends itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final

import msgspec

from celeriac.broker import Report
from celeriac.clock import SystemClock
from celeriac.context import ISOLATED, Job, Run
from celeriac.errors import OperationalError, SoftTimeLimitExceeded
from celeriac.logs import LogFormat, install
from celeriac.message import Delivery
from celeriac.middleware import Moments
from celeriac.outcome import ChildLost, ErrorInfo, Settlement
from celeriac.steering import STACK_LOGGER, Line, body_of
from celeriac.worker import stacks
from celeriac.worker.log import log, set_up_by, set_up_logging
from celeriac.worker.pools import Done, ThreadPool
from celeriac.worker.runner import Runner
from celeriac.worker.tasklog import catch_logs

Loader = Callable[[], tuple[Mapping[str, Job], Moments]]

SOFT_SIGNAL: Final = signal.SIGUSR1
ANSWER_TIMEOUT: Final = 30.0
LONGEST_STACK: Final = 32_768  # characters
READY_TIMEOUT: Final = 60.0


class _Order(msgspec.Struct, tag=True):
    """Run this."""

    delivery: Delivery
    hostname: str
    started: float


class _Stored(msgspec.Struct, tag=True):
    """Your report is stored, or could not be."""

    error: str = ""


class _Show(msgspec.Struct, tag=True):
    """Say where this task is now, if you run it."""

    task: str


class _Said(msgspec.Struct, tag=True):
    """The task has said this."""

    line: Line


class _Progress(msgspec.Struct, tag=True):
    """Store this report; *answer*: I wait for it."""

    report: Report
    answer: bool


class _Ended(msgspec.Struct, tag=True):
    """The task has ended so."""

    settlement: Settlement


class _Ready(msgspec.Struct, tag=True):
    """Send me orders."""


class _Unfit(msgspec.Struct, tag=True):
    """I cannot run it, for this reason."""

    reason: str


class _Lost(Exception):
    """The child cannot run it, or did not get ready."""


_News = _Ready | _Unfit | _Progress | _Said | _Ended

_encode: Final = msgspec.msgpack.Encoder().encode
_decode_order: Final = msgspec.msgpack.Decoder(_Order | _Stored | _Show).decode
_decode_news: Final = msgspec.msgpack.Decoder(_News).decode


# --- the parent's side ----------------------------------------------------------------------------


class _Child:
    """A child process and the pipe to it."""

    def __init__(self, loader: Loader, hostname: str, log_level: int | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=serve,
            args=(loader, theirs, hostname, set_up_by(), log_level),
            daemon=True,
            name=ISOLATED,
        )
        self.process.start()
        theirs.close()
        self.ready = False
        self._sending = threading.Lock()

    def tell(self, order: _Order | _Stored | _Show) -> None:
        """Send one message whole; from any thread."""
        with self._sending:
            self.pipe.send_bytes(_encode(order))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it alone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.process.pid:
                os.kill(self.process.pid, number)

    def kill(self) -> None:
        """Kill it, and everything that its tasks have started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.process.pid:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.signal(signal.SIGKILL)  # it may not have a group of its own yet

    def end(self) -> str:
        """Make sure that it is dead, and say how it died."""
        self.kill()
        self.process.join(5.0)
        self.pipe.close()
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"the process that ran it exited with status {code}"
        return f"the process that ran it was killed by signal {-code} ({signal.Signals(-code).name})"


class IsolatedPool(ThreadPool[Run, Settlement]):
    """Threads that each wait on a child process.

    Args:
        loader: makes the table of tasks in a fresh process; must be picklable.
        log_level: from which level on what tasks log is kept; None for nothing.
    """

    def __init__(
        self,
        runner: Runner,
        done: Done,
        room: Callable[[], int],
        loader: Loader,
        log_level: int | None = None,
    ) -> None:
        super().__init__(runner, done, room)
        self._steps = runner
        self._loader = loader
        self._log_level = log_level
        self._free: list[_Child] = []
        self._busy: dict[str, _Child] = {}
        self._children = threading.Lock()

    def run_one(self, run: Run) -> Settlement:
        """Have a child run *run*, and wait for how it ends."""
        try:
            child = self._take(run)
        except (OSError, ImportError, MemoryError) as error:  # too many processes, or too little memory
            return self._steps.lose(run, ChildLost(f"no process could be started for it: {error}"))
        try:
            self._wait_until_ready(run, child)
            self._steps.begin(run)
            settlement = self._converse(run, child)
        except (EOFError, OSError, _Lost) as error:
            how = self._drop(run, child)
            reason = str(error) if isinstance(error, _Lost) else how
            return self._steps.lose(run, run.verdict or ChildLost(reason))
        except BaseException:  # its options are broken, or it has reported for a lease that is lost
            self._drop(run, child)
            raise
        self._give_back(run, child)
        return settlement

    def _take(self, run: Run) -> _Child:
        with self._children:
            child = self._free.pop() if self._free else None
        if child is not None and not child.process.is_alive():
            child.end()
            child = None
        child = child or _Child(self._loader, run.hostname, self._log_level)
        with self._children:
            self._busy[run.id] = child
        return child

    def _drop(self, run: Run, child: _Child) -> str:
        """Make sure that *child* is dead and forgotten; say how it died."""
        with self._children:
            self._leave_child(run, child)
        return child.end()

    def _leave_child(self, run: Run, child: _Child) -> None:
        if self._busy.get(run.id) is child:  # after a lost lease the task may have come back, to another
            del self._busy[run.id]

    def _give_back(self, run: Run, child: _Child) -> None:
        with self._children:
            self._leave_child(run, child)
            reusable = run.interrupted is None and not self._closed
            if reusable:
                self._free.append(child)
        if not reusable:  # a signal may still be on its way to it
            child.end()

    def _wait_until_ready(self, run: Run, child: _Child) -> None:
        """Wait until a fresh child has loaded the application; no limit of the task counts meanwhile."""
        if not child.ready:
            if not child.pipe.poll(READY_TIMEOUT):
                raise _Lost(f"a fresh process had not loaded the application after {READY_TIMEOUT:g} s")
            news = _heard(child)
            if isinstance(news, _Unfit):
                raise _Lost(news.reason)
            child.ready = True
        if run.verdict is not None:
            raise _Lost("it was ended before its process was ready")

    def _converse(self, run: Run, child: _Child) -> Settlement:
        child.tell(_Order(run.delivery, run.hostname, run.started))
        while True:
            news = _heard(child)
            if isinstance(news, _Ended):
                return news.settlement
            if isinstance(news, _Unfit):
                raise _Lost(news.reason)
            if isinstance(news, _Said):
                if news.line.id == run.id:
                    run.reporter.log(run, msgspec.structs.replace(news.line, fence=run.delivery.fence))
            elif isinstance(news, _Progress):
                answer = self._pass_on(run, news)
                if news.answer:
                    child.tell(answer)

    def _pass_on(self, run: Run, news: _Progress) -> _Stored:
        report = news.report
        wait = run.reporter.report(
            run,
            state=report.state,
            meta=report.meta,
            checkpoint=report.checkpoint,
            children=report.children,
        )
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
            if isinstance(error, SoftTimeLimitExceeded):
                child.signal(SOFT_SIGNAL)
            else:
                child.kill()
            return True

    def stack(self, run: Run) -> str | None:
        """Have the child of *run* write to its log where it is; None when there is none."""
        with self._children:
            child = self._busy.get(run.id)
        if child is None or not child.ready or run.done:
            return None
        try:
            child.tell(_Show(run.id))
        except (OSError, ValueError):  # it is dying
            return None
        return ""

    def close(self) -> None:
        """Kill every child."""
        super().close()
        with self._children:
            free, self._free = self._free, []
            for child in self._busy.values():  # whoever waits for it does the rest
                child.kill()
        for child in free:
            child.end()


def _heard(child: _Child) -> _News:
    """Wait for what *child* has to tell."""
    data = child.pipe.recv_bytes()
    try:
        news: _News = _decode_news(data)
    except (ValueError, RecursionError) as error:  # its task may have written to the pipe
        raise _Lost(f"the process that ran it has told nonsense: {error!s:.200}") from error
    return news


# --- the child's side -----------------------------------------------------------------------------


class _PipeReporter:
    """The child's mouth: sends what it has to tell, one message at a time, whatever thread tells it."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._sending = threading.Lock()
        self._changed = threading.Condition()
        self._asked = self._answered = 0
        self._errors: dict[int, str] = {}
        self.main_sends = False
        self.postponed: BaseException | None = None  # came while the main thread was sending

    def send(self, news: _News) -> None:
        """Send one message whole."""
        in_main = threading.current_thread() is threading.main_thread()
        with self._sending:
            self.main_sends = in_main
            try:
                self._pipe.send_bytes(_encode(news))
            finally:
                self.main_sends = False
        if in_main and self.postponed is not None:
            error, self.postponed = self.postponed, None
            raise error

    def report(
        self,
        run: Run,
        *,
        state: str | None = None,
        meta: bytes | None = None,
        checkpoint: bytes | None = None,
        children: tuple[str, ...] = (),
    ) -> Callable[[float], None]:
        waits = checkpoint is not None
        report = Report(run.delivery.id, run.delivery.fence, state, meta, checkpoint, children)
        with self._changed:  # answers come in the order of asking
            self._asked += waits
            number = self._asked
            self.send(_Progress(report, waits))
        return partial(self._wait, number) if waits else lambda _timeout: None

    def log(self, run: Run, line: Line) -> None:  # noqa: ARG002 - a line knows whose it is
        """Send what a task has said."""
        self.send(_Said(line))

    def show(self, run: Run) -> None:
        """Send where a task is: what the main thread does, or the coroutine that runs there."""
        main = threading.main_thread().ident
        task = run.coroutine
        text = stacks.of_thread(main) if task is None else stacks.of_coroutine(task, main)
        if text:
            body = body_of(STACK_LOGGER, text, most=LONGEST_STACK)
            line = Line(run.id, run.delivery.fence, SystemClock.now(), logging.INFO, body)
            self.send(_Said(line))

    def _wait(self, number: int, timeout: float) -> None:
        with self._changed:
            done = self._changed.wait_for(lambda: self._answered >= number, timeout)
            error = self._errors.pop(number, "")
        if not done or error:
            raise OperationalError(error or f"the checkpoint could not be stored within {timeout:g} s")

    def answer(self, stored: _Stored) -> None:
        """Take the parent's answer to the oldest report that waits for one."""
        with self._changed:
            self._answered += 1
            if stored.error:
                self._errors[self._answered] = stored.error
            self._changed.notify_all()


def serve(
    loader: Loader,
    pipe: Connection,
    hostname: str,
    logging: tuple[str | int, LogFormat] | None,
    log_level: int | None = None,
) -> None:
    """Run orders from *pipe* until it ends; the main function of a child.

    Args:
        logging: how it is set up in the parent, if the worker has done that.
        log_level: from which level on what tasks log is kept; None for nothing.
    """
    os.setsid()  # so that killing this process's group kills what its tasks have started
    current: list[Run] = []
    reporter = _PipeReporter(pipe)
    _take_signals(current, reporter)
    orders: queue.SimpleQueue[_Order] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, reporter, orders, current), daemon=True).start()
    try:
        jobs, moments = loader()
    except BaseException as error:  # noqa: BLE001 - user code: modules that are imported here
        info = ErrorInfo.of(error)
        reporter.send(_Unfit(f"a fresh process could not load the application: {info.type}: {info.message}"))
        return
    if logging is not None:
        set_up_logging(*logging)
    _tell_init(moments, hostname)
    install(hostname)
    runner = Runner(moments, SystemClock())
    reporter.send(_Ready())
    while True:
        order = orders.get()
        job = jobs.get(order.delivery.name)
        if job is None:
            reporter.send(
                _Unfit("a fresh process does not know it: it must be defined where a module is imported")
            )
            continue
        run = Run(job, order.delivery, reporter, order.hostname)
        run.started = order.started
        _take_signals(current, reporter)  # a task before may have taken them over
        catch_logs(log_level)
        current[:] = [run]
        settlement = _run(runner, run)
        current.clear()
        reporter.postponed = None
        reporter.send(_Ended(settlement))


def _take_signals(current: list[Run], reporter: _PipeReporter) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(SOFT_SIGNAL, lambda *_: _soft_limit(current, reporter))


def _tell_init(moments: Moments, hostname: str) -> None:
    for call in moments["on_process_init"]:
        try:
            call(hostname)
        except Exception as error:  # noqa: BLE001 - user code
            log.error("hook failed", extra={"hook": "on_process_init"}, exc_info=error)


def _run(runner: Runner, run: Run) -> Settlement:
    try:
        if asyncio.iscoroutinefunction(run.job.body):
            return asyncio.run(_run_on_loop(runner, run))
        return runner.run_here(run)
    except SoftTimeLimitExceeded as error:  # it came just before, or just after, the task's code
        log.debug("soft limit came late", extra={"id": run.id})
        return runner.settle_error(run, error)


async def _run_on_loop(runner: Runner, run: Run) -> Settlement:
    run.coroutine = asyncio.current_task()
    return await runner.run_async(run)


def _soft_limit(current: list[Run], reporter: _PipeReporter) -> None:
    """Handle the signal: raise in a `def`, but not in the middle of a message; cancel an `async def`."""
    if not current or current[0].done:
        return
    run = current[0]
    error = SoftTimeLimitExceeded(f"ran longer than its soft limit of {run.limits()[0]:g} s")
    if run.coroutine is not None:
        run.interrupted = error
        run.coroutine.get_loop().call_soon_threadsafe(run.coroutine.cancel)
    elif reporter.main_sends:
        reporter.postponed = error
    else:
        raise error


def _listen(
    pipe: Connection, reporter: _PipeReporter, orders: queue.SimpleQueue[_Order], current: list[Run]
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
            orders.put(news)
        elif isinstance(news, _Show):
            for run in list(current):
                if run.id == news.task and not run.done:
                    reporter.show(run)
        else:
            reporter.answer(news)
