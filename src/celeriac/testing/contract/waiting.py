"""Waiting for another process: poll until a deadline. Within one process wait on a signal instead."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

INTERVAL = 0.01


def wait_until(condition: Callable[[], T], timeout: float = 10.0, *, what: str = "the condition") -> T:
    """Return the first true answer of *condition*; raise AssertionError naming *what* after *timeout* s."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what} (last answer: {answer!r})")
        time.sleep(INTERVAL)
