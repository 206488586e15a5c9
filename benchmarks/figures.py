"""What a measurement comes to: one figure, beside the floor of the same run and the goal that it has."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """One figure: the median of its rounds.

    Attributes:
        measure: the module of `benchmarks.measures` that it comes from. store: a name of `stores.STORES`.
        what: what was measured, in words. unit: of `value`, `low`, `high` and `floor`.
        low, high: the least and the largest of the rounds.
        floor: the same work by the tightest honest code, in turn with it; None where there is no such thing.
        goal: in words, "" for none. met: whether it is; None without a goal.
        run: when the run began that it comes from.
    """

    measure: str
    store: str
    what: str
    value: float
    unit: str
    low: float = 0.0
    high: float = 0.0
    floor: float | None = None
    goal: str = ""
    met: bool | None = None
    run: str = ""

    @property
    def of_floor(self) -> float | None:
        """How many times the floor it is."""
        return self.value / self.floor if self.floor else None


def figure(
    measure: str, store: str, what: str, unit: str, *, rounds: Sequence[float], floors: Sequence[float] = ()
) -> Figure:
    """Return the figure of these rounds."""
    floor = statistics.median(floors) if floors else None
    return Figure(measure, store, what, statistics.median(rounds), unit, min(rounds), max(rounds), floor)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which *share* (0 to 1) of *values* lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
