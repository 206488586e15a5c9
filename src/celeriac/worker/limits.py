"""Time limits and revocation: what ends a run from outside.

One thread, started with the first run that has a limit, sleeps until the next one is over. Each end
comes in two steps: the task is interrupted, and if it has not ended a moment later it is written off:
settled without it, its process replaced. So no limit depends on the task's good will.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from typing import Final

from celeriac.clock import Clock
from celeriac.context import Run
from celeriac.errors import SoftTimeLimitExceeded, TaskRevokedError, TimeLimitExceeded
from celeriac.outcome import Outcome, Revoked, TimedOut
from celeriac.worker.log import log

LONGEST_SLEEP: Final = 3_600.0  # an infinite limit is one, but no wait can be that long
LAST_CHANCE: Final = 1.0  # seconds between interrupting a run and writing it off


class _Interruption(TaskRevokedError):
    """Raised in a `def` task that is revoked; its own type, so that no error of the task is taken for it."""


class _HardLimit(TimeLimitExceeded):
    """Raised in a `def` task at its hard limit."""


class Limits:
    """Ends runs that take too long or are no longer wanted.

    Args:
        write_off: settles a run that does not react, without waiting for its code.
        announce: told the run and the monotonic moment of its hard limit, for whoever watches from outside.
    """

    def __init__(
        self, clock: Clock, write_off: Callable[[Run, Outcome], None], announce: Callable[[Run, float], None]
    ) -> None:
        self._clock = clock
        self._write_off = write_off
        self._announce = announce
        self._due: list[tuple[float, int, Run, Callable[[Run], None]]] = []
        self._order = itertools.count()
        self._next_clearing = 1_000
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch(self, run: Run) -> None:
        """Count the limits of *run* from now; called when its code is about to start."""
        soft, hard = run.limits()
        now = self._clock.monotonic()
        if soft is not None:
            self._at(now + soft, run, self._soft)
        if hard is not None:
            self._at(now + hard, run, self._hard)
            self._announce(run, now + hard)

    def revoke(self, run: Run) -> None:
        """End *run* because somebody revoked it."""
        self._end(run, Revoked(), _Interruption("revoked"))

    def _soft(self, run: Run) -> None:
        if not run.done:
            run.pool.interrupt(
                run, SoftTimeLimitExceeded(f"ran longer than its soft limit of {run.limits()[0]:g} s")
            )

    def _hard(self, run: Run) -> None:
        if not run.done:
            self._end(run, TimedOut(run.limits()[1] or 0.0), _HardLimit("hard limit"))

    def _end(self, run: Run, verdict: Outcome, error: BaseException) -> None:
        if run.verdict is None:
            run.verdict = verdict
            run.pool.interrupt(run, error)
            self._at(self._clock.monotonic() + LAST_CHANCE, run, lambda run: self._last_chance(run, verdict))

    def _last_chance(self, run: Run, verdict: Outcome) -> None:
        if not run.settled:
            self._write_off(run, verdict)

    # --- the thread ---------------------------------------------------------------------------------

    def _at(self, moment: float, run: Run, then: Callable[[Run], None]) -> None:
        with self._changed:
            number = next(self._order)
            heapq.heappush(self._due, (moment, number, run, then))
            if number >= self._next_clearing:
                self._clear_ended(number)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._watch, name="celeriac-limits", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _clear_ended(self, number: int) -> None:
        """Forget runs that ended long before their limits, so that the heap grows with those that run."""
        self._due = [entry for entry in self._due if not entry[2].settled]
        heapq.heapify(self._due)
        self._next_clearing = number + max(1_000, len(self._due))

    def _watch(self) -> None:
        while (step := self._next()) is not None:
            run, then = step
            try:
                then(run)
            except Exception as error:  # noqa: BLE001 - whatever it is, the limits of others must not go with it
                log.error("limit failed", extra={"task": run.delivery.name, "id": run.id}, exc_info=error)

    def _next(self) -> tuple[Run, Callable[[Run], None]] | None:
        """Wait for the next moment; None when closed."""
        with self._changed:
            while not self._closed:
                now = self._clock.monotonic()
                if self._due and self._due[0][0] <= now:
                    _, _, run, then = heapq.heappop(self._due)
                    return run, then
                self._changed.wait(min(LONGEST_SLEEP, self._due[0][0] - now) if self._due else None)
            return None

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(LAST_CHANCE)
