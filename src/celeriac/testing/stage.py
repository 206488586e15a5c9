"""The stage on which an application's tasks run within a test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from celeriac.beat.ticker import Ticker
from celeriac.clock import ManualClock, SystemClock, as_datetime, as_timestamp
from celeriac.embedded import jobs_of, load_table, options_of
from celeriac.errors import CeleriacError, UnknownTask
from celeriac.errors import TimeoutError as WaitTimeout
from celeriac.result import AsyncResult
from celeriac.sealing import SealedBroker, sealed
from celeriac.testing.faults import Fault, Faults, Kind, WorkerDied
from celeriac.testing.inline import InlineWorker, Loop
from celeriac.testing.store import StageBroker, StageHub
from celeriac.worker.keeper import KERNEL_SAYS

MOST_RUNS: Final = 100_000  # in one call: more are taken for tasks that send each other for ever
LEASE: Final = 3_600.0 * 24 * 365 * 100  # a test's worker dies when the test says so


class Stage:
    """The tasks of an application, run within a test: `with app.test() as t: …`.

    The engine is the real one (arguments through JSON, claims, retries, limits, chords, schedules); only the
    store is in memory, the worker runs one task after another in the thread that calls, and the time moves
    when the test says so. The application's own store is not touched.

    Nothing runs by itself: `run_until_idle`, `advance`, and whoever waits for a result (`get`, `await`,
    `updates`) let run what can.

    Args:
        app: the application.
        at: what the time is at first: a datetime, ISO text, or seconds since 1970; None takes the present.
        queues: those that the worker serves; None for all.
    """

    __test__ = False  # pytest shall not take it for a test

    def __init__(
        self, app: Any, *, at: datetime | str | float | None = None, queues: Sequence[str] | None = None
    ) -> None:
        self.app = app
        start = SystemClock.now() if at is None else self._timestamp(at)
        self.clock = ManualClock(start)
        self.broker = StageBroker(app.conf.result_expires, app.conf.dead_letter_expires)
        self._store = sealed(self.broker, app.security)
        self._queues = None if queues is None else tuple(queues)
        self._faults = Faults()
        self._hub = StageHub(self._store, self.clock.monotonic, self.run_until_idle, self._stuck)
        self._ticker = Ticker(self._store, self.clock)
        self._open = ExitStack()
        self._loop = Loop()
        self._worker: InlineWorker | None = None

    def _timestamp(self, moment: datetime | str | float) -> float:
        """Read a moment; a datetime without a zone is meant in the application's."""
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment)
        return as_timestamp(self.app.aware(moment))

    def __repr__(self) -> str:
        return f"<Stage of {self.app!r} at {self.now:%Y-%m-%d %H:%M:%S %Z}>"

    def __enter__(self) -> Stage:
        self.app.import_modules()
        self._open.enter_context(self.app.lent(self._store, self.clock, self._hub))
        try:
            self._open.callback(self._loop.close)
            if self.app.conf.worker_beat:
                self.app.schedules.declare()
            self._worker = self._new_worker()
            self._open.callback(self._end_worker)
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        if kind is None and self._faults.left:
            raise AssertionError(
                f"planned, but did not happen, because it has not run: {', '.join(self._faults.left)}"
            )

    # --- time -----------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """What the time is, in the application's zone."""
        return as_datetime(self.clock.now()).astimezone(ZoneInfo(self.app.conf.timezone))

    def advance(
        self,
        seconds: float = 0.0,
        *,
        minutes: float = 0.0,
        hours: float = 0.0,
        days: float = 0.0,
        to: datetime | str | float | None = None,
    ) -> int:
        """Let time pass, stop wherever something becomes due on the way, and run that.

        Args:
            to: the moment at which to end, instead of how long it lasts.

        Returns:
            How many tasks (or batches) have run.

        Raises:
            ValueError: that would be backwards.
        """
        lasts = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
        end = self.clock.now() + lasts if to is None else self._timestamp(to)
        if end < self.clock.now():
            raise ValueError(f"time goes forwards only: it is {self.now} already")
        count = self.run_until_idle()
        while (moment := self._next_moment()) is not None and moment <= end:
            self.clock.set(max(moment, self.clock.now()))
            count += self.run_until_idle()
        self.clock.set(end)
        return count + self.run_until_idle()

    def _next_moment(self) -> float | None:
        """Return when something becomes due."""
        due = [self.broker.next_due(), self._the_worker.due()]
        due += [each.due for each in self._store.next_schedules(1)]
        later = [moment for moment in due if moment is not None and moment > self.clock.now()]
        return min(later, default=None)

    # --- running --------------------------------------------------------------------------------------

    def run_until_idle(self) -> int:
        """Run all that can run now, and what that sends; return how many tasks (or batches) have run.

        Raises:
            RuntimeError: there is no end of it.
        """
        count = 0
        if self.broker.is_away:
            return count
        self._tend()
        while self._turn():
            count += 1
            if count >= MOST_RUNS:
                raise RuntimeError(f"after {count:,} runs there is still work: do tasks send each other?")
        return count

    def run_next(self) -> bool:
        """Run one task (or batch), the one that a worker would take now; say whether there was one."""
        if self.broker.is_away:
            return False
        self._tend()
        return self._turn()

    def _turn(self) -> bool:
        worker = self._the_worker
        try:
            worker.serve(self._queues_now(), self.app.tasks, partial(jobs_of, self.app))
            while not worker.run_one():
                if not worker.trip() and not self._is_ready():
                    return False
            worker.trip()
        except WorkerDied:
            self._bury()
        finally:
            self._hub.tell()
        return True

    def _is_ready(self) -> bool:
        """Say whether a step of the store is left that a worker would make."""
        return self.broker.tend(self.clock.now()).more

    def _tend(self) -> None:
        now = self.clock.now()
        while self.broker.tend(now).more:
            pass
        self._ticker.look()
        while self._ticker.tick():
            self._ticker.look()

    def _queues_now(self) -> Sequence[str]:
        if self._queues is not None:
            return self._queues
        return sorted({self.app.conf.task_default_queue, *(queue.name for queue in self.broker.queues())})

    # --- the worker -----------------------------------------------------------------------------------

    @property
    def _the_worker(self) -> InlineWorker:
        if self._worker is None:
            raise RuntimeError("nothing can run before `with app.test() as t:` has begun")
        return self._worker

    def _new_worker(self) -> InlineWorker:
        options = options_of(self.app, queues=self._queues, slots=1, processes=0)
        options = replace(options, max_tasks=None, max_memory_kib=None, lease=LEASE, autoscale=None)
        worker = InlineWorker(
            self._store,
            jobs_of(self.app),
            moments=self.app.moments,
            clock=self.clock,
            options=replace(options, queues=tuple(self._queues_now()), beat=False),
            loader=partial(load_table, None, self.app.main, {}),
            faults=self._faults,
            loop=self._loop,
            tell=self._hub.tell,
        )
        worker.begin()
        return worker

    def _end_worker(self) -> None:
        self._the_worker.close()

    def _bury(self) -> None:
        """Let the worker be dead, which is noticed at once, and have another one."""
        dead = self._the_worker
        dead.close()
        self._store.retire([dead.id], self.clock.now(), KERNEL_SAYS)
        self._worker = self._new_worker()

    # --- what there is --------------------------------------------------------------------------------

    def tasks(self, task: Any = None, *, state: str | None = None) -> list[AsyncResult[Any]]:
        """Return what was sent, in its order, also what the store has forgotten since.

        Args:
            task: a task, or its name; None for all. state: only those that are in it, such as "PENDING".
        """
        name = None if task is None else _name_of(task)
        sent = self.broker.sent(name)
        past = [record for _, record in sent]
        records = self._store.opened(past) if isinstance(self._store, SealedBroker) else past
        pairs = zip(sent, records, strict=True)
        found = [AsyncResult[Any](each, self.app, record=record) for (each, _), record in pairs]
        return [result for result in found if state is None or result.state == state]

    def _stuck(self, ids: list[str]) -> BaseException:
        one = ids[0]
        others = "" if len(ids) == 1 else f" (and {len(ids) - 1} more)"
        if self.broker.is_away:
            return WaitTimeout(f"task {one}{others} cannot end: the store of this test is away")
        return WaitTimeout(
            f"task {one}{others} has not ended, and nothing can run at {self.now}: {self.app.explain(one)} "
            "If it waits for a moment, let it come: t.advance(...)"
        )

    # --- what goes wrong ------------------------------------------------------------------------------

    def fail(self, task: Any, error: BaseException, *, times: int = 1) -> None:
        """Let the code of *task* raise *error* instead of doing what it does, in its next runs."""
        self._plan("error", task, times, error)

    def crash(self, task: Any, *, before: bool = False, times: int = 1) -> None:
        """Let the worker die in the next runs of *task*: when its code has ended, and nobody knows it yet.

        Its tasks are run again, as `crash_limit` allows.

        Args:
            before: let it die before the code begins.
        """
        self._plan("death before" if before else "death after", task, times)

    def lose_lease(self, task: Any, *, times: int = 1) -> None:
        """Let the worker be taken for dead while the next runs of *task* are on: what they return is refused.

        Others run the task again; so its code has run twice.
        """
        self._plan("lost lease", task, times)

    def _plan(self, kind: Kind, task: Any, times: int, error: BaseException | None = None) -> None:
        name = _name_of(task)
        if name not in self.app.tasks:
            raise UnknownTask(f"no task of {self.app.main} is called {name!r}")
        if times < 1:
            raise ValueError(f"something goes wrong once or more often, not {times} times")
        self._faults.plan(Fault(kind, name, times, error))

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Let the store be away: calls raise `BrokerUnavailable`, and nothing runs."""
        self.broker.is_away = True
        try:
            yield
        finally:
            self.broker.is_away = False


def _name_of(task: Any) -> str:
    name = task if isinstance(task, str) else getattr(task, "name", "")
    if not name:
        raise CeleriacError(f"{task!r:.80} is no task, and no name of one")
    return str(name)
