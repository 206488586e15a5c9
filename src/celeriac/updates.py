"""State and progress of tasks as they change: one update after another, until the end."""

from __future__ import annotations

import contextlib
import itertools
import queue
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from celeriac import codec, states
from celeriac.broker import Broker
from celeriac.clock import Clock
from celeriac.errors import DecodeError
from celeriac.errors import TimeoutError as WaitTimeout
from celeriac.explaining import Reason
from celeriac.hub import Hub
from celeriac.message import Record
from celeriac.outcome import ErrorInfo, decode_error
from celeriac.states import State
from celeriac.steering import LOG_AT_ONCE, LogLine


class Home(Protocol):
    """What a result needs of its application."""

    clock: Clock

    @property
    def broker(self) -> Broker:
        """The store."""

    @property
    def hub(self) -> Hub:
        """Who waits for everybody."""

    def explain(self, id: str) -> Reason:
        """Say why a task has not run."""

    def reschedule(
        self, id: str, *, countdown: float | None = None, eta: datetime | float | None = None
    ) -> bool:
        """Have a task start at another moment; see `AsyncResult.reschedule`."""

    def log(self, id: str, after: int = 0, count: int = LOG_AT_ONCE) -> list[LogLine]:
        """Return what a task has logged."""

    def acted(self, verb: str, target: str = "", count: int = 1) -> None:
        """Note what was done, if somebody is to be noted."""

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
    sums, seen = Sums(home, ids), dict[str, Update]()
    for found in follow(home, ids, timeout, tick, sums):
        if found is None:
            yield None
        else:
            yield from _changed(home, sums, seen, found)


async def aupdates(
    home: Home, ids: Sequence[str], *, timeout: float | None = None, tick: float | None = None
) -> AsyncIterator[Update | None]:
    """Follow *ids* until all have ended; see `Celeriac.aupdates`."""
    sums, seen = Sums(home, ids), dict[str, Update]()
    async for found in afollow(home, ids, timeout, tick, sums):
        if found is None:
            yield None
        else:
            for update in _changed(home, sums, seen, found):
                yield update


def _changed(
    home: Home, sums: Sums, seen: dict[str, Update], found: tuple[str, Record | None]
) -> Iterator[Update]:
    """Yield the updates for what was *found*, unless they say what was said before."""
    for update in sums.told(update_of(home, *found), found[1]):
        if seen.get(update.id) != update:
            seen[update.id] = update
            yield update


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
    home: Home, ids: Sequence[str], timeout: float | None, tick: float | None, sums: Sums | None = None
) -> Iterator[tuple[str, Record | None] | None]:
    """Yield id and record at each change until all have ended; None at each *tick* without a change.

    Args:
        sums: says whom to follow besides, without waiting for their end.
    """
    news: queue.SimpleQueue[tuple[str, Record | None]] = queue.SimpleQueue()
    left, besides = set(ids), set[str]()
    deadline = _Deadline(home.clock, timeout, tick, left)

    def hear(task_id: str, record: Record | None) -> None:
        news.put((task_id, record))

    with contextlib.ExitStack() as stack:
        stack.enter_context(home.hub.follow(ids, hear))
        while left:
            try:
                found = news.get(timeout=deadline.pause())
            except queue.Empty:
                deadline.check()
                yield None
                continue
            if sums is not None and sums.wants(*found):
                more = sums.members(*found)
                besides.update(more)
                stack.enter_context(home.hub.follow(more, hear))
            if _is_news(found, left, besides, deadline):
                yield found


async def afollow(
    home: Home, ids: Sequence[str], timeout: float | None, tick: float | None, sums: Sums | None = None
) -> AsyncIterator[tuple[str, Record | None] | None]:
    """Do what `follow` does, without blocking the event loop."""
    import asyncio

    loop = asyncio.get_running_loop()
    news: asyncio.Queue[tuple[str, Record | None]] = asyncio.Queue()
    left, besides = set(ids), set[str]()
    deadline = _Deadline(home.clock, timeout, tick, left)

    def hear(task_id: str, record: Record | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            loop.call_soon_threadsafe(news.put_nowait, (task_id, record))

    with contextlib.ExitStack() as stack:
        stack.enter_context(home.hub.follow(ids, hear))
        while left:
            try:
                found = await asyncio.wait_for(news.get(), deadline.pause())
            except TimeoutError:
                deadline.check()
                yield None
                continue
            if sums is not None and sums.wants(*found):
                more = await asyncio.to_thread(sums.members, *found)
                besides.update(more)
                stack.enter_context(home.hub.follow(more, hear))
            if _is_news(found, left, besides, deadline):
                yield found


def _is_news(
    found: tuple[str, Record | None], left: set[str], besides: set[str], deadline: _Deadline
) -> bool:
    """Say whether *found* is of a task that is followed and had not ended; note if it has now."""
    task_id, record = found
    if task_id in left:
        deadline.note(task_id, record)
    elif task_id not in besides:
        return False
    if record is None or record.state.final:
        left.discard(task_id)
        besides.discard(task_id)
    return True


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


# --- adding up --------------------------------------------------------------------------------------


LOOKED_AT: Final = 100  # waiting tasks; each look costs the store a question or two


class Sums:
    """Tells of joins, and of tasks that wait for one, how far those are that are brought together.

    It does so for the first `LOOKED_AT` of them that are met waiting: whoever follows a thousand chains
    does not wait for a thousand looks.

    Args:
        ids: the tasks whose updates are wanted.
    """

    def __init__(self, home: Home, ids: Sequence[str]) -> None:
        self._home, self._wanted = home, frozenset(ids)
        self._waiting: dict[str, bool] = {}  # for each that was looked at: whether it waits still
        self._of: defaultdict[str, list[Together]] = defaultdict(list)

    def wants(self, task_id: str, record: Record | None) -> bool:
        """Say whether *record* is of a task that waits for others, and was not looked at yet."""
        return (
            record is not None
            and record.state is State.WAITING
            and len(self._waiting) < LOOKED_AT
            and task_id in self._wanted
            and task_id not in self._waiting
        )

    def members(self, task_id: str, record: Record | None) -> list[str]:
        """Return the ids of those whose progress counts for this task; none if it waits for no join."""
        self._waiting[task_id] = True
        join = self._join_of(task_id, record)
        ids = [] if join is None else [*itertools.chain.from_iterable(members(self._home.broker, join))]
        together = Together(task_id, ids)
        for each in ids:
            self._of[each].append(together)
        return ids

    def _join_of(self, task_id: str, record: Record | None) -> str | None:
        if _is_join(record):
            return task_id
        parents = self._home.broker.parents(task_id, 0, 2)
        if len(parents) == 1 and _is_join(self._home.broker.get(parents)[0]):
            return parents[0]
        return None

    def told(self, update: Update, record: Record | None) -> Iterator[Update]:
        """Yield *update* if it is wanted, and what it means for those that its progress counts for."""
        if update.id in self._waiting:
            self._waiting[update.id] = record is not None and record.state is State.WAITING
        if update.id in self._wanted:
            yield update
        for together in self._of.get(update.id, ()):
            if together.note(update) and self._waiting[together.id]:
                yield together.so_far()


def _is_join(record: Record | None) -> bool:
    return record is not None and record.message.after is not None and record.message.after.join


class Together:
    """What several tasks have reported, added up.

    Args:
        id: under which it is told.
    """

    def __init__(self, id: str, ids: Iterable[str]) -> None:
        self.id = id
        self._total = len(set(ids))
        self._shares: dict[str, float] = {}
        self._ended: dict[str, Update] = {}
        self._sum = 0.0
        self._first: Update | None = None  # the first that did not succeed

    def note(self, news: Update) -> bool:
        """Take the news of one of them; say whether all are known by now, or something has moved."""
        known = len(self._shares) == self._total
        share = 1.0 if news.ready else _share(news)
        self._sum += share - self._shares.get(news.id, 0.0)
        moved = self._shares.get(news.id) != share
        self._shares[news.id] = share
        if news.ready:
            self._ended[news.id] = news
            if news.state != states.SUCCESS and self._first is None:
                self._first = news
        return len(self._shares) == self._total and (moved or not known)

    def so_far(self) -> Update:
        """Say how far all are, of something that will have an end of its own."""
        state = states.PROGRESS if self._sum else states.PENDING
        return Update(id=self.id, state=state, meta=self._meta())

    def update(self) -> Update:
        """Say how far all are, and what has become of them."""
        if len(self._ended) < self._total:
            return self.so_far()
        first = self._first
        return Update(
            id=self.id,
            state=states.SUCCESS if first is None else first.state,
            meta=self._meta(),
            error=None if first is None else first.error,
            error_type=None if first is None else first.error_type,
            ready=True,
        )

    def _meta(self) -> dict[str, Any]:
        return {
            "current": round(self._sum, 3),
            "total": self._total,
            "status": f"{len(self._ended)} of {self._total} have ended",
        }


def _share(news: Update) -> float:
    """Return how much of a task is done, from 0 to 1."""
    total = number_of(news.meta, "total", 0)
    return min(1.0, max(0.0, number_of(news.meta, "current", 0) / total)) if total > 0 else 0.0
