"""Where user code runs: threads for `def`, the event loop for `async def`.

With `isolated`, the only place that starts threads and processes for user code. A pool takes a batch
of runs, runs as many at once as there is room for, and hands each settlement to its `done` callback.

A thread keeps taking runs until none is left and only then waits, and a batch of short tasks wakes one
thread, not all: with short tasks one thread is faster than eight that fight for the interpreter.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

from celeriac.context import Run
from celeriac.outcome import Outcome, Settlement, Stopped
from celeriac.worker import stacks
from celeriac.worker.log import log

R = TypeVar("R", bound=Run)  # what runs
E = TypeVar("E")  # what is said of its end
R_contra = TypeVar("R_contra", bound=Run, contravariant=True)
E_co = TypeVar("E_co", covariant=True)

Done = Callable[[Run, Settlement], None]


class Runs(Protocol[R_contra, E_co]):
    """Who runs something for a pool, and says how it ended."""

    def run_here(self, run: R_contra, /) -> E_co:
        """Run a `def` in this thread."""

    async def run_async(self, run: R_contra, /) -> E_co:
        """Run an `async def` on this loop."""

    def settle(self, run: R_contra, outcome: Outcome, /) -> E_co:
        """Say what becomes of a run after *outcome*."""

    def settle_error(self, run: R_contra, error: BaseException, /) -> E_co:
        """Say the same after an error around its code."""


class Pool(Protocol):
    """What the worker knows of a place where user code runs."""

    @property
    def active(self) -> int:
        """How many are running."""

    @property
    def backlog(self) -> int:
        """How many runs wait for room."""

    def put(self, runs: Iterable[Run], *, short: bool = False) -> None:
        """Take a batch; *short*: its tasks are thought to take less than it costs to wake a thread."""

    def nudge(self) -> None:
        """Look once more whether something in the backlog can start."""

    def oldest(self) -> float | None:
        """Return when the first of the backlog was claimed, in monotonic seconds; None when there is none."""

    def take_back(self) -> list[Run]:
        """Give back what has not started."""

    def doubt(self) -> None:
        """What waited here could not start in time."""

    def discard(self, run: Run) -> bool:
        """Take *run* out of the backlog; say whether it was there."""

    def interrupt(self, run: Run, error: BaseException) -> bool:
        """Raise *error* in the code of *run*, or end it otherwise; say whether it was running."""

    def abandon(self, run: Run) -> None:
        """Write off *run*, which does not react."""

    def stack(self, run: Run) -> str | None:
        """Return where the code of *run* is; "" if it will say so in its log, None if it is not running."""


class _Thread(threading.Thread):
    """One thread of a pool; knows what it runs, so that it can be interrupted between and not beside runs."""

    def __init__(self, pool: ThreadPool[Any, Any], number: int) -> None:
        super().__init__(name=f"celeriac-task-{number}", daemon=True)
        self.pool = pool
        self.guard = threading.Lock()
        self.current: Run | None = None
        self.abandoned = False
        self.parked = (
            threading.Lock()
        )  # held while there is nothing to do; whoever releases it wakes the thread
        self.parked.acquire()

    def run(self) -> None:
        try:
            self.pool.serve(self)
        except BaseException:  # its run may be left without an end: only a stop gives it back
            self.pool.stunted = True
            raise
        finally:
            self.pool.left(self)

    def interrupt(self, run: Run, error: BaseException) -> bool:
        """Raise *error* in *run*'s code if this thread is in it; say whether it was."""
        with self.guard:
            if self.current is not run or run.done or self.ident is None:
                return False
            run.interrupted = error
            _raise_in(self.ident, type(error))
            return True


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Let the interpreter raise *error* in *thread* at its next instruction; None takes that back.

    https://docs.python.org/3/c-api/init.html#c.PyThreadState_SetAsyncExc
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(error) if error is not None else None
    )


class ThreadPool(Generic[R, E]):
    """Threads for `def` tasks, started when needed, never more than *room* allows.

    Args:
        runner: runs one.
        done: called in the thread with each settlement.
        room: how many threads may be busy now.
    """

    def __init__(self, runner: Runs[R, E], done: Callable[[R, E], None], room: Callable[[], int]) -> None:
        self._runner = runner
        self._done = done
        self._room = room
        self._backlog: deque[R] = deque()
        self._threads: set[_Thread] = set()
        self._lock = threading.Lock()
        self._idle: list[_Thread] = []  # the last to come to rest is the first to be woken: it is the warmest
        self._taken = self._taken_before = 0
        self._closed = False
        self._count = 0
        self.stunted = False  # a thread could not be started, or died: of want of memory, for all we know

    # --- for the courier ----------------------------------------------------------------------------

    @property
    def active(self) -> int:
        """How many threads are running a task, or about to take one."""
        return len(self._threads) - len(self._idle)

    @property
    def backlog(self) -> int:
        """How many runs wait for a thread."""
        return len(self._backlog)

    def put(self, runs: Iterable[R], *, short: bool = False) -> None:
        """Take a batch; *short*: its tasks are thought to take less than it costs to wake a thread."""
        self._backlog.extend(runs)
        if not short:
            self._wake(len(self._backlog))
        elif not self.active:
            self._wake(1)

    def nudge(self) -> None:
        """Wake another thread if none has taken anything lately: the tasks are longer than was thought."""
        if self._backlog and self._taken == self._taken_before:
            self._wake(1)
        self._taken_before = self._taken

    def doubt(self) -> None:
        """What waited here could not start in time; all threads are busy, which `room` tells."""

    def take_back(self) -> list[R]:
        """Give back what waits for a thread."""
        return _drained(self._backlog)

    def oldest(self) -> float | None:
        """Return when the first of the backlog was claimed, in monotonic seconds; None when there is none."""
        return _oldest(self._backlog)

    def discard(self, run: R) -> bool:
        """Take *run* out of the backlog; say whether it was there."""
        return _discarded(self._backlog, run)

    def interrupt(self, run: R, error: BaseException) -> bool:
        """Raise *error* in the code of *run*; say whether it was running."""
        thread = run.thread
        return isinstance(thread, _Thread) and thread.interrupt(run, error)

    def stack(self, run: R) -> str | None:
        """Return where the code of *run* is now; None when it is not running."""
        thread = run.thread
        if not isinstance(thread, _Thread) or thread.current is not run or run.done:
            return None
        return stacks.of_thread(thread.ident)

    def abandon(self, run: R) -> None:
        """Write off the thread of *run*, which does not react; another may take its place."""
        thread = run.thread
        with self._lock:
            if isinstance(thread, _Thread) and thread.current is run and thread in self._threads:
                thread.abandoned = True
                self._threads.discard(thread)

    def close(self) -> None:
        """Let threads end when they have nothing to do."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for thread in idle:
            thread.parked.release()

    # --- inside --------------------------------------------------------------------------------------

    def _wake(self, wanted: int) -> None:
        with self._lock:
            count = min(wanted, self._room() - self.active)
            while count > 0 and self._idle:
                count -= 1
                self._idle.pop().parked.release()
            for _ in range(count):
                self._count += 1
                if not self._add_thread(_Thread(self, self._count)):
                    return

    def _add_thread(self, thread: _Thread) -> bool:
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError as error:  # what it should have run waits for another one, or is given back
            self._threads.discard(thread)
            if not self.stunted:
                log.error("no thread can be started", extra={"reason": str(error)})
            self.stunted = True
            return False
        return True

    def left(self, thread: _Thread) -> None:
        """Forget *thread*, which ends."""
        with self._lock:
            self._threads.discard(thread)

    def serve(self, thread: _Thread) -> None:
        """Run what there is; then wait for more, until the pool is closed."""
        while not thread.abandoned:
            try:
                run = self._backlog.popleft()
            except IndexError:
                if not self._wait_for_work(thread):
                    return
                continue
            self._taken += 1  # several threads may lose a count here: it is only asked whether it moves
            self._serve_one(thread, run)

    def run_one(self, run: R) -> E:
        """Run *run* in this thread."""
        return self._runner.run_here(run)

    def _wait_for_work(self, thread: _Thread) -> bool:
        with self._lock:
            if self._backlog:
                return True
            if self._closed:
                return False
            self._idle.append(thread)
        thread.parked.acquire()
        return True

    def _serve_one(self, thread: _Thread, run: R) -> None:
        try:
            with thread.guard:
                thread.current, run.thread = run, thread
            # Whoever ends a run notes why before it interrupts: either it finds the thread, or that is found.
            verdict = run.verdict
            settlement = self.run_one(run) if verdict is None else self._runner.settle(run, verdict)
            self._leave(thread, run)
        except BaseException as error:  # noqa: BLE001 - an interruption that came just after the task's code
            self._leave(thread, run)
            settlement = self._runner.settle_error(run, error)
        self._done(run, settlement)

    def _leave(self, thread: _Thread, run: R) -> None:
        """From here on nothing may be raised in this thread on account of *run*."""
        with thread.guard:
            thread.current = None
            run.done = True
            if run.interrupted is not None and thread.ident is not None:
                _raise_in(thread.ident, None)


class LoopPool(Generic[R, E]):
    """The event loop for `async def` tasks. `start_some` and what it calls run on the loop's thread.

    Args:
        loop: the running loop; *room*: how many tasks may be running on it now.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        runner: Runs[R, E],
        done: Callable[[R, E], None],
        room: Callable[[], int],
    ) -> None:
        self._loop = loop
        self._runner = runner
        self._done = done
        self._room = room
        self._backlog: deque[R] = deque()
        self._tasks: dict[asyncio.Task[None], R] = {}
        self.on_start: Callable[[], None] | None = None  # called on the loop when something starts there
        self.active = 0
        self._thread = 0  # that of the loop
        self.blocked = False  # whether the loop was asked for a sign of life that it has not given yet

    def doubt(self) -> None:
        """Take the loop for blocked until it gives a sign of life: what it got now would only go back."""
        self.blocked = True
        self._on_loop(self._start_some)

    @property
    def backlog(self) -> int:
        """How many runs wait for room on the loop."""
        return len(self._backlog)

    def put(self, runs: Iterable[R], *, short: bool = False) -> None:  # noqa: ARG002 - a loop has one thread
        """Take a batch; the loop's thread is woken once for all of it."""
        self._backlog.extend(runs)
        self._on_loop(self._start_some)

    def nudge(self) -> None:
        """Look once more whether something can start."""
        if self._backlog:
            self._on_loop(self._start_some)

    def take_back(self) -> list[R]:
        """Give back what has not started."""
        return _drained(self._backlog)

    def oldest(self) -> float | None:
        """Return when the first of the backlog was claimed, in monotonic seconds; None when there is none."""
        return _oldest(self._backlog)

    def discard(self, run: R) -> bool:
        """Take *run* out of the backlog; say whether it was there."""
        return _discarded(self._backlog, run)

    def interrupt(self, run: R, error: BaseException) -> bool:
        """Interrupt *run* at its next await: by *error* when that is a soft limit, else by cancelling it."""
        if run.coroutine is None or run.done:
            return False
        self._on_loop(lambda: self._interrupt(run, error))
        return True

    def _interrupt(self, run: R, error: BaseException) -> None:
        if run.coroutine is not None and not run.done:
            run.interrupted = error
            run.coroutine.cancel()

    def stack(self, run: R) -> str | None:
        """Return where the code of *run* is now; None when it is not running."""
        if run.coroutine is None or run.done:
            return None
        return stacks.of_coroutine(run.coroutine, self._thread)

    def abandon(self, run: R) -> None:
        """Write off *run*, which does not react: a loop has no other thread to give its place to."""
        run.void = True

    def _on_loop(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # closed: the worker has ended
            log.debug("loop is closed")

    def _start_some(self) -> None:
        self.blocked = False
        self._thread = threading.get_ident()
        for _ in range(min(self._room() - self.active, len(self._backlog))):
            try:
                run = self._backlog.popleft()
            except IndexError:  # taken back in between
                break
            self.active += 1
            task = self._loop.create_task(self._serve(run))
            run.coroutine = task
            self._tasks[task] = run
        if self.on_start is not None and self.active:
            self.on_start()

    def sweep(self) -> None:
        """Give back runs whose coroutine somebody cancelled before its first step, so that no code saw it."""
        if self._tasks:
            self._on_loop(self._sweep)

    def _sweep(self) -> None:
        for task in [task for task in self._tasks if task.done()]:
            run = self._tasks.pop(task)
            self.active -= 1
            self._done(run, self._runner.settle(run, run.verdict or Stopped()))

    async def _serve(self, run: R) -> None:
        try:
            verdict = run.verdict  # it may have been ended between the backlog and here
            settlement = (
                await self._runner.run_async(run) if verdict is None else self._runner.settle(run, verdict)
            )
        except BaseException as error:  # noqa: BLE001 - a cancellation that came just after the task's code
            settlement = self._runner.settle_error(run, error)
        self.active -= 1
        if run.coroutine is not None:
            self._tasks.pop(run.coroutine, None)
        self._done(run, settlement)
        if self._backlog:
            self._start_some()


def _oldest(backlog: deque[R]) -> float | None:
    try:
        return backlog[0].claimed
    except IndexError:
        return None


def _drained(backlog: deque[R]) -> list[R]:
    taken = []
    while True:
        try:
            taken.append(backlog.popleft())
        except IndexError:
            return taken


def _discarded(backlog: deque[R], run: R) -> bool:
    try:
        backlog.remove(run)
    except ValueError:
        return False
    return True
