"""What the memory store keeps of what tasks have logged, and of who did what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from msgspec.structs import replace

from celeriac.steering import (
    ACTIVITY_KEPT,
    LOG_ATTEMPTS,
    LOG_RING,
    MOST_ACTIVITY,
    Deed,
    Entry,
    Line,
    cost_of,
)


class Notebook:
    """Logs by task, and deeds."""

    def __init__(self) -> None:
        self._logs: defaultdict[str, list[Entry]] = defaultdict(list)
        self._deeds: list[Deed] = []
        self._noted = 0

    def write(self, line: Line) -> None:
        """Add a line to the log of its task, and let go of those that are too many."""
        log = self._logs[line.id]
        number = log[-1].number + 1 if log else 1
        log.append(Entry(number, line.fence, line.time, line.level, line.body))
        kept = [each for each in log if each.attempt > line.fence - LOG_ATTEMPTS]
        ours = [each for each in kept if each.attempt == line.fence]
        size = sum(cost_of(each.body) for each in ours)
        while size > LOG_RING and len(ours) > 1:
            size -= cost_of(ours[0].body)
            kept.remove(ours.pop(0))
        self._logs[line.id] = kept

    def read(self, id: str, after: int, count: int) -> list[Entry]:
        """Return lines of a task's log."""
        return [each for each in self._logs.get(id, ()) if each.number > after][:count]

    def forget(self, ids: Collection[str]) -> None:
        """Let go of the logs of these tasks."""
        for each in ids:
            self._logs.pop(each, None)

    def note(self, deeds: Sequence[Deed], now: float) -> None:
        """Remember who did what."""
        for deed in deeds:
            self._noted += 1
            self._deeds.append(replace(deed, number=self._noted))
        self._deeds = [each for each in self._deeds[-MOST_ACTIVITY:] if each.at > now - ACTIVITY_KEPT]

    def deeds(self, after: int, count: int) -> list[Deed]:
        """Return what was done last."""
        return [each for each in reversed(self._deeds) if not after or each.number < after][:count]
