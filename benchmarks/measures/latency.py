"""Latency: from the call of `delay` to the start of the task's code, on a worker that is idle."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from benchmarks import workers
from benchmarks.figures import Figure, figure, percentile
from benchmarks.floors.queues import SqliteQueue, queue
from benchmarks.plan import Plan, in_turn
from benchmarks.site import site
from benchmarks.stores import STORES, Store, pin, pinned

ALONE: Final = (0,)
PAUSE: Final = 0.008
WARM: Final = 20
PARTS: Final = {"p50": 0.5, "p99": 0.99, "max": 1.0}


def measure(plan: Plan) -> Iterator[Figure]:
    """Call once in a while; caller, worker and server share one CPU."""
    count = plan.count(400, 100)
    for store in plan.stores:
        for kind, task in {"def": "noop", "async def": "anoop"}.items():
            floors, ours = in_turn(
                plan.rounds,
                lambda: _floor(store, count),  # noqa: B023
                lambda: _ours(store, task, count),  # noqa: B023
            )
            for part, share in PARTS.items():
                yield figure(
                    "latency",
                    store.name,
                    f"{kind}, {part}",
                    "ms",
                    rounds=[percentile(some, share) * 1e3 for some in ours],
                    floors=[percentile(some, share) * 1e3 for some in floors],
                )


def _ours(store: Store, task: str, count: int) -> list[float]:
    with pinned(ALONE), site(store, cpus=ALONE) as here, workers.worker(here, cpus=ALONE):
        here.wait_for_workers(1)
        sent = _call(here.task(task).delay, count)
        here.wait_for(count)
        return _waits(sent, here.moments())


def _call(call: Callable[[], Any], count: int) -> list[float]:
    """Call at moments that have no rhythm; return them."""
    sent = []
    for _ in range(count):
        time.sleep(PAUSE * (0.5 + random.random()))
        sent.append(time.monotonic())
        call()
    return sent


def _waits(sent: list[float], started: list[float]) -> list[float]:
    """Pair what was sent with what started; leave out the first ones, for which things are loaded."""
    return [start - send for send, start in zip(sent, started, strict=True)][WARM:]


def _floor(store: Store, count: int) -> list[float]:
    with pinned(ALONE), site(store, cpus=ALONE) as here:
        context = multiprocessing.get_context("spawn")
        answers = context.Queue()
        claimer = context.Process(target=_claim, args=(store.name, here.url, count, answers))
        claimer.start()
        answers.get(timeout=30)
        line = queue(store, here.url)
        if isinstance(line, SqliteQueue):
            line.rings = True
        sent = _call(lambda: line.send(1), count)
        moments = answers.get(timeout=30)
        claimer.join()
        line.close()
        return _waits(sent, moments)


def _claim(store: str, url: str, count: int, answers: Any) -> None:
    """Claim so many tasks, and answer when each could start; in a process of its own."""
    pin(ALONE)
    line = queue(STORES[store], url)
    line.listen()
    answers.put("ready")
    moments = []
    for _ in range(count):
        line.claim()
        moments.append(time.monotonic())
    answers.put(moments)
    line.close()
