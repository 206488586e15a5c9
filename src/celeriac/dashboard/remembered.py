"""What a large store takes long to count is asked for less often, however many look."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

T = TypeVar("T")

CHEAP: Final = 0.02  # seconds of computing: what takes less is asked for each time
TIMES: Final = 20  # an answer stays good for so many times what it has cost
LONGEST: Final = 5.0  # seconds
MOST: Final = 32  # answers that are kept


class Remembered:
    """Keeps answers for a time that grows with what they cost. May be called from any thread.

    What they cost is the time that this thread has computed, so that a busy machine makes nothing old.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.thread_time,
    ) -> None:
        self._clock, self._spent = clock, spent
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()

    def of(self, key: Hashable, ask: Callable[[], T]) -> T:
        """Return what *ask* returns, or has returned not long ago; its errors are not kept."""
        with self._lock:
            until, found = self._known.get(key, (0.0, None))
        if self._clock() < until:
            kept: T = found
            return kept
        before = self._spent()
        answer = ask()
        cost = self._spent() - before
        if cost > CHEAP:
            self._keep(key, min(LONGEST, TIMES * cost), answer)
        return answer

    def forget(self) -> None:
        """Ask anew for everything: something was changed."""
        with self._lock:
            self._known.clear()

    def _keep(self, key: Hashable, seconds: float, answer: object) -> None:
        with self._lock:
            self._known[key] = self._clock() + seconds, answer
            self._known.move_to_end(key)
            while len(self._known) > MOST:
                self._known.popitem(last=False)
