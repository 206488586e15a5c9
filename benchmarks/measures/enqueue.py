"""Enqueue: how fast one process gets tasks into a store, one by one, many callers at once, and in bulk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from benchmarks.figures import Figure, figure
from benchmarks.floors.queues import queue
from benchmarks.plan import Plan, in_turn
from benchmarks.site import site
from benchmarks.stores import Store, pinned

ALONE: Final = (0,)
BULK: Final = 1_000


def measure(plan: Plan) -> Iterator[Figure]:
    """Enqueue in each way, with caller and server on one CPU."""
    singles, many = plan.count(10_000, 2_000), plan.count(100_000, 20_000)
    ways: dict[str, tuple[Callable[[Any, int], None], int, int]] = {
        "delay": (one_by_one, singles, 1),
        "adelay, 1 caller": (lambda task, count: asyncio.run(callers(task, count, 1)), singles, 1),
        "adelay, 100 callers": (lambda task, count: asyncio.run(callers(task, count, 100)), many // 2, 100),
        "delay_many": (lambda task, count: task.delay_many(() for _ in range(count)), many, BULK),
    }
    for store in plan.stores:
        for words, (way, count, batch) in ways.items():
            floors, ours = in_turn(
                plan.rounds,
                lambda: _floor(store, count, batch),  # noqa: B023
                lambda: _ours(store, count, way),  # noqa: B023
            )
            yield figure("enqueue", store.name, words, "tasks/s", rounds=ours, floors=floors)


def one_by_one(task: Any, count: int) -> None:
    """`delay` from one thread."""
    for _ in range(count):
        task.delay()


async def callers(task: Any, count: int, callers: int) -> None:
    """`adelay` from so many coroutines at once."""

    async def caller() -> None:
        for _ in range(count // callers):
            await task.adelay()

    await asyncio.gather(*(caller() for _ in range(callers)))


def _ours(store: Store, count: int, way: Callable[[Any, int], None]) -> float:
    with pinned(ALONE), site(store, cpus=ALONE) as here:
        task = here.task("noop")
        task.delay()
        started = time.perf_counter()
        way(task, count)
        return count / (time.perf_counter() - started)


def _floor(store: Store, count: int, batch: int) -> float:
    with pinned(ALONE), site(store, cpus=ALONE) as here:
        line = queue(store, here.url)
        line.send(1)
        started = time.perf_counter()
        for _ in range(count // batch):
            line.send(batch)
        seconds = time.perf_counter() - started
        line.close()
        return count / seconds
