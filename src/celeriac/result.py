"""What the caller holds: a task's state, progress and result, asked for or waited for."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Generator, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, cast

from celeriac import codec, graphs, states
from celeriac.broker import Broker
from celeriac.clock import as_datetime
from celeriac.context import current_run
from celeriac.current import current_application
from celeriac.errors import IncompleteStream, UnknownTask, WouldDeadlock
from celeriac.explaining import Reason
from celeriac.graphs import Graph
from celeriac.message import Options, Record, check_id, decode_options, decode_payload
from celeriac.outcome import decode_error
from celeriac.states import State
from celeriac.steering import LOG_AT_ONCE, LogLine
from celeriac.updates import Home, Update, afollow, aupdates, follow, members, update_of, updates

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    R = TypeVar("R", default=Any)
else:
    from typing import TypeVar

    R = TypeVar("R")


class AsyncResult(Generic[R]):
    """A task that was sent, by its id.

    Reading an attribute asks the store, until the task has ended; then the answer is kept.

    Args:
        id: the task's id.
        home: the application; None takes the current one.

    Raises:
        InvalidName: it cannot be a task's id.
    """

    def __init__(
        self, id: str, home: Home | None = None, *, kind: Any = None, record: Record | None = None
    ) -> None:
        self.id = id if kind is not None or record is not None else check_id(id)
        self._home: Home = current_application() if home is None else home
        self._kind = kind
        self._final = record
        self._given: Any = None  # what it was given, in a chain or chord

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.id}>"

    def __str__(self) -> str:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncResult) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def task_id(self) -> str:
        """The task's id, where Celery has it too."""
        return self.id

    # --- asking -------------------------------------------------------------------------------------

    def _record(self) -> Record | None:
        if self._final is not None:
            return self._final
        return self._kept(self._home.broker.get([self.id])[0])

    def _kept(self, record: Record | None) -> Record | None:
        if record is not None and record.state.final:
            self._final = record
        return record

    @property
    def state(self) -> str:
        """PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED, what `update_state` set, or UNKNOWN."""
        record = self._record()
        return states.UNKNOWN if record is None else record.outside

    status = state

    @property
    def info(self) -> Any:
        """The result or the exception once it has ended; before that, what `update_state` last reported."""
        record = self._record()
        if record is None:
            return None
        if record.state is State.SUCCEEDED:
            return self._value(record)
        if record.state.final or (record.error and record.outside == states.RETRY):
            return decode_error(record.error).rebuild()
        return codec.decode(record.meta, what="the meta")

    result = info

    @property
    def traceback(self) -> str | None:
        """The traceback in the worker as text; None when there was no error."""
        record = self._record()
        return decode_error(record.error).traceback or None if record is not None and record.error else None

    @property
    def name(self) -> str | None:
        """The task's name."""
        record = self._record()
        return None if record is None else record.message.name

    @property
    def args(self) -> list[Any] | None:
        """The positional arguments, as JSON gives them back."""
        record = self._record()
        return None if record is None else decode_payload(record.message.payload, what="the arguments")[0]

    @property
    def kwargs(self) -> dict[str, Any] | None:
        """The keyword arguments, as JSON gives them back."""
        record = self._record()
        return None if record is None else decode_payload(record.message.payload, what="the arguments")[1]

    @property
    def retries(self) -> int | None:
        """How often it asked to be run again."""
        record = self._record()
        return None if record is None else record.retries

    @property
    def date_done(self) -> datetime | None:
        """When it ended, in UTC; None before."""
        record = self._record()
        return None if record is None or record.finished is None else as_datetime(record.finished)

    @property
    def worker(self) -> str | None:
        """The worker that runs it, or ran it last; None before the first."""
        record = self._record()
        return None if record is None else record.worker or None

    @property
    def queue(self) -> str | None:
        """The queue that it was sent to."""
        record = self._record()
        return None if record is None else record.message.queue

    def ready(self) -> bool:
        """Say whether it has ended."""
        record = self._record()
        return record is not None and record.state.final

    def successful(self) -> bool:
        """Say whether it has succeeded."""
        record = self._record()
        return record is not None and record.state is State.SUCCEEDED

    def failed(self) -> bool:
        """Say whether it has failed."""
        record = self._record()
        return record is not None and record.state is State.FAILED

    # --- the family ---------------------------------------------------------------------------------

    @property
    def parent(self) -> Any:
        """The result that it was given, in a chain or chord, as its caller holds it; None without one."""
        return self._given

    @parent.setter
    def parent(self, parent: Any) -> None:
        self._given = parent

    def _options(self) -> Options | None:
        record = self._record()
        return None if record is None else decode_options(record.message.options)

    @property
    def root_id(self) -> str | None:
        """The id of the task with which everything began that led to this one; its own if that is it."""
        options = self._options()
        return None if options is None else options.root_id or self.id

    @property
    def parent_id(self) -> str | None:
        """The id of the task that it was given the result of, or that has sent it; None for neither."""
        options = self._options()
        return None if options is None else options.parent_id

    @property
    def root(self) -> AsyncResult[Any] | None:
        """The task with which everything began that led to this one; itself if that is it."""
        root_id = self.root_id
        return None if root_id is None else self if root_id == self.id else AsyncResult(root_id, self._home)

    @property
    def children(self) -> list[AsyncResult[Any]] | None:
        """The tasks that its code has sent, and those that wait or waited for it; None if it is unknown.

        Those that wait for a group are children of each of its members. Known in full once it has ended: what
        its code has sent is kept just before that.
        """
        record = self._record()
        if record is None:
            return None
        ids = dict.fromkeys((*record.children, *_dependants(self._home.broker, self.id)))
        return [AsyncResult(task_id, self._home) for task_id in ids]

    def iterdeps(
        self, intermediate: bool = False
    ) -> Iterator[tuple[AsyncResult[Any] | None, AsyncResult[Any]]]:
        """Iterate over pairs of parent and child, from (None, this one) on; each task comes once.

        Args:
            intermediate: leave out the children of what has not ended, instead of raising.

        Raises:
            IncompleteStream: a task has not ended when the next one is asked for.
        """
        to_do: deque[tuple[AsyncResult[Any] | None, AsyncResult[Any]]] = deque([(None, self)])
        known = {self.id}
        while to_do:
            parent, result = to_do.popleft()
            yield parent, result
            if not result.ready():
                if intermediate:
                    continue
                raise IncompleteStream(
                    f"task {result.id} has not ended, so its children are not all known; "
                    "call get() on each result before asking for the next, or pass intermediate=True"
                )
            for child in result.children or ():
                if child.id not in known:
                    known.add(child.id)
                    to_do.append((result, child))

    def collect(
        self, intermediate: bool = False, *, timeout: float | None = None, **options: Any
    ) -> Iterator[tuple[AsyncResult[Any], Any]]:
        """Iterate over this result and all that came of it, with their values; wait for each.

        Args:
            intermediate: see `iterdeps`. timeout: seconds for each. options: as `get` has them.

        Raises:
            As `get`, for each.
        """
        for _, result in self.iterdeps(intermediate):
            yield result, result.get(timeout, **options)

    # --- waiting ------------------------------------------------------------------------------------

    def get(
        self, timeout: float | None = None, propagate: bool = True, *, disable_sync_subtasks: bool = True
    ) -> R:
        """Wait until the task has ended and return its result.

        Args:
            timeout: seconds; None waits without end.
            propagate: raise the task's error; False returns it.
            disable_sync_subtasks: refuse to wait inside a task, where the slot that is held may be the one
                that the other task needs.

        Raises:
            TimeoutError: it has not ended within *timeout*.
            UnknownTask: there is no such task.
            WouldDeadlock: called inside a task.
            Exception: the task's own error, or `TaskFailed` when its type cannot be rebuilt here.
        """
        record = self._record()
        if record is None or not record.state.final:
            self._may_wait(record, disable_sync_subtasks)
            record = self._wait(timeout)
        return self._outcome(record, propagate)

    wait = get

    async def aget(
        self, timeout: float | None = None, propagate: bool = True, *, disable_sync_subtasks: bool = True
    ) -> R:
        """Do what `get` does, without blocking the event loop."""
        if self._final is None and disable_sync_subtasks and current_run() is not None:
            import asyncio

            present = await asyncio.to_thread(self._record)
            if present is None or not present.state.final:
                self._may_wait(present, disable_sync_subtasks)
        if timeout is not None and timeout <= 0:  # no time to hear of it: ask once, as `get` does
            import asyncio

            await asyncio.to_thread(self._record)
        if self._final is not None:
            return self._outcome(self._final, propagate)
        async for news in afollow(self._home, [self.id], timeout, None):
            if news is None:  # woken a moment too early, as uvloop's timers may
                continue
            if news[1] is None or news[1].state.final:
                return self._outcome(self._known(self._kept(news[1])), propagate)
        raise AssertionError("a task that is followed ends, or the wait times out")  # pragma: no cover

    def __await__(self) -> Generator[Any, None, R]:
        return self.aget().__await__()

    def _may_wait(self, record: Record | None, disabled: bool) -> None:
        self._known(record)
        run = current_run()
        if disabled and run is not None:
            raise WouldDeadlock(
                f"task {run.id} ({run.delivery.name}) waits for task {self.id} while it holds a slot: if all "
                "slots do, nothing ends. Call get(disable_sync_subtasks=False) if that cannot happen here"
            )

    def check_wait(self, disabled: bool) -> None:
        """Return if waiting for it is safe here.

        Raises:
            WouldDeadlock: called inside a task, and *disabled*.
        """
        if disabled and current_run() is not None:
            self._may_wait(self._record(), disabled)

    def _known(self, record: Record | None) -> Record:
        if record is None:
            raise UnknownTask(
                f"no task has the id {self.id!r}: never sent, forgotten, or past result_expires"
            )
        return record

    def _wait(self, timeout: float | None) -> Record:
        for news in follow(self._home, [self.id], timeout, None):
            if news is None:  # woken a moment too early
                continue
            if news[1] is None or news[1].state.final:
                return self._known(self._kept(news[1]))
        raise AssertionError("a task that is followed ends, or the wait times out")  # pragma: no cover

    def _outcome(self, record: Record, propagate: bool) -> R:
        if record.state is State.SUCCEEDED:
            return cast("R", self._value(record))
        info = decode_error(record.error)
        first = self if info.origin is None else self._result_before(info.origin)
        if first is not self:
            return first.get(propagate=propagate, disable_sync_subtasks=False)
        error = info.rebuild()
        if propagate:
            raise error
        return cast("R", error)

    def _result_before(self, task_id: str) -> AsyncResult[Any]:
        """Return the result before this one in a chain that has that id; this one if there is none."""
        result: Any = self
        while isinstance(result, AsyncResult):
            if result.id == task_id:
                return result
            result = result.parent
        return self

    def _value(self, record: Record) -> Any:
        kind = self._home.result_type(record.message.name) if self._kind is None else self._kind
        if record.message.after is not None and record.message.after.join:
            return self._joined()
        if not record.result:
            return None
        return codec.decode(record.result, kind, what=f"the result of {record.message.name} {self.id}")

    def _joined(self) -> list[Any]:
        """Return the results of all that a join brings together."""
        broker, values = self._home.broker, list[Any]()
        for ids in members(broker, self.id):
            for task_id, record in zip(ids, broker.get(ids), strict=True):
                values.append(AsyncResult[Any](task_id, self._home, record=record).get())
        return values

    # --- following ----------------------------------------------------------------------------------

    def updates(self, timeout: float | None = None) -> Iterator[Update]:
        """Iterate over state and progress: as it is now, then after each change, until the end.

        Raises:
            TimeoutError: *timeout* seconds have passed before the end.
        """
        return (update for update in updates(self._home, [self.id], timeout=timeout) if update is not None)

    async def aupdates(self, timeout: float | None = None) -> AsyncIterator[Update]:
        """Do what `updates` does, without blocking the event loop."""
        async for update in aupdates(self._home, [self.id], timeout=timeout):
            if update is not None:
                yield update

    def graph(self, most: int = graphs.MOST) -> Graph:
        """Read all that hangs together with it: who waits for whom, and how far each is.

        Args:
            most: how many tasks at most. `dot()` and `svg()` of what is returned draw it.
        """
        return graphs.read(self._home.broker, [self.id], most)

    # --- commanding ---------------------------------------------------------------------------------

    def revoke(self, terminate: bool = False) -> bool:
        """Cancel the task; durable, so that no restart forgets it.

        Args:
            terminate: also end it if it is running; else a running task runs on, but not again.

        Returns:
            False when it was too late, or there is no such task.
        """
        [answer] = self._home.broker.cancel([self.id], self._home.clock.now(), terminate=terminate)
        done = answer in ("cancelled", "stopping", "noted")
        self._home.acted("revoke", self.id, int(done))
        return done

    def reschedule(self, *, countdown: float | None = None, eta: datetime | float | None = None) -> bool:
        """Have it start at another moment than the one it waits for: its eta, its countdown, its next retry.

        Args:
            countdown: seconds from now; 0 (also if neither is given) for at once.
            eta: the moment; a datetime without a zone is in the zone of the `timezone` setting.

        Returns:
            False when it waits for no moment: it is queued, runs, waits for others, has ended, is unknown.

        Raises:
            InvalidMessage: both are given, or one is no number or out of its range.
        """
        return self._home.reschedule(self.id, countdown=countdown, eta=eta)

    def requeue(self) -> bool:
        """Queue it again after it has failed: to the tail of its queue, retries and crashes counted from 0.

        It never expires then. Those that failed because it did stay as they are.

        Returns:
            False when it has not failed, has never run because another one failed, was replaced by others, or
            while another task has its unique name.
        """
        self._final = None
        [done] = self._home.broker.requeue([self.id], self._home.clock.now())
        self._home.acted("requeue", self.id, int(done))
        return bool(done)

    def explain(self) -> Reason:
        """Say why it has not run, or what it does instead: a word for programs and a sentence for people."""
        return self._home.explain(self.id)

    def log(self, after: int = 0, count: int = LOG_AT_ONCE) -> list[LogLine]:
        """Return what the task has said through `logging` while it ran, line by line.

        Of each of its last 10 attempts the newest 64 kB are kept, for as long as its record. What an embedded
        worker's tasks say is not kept.

        Args:
            after: the number of the last line that is known; those behind it are returned, *count* at most.
        """
        return list(self._home.log(self.id, after, count))

    def forget(self) -> bool:
        """Delete the record of a task that has ended; say whether it was deleted."""
        self._final = None
        done = self._home.broker.forget([self.id])
        self._home.acted("forget", self.id, done)
        return bool(done)


class EagerResult(AsyncResult[R]):
    """The result of `apply`: the task has run already, in this process, and no store knows of it."""

    def updates(self, timeout: float | None = None) -> Iterator[Update]:  # noqa: ARG002 - it has ended
        """Yield the one update that there is: how it ended."""
        return iter([update_of(self._home, self.id, self._final)])

    async def aupdates(self, timeout: float | None = None) -> AsyncIterator[Update]:  # noqa: ARG002 - as above
        """Yield the one update that there is: how it ended."""
        yield update_of(self._home, self.id, self._final)

    def revoke(self, terminate: bool = False) -> bool:  # noqa: ARG002 - it has ended
        """Return False: it has ended."""
        return False

    def reschedule(self, *, countdown: float | None = None, eta: datetime | float | None = None) -> bool:  # noqa: ARG002 - it has ended
        """Return False: it has ended."""
        return False

    def requeue(self) -> bool:
        """Return False: no store knows of it."""
        return False

    def log(self, after: int = 0, count: int = LOG_AT_ONCE) -> list[LogLine]:  # noqa: ARG002 - the caller's
        """Return nothing: what it has logged went where the caller's logging sends it."""
        return []

    def explain(self) -> Reason:
        """Say that it has ended."""
        return Reason("ended", f"It has ended: {self.state}, in the process that called it.")

    def forget(self) -> bool:
        """Return False: no store knows of it."""
        return False

    @property
    def children(self) -> list[AsyncResult[Any]]:
        """The tasks that its code has sent to workers."""
        sent = () if self._final is None else self._final.children
        return [AsyncResult(task_id, self._home) for task_id in sent]


def _dependants(broker: Broker, task_id: str) -> Iterator[str]:
    """Read the ids of those that go on from a task; instead of joins, those that go on from the join."""
    to_do = [(task_id, 0)]
    while to_do:
        here, start = to_do.pop()
        ids = broker.dependants(here, start)
        if not ids:
            continue
        to_do.append((here, start + len(ids)))
        for each, record in zip(ids, broker.get(ids), strict=True):
            after = None if record is None else record.message.after
            if after is None or after.on == "failure":  # gone, or an errback
                continue
            if after.join:
                to_do.append((each, 0))
            else:
                yield each
