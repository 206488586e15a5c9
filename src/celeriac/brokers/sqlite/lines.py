"""Places in lines. A line is the ready tasks of one queue and priority; only their order counts."""

from __future__ import annotations

from celeriac.brokers.sqlite.transaction import Transaction

Line = tuple[str, int]


class Lines:
    """Hands out positions at the tails and heads of lines, within one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._tails: dict[Line, int] = {}
        self._parked: dict[str, int] = {}

    def tail(self, queue: str, priority: int) -> int:
        """Return the position behind all others; the caller puts a task there."""
        line = queue, priority
        if line not in self._tails:
            self._tails[line] = self._transaction.value("line_tail", queue, priority) or 0
        self._tails[line] += 1
        return self._tails[line]

    def head(self, queue: str, priority: int) -> int:
        """Return the position before all others; the caller puts a task there before asking again."""
        first = self._transaction.value("line_head", queue, priority)
        return (1 if first is None else first) - 1

    def parked(self, name: str) -> int:
        """Return the position behind the parked tasks of *name*; the caller parks one there."""
        if name not in self._parked:
            self._parked[name] = self._transaction.value("line_parked", name) or 0
        self._parked[name] += 1
        return self._parked[name]
