"""taskiq on a Redis stream: a message is acknowledged once its result is stored, so at-least-once.

Its default of 100 tasks at once in each process, and fewer with a prefetch of 100; uvloop and orjson, as its
documentation says; `def` tasks run in threads. What a killed worker held comes back after ten idle minutes,
its default, with the next new message. Entries stay in the stream when they are done.
"""

import asyncio
import os

import redis
import ticks
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

PACKAGES = ["taskiq", "taskiq-redis", "redis", "hiredis", "uvloop", "orjson"]
WORKER = ["taskiq", "worker", "on_taskiq_stream:broker", "--log-level", "ERROR"]
WORKERS = [
    {
        "setting": f"{processes} process{'es' if processes > 1 else ''} of {tasks}+{prefetch} tasks",
        "for": measures,
        "commands": [
            [*WORKER, "-w", str(processes), "--max-async-tasks", str(tasks), "--max-prefetch", str(prefetch)]
        ],
    }
    for processes, tasks, prefetch, measures in (
        (2, 100, 0, ["noop", "anoop"]),
        (2, 10, 100, ["noop", "anoop"]),
        (2, 50, 0, ["nap"]),
        (1, 100, 0, ["ping"]),
    )
]
URL = os.environ["BENCH_URL"]

broker = (
    RedisStreamBroker(URL, queue_name="bench", unacknowledged_lock_timeout=60)
    .with_result_backend(RedisAsyncResultBackend(URL, prefix_str="result", result_ex_time=3_600))
    .with_serializer(ORJSONSerializer())
)


@broker.task
def noop() -> None:
    """Nothing, in a thread."""
    ticks.tick()


@broker.task
async def anoop() -> None:
    """Nothing, on the loop."""
    ticks.tick()


@broker.task
async def nap() -> None:
    """Wait."""
    ticks.tick()
    await asyncio.sleep(0.01)


TASKS = {"noop": noop, "anoop": anoop, "nap": nap}


async def begin() -> None:
    """Connect, and declare the consumer group."""
    await broker.startup()


async def end() -> None:
    """Disconnect."""
    await broker.shutdown()


async def asend(task: str) -> None:
    """Enqueue one."""
    await TASKS[task].kiq()


def stored() -> int:
    """Count the results."""
    store = redis.Redis.from_url(URL)
    return sum(1 for _ in store.scan_iter("result:*", count=10_000))
