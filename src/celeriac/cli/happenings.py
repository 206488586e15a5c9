"""What happens to tasks, made of looks at the store: which runs have begun, and which tasks have ended."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from celeriac.broker import LOOKED_AT
from celeriac.criteria import ENDED, Criteria
from celeriac.search import TaskView, meant
from celeriac.states import State

if TYPE_CHECKING:
    from celeriac.app import Celeriac
    from celeriac.filters import Filter
    from celeriac.message import Record

OVERLAP: Final = 10.0  # seconds by which an end may reach the store later than the moment that it bears
MOST: Final = 20_000  # ended tasks at which one look looks
RUNNING: Final = 1_000  # running ones
KEPT: Final = 10_000  # starts that are remembered
AT_ONCE: Final = 250


class Event(NamedTuple):
    """What has happened: `started`, `succeeded`, `failed`, `cancelled`; when; and to whom."""

    what: str
    at: float
    task: TaskView


class Gap(NamedTuple):
    """More tasks have ended than one look may look at: between these moments, some may be missing."""

    since: float
    until: float


class Look(NamedTuple):
    """What one look has found, in the order in which it happened."""

    events: list[Event]
    gap: Gap | None


class Happenings:
    """Tells of each end of a task once, and of each start that it sees.

    An end is told if it reaches the store at most `OVERLAP` seconds after the moment that it bears: that many
    seconds are read again and again. A run that begins and ends between two looks is told by its end only.
    """

    def __init__(self, app: Celeriac, query: str) -> None:
        self._app, self._query = app, query
        self._looked: float | None = None  # the moment of the last look
        self._floor = -math.inf  # what ended before was told, or is lost
        self._ends: dict[tuple[str, float], None] = {}
        self._starts: dict[tuple[str, int], None] = {}

    def look(self, last: int = 0) -> Look:
        """Return what has happened since the last look; at the first one the *last* that happened before it.

        Raises:
            InvalidFilter: the filter cannot be read.
            OperationalError: the store is away; the next look makes up for it.
        """
        now = self._app.clock.now()
        wanted = meant(self._app, self._query)
        running = self._running(wanted)
        ended, cut = self._ended(wanted, now, last)
        events = self._started(running, wanted, now) + self._new_ends(
            ended, wanted
        )  # nothing fails from here
        events.sort(key=lambda event: event.at)
        gap = None
        if self._looked is None:
            events = events[len(events) - min(last, len(events)) :]
        elif cut is not None and cut > self._looked:
            gap = Gap(self._looked, cut)
        self._looked, self._floor = now, max(now - OVERLAP, -math.inf if cut is None else cut)
        self._forget()
        return Look(events, gap)

    # --- asking the store ---------------------------------------------------------------------------------

    def _running(self, wanted: Filter) -> list[Record]:
        criteria = _narrowed(wanted, frozenset({State.RUNNING}))
        return [] if criteria is None else [record for record in self._walk(criteria, RUNNING) if record]

    def _ended(self, wanted: Filter, now: float, last: int) -> tuple[list[Record], float | None]:
        """Return what has ended since the floor; and the oldest moment that was met, if there is more."""
        criteria = _narrowed(wanted, ENDED)
        if criteria is not None and self._looked is not None:
            criteria = replace(criteria, since=max(self._floor, criteria.since or 0.0))
        found: list[Record] = []
        fits = 0
        for record in () if criteria is None else self._walk(criteria, MOST):
            if record is None:
                return found, found[-1].finished if found else now
            at = record.finished or 0.0
            if at < self._floor or (self._looked is None and at < now - OVERLAP and fits >= last):
                break
            found.append(record)
            fits += self._looked is None and wanted.matches(record)
        return found, None

    def _walk(self, criteria: Criteria, left: int) -> Iterator[Record | None]:
        """Give what fits, of *left* tasks; None at the end if there may be more."""
        after = ""
        while left > 0:
            found = self._app.broker.find(criteria, after, AT_ONCE, min(left, LOOKED_AT))
            yield from found.records
            after, left = found.after, left - max(1, found.searched)
            if not after:
                return
        yield None

    # --- what is new of it --------------------------------------------------------------------------------

    def _started(self, running: list[Record], wanted: Filter, now: float) -> list[Event]:
        events = []
        for record in running:
            key = record.id, record.fence
            if key not in self._starts and wanted.matches(record):
                events.append(Event("started", record.started or now, self._view(record)))
            self._starts.pop(key, None)
            self._starts[key] = None  # behind those that were not met again
        return events

    def _new_ends(self, ended: list[Record], wanted: Filter) -> list[Event]:
        events = []
        for record in ended:
            key = record.id, record.finished or 0.0
            if key not in self._ends and wanted.matches(record):
                events.append(Event(record.state.name.lower(), key[1], self._view(record)))
            self._ends[key] = None
        return events

    def _view(self, record: Record) -> TaskView:
        return TaskView.of(record, parameters=self._app.parameters_of(record.message.name))

    def _forget(self) -> None:
        """Forget what cannot be met again."""
        self._ends = {key: None for key in self._ends if key[1] >= self._floor}
        for key in list(self._starts)[: max(0, len(self._starts) - KEPT)]:
            del self._starts[key]


def _narrowed(wanted: Filter, states: frozenset[State]) -> Criteria | None:
    """Return what to look for among tasks in *states*; None where the filter wants none of those."""
    criteria = wanted.criteria
    both = criteria.states & states if criteria.states else states
    return replace(criteria, states=both) if both else None
