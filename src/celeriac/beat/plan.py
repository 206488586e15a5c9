"""What becomes of a schedule that is due. Pure: the store, the clock and chance are somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec.structs import replace

from celeriac.beat.entry import Entry, Memory
from celeriac.beat.rules import passed

MOST_MISSED: Final = 100
LOOK_AGAIN: Final = 0.5  # seconds after which a due time that waits for the run before is tried again


class Step(NamedTuple):
    """What is to be done.

    Attributes:
        runs: the due times to send for, earliest first.
        memory: what is remembered then; of the last run only what the sender knows is missing.
        due: when to look at the schedule again; None for never.
    """

    runs: list[float]
    memory: Memory
    due: float | None


def step(entry: Entry, memory: Memory, now: float, is_busy: Callable[[], bool]) -> Step:
    """Say what becomes of a schedule at *now*.

    Each due time that is late by no more than the grace is run. One that is later is missed, and `missed`
    says what becomes of those. "once": the newest is run if nothing newer is. "skip": none is. "all": each
    is. Of more than a hundred that would be run, the newest hundred are.

    Args:
        is_busy: whether the run before is not over; asked only when that matters.
    """
    due: list[float] = []
    following = memory.next
    if memory.next is not None and memory.next <= now:
        due = passed(entry.rule, memory.next, now, MOST_MISSED)
        following = entry.rule.after(now, memory.next)
    wanted = _wanted(entry, due, now)
    missed = len(due) - len(wanted)
    runs, held = _without_overlap(entry, memory, wanted, is_busy)
    dropped = len(wanted) + (memory.held is not None) - len(runs) - (held is not None)
    memory = replace(
        memory,
        next=following,
        held=held,
        runs=memory.runs + len(runs),
        missed=memory.missed + missed,
        overlapped=memory.overlapped + dropped,
    )
    looks = [
        moment for moment in (following, None if held is None else now + LOOK_AGAIN) if moment is not None
    ]
    return Step(runs, memory, min(looks, default=None))


def _wanted(entry: Entry, due: list[float], now: float) -> list[float]:
    """Return those of the moments *due*, all past, that are to be run."""
    if entry.missed == "all":
        return due[-MOST_MISSED:]
    late = [moment for moment in due if now - moment <= entry.grace][-MOST_MISSED:]
    return late or (due[-1:] if entry.missed == "once" else [])


def _without_overlap(
    entry: Entry, memory: Memory, wanted: list[float], is_busy: Callable[[], bool]
) -> tuple[list[float], float | None]:
    """Return what is run now, and the due time that waits for the run before."""
    held = [] if memory.held is None else [memory.held]  # stays, though the policy may be another one now
    waiting = held + wanted
    if entry.overlap == "allow" or not waiting:
        return waiting, None
    if entry.overlap == "skip":
        if is_busy():
            return [], memory.held
        return held or wanted[-1:], None
    if is_busy():
        return [], waiting[0]
    return waiting[:1], waiting[1] if len(waiting) > 1 else None


def delay_of(entry: Entry, chance: Callable[[], float]) -> float:
    """Return how many seconds later than due a run starts; *chance* draws from 0 to 1."""
    return round(entry.max_jitter * chance(), 3) if entry.max_jitter else 0.0
