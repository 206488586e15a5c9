"""Lanes within one transaction: who stands where workers look, and who waits behind. See `celeriac.lanes`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from celeriac.brokers.sqlite.transaction import Row, Transaction, as_json, limit_of
from celeriac.lanes import Limit

Place = tuple[str, str, int]  # lane, queue, priority
AT_ONCE: Final = 300  # how many of those that wait are read at once
NOWHERE: Final = -(1 << 62)  # before all positions


class _Lane(msgspec.Struct):
    """One lane, as it is within this transaction."""

    limit: Limit
    tokens: float
    since: float
    running: int
    is_changed: bool = False


class _Waiting(msgspec.Struct):
    """Who waits at one place: whether the first one stands in a line, and where the others stand."""

    first: bool
    low: int | None
    high: int | None
    was_first: bool = False
    ahead: deque[Row] = msgspec.field(default_factory=deque)  # the next ones, as far as they were read
    read: int | None = None  # the position of the last one that was read


class Lanes:
    """The lanes that a verb touches; `close` writes them down. Made when the first limited task is met."""

    def __init__(self, transaction: Transaction, now: float) -> None:
        self._transaction = transaction
        self._now = now
        self._lanes: dict[str, _Lane] = {}
        self._places: dict[Place, _Waiting] = {}
        self._roomier: dict[str, None] = {}
        self._gone: list[int] = []  # those that wait no more

    # --- what befalls a task ----------------------------------------------------------------------

    def learn(self, text: str) -> None:
        """Limit the lane of a task that is sent as its *text* says."""
        limit = limit_of(text)
        lane = self._lane(limit)
        if lane.limit != limit:
            lane.limit, lane.tokens, lane.is_changed = limit, min(lane.tokens, limit.burst), True
            self._roomier[limit.lane] = None

    def enter(self, seq: int, text: str, queue: str, priority: int, *, head: bool = False) -> bool:
        """Let a queued task in; say whether it is the first one and has room: it may join its line."""
        limit = limit_of(text)
        lane, place = self._lane(limit), (limit.lane, queue, priority)
        waiting = self._waiting(place)
        if not waiting.first and waiting.low is None and self._has_room(lane):
            self._set_first(place, waiting)
            return True
        was_alone = not waiting.first and waiting.low is None
        self._hold(seq, place, waiting, head=head)
        if was_alone and self._wakes(lane) is not None:  # whoever sleeps has to wake up for it
            self._transaction.ready(queue)
        return False

    def leave_held(self, seq: int, place: Place) -> bool:
        """Let a queued task out that waits behind; say whether it did."""
        self._write_gone()
        if not self._transaction.run("lane_held", seq):
            return False
        if (waiting := self._places.get(place)) is not None:
            waiting.ahead = deque(row for row in waiting.ahead if row[0] != seq)
            self._measure(place, waiting)
        if (lane := self._known(place[0])) is not None:
            lane.is_changed = True
        return True

    def leave_line(self, place: Place) -> None:
        """Let a first one out."""
        if self._known(place[0]) is not None:
            self._waiting(place).first = False
            self.let_next(place)

    def start(self, row: Row) -> bool:
        """Take a token and a place for a first one, as `exchange_ready` gives it; else it waits again.

        `take_next` has to follow where it starts.
        """
        seq, text, queue, priority = row[0], row[-2], row[4], row[5]
        limit = limit_of(text)
        lane, place = self._lane(limit), (limit.lane, queue, priority)
        waiting = self._waiting(place)
        waiting.first = False
        if not self._has_room(lane):
            self._hold(seq, place, waiting, head=True, row=row)
            return False
        lane.tokens, lane.running, lane.is_changed = lane.tokens - 1, lane.running + 1, True
        return True

    def stop(self, text: str, *, began: bool = True) -> None:
        """Let a running task out, with its token if it has not begun.

        `make_room` gives its place to another one.
        """
        limit = limit_of(text)
        lane = self._lane(limit)
        lane.running, lane.is_changed = lane.running - 1, True
        if not began:
            lane.tokens = min(lane.limit.burst, lane.tokens + 1)
        if not began or lane.limit.concurrency is not None:  # else there was room before
            self._roomier[limit.lane] = None

    # --- who is next ------------------------------------------------------------------------------

    def let_next(self, place: Place) -> None:
        """Let the next one stand where workers look, if there is room and nobody stands there."""
        row = self.take_next(place, 1)
        if row is not None:
            self.stand(row)

    def take_next(self, place: Place, want: int) -> Row | None:
        """Take the next one out of its lane, to be the first one, if there is room and no other one is.

        Args:
            want: how many may be asked for one after another.
        """
        waiting, lane = self._waiting(place), self._lanes[place[0]]
        lane.is_changed = lane.is_changed or waiting.low is not None
        if waiting.first or waiting.low is None or not self._has_room(lane):
            return None
        row = self._read(place, waiting, want)
        if row is None:
            waiting.low = waiting.high = None
            return None
        waiting.low = None if row[-1] == waiting.high else row[-1] + 1
        if waiting.low is None:
            waiting.high = None
        self._gone.append(row[0])
        waiting.first = True
        return row

    def _read(self, place: Place, waiting: _Waiting, want: int) -> Row | None:
        if not waiting.ahead:
            last = NOWHERE if waiting.read is None else waiting.read
            found = self._transaction.all("lane_ready", self._now, *place, last, max(1, min(want, AT_ONCE)))
            waiting.ahead.extend(found)
            if found:
                waiting.read = found[-1][-1]
        return waiting.ahead.popleft() if waiting.ahead else None

    def stand(self, row: Row) -> None:
        """Put one that was taken out of its lane where workers look, behind all others."""
        seq, queue, priority = row[0], row[4], row[5]
        tail = (self._transaction.value("line_tail", queue, priority) or 0) + 1
        self._transaction.run("line_join", queue, priority, tail, seq)
        self._transaction.run("lane_stands", tail, seq)
        self._transaction.ready(queue)

    def make_room(self) -> None:
        """Let the first ones of lanes that have got room stand where workers look."""
        if self._roomier:
            self._write_gone()
        roomier, self._roomier = self._roomier, {}
        for name in roomier:
            for queue, priority in sorted(self._transaction.all("lane_places", name)):
                self.let_next((name, queue, priority))

    def wake(self) -> None:
        """Let those go whose time has come."""
        for name in self._transaction.column("lanes_due", self._now):
            if (lane := self._known(name)) is not None:
                lane.is_changed = True
                self._roomier[name] = None
        self.make_room()

    def close(self) -> None:
        """Let go who may, and write the lanes down."""
        self.make_room()
        self._write_gone()
        for place, waiting in self._places.items():
            if waiting.first is not waiting.was_first:
                self._transaction.run("lane_first" if waiting.first else "lane_gone", *place)
                waiting.was_first = waiting.first
        for name, lane in self._lanes.items():
            if lane.is_changed:
                limit = lane.limit
                waits = limit.rate is not None and any(
                    not self._waiting((name, *place)).first
                    for place in self._transaction.all("lane_places", name)
                )
                self._transaction.run(
                    "lane_put",
                    *(name, limit.rate, limit.burst, limit.concurrency),
                    *(lane.tokens, lane.since, lane.running, self._wakes(lane) if waits else None),
                )
                lane.is_changed = False

    def _write_gone(self) -> None:
        if self._gone:
            self._transaction.run("lane_leave", as_json(self._gone))
            self._gone = []

    # --- parts --------------------------------------------------------------------------------------

    def _lane(self, limit: Limit) -> _Lane:
        lane = self._known(limit.lane)
        if lane is None:
            lane = self._lanes[limit.lane] = _Lane(limit, limit.burst, self._now, 0, is_changed=True)
        return lane

    def _known(self, name: str) -> _Lane | None:
        if name in self._lanes:
            return self._lanes[name]
        row = self._transaction.one("lane", name)
        if row is None:
            return None
        rate, burst, concurrency, tokens, since, running = row
        lane = self._lanes[name] = _Lane(Limit(name, rate, burst, concurrency), tokens, since, running)
        lane.tokens = lane.limit.tokens_at(tokens, since, self._now)
        lane.since = max(since, self._now)
        return lane

    def _waiting(self, place: Place) -> _Waiting:
        waiting = self._places.get(place)
        if waiting is None:
            row = self._transaction.one("lane_place", *place, *place, *place) or (0, None, None)
            waiting = self._places[place] = _Waiting(bool(row[0]), row[1], row[2], bool(row[0]))
        return waiting

    def _has_room(self, lane: _Lane) -> bool:
        return lane.limit.has_room(lane.tokens, lane.running)

    def _wakes(self, lane: _Lane) -> float | None:
        return lane.limit.wakes(lane.tokens, lane.since, lane.running)

    def _set_first(self, place: Place, waiting: _Waiting) -> None:
        waiting.first = True
        self._lanes[place[0]].is_changed = True

    def _measure(self, place: Place, waiting: _Waiting) -> None:
        """Look again between which positions others wait."""
        row = self._transaction.one("lane_place", *place, *place, *place) or (0, None, None)
        waiting.low, waiting.high = row[1], row[2]

    def _hold(self, seq: int, place: Place, waiting: _Waiting, *, head: bool, row: Row | None = None) -> None:
        if waiting.low is None or waiting.high is None:
            position = waiting.low = waiting.high = 0 if waiting.read is None else waiting.read + 1
        elif head:
            position = waiting.low = waiting.low - 1
        else:
            position = waiting.high = waiting.high + 1
        self._write_gone()  # it may be one of them
        self._transaction.run("lane_hold", seq, *place, position)
        if row is not None and waiting.read is not None and position <= waiting.read:
            waiting.ahead.appendleft((*row[:-1], position))
        elif waiting.read is not None and position <= waiting.read:
            waiting.ahead.clear()
            waiting.read = None
        self._lanes[place[0]].is_changed = True


def lanes_of(transaction: Transaction, now: float) -> Lanes:
    """Return the lanes of this transaction."""
    if transaction.lanes is None:
        transaction.lanes = Lanes(transaction, now)
    lanes: Lanes = transaction.lanes
    return lanes


def leave_all(transaction: Transaction, seqs: Iterable[int], now: float) -> None:
    """Let those of these tasks out of their lanes that are limited and queued."""
    if transaction.lanes is None and not transaction.value("lanes_any"):
        return
    lanes, firsts = lanes_of(transaction, now), []
    for seq, text, queue, priority in transaction.all("lanes_of", as_json(seqs)):
        place = limit_of(text).lane, queue, priority
        if not lanes.leave_held(seq, place):
            firsts.append(place)
    for place in firsts:  # afterwards, so that none who leaves too takes their place
        lanes.leave_line(place)
