"""Tasks with `batch_size`: calls are gathered, one run works on many of them, and each ends by itself.

Gathering is a pool in front of two others: what has been gathered is one run for a thread or the loop. A call
that is gathered is leased like one that runs, and takes part in everything that its task has: retries,
revocation, hooks. Only limits of time are those of the whole.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
from typing import Any

from celeriac.batching import Batching, shared_out
from celeriac.clock import Clock
from celeriac.context import Job, Reporter, Run, reset_current, set_current
from celeriac.errors import DecodeError, Replaced
from celeriac.message import Delivery, Request
from celeriac.outcome import Outcome, Settlement
from celeriac.worker.pools import LoopPool, ThreadPool
from celeriac.worker.runner import Runner, outcome_of, shown_to_hooks, steered

Ends = list[tuple[Run, Settlement]]  # each call of a batch with what becomes of it


class Member(Run):
    """One call of a batch."""

    batch: Batch | None = None  # one that was claimed by a worker that stops is never put into one


class Batch(Run):
    """Many calls of one task, worked on by one call of its function.

    Attributes:
        members: the calls, in the order in which they were claimed.
        ready: those whose arguments are in the list that the function was given, in its order.
        due: when it is started though it is not full, in monotonic seconds.
    """

    def __init__(self, first: Run, due: float) -> None:
        super().__init__(first.job, first.delivery, first.reporter, first.hostname, first.claimed)
        self.members: list[Run] = []
        self.ready: list[Run] = []
        self.due = due
        self._guard = threading.Lock()
        self._sealed = False

    def add(self, member: Member) -> None:
        """Take one more call."""
        member.batch = self
        self.members.append(member)

    def drop(self, member: Run) -> bool:
        """Let a call go, if nothing has been started yet; say whether that was so."""
        with self._guard:
            if self._sealed:
                return False
            self.members.remove(member)
            return True

    def seal(self) -> list[Run]:
        """Return the calls; from now on none leaves."""
        with self._guard:
            self._sealed = True
            return [member for member in self.members if not member.settled]

    @property
    def items(self) -> list[Any]:
        """What the function is given."""
        return [member.args[0] for member in self.ready]

    # --- what the task's code sees ----------------------------------------------------------------

    @property
    def requests(self) -> list[Request]:
        """The requests of its calls, in the order of the list that the function was given."""
        return [member.request for member in self.ready]

    @property
    def calls(self) -> list[Run]:
        """Its calls."""
        return self.members

    def of_call(self, task_id: str) -> Run:
        """Return that one of its calls."""
        for member in self.ready:
            if member.id == task_id:
                return member
        raise ValueError(f"task {task_id} is no call of this batch of {len(self.ready)}: see self.requests")

    def _make_request(self) -> Request:
        first, (_, hard) = self.delivery, self.limits()
        return Request(
            task=first.name,
            hostname=self.hostname,
            queue=first.queue,
            priority=first.priority,
            deadline=self.started + hard if hard and self.started else None,
        )

    def limits(self) -> tuple[float | None, float | None]:
        """Return the soft and the hard limit: those of the task, or the least that a call has for itself."""
        soft, hard = zip(*(member.limits() for member in self.members), strict=True)
        return _least(soft), _least(hard)

    def update_state(self, state: str | None, meta: Any) -> None:
        """Report progress for each of the calls."""
        for member in self.ready:
            member.update_state(state, meta)

    @property
    def checkpoint(self) -> bytes:
        """There is none."""
        return b""

    def save(self, checkpoint: Any, **_: Any) -> Callable[[float], None]:  # noqa: ARG002 - refused
        """Refuse: another run would not have the same calls."""
        raise TypeError(
            f"a batch of {self.job.name} has no checkpoint: it is made of other calls when it is run again"
        )


def _least(limits: Iterable[float | None]) -> float | None:
    return min((limit for limit in limits if limit), default=None)


def calls_of(run: Run) -> list[Run]:
    """Return the calls that *run* works on."""
    return run.calls


def batch_of_one(
    job: Job, delivery: Delivery, reporter: Reporter, hostname: str, kind: type[Run] = Run
) -> Batch:
    """Return a batch of a single call: what is run where there is no worker."""
    member = kind(job, delivery, reporter, hostname)
    batch = Batch(member, 0.0)
    batch.members.append(member)
    return batch


# --- running ----------------------------------------------------------------------------------------


class BatchRunner:
    """Runs batches for one worker, on the steps that every run has."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def run_here(self, batch: Batch) -> Ends:
        """Run a `def` in this thread and say what becomes of each call."""
        outcomes: dict[Run, tuple[Outcome, Any]] = {}
        token, raised = set_current(batch), None
        try:
            try:
                self._enter(batch, outcomes)
                if batch.ready:
                    self._share_out(batch, batch.job.body(batch.items), outcomes)
            except BaseException as error:  # noqa: BLE001 - user code may raise anything; all is an outcome
                raised = error
                _fail(batch, error, outcomes)
            finally:
                batch.done = True
                reset_current(token)
            self._runner.end_copy()
            return self._leave(batch, outcomes)
        finally:
            self._runner.depart(batch, raised)

    async def run_async(self, batch: Batch) -> Ends:
        """Run an `async def` on this loop and say what becomes of each call."""
        outcomes: dict[Run, tuple[Outcome, Any]] = {}
        token, raised = set_current(batch), None
        try:
            try:
                soft = self._enter(batch, outcomes)
                if batch.ready:
                    call = batch.job.body(batch.items)
                    returned = await (call if soft is None else steered(batch, call))
                    self._share_out(batch, returned, outcomes)
            except BaseException as error:  # noqa: BLE001 - as above; the cancellation of a loop's task too
                raised = error
                _fail(batch, error, outcomes)
            finally:
                batch.done = True
                reset_current(token)
            self._runner.end_copy()
            return self._leave(batch, outcomes)
        finally:
            self._runner.depart(batch, raised)

    def settle(self, batch: Batch, outcome: Outcome) -> Ends:
        """Decide what becomes of all calls that have not ended yet, after *outcome*."""
        return [(member, self._runner.settle(member, outcome)) for member in batch.seal()]

    def settle_error(self, batch: Batch, error: BaseException) -> Ends:
        """Decide the same after an *error* around the code."""
        if batch.verdict is not None and batch.interrupted is not None:
            return self.settle(batch, batch.verdict)
        return [(member, self._runner.settle_error(member, error)) for member in batch.seal()]

    def _enter(self, batch: Batch, outcomes: dict[Run, tuple[Outcome, Any]]) -> float | None:
        """Make each call ready; one that cannot be made so fails alone. Return the soft limit in seconds."""
        members = batch.seal()
        soft = self._runner.begin(batch) if members else None
        for member in members:
            member.started = batch.started
            token = set_current(member)
            try:
                self._runner.enter(member, alone=False)
                batch.ready.append(member)
            except Exception as error:  # noqa: BLE001 - broken arguments, or user code before the start
                outcomes[member] = outcome_of(member, error), shown_to_hooks(error)
            finally:
                reset_current(token)
        if batch.ready:
            self._runner.surround(batch)
        return soft

    def _share_out(self, batch: Batch, returned: Any, outcomes: dict[Run, tuple[Outcome, Any]]) -> None:
        values = shared_out(returned, len(batch.ready))
        for member, value in zip(batch.ready, values, strict=True):
            if isinstance(value, BaseException):
                outcomes[member] = outcome_of(member, value), shown_to_hooks(value)
                continue
            try:
                outcomes[member] = self._runner.success(member, value), value
            except Exception as error:  # noqa: BLE001 - one result that cannot be kept
                outcomes[member] = outcome_of(member, error), error

    def _leave(self, batch: Batch, outcomes: dict[Run, tuple[Outcome, Any]]) -> Ends:
        batch.report_children()
        ends: Ends = []
        for member, (outcome, value) in outcomes.items():
            member.done = True
            if member.settled:  # revoked while the batch ran
                continue
            token = set_current(member)
            try:
                ends.append((member, self._runner.leave(member, outcome, value)))
            except Exception as error:  # noqa: BLE001 - user code: the rules of the task may be broken
                ends.append((member, self._runner.settle_error(member, error)))
            finally:
                reset_current(token)
        return ends


def _fail(batch: Batch, error: BaseException, outcomes: dict[Run, tuple[Outcome, Any]]) -> None:
    """Let *error*, which the code has raised, be that of each call that has no outcome yet."""
    if isinstance(error, Replaced):
        error = TypeError(f"a batch of {batch.job.name} cannot be replaced: it is many tasks")
    for member in batch.members:
        if member not in outcomes:
            member.verdict, member.interrupted = batch.verdict, batch.interrupted
            outcomes[member] = outcome_of(member, error), shown_to_hooks(error)


# --- gathering --------------------------------------------------------------------------------------


class BatchPool:
    """Gathers calls until there are enough of them, or the first one has waited long enough.

    While it gathers, a batch has one of the worker's slots for itself, as when it runs.

    Args:
        threads, loop: where batches run.
        is_crowded: whether other work waits for a slot: then nothing is gathered any longer.
    """

    def __init__(
        self,
        threads: ThreadPool[Batch, Ends],
        loop: LoopPool[Batch, Ends],
        clock: Clock,
        is_crowded: Callable[[], bool],
    ) -> None:
        self._threads, self._loop = threads, loop
        self._clock = clock
        self._is_crowded = is_crowded
        self._guard = threading.Lock()  # a stop takes back while the courier puts
        self._open: dict[str, Batch] = {}  # by the name of the task

    # --- what the courier asks ------------------------------------------------------------------------

    @property
    def active(self) -> int:
        """How many slots it has: one for each batch that runs or, unless others wait, is being gathered."""
        gathering = 0 if self.backlog else len(self._open)
        return gathering + self._threads.active + self._loop.active

    @property
    def backlog(self) -> int:
        """How many batches wait for room."""
        return self._threads.backlog + self._loop.backlog

    @property
    def blocked(self) -> bool:
        """Whether the loop was asked for a sign of life that it has not given yet."""
        return self._loop.blocked

    @property
    def appetite(self) -> int:
        """How many more calls are welcome: as many as are here already.

        A claim cannot ask for one kind of task only: so little other work comes with them.
        """
        if not self._open:
            return 0
        return sum(
            min(_batching(batch).size - len(batch.members), len(batch.members)) for batch in self._batches()
        )

    @property
    def due(self) -> float | None:
        """When the next batch is to be started though it is not full, in monotonic seconds."""
        if not self._open:
            return None
        return min((batch.due for batch in self._batches()), default=None)

    def _batches(self) -> list[Batch]:
        with self._guard:
            return list(self._open.values())

    def oldest(self) -> float | None:
        """Return when the first of the batches that wait for room was ready, in monotonic seconds."""
        moments = [pool.oldest() for pool in (self._threads, self._loop)]
        return min((moment for moment in moments if moment is not None), default=None)

    def stack(self, run: Run) -> str | None:
        """Return where the batch of *run* is now; None when it is not running."""
        batch = _batch_of(run)
        return None if batch is None else self._threads.stack(batch) or self._loop.stack(batch)

    def doubt(self) -> None:
        """Take the loop for blocked until it gives a sign of life."""
        self._loop.doubt()

    # --- what it is given -----------------------------------------------------------------------------

    def put(self, runs: Iterable[Run], *, short: bool = False) -> None:  # noqa: ARG002 - a batch is not short
        """Gather *runs*; start what is full."""
        with self._guard:
            for run in runs:
                self._gather(run)

    def _gather(self, run: Run) -> None:
        assert isinstance(run, Member)
        batching, name = _batching(run), run.delivery.name
        if (batch := self._open.get(name)) is None:
            self._open[name] = batch = Batch(run, self._clock.monotonic() + batching.wait)
        batch.add(run)
        batch.due = min(batch.due, self._last_moment_of(run))
        if len(batch.members) >= batching.size:
            self._start(name)

    def _last_moment_of(self, run: Run) -> float:
        """Return the monotonic moment before which *run* has to start, because it expires."""
        if not run.delivery.options:
            return math.inf
        try:
            expires = run.load_options().expires
        except DecodeError:  # it will fail of that when it is entered
            return math.inf
        return math.inf if expires is None else self._clock.monotonic() + expires - self._clock.now()

    def nudge(self) -> None:
        """Start what has been gathered for long enough, or stands in others' way."""
        if self._open:
            now, crowded = self._clock.monotonic(), self._is_crowded()
            with self._guard:
                for name in [name for name, batch in self._open.items() if crowded or batch.due <= now]:
                    self._start(name)
        self._threads.nudge()
        self._loop.nudge()

    def _start(self, name: str) -> None:
        batch = self._open.pop(name)
        batch.claimed = self._clock.monotonic()
        batch.pool = self._loop if batch.job.executor == "loop" else self._threads
        batch.pool.put([batch])

    # --- taking back and interrupting -----------------------------------------------------------------

    def take_back(self) -> list[Run]:
        """Give back all calls of which none has started."""
        with self._guard:
            gathered, self._open = list(self._open.values()), {}
        batches = [*self._threads.take_back(), *self._loop.take_back(), *gathered]
        return [member for batch in batches for member in batch.members]

    def discard(self, run: Run) -> bool:
        """Take the call *run* out of its batch, if that has not started; say whether it was so."""
        batch = _batch_of(run)
        with self._guard:
            if batch is None or not batch.drop(run):
                return False
            if not batch.members and self._open.get(run.delivery.name) is batch:
                del self._open[run.delivery.name]
            return True

    def interrupt(self, run: Run, error: BaseException) -> bool:
        """Raise *error* in the code of the batch of *run*, once; say whether it was running."""
        batch = _batch_of(run)
        if batch is None or batch.pool is None or batch.interrupted is not None:
            return False
        batch.verdict = run.verdict
        return bool(batch.pool.interrupt(batch, error))

    def abandon(self, run: Run) -> None:
        """Write off the batch of *run*, which does not react."""
        batch = _batch_of(run)
        if batch is not None and batch.pool is not None:
            batch.pool.abandon(batch)


def _batching(run: Run) -> Batching:
    found = run.job.batching
    assert found is not None
    return found


def _batch_of(run: Run) -> Batch | None:
    assert isinstance(run, Member)
    return run.batch
