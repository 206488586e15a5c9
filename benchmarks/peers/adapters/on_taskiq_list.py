"""taskiq on a Redis list, which acknowledges nothing: a killed worker loses what it runs; results are stored.

Its default of 100 tasks at once in each process, and fewer; uvloop and orjson, as its documentation says;
`def` tasks run in threads. The socket has no timeout, since that ends a worker that waits for tasks.
"""

import asyncio
import os

import redis
import ticks
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

PACKAGES = ["taskiq", "taskiq-redis", "redis", "hiredis", "uvloop", "orjson"]
WORKER = ["taskiq", "worker", "on_taskiq_list:broker", "--log-level", "ERROR"]
WORKERS = [
    {
        "setting": f"{processes} process{'es' if processes > 1 else ''} of {tasks} tasks",
        "for": measures,
        "commands": [[*WORKER, "--workers", str(processes), "--max-async-tasks", str(tasks)]],
    }
    for processes, tasks, measures in (
        (2, 100, ["noop", "anoop"]),
        (2, 10, ["noop", "anoop"]),
        (2, 50, ["nap"]),
        (1, 100, ["ping"]),
    )
]
URL = os.environ["BENCH_URL"]

broker = (
    ListQueueBroker(URL, queue_name="bench", socket_timeout=None)
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
    """Connect."""
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
