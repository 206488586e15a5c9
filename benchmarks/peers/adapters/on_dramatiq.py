"""Dramatiq on Redis; messages are acknowledged when they are done, results are stored by its middleware."""

import asyncio
import os

import dramatiq
import redis
import ticks
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

PACKAGES = ["dramatiq", "redis", "hiredis"]


def _way(processes: int, threads: int, tasks: list[str], **environment: str) -> dict[str, object]:
    """Describe a way to start it; without logging it says only warnings."""
    command = ["dramatiq", "on_dramatiq", "--skip-logging", "-p", str(processes), "-t", str(threads)]
    setting = f"{processes} process{'es' if processes > 1 else ''} of {threads} threads{environment!s}"
    return {"setting": setting, "for": tasks, "commands": [command], "env": environment}


WORKERS = [
    _way(2, 1, ["noop", "anoop", "ping"]),
    _way(2, 1, ["noop", "anoop"], dramatiq_queue_prefetch="64"),
    _way(2, 8, ["noop", "anoop", "ping"]),
    _way(2, 8, ["noop", "anoop", "ping"], dramatiq_queue_prefetch="64"),
    _way(2, 50, ["nap"]),
]

broker = RedisBroker(url=os.environ["BENCH_URL"])
broker.add_middleware(AsyncIO())
broker.add_middleware(
    Results(
        backend=RedisBackend(url=os.environ["BENCH_URL"], use_namespace_prefix_keys=True),
        store_results=True,
    )
)
dramatiq.set_broker(broker)


@dramatiq.actor
def noop() -> None:
    """Nothing."""
    ticks.tick()


@dramatiq.actor
async def anoop() -> None:
    """Nothing, on the loop."""
    ticks.tick()


@dramatiq.actor
async def nap() -> None:
    """Wait."""
    ticks.tick()
    await asyncio.sleep(0.01)


ACTORS = {"noop": noop, "anoop": anoop, "nap": nap}


def send(task: str) -> None:
    """Enqueue one."""
    ACTORS[task].send()


def stored() -> int:
    """Count the results."""
    store = redis.Redis.from_url(os.environ["BENCH_URL"])
    return sum(1 for _ in store.scan_iter("dramatiq-results:*", count=10_000))
