"""Waiting work: a thousand and ten thousand `async def` tasks at once in one process, all of them waiting.

The ideal is as many tasks a second as there are slots, divided by what one task takes; or what the process
drains of no-ops, where that is less.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from benchmarks import workers
from benchmarks.figures import Figure, figure
from benchmarks.measures.drain import drain
from benchmarks.measures.naps import turn
from benchmarks.plan import Plan
from benchmarks.site import site
from benchmarks.stores import Store

SLOTS: Final = (1_000, 10_000)
SECONDS: Final = (0.01, 0.1, 1.0, 5.0)
LONG: Final = 1.0  # tasks of so many seconds can be revoked in their midst
SETTLE: Final = 1.0


class Waited(msgspec.Struct, frozen=True):
    """One run: the share of the ideal in %, and how many tasks ran twice.

    Attributes:
        memory: KB for one running task; None where tasks are too short to fill all slots.
        revoke: milliseconds until a running task was terminated; None where none was.
    """

    share: float
    memory: float | None
    twice: float
    revoke: float | None


def measure(plan: Plan) -> Iterator[Figure]:
    """Wait in one process. There is no floor beside the ideal."""
    durations = SECONDS if not plan.quick else (1.0,)
    for store in plan.of_any_disk:
        rates = [drain(store, "anoop", plan.count(60_000, 20_000)).rate for _ in range(plan.rounds)]
        rate = sorted(rates)[len(rates) // 2]
        for slots in SLOTS:
            idle = _idle(store, slots)
            for seconds in durations:
                rounds = [_wait(plan, store, slots, seconds, rate, idle) for _ in range(plan.rounds)]
                yield from _figures(store, f"{slots:,} of {seconds:g} s", rounds)


def _figures(store: Store, label: str, rounds: list[Waited]) -> Iterator[Figure]:
    parts = {
        "share": ("share of the ideal", "%"),
        "memory": ("memory of one", "KB"),
        "twice": ("tasks run twice", "tasks"),
        "revoke": ("terminating one", "ms"),
    }
    for part, (words, unit) in parts.items():
        values = [value for waited in rounds if (value := getattr(waited, part)) is not None]
        if values:
            yield figure("waiting", store.name, f"{label}, {words}", unit, rounds=values)


def _count(plan: Plan, slots: int, seconds: float, rate: float) -> int:
    """Return how many tasks show a steady state: two turns of all slots or more, and two seconds' work."""
    turns = 2 if seconds > LONG else 3
    least = slots * turns
    return max(least, int(min(slots / seconds, rate) * plan.count(3, 1)))


def _idle(store: Store, slots: int) -> int:
    """Return the resident bytes of a process with so many slots and no work."""
    with site(store) as here, workers.worker(here, slots=slots) as worker:
        here.wait_for_workers(1)
        time.sleep(SETTLE)
        return worker.resident()


def _wait(plan: Plan, store: Store, slots: int, seconds: float, rate: float, idle: int) -> Waited:
    count = _count(plan, slots, seconds, rate)
    with site(store) as here:
        results = here.fill("anap", count, seconds)
        with workers.worker(here, slots=slots) as worker:
            peak = _Peak(worker)
            here.wait_for(min(slots, count) // 2)
            revoke = _terminate(results[0]) if seconds >= LONG else None
            here.wait_for(count)
            here.wait_until_stored()
            most = peak.end()
        moments = here.moments()
    share = 100 * max(seconds, slots / rate) / turn(moments, slots)
    memory = (most - idle) / slots / 1e3 if slots / seconds <= rate else None
    return Waited(share, memory, len(moments) - count, revoke)


def _terminate(result: Any) -> float:
    """Revoke a running task; return the milliseconds until it has ended."""
    started = time.perf_counter()
    result.revoke(terminate=True)
    while not result.ready():
        time.sleep(0.001)
    return (time.perf_counter() - started) * 1e3


class _Peak(threading.Thread):
    """Watches how much memory a worker's process takes."""

    def __init__(self, worker: workers.Worker) -> None:
        super().__init__(daemon=True)
        self._worker = worker
        self._ended = threading.Event()
        self._most = 0
        self.start()

    def run(self) -> None:
        while not self._ended.wait(0.05):
            self._most = max(self._most, self._worker.resident())

    def end(self) -> int:
        """Return the most that was seen, in bytes."""
        self._ended.set()
        self.join()
        return self._most
