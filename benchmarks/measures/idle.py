"""Idle: what a worker costs that has nothing to do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

import msgspec
import psutil

from benchmarks import workers
from benchmarks.figures import Figure, figure
from benchmarks.plan import Plan, in_turn
from benchmarks.site import site
from benchmarks.stores import Store

SETTLE: Final = 2.0
MB: Final = 1e6
LIBRARIES: Final = {"redis": "msgspec, uvloop, redis, hiredis", "sqlite": "msgspec, uvloop, sqlite3"}


class Idle(msgspec.Struct, frozen=True):
    """Per cent of a core of the whole worker and of the server, what the store does a second, resident MB.

    Commands are those that the worker sends to the server; a trip to SQLite is one.
    """

    cpu: float
    server: float
    trips: float
    commands: float
    process: float
    supervisor: float


PARTS: Final = {
    "cpu": ("CPU of the worker", "% of a core"),
    "server": ("CPU of the server", "% of a core"),
    "trips": ("trips to the store", "/s"),
    "commands": ("store commands", "/s"),
    "process": ("resident, a process", "MB"),
    "supervisor": ("resident, the supervisor", "MB"),
}


def measure(plan: Plan) -> Iterator[Figure]:
    """Watch workers of one process and of two; memory is beside an interpreter with the same libraries."""
    seconds = plan.count(20, 3)
    for store in plan.of_any_disk:
        for processes in (1, 2):
            floors, ours = in_turn(
                plan.rounds,
                lambda: _floor(store),  # noqa: B023
                lambda: _idle(store, processes, seconds),  # noqa: B023
            )
            for part, (words, unit) in PARTS.items():
                if part in ("server", "trips") and not store.has_server:
                    continue
                yield figure(
                    "idle",
                    store.name,
                    f"{processes} process{'es' * (processes > 1)}, {words}",
                    unit,
                    rounds=[getattr(idle, part) for idle in ours],
                    floors=floors if unit == "MB" else (),
                )


def _idle(store: Store, processes: int, seconds: float) -> Idle:
    with site(store) as here, workers.worker(here, processes=processes) as worker:
        here.wait_for_workers(processes)
        time.sleep(SETTLE)
        began, cpu, before = time.monotonic(), worker.whole_cpu(), here.counters()
        time.sleep(seconds)
        spent, done = worker.whole_cpu() - cpu, here.counters().since(before)
        elapsed = time.monotonic() - began
        return Idle(
            100 * spent / elapsed,
            100 * done.cpu / elapsed,
            done.trips / elapsed,
            done.sent / elapsed,
            worker.resident() / MB,
            worker.supervisor.memory_info().rss / MB,
        )


def _floor(store: Store) -> float:
    """Return the resident MB of an interpreter that has loaded what any worker on this store needs."""
    libraries = LIBRARIES["redis" if store.has_server else "sqlite"]
    code = f"import asyncio, threading, {libraries}; print('ready', flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        resident = psutil.Process(process.pid).memory_info().rss
        process.kill()
    return float(resident / MB)
