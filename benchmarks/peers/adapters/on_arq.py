"""arq, which has coroutines only: `noop` is one too, so that pings and enqueuing have a task."""

import asyncio
import os
from typing import Any

import ticks
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

PACKAGES = ["arq", "redis", "hiredis"]
WORKER = ["arq", "on_arq.WorkerSettings", "--custom-log-dict", "on_arq.QUIET"]
WORKERS = []
for jobs in ("100", "10", "1000"):
    for poll in ("0.001", "0.01", "0.1"):
        for n in (1, 2):
            WORKERS.append(
                {
                    "setting": f"{n} of {jobs} jobs poll {poll}",
                    "for": ["anoop"]
                    + (["nap"] if jobs == "100" else [])
                    + (["ping"] if jobs == "100" and n == 1 else []),
                    "commands": [WORKER] * n,
                    "env": {"JOBS": jobs, "POLL": poll},
                }
            )
QUIET = {"version": 1, "loggers": {"arq": {"level": "ERROR"}}}
SETTINGS = RedisSettings.from_dsn(os.environ["BENCH_URL"])

redis: ArqRedis


async def noop(context: dict[str, Any]) -> None:
    """Nothing."""
    ticks.tick()


async def anoop(context: dict[str, Any]) -> None:
    """Nothing."""
    ticks.tick()


async def nap(context: dict[str, Any]) -> None:
    """Wait."""
    ticks.tick()
    await asyncio.sleep(0.01)


class WorkerSettings:
    """What `arq` runs."""

    functions = [noop, anoop, nap]
    redis_settings = SETTINGS
    max_jobs = int(os.environ.get("JOBS", "10"))
    poll_delay = float(os.environ.get("POLL", ".5"))


async def begin() -> None:
    """Connect."""
    global redis
    redis = await create_pool(SETTINGS)


async def end() -> None:
    """Disconnect."""
    await redis.aclose()


async def asend(task: str) -> None:
    """Enqueue one."""
    await redis.enqueue_job(task)


async def stored() -> int:
    """Count the results."""
    return sum([1 async for _ in redis.scan_iter("arq:result:*", count=10_000)])
