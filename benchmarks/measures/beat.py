"""Beat: how late tasks run that are due, and what schedules cost of which none is due."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from benchmarks import limited, workers
from benchmarks.figures import Figure, figure, percentile
from benchmarks.plan import Plan, in_turn
from benchmarks.site import Site, site
from benchmarks.stores import Store
from celeriac.beat import ticker
from celeriac.schedules import every

SETTLE: Final = 3.0
EVERY: Final = 0.25
AT_ONCE: Final = 1_000


def measure(plan: Plan) -> Iterator[Figure]:
    """Let one worker, otherwise idle, tend schedules."""
    for store in plan.of_any_disk:
        seconds = plan.count(10, 3)
        late = [_lateness(store, seconds) for _ in range(plan.rounds)]
        for words, share in (("p50", 0.5), ("p99", 0.99), ("most", 1.0)):
            rounds = [1e3 * percentile(each, share) for each in late]
            yield figure("beat", store.name, f"due to start, {words}", "ms", rounds=rounds)
        schedules = plan.count(10_000, 1_000)
        none, many = in_turn(
            plan.rounds,
            lambda: _idle(store, 0, seconds),  # noqa: B023
            lambda: _idle(store, schedules, seconds),  # noqa: B023
        )
        words = f"{schedules:,} schedules, none due, CPU of the worker"
        yield figure("beat", store.name, words, "% of a core", rounds=many, floors=none)


def _lateness(store: Store, seconds: float) -> list[float]:
    """Return how late each run started, of one schedule in so many seconds."""
    with site(store, app=limited.app) as here:
        here.app.schedules.add("often", every(EVERY), "late")
        with workers.worker(here, application="benchmarks.limited:app"):
            here.wait_for(2)
            wanted = here.ran() + int(seconds / EVERY)
            here.wait_for(wanted)
            ids: set[str] = set()
            late: list[float] = []
            while len(late) < 20:  # the last ones: what they returned is kept
                [task_id] = here.app.schedules.get("often").ids
                if task_id not in ids:
                    ids.add(task_id)
                    late.append(here.app.AsyncResult(task_id).get(timeout=5))
                time.sleep(EVERY / 10)
            return late


def _idle(store: Store, schedules: int, seconds: float) -> float:
    with site(store, app=limited.app) as here:
        _add(here, schedules)
        with workers.worker(here, application="benchmarks.limited:app") as running:
            here.wait_for_workers(1)
            time.sleep(SETTLE)
            began, cpu = time.monotonic(), running.whole_cpu()
            time.sleep(seconds)
            return 100 * (running.whole_cpu() - cpu) / (time.monotonic() - began)


def _add(here: Site, schedules: int) -> None:
    """Add schedules that are due in an hour, many in one step."""
    if not schedules:
        return
    here.app.schedules.add("pattern", 3_600, "noop")
    now = time.time()
    [pattern] = [kept for kept in here.app.broker.schedules() if kept.name == "pattern"]
    names = [f"schedule {number}" for number in range(schedules - 1)]
    for first in range(0, len(names), AT_ONCE):
        some = names[first : first + AT_ONCE]
        here.app.broker.advance([ticker.put(name, None, pattern.entry, now) for name in some], now)
