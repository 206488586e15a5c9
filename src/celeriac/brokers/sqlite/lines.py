"""Places in lines. A line is the ready tasks of one queue and priority; only their order counts."""

from __future__ import annotations

from celeriac.brokers.sqlite.lanes import lanes_of
from celeriac.brokers.sqlite.transaction import Transaction

Line = tuple[str, int]


class Lines:
    """Lets tasks join lines at their tails and heads, within one transaction, and rings for them.

    A limited task goes into its lane, and joins only if it is the first one there.
    """

    def __init__(self, transaction: Transaction, now: float) -> None:
        self._transaction = transaction
        self._now = now
        self._tails: dict[Line, int] = {}
        self._parked: dict[str, int] = {}

    def join_tail(self, seq: int, queue: str, priority: int, lane: str | None = None) -> int:
        """Put a task behind all others; return its position, for its row."""
        if lane is not None and not self._is_first(seq, lane, queue, priority, head=False):
            return 0
        line = queue, priority
        if line not in self._tails or self._transaction.lanes is not None:  # those of lanes join too
            self._tails[line] = self._transaction.value("line_tail", *line) or 0
        self._tails[line] += 1
        return self._join(seq, line, self._tails[line])

    def join_head(self, seq: int, queue: str, priority: int, lane: str | None = None) -> int:
        """Put a task before all others; return its position, for its row."""
        if lane is not None and not self._is_first(seq, lane, queue, priority, head=True):
            return 0
        line = queue, priority
        first = self._transaction.value("line_head", *line)
        return self._join(seq, line, (1 if first is None else first) - 1)

    def _is_first(self, seq: int, lane: str, queue: str, priority: int, *, head: bool) -> bool:
        return lanes_of(self._transaction, self._now).enter(seq, lane, queue, priority, head=head)

    def _join(self, seq: int, line: Line, position: int) -> int:
        self._transaction.run("line_join", *line, position, seq)
        self._transaction.ready(line[0])
        return position

    def parked(self, name: str) -> int:
        """Return the position behind the parked tasks of *name*; the caller parks one there."""
        if name not in self._parked:
            self._parked[name] = self._transaction.value("line_parked", name) or 0
        self._parked[name] += 1
        return self._parked[name]
