"""Waiting for others to let go of the file: in short steps, and never past a moment."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from random import uniform
from typing import Final, TypeVar

from celeriac.brokers.sqlite import faults
from celeriac.clock import SystemClock

T = TypeVar("T")

_FIRST_PAUSE: Final = 0.0001
_LONGEST_PAUSE: Final = 0.001
_GROWTH: Final = 1.1


def while_true(condition: Callable[[], bool], seconds: float) -> None:
    """Wait as long as *condition* is true, *seconds* at most."""
    until = SystemClock.monotonic() + seconds
    while condition() and SystemClock.monotonic() < until:
        time.sleep(_FIRST_PAUSE)


def patiently(attempt: Callable[[], T | None], until: float, path: Path) -> T:
    """Return *attempt*'s answer once it has one; None, or a busy database, means to try again.

    SQLite's own waiting sleeps for up to 100 ms at a time; this one for 0.1 ms, growing to 1 ms.

    Raises:
        BrokerUnavailable: there was none by *until* (of the monotonic clock).
    """
    pause, reason = _FIRST_PAUSE, None
    while True:
        try:
            answer = attempt()
            if answer is not None:
                return answer
        except sqlite3.Error as error:
            if not faults.is_busy(error):
                raise
            reason = error
        if SystemClock.monotonic() >= until:
            raise faults.busy(path) from reason
        time.sleep(pause * uniform(0.5, 1.0))
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)
