"""find, totals: the contract's order in its plainest form: sort all, skip those met before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from celeriac.broker import Found, Total
from celeriac.brokers import places
from celeriac.brokers.memory.records import Task
from celeriac.criteria import Criteria
from celeriac.states import State

_ORDER: Final = (State.RUNNING, State.QUEUED, State.SCHEDULED, State.WAITING)
_PLACE: Final = (int, float, int)


def find(tasks: Iterable[Task], criteria: Criteria, after: str, count: int, limit: int) -> Found:
    """Look for tasks; see `Backend.find`."""
    wanted = ((_place_of(task), task) for task in tasks if criteria.wants(task.state))
    known = sorted(wanted, key=lambda each: each[0])
    behind = tuple(places.read(after, _PLACE)) if after else None
    looked_at = [(place, task.record()) for place, task in known if behind is None or place > behind]
    found, searched = [], 0
    for place, record in looked_at[:limit]:
        searched += 1
        if criteria.matches(record):
            found.append((places.written(*place), record))
        if len(found) == count:
            break
    last = places.written(*looked_at[searched - 1][0]) if searched < len(looked_at) else ""
    return Found([record for _, record in found], [place for place, _ in found], last, searched)


def totals(tasks: Iterable[Task]) -> dict[State, Total]:
    """Count tasks; see `Backend.totals`."""
    counts = Counter(task.state for task in tasks)
    return {state: Total(counts[state]) for state in State}


def _place_of(task: Task) -> tuple[int, float, int]:
    if task.state.final:
        return len(_ORDER), -(task.finished or 0.0), -task.number
    return _ORDER.index(task.state), 0.0, -task.number
