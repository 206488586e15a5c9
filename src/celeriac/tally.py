"""What is counted of tasks, as numbers that add up: for a minute, a queue and a name. Pure, and a leaf.

A tally is a few dozen whole numbers, each at its place; places with 0 are left out. Two tallies are merged
place by place: counts add up, levels (how many were queued) keep the highest. So it does not matter who
counts what, in which order, or when minutes are put together to hours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

Numbers = dict[int, int]

# --- places -----------------------------------------------------------------------------------------

STARTED: Final = 0
SUCCEEDED: Final = 1
FAILED: Final = 2
RETRIED: Final = 3
CANCELLED: Final = 4
CRASHED: Final = 5  # the isolated process that ran it died
EXPIRED: Final = 6
RECOVERED: Final = 7  # taken from dead workers
WAITED: Final = 8  # microseconds, of those in the histogram of waits
RAN: Final = 9  # microseconds, of those in the histogram of runs
TRIPS: Final = 10  # of couriers to the store
TRIP_TIME: Final = 11  # microseconds

QUEUED: Final = 16
SCHEDULED: Final = 17
RUNNING: Final = 18
LEVELS: Final = range(16, 32)  # of these the highest counts; `lua/include/tallies.lua` knows that too

WAIT: Final = 32  # the first bucket of the histogram of waits
RUN: Final = 64  # the first bucket of that of runs

BUCKETS: Final = 28
_LONGEST: Final = 21_600.0
# The upper bounds, in seconds, of all buckets but the last: 1 ms to 6 h, each 1.9 times the one before.
BOUNDS: Final = tuple(
    float(f"{0.001 * (_LONGEST / 0.001) ** (step / (BUCKETS - 2)):.3g}") for step in range(BUCKETS - 1)
)
PLACES: Final = RUN + BUCKETS

# --- buckets of time --------------------------------------------------------------------------------

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400
EVER: Final = 0  # the bucket of all that was ever counted, at the moment 0

KEPT: Final = {MINUTE: 48 * HOUR, HOUR: 30 * DAY, DAY: 400 * DAY}  # seconds, then they are put into the next
NEXT: Final = {MINUTE: HOUR, HOUR: DAY, DAY: None}
TELLERS_KEPT: Final = DAY  # seconds for which the last number of somebody who counts is known

NAMES: Final = 500  # in a bucket; what comes after them is counted as OTHER
OTHER: Final = "(other)"


class Tally(msgspec.Struct, frozen=True):
    """What was counted of one queue and one task name in one bucket of time.

    Attributes:
        moment: when the bucket begins, in seconds since 1970 UTC.
        queue, name: "" for what is counted of no queue, or of no single name.
        step: how many seconds the bucket has; `EVER` for all.
    """

    moment: int
    queue: str
    name: str
    numbers: Numbers
    step: int = MINUTE


def begin(moment: float, step: int = MINUTE) -> int:
    """Return when the bucket of *step* seconds begins in which *moment* is."""
    return int(moment // step) * step


def merge(into: Numbers, more: Mapping[int, int]) -> None:
    """Put *more* into *into*."""
    for place, number in more.items():
        old = into.get(place, 0)
        into[place] = max(old, number) if place in LEVELS else old + number


def row_for(queue: str, name: str, rows: int) -> tuple[str, str]:
    """Return the row for a queue and name that a bucket of so many *rows* does not have yet."""
    if rows < NAMES:
        return queue, name
    return (queue if rows < 2 * NAMES else OTHER), name and OTHER


# --- text -------------------------------------------------------------------------------------------

_NUMBER: Final = re.compile(r"(\d{1,2}):(\d{1,18})")


def written(numbers: Mapping[int, int]) -> str:
    """Write numbers as `place:number place:number …`, as stores keep them."""
    return " ".join(f"{place}:{number}" for place, number in sorted(numbers.items()) if number)


def read(text: str) -> Numbers:
    """Read what `written` wrote; what is damaged is left out."""
    return {int(place): int(number) for place, number in _NUMBER.findall(text) if int(place) < PLACES}


def sum_of(all_numbers: Iterable[Mapping[int, int]]) -> Numbers:
    """Return all of them merged."""
    total: Numbers = {}
    for numbers in all_numbers:
        merge(total, numbers)
    return total
