"""What those see who look on at a task: how far, how fast, how long still, and whether it has fallen silent.

Terminal and web show the same facts in the same words. Three things that look alike are told apart: a task
whose worker is alive but says nothing, one whose worker is lost, and one that has ended.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from celeriac import states
from celeriac.broker import Broker
from celeriac.errors import OperationalError
from celeriac.pace import Pace, span, time_left
from celeriac.states import State
from celeriac.updates import Update

ASK_AFTER: Final = 10.0  # seconds of silence after which it is asked whether the worker is lost
ASK_EVERY: Final = 5.0  # seconds between two such questions
MOST_DIGITS: Final = 2**53  # beyond it a number in JSON is not exact in a browser

WORDS: Final = {
    states.PENDING: "Waiting",
    states.RETRY: "Waiting to be tried again",
    states.SUCCESS: "Done",
    states.FAILURE: "Failed",
    states.REVOKED: "Cancelled",
    states.UNKNOWN: "Unknown",
}
RUNNING: Final = "Running"
_WAITING: Final = (states.PENDING, states.RETRY)

Stall = Literal["", "silent", "lost"]


class View(msgspec.Struct, frozen=True):
    """What is to be seen of a task at one moment.

    Attributes:
        current, total: what it has reported, None for what it has not.
        rate: progress in a second, and `left`: seconds to go, both guessed; None while too little is known.
        stalled: "silent": it has said nothing for longer than usual; "lost": its worker is gone.
        quiet: seconds without news. alive: whether its worker is, None for not known.
    """

    update: Update
    current: float | None = None
    total: float | None = None
    rate: float | None = None
    left: float | None = None
    stalled: Stall = ""
    quiet: float = 0.0
    alive: bool | None = None

    @property
    def word(self) -> str:
        """Its state in a word."""
        return WORDS.get(self.update.state, RUNNING)

    @property
    def share(self) -> float | None:
        """How much of the way is done, 0 to 1; None where that cannot be said."""
        if self.update.state == states.SUCCESS:
            return 1.0
        if self.total is None or self.total <= 0:
            return None
        return min(1.0, max(0.0, (self.current or 0) / self.total))

    @property
    def amount(self) -> str:
        """How far it is, as it was reported: `34 of 80 · 42 %`; "" if it does not say."""
        if self.update.state == states.SUCCESS:
            return "100 %"
        if self.current is None:
            return ""
        if self.total is None or self.share is None:
            return number(self.current)
        return f"{number(self.current)} of {number(self.total)} · {math.floor(self.share * 100)} %"

    @property
    def note(self) -> str:
        """The time left, or what is wrong."""
        if self.stalled == "lost":
            return "The worker was lost. The task will be run again."
        if self.stalled == "silent":
            return f"No news for {span(self.quiet)}." + (" The worker is alive." if self.alive else "")
        return time_left(self.left)


class Outlook:
    """One task, for as long as somebody looks on. Moments are monotonic seconds."""

    def __init__(self) -> None:
        self.pace = Pace()
        self._update: Update | None = None
        self._lost: bool | None = None
        self._asked: float | None = None

    def copied(self) -> Outlook:
        """Return another one that knows the same."""
        other = copy.copy(self)
        other.pace = copy.copy(self.pace)
        return other

    def see(self, update: Update, now: float) -> None:
        """Take in *update*; one that says what was said before is no news."""
        before = self._update
        if update == before:
            return
        if before is not None and update.state in _WAITING and before.state not in _WAITING:
            self.pace.restart()
        self._update, self._lost, self._asked = update, None, None
        if update.state not in _WAITING and not update.ready:
            self.pace.report(measure(update.meta, "current"), now)

    def view(self, now: float, is_lost: Callable[[str], bool | None]) -> View:
        """Say what is to be seen *now*, which is after `see`.

        Args:
            is_lost: says whether the worker of the task with that id is gone, None where it cannot; called
                only when there is doubt, and every few seconds at most.
        """
        update = self._update
        if update is None:
            raise ValueError("there is nothing to be seen before the first update")
        current, total = measure(update.meta, "current"), measure(update.meta, "total")
        total = total if total is not None and total > 0 else None
        seen = View(update, current, total)
        if update.ready:
            return seen
        quiet, silence = self.pace.quiet(now), self.pace.silence(now)
        if self._is_doubtful(update, quiet) and (self._asked is None or now - self._asked >= ASK_EVERY):
            self._asked, self._lost = now, is_lost(update.id)
        stalled: Stall = "lost" if self._lost else "silent" if silence else ""
        alive = None if self._lost is None else not self._lost
        left = None if stalled or update.state in _WAITING else self.pace.left(total, now)
        return msgspec.structs.replace(
            seen, rate=self.pace.rate, left=left, stalled=stalled, quiet=quiet, alive=alive
        )

    def _is_doubtful(self, update: Update, quiet: float) -> bool:
        if update.state in _WAITING:
            return update.state == states.PENDING and update.meta is not None  # it has run before
        return quiet >= ASK_AFTER


def lost_on(broker: Broker, now: Callable[[], float]) -> Callable[[str], bool | None]:
    """Return what says whether a task's worker is lost, by asking *broker*; None while that is away."""

    def is_lost(id: str) -> bool | None:
        try:
            [record] = broker.get([id])
            if record is None or record.state.final:
                return False
            if record.state is State.RUNNING:
                return record.worker not in {worker.id for worker in broker.workers(now())}
            return record.crashes > 0
        except OperationalError:
            return None

    return is_lost


def measure(meta: Any, key: str) -> float | None:
    """Return a number that a task has reported of itself, if it is one that can be drawn."""
    value = meta.get(key) if isinstance(meta, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        value = value if abs(value) <= MOST_DIGITS else float(value)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def number(value: float) -> str:
    """Write a number as it was reported, a float without endless digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
