"""How fast a task goes, how long it has left, whether it is silent. Pure: numbers and words, no clock.

The terminal and the web show the same, because both ask here.
"""

from __future__ import annotations

import math
from typing import Final

HALF_LIFE: Final = 30.0  # seconds after which a step counts half in the rate
ENOUGH_REPORTS: Final = 3  # before that many, and so many seconds, nothing is guessed
ENOUGH_SECONDS: Final = 5.0
CALM: Final = 1.0  # seconds for which a guess stands at least
TOLERANCE: Final = 0.1  # share by which a guess may be wrong before it is replaced
PATIENCE: Final = 30.0  # seconds of silence that mean nothing
GAPS: Final = 5.0  # times the usual gap between reports that mean nothing either
NEWEST: Final = 0.3  # share of the newest gap in the usual one

_UNITS: Final = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))


class Pace:
    """What the reports of one run say about its speed. Moments are seconds of any clock that goes forward."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget everything: the task begins anew."""
        self.heard: float | None = None  # when the latest report came
        self._first = 0.0
        self._reports = 0
        self._gap = 0.0
        self._at: tuple[float, float] | None = None  # where the latest step led, and when
        self._done = 0.0  # progress and seconds, both fading: done / spent is the rate of late
        self._spent = 0.0
        self._shown: tuple[float, float] | None = None  # what was last guessed, and when

    def report(self, current: float | None, now: float) -> None:
        """Take note of a report; *current* is how far the task says it is, None if it does not say.

        One that is further back than the last begins anew: the task was run again.
        """
        if self._at is not None and current is not None and current < self._at[0]:
            self.restart()
        if self.heard is None:
            self._first = now
        else:
            gap = max(0.0, now - self.heard)
            self._gap = gap if self._reports == 1 else (1 - NEWEST) * self._gap + NEWEST * gap
        self.heard = now
        self._reports += 1
        if current is not None:
            self._step(current, now)

    def _step(self, current: float, now: float) -> None:
        if self._at is None:
            self._at = current, now
        elif current > self._at[0]:
            seconds = max(0.0, now - self._at[1])
            fade = 0.5 ** (seconds / HALF_LIFE)
            self._done = self._done * fade + current - self._at[0]
            self._spent = self._spent * fade + seconds
            self._at = current, now

    @property
    def rate(self) -> float | None:
        """Progress in a second, the last half minute counting most; None while too little is known."""
        if self.heard is None or self._reports < ENOUGH_REPORTS or self.heard - self._first < ENOUGH_SECONDS:
            return None
        if self._spent <= 0 or self._done <= 0:
            return None
        rate = self._done / self._spent
        return rate if math.isfinite(rate) and rate > 0 else None

    def left(self, total: float | None, now: float) -> float | None:
        """Guess the seconds until *total*; None while too little is known.

        A guess counts down by itself. It is replaced by a better one at most once a second, and only if they
        are more than a tenth apart.
        """
        rate = self.rate
        if rate is None or total is None or self._at is None or total <= self._at[0]:
            return None
        better = max(0.0, (total - self._at[0]) / rate - (now - self._at[1]))
        if not math.isfinite(better):
            return None
        if self._shown is not None:
            seconds, at = self._shown
            standing = max(0.0, seconds - (now - at))
            if now - at < CALM or abs(better - standing) <= TOLERANCE * standing:
                return standing
        self._shown = better, now
        return better

    def quiet(self, now: float) -> float:
        """Return the seconds since the last report; 0 before the first."""
        return 0.0 if self.heard is None else max(0.0, now - self.heard)

    def silence(self, now: float) -> float:
        """Return the seconds without a report, if they are more than this task's habit explains; else 0."""
        quiet = self.quiet(now)
        return quiet if quiet > max(PATIENCE, GAPS * self._gap) else 0.0


def span(seconds: float) -> str:
    """Write a span of time: `3 s`, `2 min 5 s`, `4 h 10 min`, `3 d 2 h`."""
    whole = max(0, round(seconds))
    for size, unit, smaller, name in _UNITS:
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {name}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def rounded(seconds: float) -> str:
    """Write a span as coarsely as a guess deserves: `4 s`, `25 s`, `3 min`, `1 h 20 min`, `2 d`."""
    if seconds < 10:
        return span(seconds)
    if seconds < 57.5:
        return span(round(seconds / 5) * 5)
    for step, most in ((60, 3_570), (300, 36_000), (3_600, 172_800)):
        if seconds < most:
            return span(max(1, round(seconds / step)) * step)
    return span(round(seconds / 86_400) * 86_400)


def time_left(seconds: float | None) -> str:
    """Write a guess: `about 3 min left`; "" for none."""
    if seconds is None:
        return ""
    return "a moment left" if seconds < 2 else f"about {rounded(seconds)} left"
