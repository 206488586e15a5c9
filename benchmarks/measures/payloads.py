"""Payloads: arguments and results of 1 MB each, so that tasks a second are also MB a second."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Final

from benchmarks import workers
from benchmarks.figures import Figure, figure
from benchmarks.floors import loop
from benchmarks.floors.queues import queue
from benchmarks.plan import Plan, in_turn
from benchmarks.site import Site, site
from benchmarks.stores import Store

SIZE: Final = 1_000_000
TEXT: Final = "x" * SIZE
PAYLOAD: Final = json.dumps(((TEXT,), {})).encode()


def measure(plan: Plan) -> Iterator[Figure]:
    """Send arguments in, carry them out to a worker, and bring results back to the caller."""
    count = plan.count(200, 50)
    for store in plan.stores:
        floors, ours = in_turn(
            plan.rounds,
            lambda: _floor(store, count),  # noqa: B023
            lambda: _arguments(store, count),  # noqa: B023
        )
        for part, words in enumerate(("arguments, caller to store", "arguments, store to worker")):
            rounds, least = [pair[part] for pair in ours], [pair[part] for pair in floors]
            yield figure("payloads", store.name, words, "MB/s", rounds=rounds, floors=least)
        results = [_results(store, count) for _ in range(plan.rounds)]
        for part, words in enumerate(("results, worker to store", "results, store to caller")):
            yield figure("payloads", store.name, words, "MB/s", rounds=[pair[part] for pair in results])


def _arguments(store: Store, count: int) -> tuple[float, float]:
    with site(store) as here:
        delay = here.task("swallow").delay
        began = time.perf_counter()
        for _ in range(count):
            delay(TEXT)
        return count / (time.perf_counter() - began), _drained(here, count)


def _drained(here: Site, count: int) -> float:
    """Let a worker of one process drain the queue; return tasks a second."""
    with workers.worker(here):
        here.wait_for(1, pause=0.001)
        began = time.monotonic()
        here.wait_for(count, pause=0.005)
        here.wait_until_stored()
        ended = time.monotonic()
    return sum(moment > began for moment in here.moments()) / (ended - began)


def _results(store: Store, count: int) -> tuple[float, float]:
    with site(store) as here:
        results: list[Any] = here.fill("produce", count, SIZE)
        stored = _drained(here, count)
        began = time.perf_counter()
        for result in results:
            assert len(result.get(timeout=30)) == SIZE
        return stored, count / (time.perf_counter() - began)


def _floor(store: Store, count: int) -> tuple[float, float]:
    with site(store) as here:
        line = queue(store, here.url)
        began = time.perf_counter()
        for _ in range(count):
            line.send(1, PAYLOAD)
        sent = count / (time.perf_counter() - began)
        line.close()
        loop.fill(here.url, count, PAYLOAD)
        [span] = loop.drain(here.url, processes=1, is_async=False, batch=16)
        return sent, span.done / (span.ended - span.began)
