"""When a task is run again, and how long that takes. Pure: the chance behind jitter is an argument."""

from __future__ import annotations

from typing import Final

import msgspec

DEFAULT_MAX_RETRIES: Final = 3
DEFAULT_DELAY: Final = 180.0


class RetryPolicy(msgspec.Struct, frozen=True):
    """A task's rules for being run again; names and meaning as in Celery.

    Attributes:
        max_retries: how often at most; None for no end.
        delay: seconds before a retry when there is no backoff.
        autoretry_for: errors that are retried without being asked.
        dont_autoretry_for: exceptions from that.
        backoff: seconds before the first automatic retry, doubled with each; 0 for none.
        backoff_max: the longest backoff in seconds.
        jitter: whether a backoff is a random part of itself, so that a herd spreads.
    """

    max_retries: int | None = DEFAULT_MAX_RETRIES
    delay: float = DEFAULT_DELAY
    autoretry_for: tuple[type[BaseException], ...] = ()
    dont_autoretry_for: tuple[type[BaseException], ...] = ()
    backoff: float = 0.0
    backoff_max: float = 600.0
    jitter: bool = True

    def wants(self, error: BaseException) -> bool:
        """Say whether *error* is retried without being asked."""
        return isinstance(error, self.autoretry_for) and not isinstance(error, self.dont_autoretry_for)

    def allows(self, retries: int, limit: int | None = None) -> bool:
        """Say whether one more is allowed after *retries*; *limit* overrides `max_retries`."""
        most = self.max_retries if limit is None else limit
        return most is None or retries < most

    def seconds(self, retries: int, chance: float) -> float:
        """Return how long to wait after *retries*; *chance* is drawn from 0 to 1 by the caller."""
        if not self.backoff:
            return self.delay
        pause: float = min(self.backoff_max, self.backoff * 2 ** min(retries, 64))
        return pause * chance if self.jitter else pause
