"""Beside: how long one `delay` takes while a worker of two processes drains the same store at full speed.

It has no floor: what a bare write would wait for here is the very thing that is measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from benchmarks import workers
from benchmarks.figures import Figure, figure, percentile
from benchmarks.plan import Plan
from benchmarks.site import site
from benchmarks.stores import Store

PAUSE: Final = 0.003
PARTS: Final = {"p50": 0.5, "p99": 0.99, "max": 1.0}


def measure(plan: Plan) -> Iterator[Figure]:
    """Call beside a drain of `def` no-ops."""
    count = plan.count(300_000, 60_000)
    for store in plan.stores:
        rounds = [_beside(store, count) for _ in range(plan.rounds)]
        for part, share in PARTS.items():
            milliseconds = [percentile(some, share) * 1e3 for some in rounds]
            yield figure("beside", store.name, f"delay, {part}", "ms", rounds=milliseconds)


def _beside(store: Store, count: int) -> list[float]:
    """Return the seconds of each call while the queue was full."""
    seconds = []
    with site(store) as here:
        here.fill("noop", count)
        delay = here.task("noop").delay
        with workers.worker(here, processes=2):
            here.wait_for(1, pause=0.001)
            while here.ran() < count * 0.95:
                started = time.perf_counter()
                delay()
                seconds.append(time.perf_counter() - started)
                time.sleep(PAUSE)
    return seconds
