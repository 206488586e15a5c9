"""Naps: tasks of 10 ms, a hundred at once in one process; the ideal is 10,000 a second."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final

import uvloop

from benchmarks import workers
from benchmarks.figures import Figure, figure
from benchmarks.plan import Plan, in_turn
from benchmarks.site import site
from benchmarks.stores import Store

SECONDS: Final = 0.01
SLOTS: Final = 100


def measure(plan: Plan) -> Iterator[Figure]:
    """Nap in threads and on the event loop; the floor is as many threads or coroutines that only nap."""
    count = plan.count(20_000, 5_000)
    for store in plan.stores:
        for kind, task in {"def": "nap", "async def": "anap"}.items():
            floor = _in_threads if task == "nap" else _on_loop
            floors, ours = in_turn(
                plan.rounds,
                lambda: _share(floor(count)),  # noqa: B023
                lambda: _share(_naps(store, task, count)),  # noqa: B023
            )
            yield figure("naps", store.name, f"{kind}, share of the ideal", "%", rounds=ours, floors=floors)


def turn(moments: Sequence[float], slots: int) -> float:
    """Return the seconds from one start to the next in the same slot: the mean over all tasks.

    In the ideal it is what the task itself takes. How slots are filled at the beginning plays no part.
    """
    return statistics.fmean(later - start for start, later in zip(moments, moments[slots:], strict=False))


def _share(moments: Sequence[float]) -> float:
    return 100 * SECONDS / turn(moments, SLOTS)


def _naps(store: Store, task: str, count: int) -> list[float]:
    with site(store) as here:
        here.fill(task, count, SECONDS)
        with workers.worker(here, slots=SLOTS):
            here.wait_for(count)
        return here.moments()


def _in_threads(count: int) -> list[float]:
    moments: list[float] = []

    def nap() -> None:
        for _ in range(count // SLOTS):
            moments.append(time.monotonic())
            time.sleep(SECONDS)

    threads = [threading.Thread(target=nap) for _ in range(SLOTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(moments)


def _on_loop(count: int) -> list[float]:
    moments: list[float] = []

    async def nap() -> None:
        for _ in range(count // SLOTS):
            moments.append(time.monotonic())
            await asyncio.sleep(SECONDS)

    async def naps() -> None:
        await asyncio.gather(*(nap() for _ in range(SLOTS)))

    uvloop.run(naps())
    return moments
