"""Limits: drains of limited no-ops beside plain ones, and plain ones beside many that wait for a limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from benchmarks import limited, workers
from benchmarks.figures import Figure, figure
from benchmarks.plan import Plan, in_turn
from benchmarks.site import Site, site
from benchmarks.stores import Store

CUSTOMERS: Final = 100
SKIP: Final = 500  # tasks that a drain gets to come up to its speed
HELD_UP: Final = 120.0  # seconds for which the one task runs behind which the others wait
Fill = Callable[[Site, int], None]


def measure(plan: Plan) -> Iterator[Figure]:
    """Drain with one process; the floor is the drain of plain no-ops in turn with it."""
    count = plan.count(40_000, 4_000)
    for store in plan.of_any_disk:
        for words, fill in FILLS.items():
            plain, ours = in_turn(
                plan.rounds,
                lambda: _rate(store, _plain, count),  # noqa: B023
                lambda: _rate(store, fill, count),  # noqa: B023
            )
            yield figure("limits", store.name, words, "tasks/s", rounds=ours, floors=plain)
        held = plan.count(200_000, 5_000)
        plain, ours = in_turn(  # in both a slot is taken by the one that runs
            plan.rounds,
            lambda: _rate(store, _plain, count, held=1),  # noqa: B023
            lambda: _rate(store, _plain, count, held=held),  # noqa: B023
        )
        yield figure(
            "limits", store.name, f"plain, {held:,} others held", "tasks/s", rounds=ours, floors=plain
        )


def _rate(store: Store, fill: Fill, count: int, *, held: int = 0) -> float:
    with site(store, app=limited.app) as here:
        if held:
            here.fill("alone", held, HELD_UP)
        fill(here, count)
        others = 1 if held else 0  # the first one of those that are held runs
        with workers.worker(here, application="benchmarks.limited:app") as running:
            here.wait_for(count + others)
            moments = here.moments()[others:]
            if held:
                running.kill()  # it would wait for the one that runs
        return (len(moments) - 1 - SKIP) / (moments[-1] - moments[SKIP])


def _plain(here: Site, count: int) -> None:
    here.fill("noop", count)


def _keyed(here: Site, count: int) -> None:
    here.task("keyed").delay_many((number % CUSTOMERS,) for number in range(count))


def _blocks(here: Site, count: int) -> None:
    each = count // CUSTOMERS
    here.task("keyed").delay_many((number // each,) for number in range(count))


FILLS: Final[dict[str, Fill]] = {
    "rate limit, drain": lambda here, count: here.fill("rated", count) and None,
    "concurrency, drain": lambda here, count: here.fill("placed", count) and None,
    "fair among 100 keys that alternate, drain": _keyed,
    "fair among 100 keys one after another, drain": _blocks,
}
