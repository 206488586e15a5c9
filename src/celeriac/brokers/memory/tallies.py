"""What was counted, in dictionaries: of each bucket of time its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from celeriac.tally import EVER, KEPT, NEXT, TELLERS_KEPT, Numbers, Tally, begin, merge, row_for

Bucket = dict[tuple[str, str], Numbers]


class Tallies:
    """The statistics of a store in memory; whoever uses it has the store's lock."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[int, int], Bucket] = {}  # by step and moment
        self._tellers: dict[str, tuple[int, float]] = {}  # their last number, and when it came

    def count(self, teller: str, number: int, tallies: Sequence[Tally], now: float) -> bool:
        """Take *tallies* in; see `Broker.count`."""
        if number <= self._tellers.get(teller, (0, 0.0))[0]:
            return False
        self._tellers[teller] = number, now
        for tally in tallies:
            self._put(tally.step, tally.moment, tally.queue, tally.name, tally.numbers)
            self._put(EVER, 0, tally.queue, tally.name, tally.numbers)
        return True

    def _put(self, step: int, moment: int, queue: str, name: str, numbers: Numbers) -> None:
        bucket = self._buckets.setdefault((step, moment), {})
        row = queue, name
        if row not in bucket:
            row = row_for(queue, name, len(bucket))
        merge(bucket.setdefault(row, {}), numbers)

    def age(self, now: float) -> bool:
        """Put the oldest bucket that is over its time into the next larger one; say whether there was one."""
        self._tellers = {
            teller: (number, seen)
            for teller, (number, seen) in self._tellers.items()
            if seen > now - TELLERS_KEPT
        }
        over = list(self._over(now))
        for step, moment in over[:1]:
            larger = NEXT[step]
            for (queue, name), numbers in sorted(self._buckets.pop((step, moment)).items()):
                if larger is not None:
                    self._put(larger, begin(moment, larger), queue, name, numbers)
        return bool(over)

    def _over(self, now: float) -> Iterator[tuple[int, int]]:
        for step, moment in sorted(self._buckets):
            if step != EVER and moment <= now - KEPT[step] - step:
                yield step, moment

    def between(self, since: float, until: float) -> list[Tally]:
        """Return what was counted in a span; see `Backend.statistics`."""
        return [
            Tally(moment, queue, name, dict(numbers), step)
            for (step, moment), bucket in sorted(self._buckets.items())
            if step != EVER and moment < until and moment + step > since
            for (queue, name), numbers in sorted(bucket.items())
        ]

    def counted(self) -> list[Tally]:
        """Return what was ever counted; see `Backend.counted`."""
        bucket = self._buckets.get((EVER, 0), {})
        return [Tally(0, *row, dict(numbers), EVER) for row, numbers in sorted(bucket.items())]
