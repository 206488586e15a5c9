"""In which order a worker looks into its queues when they have weights: each gets its share of the claims.

Stride scheduling (Waldspurger and Weihl, 1995): each queue has a clock that a claim moves on, less where
the queue weighs more, and the queue whose clock is behind goes first. One found empty saves nothing up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping


class Shares:
    """Orders the queues of one worker process.

    Args:
        weights: by queue, in the order in which the worker serves them where shares are equal.
    """

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._weights = dict(weights)
        self._clocks = dict.fromkeys(weights, 0.0)

    def order(self) -> tuple[str, ...]:
        """Return all queues, those first that are behind with their share."""
        return tuple(sorted(self._clocks, key=self._clocks.__getitem__))

    def count(self, order: tuple[str, ...], claimed: Iterable[str], want: int) -> None:
        """Note what a trip has brought.

        Args:
            order: that in which it looked. claimed: the queue of each claim.
            want: how many it had asked for; when it got less, all queues are empty.
        """
        counts = Counter(claimed)
        for queue, count in counts.items():
            if queue in self._clocks:
                self._clocks[queue] += count / self._weights[queue]
        last = max((order.index(queue) for queue in counts if queue in order), default=-1)
        empty = order if counts.total() < want else order[: max(0, last)]
        floor = min((clock for queue, clock in self._clocks.items() if queue not in empty), default=None)
        for queue in empty:
            self._clocks[queue] = 0.0 if floor is None else max(self._clocks[queue], floor)
