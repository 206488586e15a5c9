"""Scale: what a long backlog, many queues and names, long tasks in between, and a second worker change."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any, Final

from benchmarks import many, workers
from benchmarks.figures import Figure, figure
from benchmarks.plan import Plan, in_turn
from benchmarks.site import Site, Stuck, site
from benchmarks.stores import Store
from celeriac import codec

SMALL: Final = 10_000
WINDOW: Final = 100_000
SKIP: Final = 1_000  # tasks that a drain gets to come up to its speed
CHUNK: Final = 100_000
LONG_TASKS: Final = 8
LONG_SECONDS: Final = 1.0


def measure(plan: Plan) -> Iterator[Figure]:
    """Compare drains; where a share is given, the floor is the small one's own rate in tasks/s."""
    for store in plan.of_any_disk:
        yield from _backlog(plan, store)
        yield from _names(plan, store)
        yield from _mixed(plan, store)
        yield _two_workers(plan, store)


# --- a long backlog -----------------------------------------------------------------------------------


def _backlog(plan: Plan, store: Store) -> Iterator[Figure]:
    small, large = in_turn(
        plan.rounds,
        lambda: statistics.median(_drain_of(store, SMALL) for _ in range(3)),  # each is short
        lambda: _drain_of(store, plan.backlog),
    )
    yield figure("scale", store.name, f"drain of {plan.backlog:,}", "tasks/s", rounds=large, floors=small)
    yield figure("scale", store.name, "large backlog against small", "%", rounds=_percent(large, small))


def _percent(values: Sequence[float], bases: Sequence[float]) -> list[float]:
    return [100 * value / base for value, base in zip(values, bases, strict=True)]


def _drain_of(store: Store, backlog: int) -> float:
    """Return the speed at which one process takes the first tasks out of so many."""
    with site(store) as here:
        for first in range(0, backlog, CHUNK):
            here.fill("noop", min(CHUNK, backlog - first))
        return _rate(here, min(WINDOW, backlog))


def _rate(here: Site, count: int, **options: Any) -> float:
    with workers.worker(here, **options):
        here.wait_for(count)
    moments = here.moments()
    return (count - 1 - SKIP) / (moments[count - 1] - moments[SKIP])


# --- many queues and names ----------------------------------------------------------------------------


def _names(plan: Plan, store: Store) -> Iterator[Figure]:
    each = plan.count(60, 20)
    one, fifty = in_turn(
        plan.rounds,
        lambda: _drain_named(store, each, names=1),
        lambda: _drain_named(store, each, names=many.NAMES),
    )
    yield figure("scale", store.name, "drain of 50 queues, 1,000 names", "tasks/s", rounds=fifty, floors=one)
    yield figure(
        "scale", store.name, "50 queues, 1,000 names against 1 and 1", "%", rounds=_percent(fifty, one)
    )


def _drain_named(store: Store, each: int, *, names: int) -> float:
    with site(store, app=many.app) as here:
        count = each * many.NAMES
        queues = many.QUEUES if names > 1 else many.QUEUES[:1]
        for number in range(names):
            here.fill(f"noop-{number}", count // names, queue=queues[number % len(queues)])
        return _rate(here, count, queues=queues, application="benchmarks.many:app")


# --- long tasks among tiny ones -----------------------------------------------------------------------


def _mixed(plan: Plan, store: Store) -> Iterator[Figure]:
    count = plan.count(100_000, 50_000)
    for kind, tiny, long in (("def", "moment", "nap"), ("async def", "amoment", "anap")):
        floors, ours = in_turn(
            plan.rounds,
            lambda: _overtaken(store, count, tiny, long, 0),  # noqa: B023
            lambda: _overtaken(store, count, tiny, long, LONG_TASKS),  # noqa: B023
        )
        words = f"tiny tasks among long ones, {kind}, the longest that one is overtaken"
        yield figure("scale", store.name, words, "ms", rounds=ours, floors=floors)


def _overtaken(store: Store, count: int, tiny: str, long: str, longs: int) -> float:
    """Return the most milliseconds by which a tiny task started after one that stood behind it in the queue.

    Long tasks stand at even distances among the tiny ones; never do they take all slots.
    """
    parts = max(1, longs)
    with site(store) as here:
        ids: list[str] = []
        for _ in range(parts):
            if longs:
                here.task(long).delay(LONG_SECONDS)
            ids += [result.id for result in here.fill(tiny, count // parts)]
        with workers.worker(here, processes=2):
            here.wait_for(len(ids) + longs)
            here.wait_until_stored()
        return 1e3 * _most_late(_moments(here, ids))


def _moments(here: Site, ids: Sequence[str]) -> list[float]:
    """Return when each task ran, as its result tells."""
    found: list[float] = []
    for first in range(0, len(ids), 1_000):
        for record in here.app.broker.get(ids[first : first + 1_000]):
            assert record is not None, "a task is lost"
            found.append(codec.decode(record.result, float, what="the moment"))
    return found


def _most_late(moments: Sequence[float]) -> float:
    """Return the longest time by which a moment is later than one behind it."""
    most, least = 0.0, moments[-1]
    for moment in reversed(moments):
        least = min(least, moment)
        most = max(most, moment - least)
    return most


# --- two workers --------------------------------------------------------------------------------------


def _two_workers(plan: Plan, store: Store) -> Figure:
    rounds = [_difference(store, plan.count(120_000, 60_000)) for _ in range(plan.rounds)]
    return figure("scale", store.name, "two workers, difference of their shares", "%", rounds=rounds)


def _difference(store: Store, count: int) -> float:
    """Return by how much the tasks that two workers of one process took differ, in % of their mean.

    Counted from when both have started a task.
    """
    with site(store) as here:
        here.fill("noop", count)
        with workers.worker(here), workers.worker(here):
            here.wait_for(count)
        by_process = here.by_process().values()
    began = max(moments[0] for moments in by_process)
    shares = [sum(moment >= began for moment in moments) for moments in by_process]
    if len(shares) < 2:
        raise Stuck(f"one worker had done all {count:,} tasks before the other had started")
    return 100 * abs(shares[0] - shares[1]) / (sum(shares) / 2)
