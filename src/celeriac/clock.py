"""The only place that reads the time. A leaf; everybody else takes a Clock or a number of seconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the rest of Celeriac knows of time."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC, as the stores keep them."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never set back: for durations and deadlines."""


class SystemClock:
    """The machine's own clock."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class ManualClock:
    """A clock that moves only when told to, for tests.

    Args:
        start: the first `now`, in seconds since 1970-01-01 UTC.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start

    def now(self) -> float:
        """Return the time that was set last."""
        return self._now

    def monotonic(self) -> float:
        """Return the same time: this clock never goes back by itself."""
        return self._now

    def set(self, moment: float) -> None:
        """Make it *moment*, in seconds since 1970-01-01 UTC."""
        self._now = moment

    def advance(self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0) -> float:
        """Move the clock and return the new time."""
        self._now += timedelta(seconds=seconds, minutes=minutes, hours=hours).total_seconds()
        return self._now


def as_timestamp(moment: datetime | float) -> float:
    """Turn *moment* into seconds since 1970 UTC; a datetime without a zone is taken as UTC."""
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return float(moment)


def as_datetime(seconds: float) -> datetime:
    """Turn seconds since 1970 into an aware datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
