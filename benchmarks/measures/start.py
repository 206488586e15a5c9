"""Start: from the command to the first task, and what importing the library costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

from benchmarks import workers
from benchmarks.figures import Figure, figure
from benchmarks.plan import Plan, in_turn
from benchmarks.site import site
from benchmarks.stores import Store

TIMES: Final = 7
COMMAND: Final = (sys.executable, "-m", "celeriac")


def measure(plan: Plan) -> Iterator[Figure]:
    """Start a worker on a queue with one task; its floor is two bare interpreters, one after the other."""
    for store in plan.of_any_disk:
        floors, ours = in_turn(
            plan.rounds,
            lambda: 2 * _run("pass"),
            lambda: _first_task(store),  # noqa: B023
        )
        yield figure("start", store.name, "worker to first task", "s", rounds=ours, floors=floors)
    rounds = [_import() for _ in range(plan.rounds)]
    yield figure("start", "any store", "import celeriac", "ms", rounds=rounds)


def _first_task(store: Store) -> float:
    with site(store) as here:
        here.task("noop").delay()
        started = time.monotonic()
        worker = workers.start(here, command=COMMAND)
        try:
            here.wait_for(1, pause=0.002)
        finally:
            worker.end()
        return here.moments()[0] - started


def _import() -> float:
    """Return the milliseconds that an interpreter runs longer when it imports Celeriac."""
    return 1e3 * statistics.median(_run("import celeriac") - _run("pass") for _ in range(TIMES))


def _run(code: str) -> float:
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.monotonic() - started
