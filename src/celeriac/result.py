"""What the caller holds: a task's state, progress and result, asked for or waited for."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, cast

import msgspec

from celeriac import codec, graphs, states
from celeriac.broker import Broker
from celeriac.clock import Clock, as_datetime
from celeriac.context import current_run
from celeriac.current import current_application
from celeriac.errors import DecodeError, UnknownTask, WouldDeadlock
from celeriac.errors import TimeoutError as WaitTimeout
from celeriac.graphs import Graph
from celeriac.hub import Hub
from celeriac.message import Record, decode_payload
from celeriac.outcome import ErrorInfo, decode_error
from celeriac.states import State

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    R = TypeVar("R", default=Any)
else:
    from typing import TypeVar

    R = TypeVar("R")


class Home(Protocol):
    """What a result needs of its application."""

    clock: Clock

    @property
    def broker(self) -> Broker:
        """The store."""

    @property
    def hub(self) -> Hub:
        """Who waits for everybody."""

    def result_type(self, name: str) -> Any:
        """Return the type that the task *name* is annotated to return; Any when it is not."""


class Update(msgspec.Struct, frozen=True):
    """A task's state at one moment.

    Attributes:
        state: in Celery's words; "UNKNOWN" when there is no such task.
        meta: what `update_state` last reported; None before the first report.
        result: what it returned, once it succeeded.
        error, error_type: message and dotted type name, once it failed or was revoked.
        ready: whether this is the last one.
    """

    id: str
    state: str
    meta: Any = None
    result: Any = None
    error: str | None = None
    error_type: str | None = None
    ready: bool = False

    @property
    def current(self) -> float:
        """How far it is, by its own report; 0 before the first."""
        return number_of(self.meta, "current", 0)

    @property
    def total(self) -> float:
        """How far it has to go, by its own report; 1 before the first."""
        return number_of(self.meta, "total", 1)

    @property
    def status(self) -> str:
        """What it says of itself; "" before the first report."""
        text = self.meta.get("status", "") if isinstance(self.meta, dict) else ""
        return text if isinstance(text, str) else str(text)


def number_of(meta: Any, key: str, default: float) -> float:
    """Return a number out of what a task reports of itself."""
    value = meta.get(key, default) if isinstance(meta, dict) else default
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default


class AsyncResult(Generic[R]):
    """A task that was sent, by its id.

    Reading an attribute asks the store, until the task has ended; then the answer is kept.

    Args:
        id: the task's id.
        home: the application; None takes the current one.
    """

    def __init__(
        self, id: str, home: Home | None = None, *, kind: Any = None, record: Record | None = None
    ) -> None:
        self.id = id
        self._home: Home = current_application() if home is None else home
        self._kind = kind
        self._final = record
        self.parent: Any = None  # the result that it was given, in a chain or chord

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
        first = self if info.origin is None else self._before(info.origin)
        if first is not self:
            return first.get(propagate=propagate, disable_sync_subtasks=False)
        error = info.rebuild()
        if propagate:
            raise error
        return cast("R", error)

    def _before(self, task_id: str) -> AsyncResult[Any]:
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
        return answer in ("cancelled", "stopping", "noted")

    def forget(self) -> bool:
        """Delete the record of a task that has ended; say whether it was deleted."""
        self._final = None
        return self._home.broker.forget([self.id]) > 0


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

    def forget(self) -> bool:
        """Return False: no store knows of it."""
        return False


def members(broker: Broker, join: str) -> Iterator[list[str]]:
    """Read the ids of all that a join brings together, a thousand at a time."""
    start = 0
    while some := broker.parents(join, start):
        yield some
        start += len(some)


# --- several tasks at once --------------------------------------------------------------------------


def updates(
    home: Home, ids: Sequence[str], *, timeout: float | None = None, tick: float | None = None
) -> Iterator[Update | None]:
    """Follow *ids* until all have ended; see `Celeriac.updates`."""
    seen: dict[str, Update] = {}
    for found in follow(home, ids, timeout, tick):
        if found is None:
            yield None
        elif (update := _changed(home, seen, found)) is not None:
            yield update


async def aupdates(
    home: Home, ids: Sequence[str], *, timeout: float | None = None, tick: float | None = None
) -> AsyncIterator[Update | None]:
    """Follow *ids* until all have ended; see `Celeriac.aupdates`."""
    seen: dict[str, Update] = {}
    async for found in afollow(home, ids, timeout, tick):
        if found is None:
            yield None
        elif (update := _changed(home, seen, found)) is not None:
            yield update


def _changed(home: Home, seen: dict[str, Update], found: tuple[str, Record | None]) -> Update | None:
    """Return the update for what was *found*, unless it says what was said before."""
    update = update_of(home, *found)
    if seen.get(update.id) == update:
        return None
    seen[update.id] = update
    return update


def update_of(home: Home, task_id: str, record: Record | None) -> Update:
    """Turn a record into what is shown of it."""
    if record is None:
        return Update(task_id, states.UNKNOWN, ready=True)
    error: ErrorInfo | None = None
    result = None
    if record.state is State.SUCCEEDED and record.result:
        try:
            result = codec.decode(record.result, home.result_type(record.message.name))
        except DecodeError:
            result = codec.decode(record.result)
    elif record.error and (record.state.final or record.outside == states.RETRY):
        error = decode_error(record.error)
    return Update(
        id=task_id,
        state=record.outside,
        meta=codec.decode(record.meta, what="the meta"),
        result=result,
        error=error.message if error else None,
        error_type=error.type if error else None,
        ready=record.state.final,
    )


def follow(
    home: Home, ids: Sequence[str], timeout: float | None, tick: float | None
) -> Iterator[tuple[str, Record | None] | None]:
    """Yield id and record at each change until all have ended; None at each *tick* without a change."""
    news: queue.SimpleQueue[tuple[str, Record | None]] = queue.SimpleQueue()
    left = set(ids)
    deadline = _Deadline(home.clock, timeout, tick, left)
    with home.hub.follow(ids, lambda task_id, record: news.put((task_id, record))):
        while left:
            try:
                found = news.get(timeout=deadline.pause())
            except queue.Empty:
                deadline.check()
                yield None
                continue
            if found[0] in left:
                deadline.note(*found)
                if found[1] is None or found[1].state.final:
                    left.discard(found[0])
                yield found


async def afollow(
    home: Home, ids: Sequence[str], timeout: float | None, tick: float | None
) -> AsyncIterator[tuple[str, Record | None] | None]:
    """Do what `follow` does, without blocking the event loop."""
    import asyncio

    loop = asyncio.get_running_loop()
    news: asyncio.Queue[tuple[str, Record | None]] = asyncio.Queue()
    left = set(ids)
    deadline = _Deadline(home.clock, timeout, tick, left)

    def hear(task_id: str, record: Record | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            loop.call_soon_threadsafe(news.put_nowait, (task_id, record))

    with home.hub.follow(ids, hear):
        while left:
            try:
                found = await asyncio.wait_for(news.get(), deadline.pause())
            except TimeoutError:
                deadline.check()
                yield None
                continue
            if found[0] in left:
                deadline.note(*found)
                if found[1] is None or found[1].state.final:
                    left.discard(found[0])
                yield found


class _Deadline:
    """How long a follower still waits."""

    def __init__(self, clock: Clock, timeout: float | None, tick: float | None, left: set[str]) -> None:
        self._clock, self._timeout, self._tick, self._left = clock, timeout, tick, left
        self._last = states.UNKNOWN
        self._end = None if timeout is None else clock.monotonic() + timeout

    def pause(self) -> float | None:
        """Return for how many seconds to wait now; None for ever."""
        left = None if self._end is None else max(0.0, self._end - self._clock.monotonic())
        if self._tick is None:
            return left
        return self._tick if left is None else min(self._tick, left)

    def check(self) -> None:
        """Raise if the time is over."""
        if self._end is not None and self._clock.monotonic() >= self._end:
            one = next(iter(self._left), "")
            what = (
                f"task {one} ({self._last}) has" if len(self._left) == 1 else f"{len(self._left)} tasks have"
            )
            raise WaitTimeout(f"{what} not ended within {self._timeout:g} s")

    def note(self, _: str, record: Record | None) -> None:
        """Remember what was heard last, for the error."""
        self._last = states.UNKNOWN if record is None else record.outside
