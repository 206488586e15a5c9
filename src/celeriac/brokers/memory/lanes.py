"""The lanes of the memory store: who stands where workers look, and who waits behind."""

from __future__ import annotations

from collections import defaultdict, deque

import msgspec

from celeriac.lanes import Limit
from celeriac.message import Message

Place = tuple[str, int]  # queue and priority


class Lane(msgspec.Struct):
    """One lane.

    Attributes:
        tokens: how many there were at the moment `since`. running: how many of its tasks run.
        lines: those that wait, by place. first: the places where its first one stands in a queue, or is
            parked.
    """

    limit: Limit
    tokens: float
    since: float
    running: int = 0
    lines: defaultdict[Place, deque[str]] = msgspec.field(default_factory=lambda: defaultdict(deque))
    first: set[Place] = msgspec.field(default_factory=set)

    def refresh(self, now: float) -> None:
        """Count the tokens that have come until *now*."""
        self.tokens = self.limit.tokens_at(self.tokens, self.since, now)
        self.since = max(self.since, now)

    def has_room(self, now: float) -> bool:
        """Say whether one more may start."""
        self.refresh(now)
        return self.limit.has_room(self.tokens, self.running)

    def lacks_token(self) -> float | None:
        """Return when a token comes, if one is lacking."""
        return self.limit.wakes(self.tokens, self.since, self.running)

    def wakes(self) -> float | None:
        """Return when somebody who waits may stand in a queue, if that is a matter of time."""
        waits = any(line and place not in self.first for place, line in self.lines.items())
        return self.limit.wakes(self.tokens, self.since, self.running) if waits else None


class Lanes:
    """All lanes, by name."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    def of(self, message: Message) -> Lane:
        """Return the lane of a limited task; it stays limited as it was."""
        if message.limit is None:
            raise ValueError(f"task {message.id} stands in no lane")
        return self._lanes[message.limit.lane]

    def learn(self, message: Message, now: float) -> Lane | None:
        """Limit the lane of a task that is sent as that says; return it if it was limited otherwise."""
        limit = message.limit
        if limit is None:
            return None
        lane = self._lanes.get(limit.lane)
        if lane is None:
            self._lanes[limit.lane] = Lane(limit, limit.burst, now)
        elif lane.limit != limit:
            lane.refresh(now)
            lane.limit, lane.tokens = limit, min(lane.tokens, limit.burst)
            return lane
        return None

    def all(self) -> list[Lane]:
        """Return all lanes, by name."""
        return [self._lanes[name] for name in sorted(self._lanes)]


def place_of(message: Message) -> Place:
    """Return where a task stands when workers look at it."""
    return message.queue, message.priority
