"""All pools of one worker process behind one face: how much may start, and where it goes.

Slots are of one kind: whatever a task runs on, it takes one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from celeriac.clock import Clock
from celeriac.context import Run
from celeriac.worker.batches import Batch, BatchPool, BatchRunner, Ends
from celeriac.worker.isolated import IsolatedPool, Loader
from celeriac.worker.loopwatch import LoopWatch
from celeriac.worker.options import WorkerOptions
from celeriac.worker.pools import Done, LoopPool, Pool, ThreadPool
from celeriac.worker.runner import Runner

RUNNERS: Final = frozenset({Runner.run_async.__code__, BatchRunner.run_async.__code__})


class Rooms:
    """The pools of a worker.

    Args:
        done: told of each run that ended. batch_done: told of each batch.
        loop: where coroutines run.
        loader: makes the table of tasks in a fresh process.
    """

    def __init__(
        self,
        runner: Runner,
        done: Done,
        batch_done: Callable[[Batch, Ends], None],
        *,
        options: WorkerOptions,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        loader: Loader,
    ) -> None:
        self._options, self._clock = options, clock
        self._runner, self._done, self._batch_done = runner, done, batch_done
        self._loop, self._loader = loop, loader
        self._choked = False
        self._make()
        self._watch: LoopWatch | None = None
        self.batches = BatchPool(self._batch_threads, self._batch_loop, clock, self._is_crowded)
        self.pools: dict[str, Pool] = {
            "thread": self._threads,
            "loop": self._async,
            "process": self._isolated,
            "batch": self.batches,
        }

    def _make(self) -> None:
        batches = BatchRunner(self._runner)
        self._threads = ThreadPool(self._runner, self._done, self._thread_room)
        self._async = LoopPool(self._loop, self._runner, self._done, self._loop_room)
        self._isolated = IsolatedPool(
            self._runner, self._done, self._isolated_room, self._loader, self._options.task_log_level
        )
        self._batch_threads: ThreadPool[Batch, Ends] = ThreadPool(
            batches, self._batch_done, self._batch_thread_room
        )
        self._batch_loop: LoopPool[Batch, Ends] = LoopPool(
            self._loop, batches, self._batch_done, self._batch_loop_room
        )

    # --- how much ---------------------------------------------------------------------------------

    def room(self) -> int:
        """Return how many more tasks could start now."""
        if self._async.blocked or self.batches.blocked:
            return 0
        if self._choked:
            if self._thread_room() <= self._threads.active:
                return 0
            self._choked = False
        return self._free() + self.batches.appetite

    def backlog(self) -> int:
        """Return how many claimed tasks, or batches of them, could start but have not."""
        return self._threads.backlog + self._async.backlog + self._isolated.backlog + self.batches.backlog

    @property
    def stunted(self) -> bool:
        """Whether a thread that a task needed could not be started, or died."""
        return self._threads.stunted or self._batch_threads.stunted or self._isolated.stunted

    @property
    def active_threads(self) -> int:
        """How many threads are busy with single tasks."""
        return self._threads.active

    def _free(self) -> int:
        active = self._threads.active + self._async.active + self._isolated.active + self.batches.active
        return self._options.slots - active

    def _thread_room(self) -> int:
        free, most = self._free() + self._threads.active, self._options.threads
        return free if most is None else min(free, most - self._batch_threads.active)

    def _batch_thread_room(self) -> int:
        free, most = self._free() + self._batch_threads.active, self._options.threads
        return free if most is None else min(free, most - self._threads.active)

    def _loop_room(self) -> int:
        return self._free() + self._async.active

    def _batch_loop_room(self) -> int:
        return self._free() + self._batch_loop.active

    def _isolated_room(self) -> int:
        return self._free() + self._isolated.active

    def _is_crowded(self) -> bool:
        """Say whether other work than batches waits for a slot."""
        return self._free() <= 0 and self.backlog() > self.batches.backlog

    # --- in and out -------------------------------------------------------------------------------

    def put(self, batches: Mapping[str, Sequence[Run]], *, short: bool) -> None:
        """Start what is given by place, or keep it until there is room."""
        for place, batch in batches.items():
            self.pools[place].put(batch, short=short)

    def nudge(self) -> None:
        """Look whether a part of the backlog could start, or a batch is due."""
        for pool in self.pools.values():
            pool.nudge()

    def due(self) -> float | None:
        """Return the monotonic moment at which a batch is to be started though it is not full."""
        return self.batches.due

    def take_back(self) -> list[Run]:
        """Give back all that has not started."""
        return [run for pool in self.pools.values() for run in pool.take_back()]

    def take_back_stale(self, older_than: float) -> list[Run]:
        """Give back each pool's backlog whose oldest run was claimed before *older_than*."""
        taken: list[Run] = []
        for pool in self.pools.values():
            if (oldest := pool.oldest()) is not None and oldest < older_than:
                taken += pool.take_back()
                if pool is self._async or pool is self.batches:
                    pool.doubt()
                else:
                    self._choked = True
        return taken

    def watch_loop(self, after: float) -> None:
        """Tell in the log who blocks the event loop for longer than *after* seconds."""
        watch = self._watch = LoopWatch(
            self._loop,
            after=after,
            is_busy=lambda: self._async.active + self._batch_loop.active > 0,
            runners=RUNNERS,
            now=self._clock.monotonic,
        )
        self._async.on_start = self._batch_loop.on_start = watch.look

    @property
    def lag(self) -> float | None:
        """After how many seconds the event loop answered last; None while nothing runs there."""
        return None if self._watch is None else self._watch.lag

    def sweep(self) -> None:
        """Give back runs whose coroutine somebody cancelled before its first step."""
        self._async.sweep()

    def close(self) -> None:
        """Let threads and processes end when they have nothing to do."""
        if self._watch is not None:
            self._watch.close()
        for pool in (self._threads, self._batch_threads, self._isolated):
            pool.close()
