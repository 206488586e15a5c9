"""The worker of a test: the real one, but what it runs runs in the test's own thread, one after another."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Generic, cast

from msgspec.structs import replace

from celeriac.context import Job, Run
from celeriac.testing.faults import Fault, Faults, WorkerDied, make_raise
from celeriac.worker.batches import BatchRunner
from celeriac.worker.pools import E, R, Runs
from celeriac.worker.process import Worker
from celeriac.worker.rooms import Rooms

Line = deque[tuple["InlinePool[Any, Any]", Any]]  # what was claimed and has not run, in this order


class Loop:
    """An event loop for the coroutines of a test, beside the one that the test itself may run on."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, call: Coroutine[Any, Any, E]) -> E:
        """Run *call* to its end."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._loop.run_until_complete(call)
        return self._in_thread(self._loop, call)

    def _in_thread(self, loop: asyncio.AbstractEventLoop, call: Coroutine[Any, Any, E]) -> E:
        answer: list[E] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                answer.append(loop.run_until_complete(call))
            except BaseException as error:  # noqa: BLE001 - passed on to the thread that waits
                errors.append(error)

        thread = threading.Thread(target=run, name="celeriac-test-loop")
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return answer[0]

    def close(self) -> None:
        """End what still runs on it."""
        if self._loop is None:
            return
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self.run(self._loop.shutdown_asyncgens())
        self._loop.close()


class InlinePool(Generic[R, E]):
    """Keeps what it is given in the worker's line until its turn comes."""

    active = 0
    blocked = False

    def __init__(self, runner: Runs[R, E], done: Callable[[R, E], None], line: Line, loop: Loop) -> None:
        self._runner, self._done, self._line, self._loop = runner, done, line, loop

    @property
    def backlog(self) -> int:
        """How many wait for their turn."""
        return sum(pool is self for pool, _ in self._line)

    def put(self, runs: Iterable[R], *, short: bool = False) -> None:  # noqa: ARG002 - as a pool has it
        """Take a batch."""
        self._line.extend((self, run) for run in runs)

    def take_back(self) -> list[R]:
        """Give back what has not run."""
        mine = [run for pool, run in self._line if pool is self]
        rest = [entry for entry in self._line if entry[0] is not self]
        self._line.clear()
        self._line.extend(rest)
        return mine

    def discard(self, run: R) -> bool:
        """Take *run* out; say whether it was there."""
        try:
            self._line.remove((self, run))
        except ValueError:
            return False
        return True

    def run_one(self, run: R, fault: Fault | None, lose_lease: Callable[[], None]) -> None:
        """Run *run*, and let go wrong what shall.

        Raises:
            WorkerDied: that is what shall.
        """
        kind = None if fault is None else fault.kind
        if kind == "death before":
            raise WorkerDied
        if fault is not None and fault.error is not None:
            make_raise(run, fault.error)
        ends = self._run(run)
        if kind == "death after":
            raise WorkerDied
        if kind == "lost lease":
            lose_lease()
        self._done(run, ends)

    def _run(self, run: R) -> E:
        try:
            if run.verdict is not None:
                return self._runner.settle(run, run.verdict)
            if inspect.iscoroutinefunction(run.job.body):
                return self._loop.run(self._runner.run_async(run))
            return self._runner.run_here(run)
        except Exception as error:  # noqa: BLE001 - as in every pool
            return self._runner.settle_error(run, error)

    # --- what a pool has besides, and has no meaning where everything runs in turn -----------------------

    def nudge(self) -> None:
        """Nothing waits for room."""

    def doubt(self) -> None:
        """Nothing is blocked."""

    def sweep(self) -> None:
        """Nothing is cancelled from outside."""

    def oldest(self) -> float | None:
        """Nothing gets stale: time stands."""
        return None

    def interrupt(self, run: R, error: BaseException) -> bool:  # noqa: ARG002 - as a pool has it
        """Nothing runs while somebody could interrupt it."""
        return False

    def abandon(self, run: R) -> None:
        """Nothing hangs where others go on."""

    def close(self) -> None:
        """There are no threads."""


class InlineRooms(Rooms):
    """The pools of a test's worker; all share one line."""

    def __init__(self, *args: Any, test_loop: Loop, **kwargs: Any) -> None:
        self.line: Line = deque()
        self._test_loop = test_loop
        super().__init__(*args, **kwargs)

    def _make(self) -> None:
        batches = BatchRunner(self._runner)
        single = cast("Any", self._pool(self._runner, self._done))
        self._threads, self._async, self._isolated = single, single, single
        self._batch_threads = self._batch_loop = cast("Any", self._pool(batches, self._batch_done))

    def _pool(self, runner: Runs[R, E], done: Callable[[R, E], None]) -> InlinePool[R, E]:
        return InlinePool(runner, done, self.line, self._test_loop)

    def room(self) -> int:
        """Return how many more tasks could start now: one after another, or what batches still want."""
        return 0 if self.line else 1 + self.batches.appetite

    def backlog(self) -> int:
        """Return how many claimed tasks have not started."""
        return len(self.line)

    def take_back(self) -> list[Run]:
        """Give back all that has not started."""
        return [*self._threads.take_back(), *self.batches.take_back()]


class InlineWorker(Worker):
    """A worker without threads, that its test drives step by step."""

    def __init__(
        self, *args: Any, faults: Faults, loop: Loop, tell: Callable[[], None], **kwargs: Any
    ) -> None:
        def rooms(*rest: Any, **more: Any) -> InlineRooms:
            self._line = (made := InlineRooms(*rest, test_loop=loop, **more)).line
            return made

        super().__init__(*args, rooms=rooms, **kwargs)
        self._faults, self._tell_all = faults, tell
        self._loop.close()  # that of a worker with threads

    def begin(self) -> None:
        """Make it known."""
        self._prepare()

    def serve(
        self, queues: Sequence[str], tasks: Collection[str], jobs: Callable[[], Mapping[str, Job]]
    ) -> None:
        """Serve these queues from now on, and know these tasks: a test may make more of both at any time."""
        is_known = self._jobs.keys() == set(tasks)
        if tuple(queues) == self.options.queues and is_known:
            return
        self.options = replace(self.options, queues=tuple(queues))
        self._jobs = self._jobs if is_known else jobs()
        self._enlist()

    def trip(self) -> bool:
        """Carry what has ended, and claim what may start; say whether there was anything."""
        held = set(self._held)
        carries = not self._courier.idle
        self._courier.look()
        self._courier.step()
        self._tell_all()
        return carries or not self._courier.idle or held != set(self._held)

    def run_one(self) -> bool:
        """Run what was claimed first; say whether there was anything.

        Raises:
            WorkerDied: that was planned.
        """
        if not self._line:
            return False
        pool, run = self._line.popleft()
        pool.run_one(run, self._faults.take(run.delivery.name), self._lose_lease)
        return True

    def _lose_lease(self) -> None:
        self._broker.retire([self.id], self._clock.now())

    def report(self, run: Run, **parts: Any) -> Callable[[float], None]:
        """Carry a run's progress at once."""
        super().report(run, **parts)
        self._courier.send_reports()
        self._tell_all()
        return lambda _timeout: None

    def close(self) -> None:
        """Let go of what it holds open."""
        self._courier.close()
