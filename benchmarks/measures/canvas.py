"""Canvas: groups, chords and chains, drained beside as many plain no-ops (which is their floor)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from benchmarks import workers
from benchmarks.figures import Figure, figure
from benchmarks.plan import Plan, in_turn
from benchmarks.site import Site, site
from benchmarks.stores import Store
from celeriac import chain, chord, group

SIZES: Final = (1_000, 10_000, 100_000)
Send = Callable[[Site, int], int]


def measure(plan: Plan) -> Iterator[Figure]:
    """Send a whole shape, start a worker, and measure from the first task to the last result."""
    most = plan.count(100_000, 10_000)
    for store in plan.of_any_disk:
        for size in (size for size in SIZES if size <= most):
            for name, send in {"group": _group, "chord": _chord}.items():
                yield _compared(plan, store, f"{name} of {size:,}", send, size)
        yield _compared(plan, store, f"chain of {most // 10:,}", _chain, most // 10)
        side = plan.count(100, 20)
        whole = side * (side + 1)
        yield _compared(plan, store, f"chain of {side} chords of {side}", _chords, whole)


def _compared(plan: Plan, store: Store, label: str, send: Send, size: int) -> Figure:
    plain, ours = in_turn(plan.rounds, lambda: _rate(store, _plain, size), lambda: _rate(store, send, size))
    return figure("canvas", store.name, label, "tasks/s", rounds=ours, floors=plain)


def _rate(store: Store, send: Send, size: int) -> float:
    with site(store) as here:
        count = send(here, size)
        with workers.worker(here):
            here.wait_for_processes(1, count)
            began = time.monotonic()
            here.wait_for(count)
            here.wait_until_stored()
            tasks = sum(moment > began for moment in here.moments())
            return max(1, tasks) / (time.monotonic() - began)


def _plain(here: Site, size: int) -> int:
    here.fill("noop", size)
    return size


def _calls(here: Site, size: int) -> Iterator[Any]:
    noop = here.task("noop")
    return (noop.si() for _ in range(size))


def _group(here: Site, size: int) -> int:
    group(_calls(here, size), app=here.app).delay()
    return size


def _chord(here: Site, size: int) -> int:
    chord(_calls(here, size), here.task("unite").s(), app=here.app).delay()
    return size + 1


def _chain(here: Site, size: int) -> int:
    chain(*_calls(here, size), app=here.app).delay()
    return size


def _chords(here: Site, whole: int) -> int:
    side = math.isqrt(whole)
    body = here.task("unite")
    chain(*(chord(_calls(here, side), body.s()) for _ in range(side)), app=here.app).delay()
    return whole
