"""Dramatiq on Redis; messages are acknowledged when they are done, its middleware stores their results.

A worker that has all it may prefetch sleeps before it looks again, so that 1 thread, which prefetches 2, is
slow by default: it gets 256. Idle workers poll: after at most 2 ms where latency is measured, not 1 s.
"""

import os
import time
from typing import Any

import dramatiq
import redis
import ticks
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

PACKAGES = ["dramatiq", "redis", "hiredis"]


def _way(setting: str, tasks: list[str], threads: int, **environment: str) -> dict[str, Any]:
    """Describe 2 processes of some threads; without its own logging they say warnings only."""
    command = ["dramatiq", "on_dramatiq", "--skip-logging", "-p", "2", "-t", str(threads)]
    return {"setting": setting, "for": tasks, "commands": [command], "env": environment}


WORKERS = [
    _way("2 processes of 1 thread, prefetch 256", ["noop", "anoop"], 1, dramatiq_queue_prefetch="256"),
    _way("2 processes of 8 threads", ["noop", "anoop"], 8),
    _way("2 processes of 50 threads", ["nap"], 50),
    _way("2 processes of 1 thread, polling each 2 ms", ["ping"], 1, dramatiq_worker_timeout="2"),
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
    """Nothing, on the loop, for which a thread waits."""
    ticks.tick()


@dramatiq.actor
def nap() -> None:
    """Wait."""
    ticks.tick()
    time.sleep(0.01)


ACTORS = {"noop": noop, "anoop": anoop, "nap": nap}


def send(task: str) -> None:
    """Enqueue one."""
    ACTORS[task].send()


def stored() -> int:
    """Count the results."""
    store = redis.Redis.from_url(os.environ["BENCH_URL"])
    return sum(1 for _ in store.scan_iter("dramatiq-results:*", count=10_000))
