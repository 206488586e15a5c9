"""History: what it costs a worker that drains to count what the charts show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks.figures import Figure, figure
from benchmarks.measures.drain import Drained, drain
from benchmarks.plan import Plan, in_turn
from benchmarks.stores import Store

WITHOUT: Final = {"CELERIAC_WORKER_STATISTICS": "0"}
PAIRS: Final = 2  # for each round: what is looked for is smaller than what two drains differ by


def measure(plan: Plan) -> Iterator[Figure]:
    """Drain long enough for several visits of the store, in turn without (the floor) and with."""
    count = plan.count(250_000, 30_000)
    for store in plan.of_any_disk:
        yield from _figures(store, count, plan.rounds * (1 if plan.quick else PAIRS))


def _figures(store: Store, count: int, rounds: int) -> Iterator[Figure]:
    floors, ours = in_turn(
        rounds,
        lambda: drain(store, "noop", count, environment=WITHOUT),
        lambda: drain(store, "noop", count),
    )
    told = {
        "drain with history, beside without": ("rate", "tasks/s"),
        "CPU of the worker": ("worker", "µs/task"),
    }
    for words, (part, unit) in told.items():
        yield figure("history", store.name, words, unit, rounds=_of(ours, part), floors=_of(floors, part))


def _of(drained: list[Drained], part: str) -> list[float]:
    return [getattr(each, part) for each in drained]
