"""Limits that hold across all workers: so many starts in a time, so many at once, in turn. Pure.

A limited task stands in a lane: those of one task, or of one key of it. Only the first of a lane stands where
workers look, and only while the lane has room; the others wait behind it, and cost nothing. When the first
one is started the next one takes its place, at the tail: so lanes take turns.

Rates are those of a token bucket (https://en.wikipedia.org/wiki/Token_bucket): it holds `burst` tokens at
most, gets `rate` of them a second, and each start takes one.
"""

from __future__ import annotations

import hashlib
import math
import re
import sys
from typing import Final
from urllib.parse import quote

import msgspec

from celeriac.errors import ConfigurationError

SLOWEST: Final = 1e-9  # starts per second: waiting for the next one must end at a moment that has a date
ENOUGH: Final = 1 - 1e-6  # of a token: a bucket that was waited for may miss the last bit of one

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_RATE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:/\s*(?:(s|m|h|d)|sec|second|min|minute|hour|day))?\s*")
_LONGEST_KEY: Final = 80


class Limit(msgspec.Struct, frozen=True):
    """The lane in which a task stands, and how that is limited. Of several the one that was sent last counts.

    Attributes:
        lane: its name, without white space. rate: starts per second; None for no limit.
        burst: how many may start at once after a pause. concurrency: how many may run at once; None for any.
    """

    lane: str
    rate: float | None = None
    burst: float = 1.0
    concurrency: int | None = None

    def __str__(self) -> str:
        """Write it as stores keep it: four words."""
        rate = "-" if self.rate is None else repr(self.rate)
        return f"{self.lane} {rate} {self.burst!r} {'-' if self.concurrency is None else self.concurrency}"

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read what `str` gives.

        Raises:
            ValueError: it is something else.
        """
        lane, rate, burst, concurrency = text.split(" ")
        return cls(
            lane,
            None if rate == "-" else float(rate),
            float(burst),
            None if concurrency == "-" else int(concurrency),
        )

    def tokens_at(self, tokens: float, since: float, now: float) -> float:
        """Return how many tokens the bucket has at *now* that had *tokens* at *since*."""
        if self.rate is None:
            return self.burst
        return min(self.burst, tokens + max(0.0, now - since) * self.rate)

    def has_room(self, tokens: float, running: int) -> bool:
        """Say whether one more may start."""
        return (self.concurrency is None or running < self.concurrency) and (
            self.rate is None or tokens >= ENOUGH
        )

    def wakes(self, tokens: float, since: float, running: int) -> float | None:
        """Return when a bucket without tokens will have one; None if that is not what it waits for."""
        if self.rate is None or not (self.concurrency is None or running < self.concurrency):
            return None
        return since + max(0.0, 1.0 - tokens) / self.rate


def rate_of(given: str | float | None) -> float | None:
    """Read a rate limit: `"100/m"`, `"5/s"`, `"1000/h"`, or a number a second; return starts per second.

    Raises:
        ConfigurationError: it is none, or so small that nobody would see the second start.
    """
    if given is None:
        return None
    number: float | None = None
    if isinstance(given, str):
        found = _RATE.fullmatch(given)
        if found is not None:
            unit = given.partition("/")[2].strip()[:1] or "s"
            number = float(found[1]) / _UNITS[unit]
    elif isinstance(given, int | float) and not isinstance(given, bool) and abs(given) < sys.float_info.max:
        number = float(given)
    if number is None or not SLOWEST <= number < math.inf:
        shown = repr(given) if isinstance(given, str | float | bool) else f"of type {type(given).__name__}"
        raise ConfigurationError(
            f"{shown:.80} is no rate limit: write '100/m', '5/s', '1000/h', or a number a second that is "
            f"larger than 0: at least one start in {1 / SLOWEST:,.0f} seconds"
        )
    return number


def lane_of(task: str, key: object = None) -> str:
    """Return the name of the lane of *task*, or of one *key* of it; of long keys a hash is taken."""
    if key is None:
        return task
    text = quote(str(key), safe="@:,+", errors="surrogatepass").replace("~", "%7E")
    if len(text) > _LONGEST_KEY:
        text = f"{text[:40]}~{hashlib.sha256(text.encode()).hexdigest()[:32]}"
    return f"{task}#{text}"
