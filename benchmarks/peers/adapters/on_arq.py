"""arq: a job stays in the queue until it is done, so that it runs at least once; results are stored.

It has only coroutines: `noop` is one too, for pings and enqueuing. Workers poll, each 0.5 s by default, and
then start at most `max_jobs`, 10 by default: here 100 each 10 ms, and each 1 ms where latency is measured.
"""

import asyncio
import os
from typing import Any

import ticks
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

PACKAGES = ["arq", "redis", "hiredis"]
WORKER = ["arq", "on_arq.WorkerSettings", "--custom-log-dict", "on_arq.QUIET"]
WORKERS = [
    {"setting": "1 worker of 100 jobs", "for": ["anoop", "nap"], "commands": [WORKER]},
    {"setting": "2 workers of 100 jobs", "for": ["anoop"], "commands": [WORKER, WORKER]},
    {
        "setting": "1 worker, polling each 1 ms",
        "for": ["ping"],
        "commands": [WORKER],
        "env": {"BENCH_POLL": "0.001"},
    },
]
QUIET = {"version": 1, "loggers": {"arq": {"level": "ERROR"}}}
SETTINGS = RedisSettings.from_dsn(os.environ["BENCH_URL"])

pool: ArqRedis


async def noop(_context: dict[str, Any]) -> None:
    """Nothing."""
    ticks.tick()


async def anoop(_context: dict[str, Any]) -> None:
    """Nothing."""
    ticks.tick()


async def nap(_context: dict[str, Any]) -> None:
    """Wait."""
    ticks.tick()
    await asyncio.sleep(0.01)


class WorkerSettings:
    """What `arq` runs."""

    functions = (noop, anoop, nap)
    redis_settings = SETTINGS
    max_jobs = 100
    poll_delay = float(os.environ.get("BENCH_POLL", "0.01"))


async def begin() -> None:
    """Connect."""
    global pool
    pool = await create_pool(SETTINGS)


async def end() -> None:
    """Disconnect."""
    await pool.aclose()


async def asend(task: str) -> None:
    """Enqueue one."""
    await pool.enqueue_job(task)


async def stored() -> int:
    """Count the results."""
    return sum([1 async for _ in pool.scan_iter("arq:result:*", count=10_000)])
