"""Recovery: how long after kill -9, or a freeze, the task of a dead process runs again.

Another host is pretended by another temporary directory: workers on Redis then do not see each other's lock
files, and only the lease tells of a death. SQLite has its lock files beside the database, on one host. A
frozen worker still holds its lock file, so that on both stores only the lease tells of it.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Final

from benchmarks import workers
from benchmarks.figures import Figure, figure
from benchmarks.plan import Plan
from benchmarks.site import site
from benchmarks.stores import Store
from benchmarks.workers import Worker

HOLD: Final = 120.0  # seconds that the task would take
SETTLE: Final = 1.0
RESERVED: Final = 7.0  # seconds after its start at which a worker's only process has another one in reserve
LOOK: Final = 0.001


def measure(plan: Plan) -> Iterator[Figure]:
    """Kill one process of a worker of two and of one, then all of one of two workers; then freeze one."""
    for store in plan.of_any_disk:
        for processes, words in ((2, "another process takes over"), (1, "it is replaced first")):
            rounds = [_kill_child(store, processes) for _ in range(plan.rounds)]
            yield figure("recovery", store.name, f"a child killed, {words}", "s", rounds=rounds)
        rounds = [_lose_worker(store, Worker.kill) for _ in range(plan.rounds)]
        yield figure(
            "recovery",
            store.name,
            "all of a worker killed, another of the host takes over",
            "s",
            rounds=rounds,
        )
        if store.has_server:
            rounds = [_lose_worker(store, Worker.kill, elsewhere=True) for _ in range(plan.rounds)]
            yield figure("recovery", store.name, "all workers of another host killed", "s", rounds=rounds)
        rounds = [_lose_worker(store, Worker.freeze) for _ in range(plan.rounds)]
        yield figure("recovery", store.name, "all of a worker frozen, another takes over", "s", rounds=rounds)


def _kill_child(store: Store, processes: int) -> float:
    with site(store) as here, workers.worker(here, processes=processes) as worker:
        here.wait_for_workers(processes)
        here.task("anap").delay(HOLD)
        here.wait_for(1, pause=LOOK)
        time.sleep(RESERVED if processes == 1 else SETTLE)
        [pid] = here.by_process()
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        here.wait_for(2, pause=LOOK)
        worker.kill()
        return here.moments()[1] - killed


def _lose_worker(store: Store, lose: Callable[[Worker], None], *, elsewhere: bool = False) -> float:
    with tempfile.TemporaryDirectory() as other, site(store) as here, workers.worker(here) as first:
        here.wait_for_workers(1)
        here.task("anap").delay(HOLD)
        here.wait_for(1, pause=LOOK)
        environment = {"TMPDIR": other} if elsewhere else {}
        with workers.worker(here, environment=environment) as second:
            here.wait_for_workers(2)
            time.sleep(SETTLE)
            lost = time.monotonic()
            lose(first)
            here.wait_for(2, pause=LOOK)
            second.kill()
            first.kill()
        return here.moments()[1] - lost
