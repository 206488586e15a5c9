"""SAQ on Redis: two attempts for each job, so at-least-once (one attempt, its default, is at-most-once).

Its default of 10 jobs at once in each process, and more; `def` tasks run in threads. Results are kept for its
default of ten minutes. What a killed worker held comes back by a sweep, once a minute, one job each five
seconds. A sweep takes a job that has just been dequeued for a lost one and runs it twice (its issue 277), so
each worker here does the sweep of its start before its first job instead of beside it.
"""

import asyncio
import os
from typing import Any

import ticks
from saq import Queue, Status

PACKAGES = ["saq", "redis", "hiredis"]
WORKER = ["saq", "on_saq.settings", "--quiet"]
WORKERS = [
    {
        "setting": f"{processes} process{'es' if processes > 1 else ''} of {jobs} jobs",
        "for": measures,
        "commands": [WORKER] * processes,
        "env": {"BENCH_JOBS": str(jobs)},
    }
    for processes, jobs, measures in (
        (2, 10, ["noop", "anoop"]),
        (2, 32, ["noop", "anoop"]),
        (2, 50, ["nap"]),
        (1, 10, ["ping"]),
    )
]

queue = Queue.from_url(os.environ["BENCH_URL"], name="bench")


def noop(_context: dict[str, Any]) -> None:
    """Nothing, in a thread."""
    ticks.tick()


async def anoop(_context: dict[str, Any]) -> None:
    """Nothing, on the loop."""
    ticks.tick()


async def nap(_context: dict[str, Any]) -> None:
    """Wait."""
    ticks.tick()
    await asyncio.sleep(0.01)


async def sweep(_context: dict[str, Any]) -> None:
    """Do the sweep of the next minute now."""
    await queue.sweep()


settings = {
    "queue": queue,
    "functions": [noop, anoop, nap],
    "concurrency": int(os.environ.get("BENCH_JOBS", "10")),
    "startup": sweep,
}


async def begin() -> None:
    """Connect."""
    await queue.connect()


async def end() -> None:
    """Disconnect."""
    await queue.disconnect()


async def asend(task: str) -> None:
    """Enqueue one."""
    await queue.enqueue(task, retries=2)


async def stored() -> int:
    """Count the jobs that are complete."""
    return sum([1 async for _ in queue.iter_jobs([Status.COMPLETE], batch_size=1_000)])
