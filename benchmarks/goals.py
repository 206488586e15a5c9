"""What the figures shall be: a table, and how it is applied."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

import msgspec

from benchmarks.figures import Figure


class Goal(msgspec.Struct, frozen=True):
    """A bound for the figures of a measure whose store and words match; `*` stands for anything.

    Attributes:
        least, most: in the figure's unit; least_of_floor: as a share of the floor.
    """

    measure: str
    what: str
    store: str = "*"
    least: float | None = None
    most: float | None = None
    least_of_floor: float | None = None

    def fits(self, figure: Figure) -> bool:
        """Say whether it is a goal for *figure*."""
        same = self.measure == figure.measure and fnmatchcase(figure.store, self.store)
        return same and fnmatchcase(figure.what, self.what)

    def is_met(self, figure: Figure) -> bool:
        """Say whether *figure* is within the bounds."""
        if self.least_of_floor is not None:
            return figure.of_floor is not None and figure.of_floor >= self.least_of_floor
        enough = self.least is None or figure.value >= self.least
        return enough and (self.most is None or figure.value <= self.most)

    def words(self, unit: str) -> str:
        """Say it as a reader wants to see it."""
        if self.least_of_floor is not None:
            return f"≥ {self.least_of_floor:.0%} of floor"
        sign, bound = ("≥", self.least) if self.least is not None else ("≤", self.most)
        return f"{sign} {bound:,g} {unit}"


GOALS: Final = (
    Goal("drain", "*, drain", store="redis", least_of_floor=0.6),
    Goal("drain", "*, drain", store="sqlite", least_of_floor=0.6),
    Goal("drain", "*, trips to the store", most=0.05),
    Goal("enqueue", "delay", store="sqlite", least=25_000),
    Goal("latency", "*, p50", most=0.5),
    Goal("latency", "*, p99", store="redis", most=1.3),
    Goal("latency", "*, p99", store="sqlite", most=2.0),
    Goal("beside", "delay, p99", store="redis", most=3.0),
    Goal("beside", "delay, p99", store="sqlite", most=10.0),
    Goal("limits", "*, drain", least=10_000),
    Goal("limits", "plain, *", least_of_floor=0.97),
    Goal("beat", "due to start, p99", most=50.0),
    Goal("beat", "*none due*", most=1.0),
    Goal("naps", "*, share of the ideal", least=95.0),
    Goal("waiting", "*, share of the ideal", least=90.0),
    Goal("waiting", "*, memory of one", most=10.0),
    Goal("waiting", "*, tasks run twice", most=0.0),
    Goal("idle", "*, CPU of the worker", most=0.3),
    Goal("idle", "*, store commands", most=2.0),
    Goal("idle", "*, resident*", most=40.0),
    Goal("start", "worker to first task", most=0.4),
    Goal("start", "import celeriac", most=80.0),
    Goal("size", "a queued no-op", store="redis", most=250.0),
    Goal("recovery", "a child killed*", most=0.2),
    Goal("recovery", "all workers of another host killed", most=12.0),
    Goal("recovery", "all of a worker killed*", most=1.0),
    Goal("recovery", "all of a worker frozen*", most=12.0),
    Goal("canvas", "group of*", least_of_floor=0.7),
    Goal("canvas", "chord of*", least_of_floor=0.5),
    Goal("scale", "large backlog against small", least=90.0),
    Goal("scale", "50 queues, 1,000 names against 1 and 1", least=90.0),
    Goal("scale", "tiny tasks among long ones*", most=50.0),
    Goal("scale", "two workers, difference of their shares", most=10.0),
    Goal("dashboard", "first contentful paint*", most=300.0),
    Goal("dashboard", ".js of a page", most=60.0),
    Goal("dashboard", ".css of a page", most=30.0),
    Goal("dashboard", "*longest task of the main thread*", most=100.0),
    Goal("dashboard", "*next frame, p95", most=100.0),
    Goal("dashboard", "*CPU of the dashboard", most=25.0),
    Goal("dashboard", "* tasks, *, p95 of *", store="sqlite", most=50.0),
    Goal("dashboard", "* tasks, *, p95 of *", store="redis", most=30.0),
    Goal("dashboard", "drain with * pages open*", least_of_floor=0.97),
    Goal("history", "drain with history*", least_of_floor=0.97),
)


def judged(figure: Figure) -> Figure:
    """Return *figure* with its goal, if it has one, and whether that is met."""
    for goal in GOALS:
        if goal.fits(figure):
            return msgspec.structs.replace(figure, goal=goal.words(figure.unit), met=goal.is_met(figure))
    return figure
