"""What was counted, as points in time: throughput, failures, waiting and running times, depth. Pure.

Made of the tallies of a store, see `tally`. Percentiles come from histograms with 28 buckets of fixed
bounds, so they are true to within one bucket: each is 1.9 times as long as the one before.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from celeriac import tally
from celeriac.clock import as_datetime
from celeriac.errors import ConfigurationError
from celeriac.tally import BOUNDS, BUCKETS, DAY, HOUR, KEPT, LEVELS, MINUTE, Numbers, Tally, begin, merge

__all__ = ["Point", "Series", "Spread", "Statistics"]

By = Literal["queue", "name"]

MOST_POINTS: Final = 3_000
_GOOD_MANY: Final = 180  # points, where nobody says how long each shall be
_STEPS: Final = (MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY)


class Spread(msgspec.Struct, frozen=True):
    """How long something took, of many; seconds, None where there was nothing.

    Attributes:
        count: of how many. mean: exact.
        p50, p95, p99: so many of a hundred took no longer, to within a bucket.
        buckets: how many fell into each of the 28 buckets whose upper bounds are `tally.BOUNDS`; the last one
            has no bound.
    """

    count: int = 0
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    buckets: tuple[int, ...] = (0,) * BUCKETS


class Point(msgspec.Struct, frozen=True):
    """What was counted in one step of time.

    Attributes:
        moment: when it begins, UTC. seconds: how long it is; the last one may not be over.
        started: runs that have begun; counted when they have ended or were given back.
        succeeded, failed, cancelled: what tasks ended with, after a run. retried: runs that will be repeated.
        crashed: runs whose isolated process died. recovered: runs taken from dead workers, known for all
            queues together only, and so is expired: tasks cancelled because it was too late for them.
        wait: from the call to the start, of tasks that waited for nothing but a worker and ran for the first
            time.
        run: of runs, whatever came of them.
        queued, scheduled, running: the most that the queues held at once; None where nobody looked, and of
            single names.
    """

    moment: datetime
    seconds: float
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    cancelled: int = 0
    crashed: int = 0
    expired: int = 0
    recovered: int = 0
    wait: Spread = Spread()
    run: Spread = Spread()
    queued: int | None = None
    scheduled: int | None = None
    running: int | None = None

    @property
    def ended(self) -> int:
        """How many tasks ended."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def throughput(self) -> float:
        """Tasks that ended, a second."""
        return self.ended / self.seconds if self.seconds > 0 else 0.0


class Series(msgspec.Struct, frozen=True):
    """Points in the order of time, without gaps, and all of them together.

    Attributes:
        key: the queue or the name; "" for everything.
    """

    key: str
    points: tuple[Point, ...]
    total: Point


class Statistics(msgspec.Struct, frozen=True):
    """The answer of `app.stats`.

    Attributes:
        since, until: UTC; *since* is where the first point begins. step: seconds from point to point.
        total: everything that was asked for.
        series: one for each queue or name, in order; empty if neither was asked for.
    """

    since: datetime
    until: datetime
    step: int
    total: Series
    series: dict[str, Series]


# --- which points -------------------------------------------------------------------------------------


def steps_of(since: float, until: float, now: float, step: float | timedelta | None) -> tuple[int, int]:
    """Return where the first point begins, and how many seconds each has.

    What is old is kept by the hour or the day only: then a step is as long as that, whatever was asked for.

    Raises:
        ConfigurationError: there would be no point, or too many.
    """
    if not until > since:
        raise ConfigurationError(
            f"statistics need a span: since {as_datetime(since)} until {as_datetime(until)} is none"
        )
    finest = MINUTE if since >= now - KEPT[MINUTE] else HOUR if since >= now - KEPT[HOUR] else DAY
    if step is None:
        fitting = (each for each in _STEPS if each >= finest and (until - since) / each <= _GOOD_MANY)
        seconds = next(fitting, _STEPS[-1])
    else:
        asked = step.total_seconds() if isinstance(step, timedelta) else step
        if not 0 < asked < math.inf:
            raise ConfigurationError(f"a step is some seconds, not {step!r}")
        seconds = math.ceil(asked / finest) * finest
    if (until - since) / seconds > MOST_POINTS:
        raise ConfigurationError(
            f"steps of {seconds} s since {as_datetime(since)} are more than {MOST_POINTS:,} points: "
            "take longer ones"
        )
    return begin(since, seconds), seconds


# --- adding up ----------------------------------------------------------------------------------------


class _Sums:
    """What falls into one point."""

    def __init__(self) -> None:
        self.numbers: Numbers = {}
        self.levels: defaultdict[int, Numbers] = defaultdict(dict)  # by moment; those of queues add up

    def add(self, one: Tally) -> None:
        merge(self.numbers, {place: number for place, number in one.numbers.items() if place not in LEVELS})
        held = self.levels[one.moment] if one.queue and not one.name else {}
        for place, number in one.numbers.items():
            if place in LEVELS:
                held[place] = held.get(place, 0) + number

    def level(self, place: int) -> int | None:
        found = [held.get(place, 0) for held in self.levels.values()]
        return max(found) if found else None

    def absorb(self, other: _Sums) -> None:
        merge(self.numbers, other.numbers)
        self.levels.update(other.levels)


def statistics_of(
    tallies: Iterable[Tally],
    *,
    since: int,
    until: float,
    step: int,
    by: By | None = None,
    queue: str | None = None,
    name: str | None = None,
) -> Statistics:
    """Make points of *tallies*; *since* is where a step begins.

    Args:
        queue, name: count only those; None for all.
    """
    sums: defaultdict[str, defaultdict[int, _Sums]] = defaultdict(lambda: defaultdict(_Sums))
    for one in tallies:
        other = (queue is not None and one.queue != queue) or (name is not None and one.name != name)
        if other or not since <= one.moment < until:
            continue
        moment = begin(one.moment, step)
        for key in {"", _key(one, by)}:
            sums[key][moment].add(one)
    moments = range(since, math.ceil(until), step)
    every = {key: _series(key, sums[key], moments, until, step) for key in sorted({"", *sums})}
    total = every.pop("")
    return Statistics(as_datetime(since), as_datetime(until), step, total, every)


def _key(one: Tally, by: By | None) -> str:
    if by is None:
        return ""
    return one.queue if by == "queue" else one.name


def _series(key: str, sums: Mapping[int, _Sums], moments: range, until: float, step: int) -> Series:
    points = tuple(
        _point(moment, min(step, until - moment), sums.get(moment) or _Sums()) for moment in moments
    )
    everything = _Sums()
    for one in sums.values():
        everything.absorb(one)
    return Series(key, points, _point(moments.start, until - moments.start, everything))


def _point(moment: int, seconds: float, sums: _Sums) -> Point:
    take = sums.numbers.get
    return Point(
        as_datetime(moment),
        float(seconds),
        started=take(tally.STARTED, 0),
        succeeded=take(tally.SUCCEEDED, 0),
        failed=take(tally.FAILED, 0),
        retried=take(tally.RETRIED, 0),
        cancelled=take(tally.CANCELLED, 0),
        crashed=take(tally.CRASHED, 0),
        expired=take(tally.EXPIRED, 0),
        recovered=take(tally.RECOVERED, 0),
        wait=_spread(sums.numbers, tally.WAIT, tally.WAITED),
        run=_spread(sums.numbers, tally.RUN, tally.RAN),
        queued=sums.level(tally.QUEUED),
        scheduled=sums.level(tally.SCHEDULED),
        running=sums.level(tally.RUNNING),
    )


# --- how long -----------------------------------------------------------------------------------------


def buckets_of(numbers: Mapping[int, int], first: int) -> tuple[int, ...]:
    """Return the histogram whose buckets begin at place *first*."""
    return tuple(numbers.get(place, 0) for place in range(first, first + BUCKETS))


def _spread(numbers: Mapping[int, int], first: int, sum_place: int) -> Spread:
    buckets = buckets_of(numbers, first)
    count = sum(buckets)
    if not count:
        return Spread()
    p50, p95, p99 = (percentile(buckets, share) for share in (0.5, 0.95, 0.99))
    return Spread(count, numbers.get(sum_place, 0) / 1e6 / count, p50, p95, p99, buckets)


def percentile(buckets: Sequence[int], share: float) -> float | None:
    """Return within which time that *share* was done, in seconds; None where there was nothing.

    Within a bucket they are taken to lie evenly. What took longer than the last bound counts as that.
    """
    rank = share * sum(buckets)
    seen = 0
    for place, number in enumerate(buckets):
        if number and seen + number >= rank:
            lower = BOUNDS[place - 1] if place else 0.0
            if place == len(BOUNDS):
                return lower
            return lower + (BOUNDS[place] - lower) * min(1.0, (rank - seen) / number)
        seen += number
    return None
