"""streaQ on Redis streams: at-least-once, up to three tries, results stored for its default of five minutes.

Its two optimizations, uvloop and coredis' optimized mode, and the 32 tasks at once of its own benchmark, or
100; `def` tasks run in threads. Tasks are silent, since its worker logs each. What a killed worker held comes
back after an idle minute, its default.
"""

import asyncio
import os
from contextlib import AsyncExitStack

import ticks

os.environ["COREDIS_OPTIMIZED"] = "1"  # coredis looks at it when it is imported
from streaq import Worker

PACKAGES = ["streaq", "coredis", "anyio", "uvloop"]
WORKER = ["streaq", "run", "on_streaq:worker"]
WORKERS = [
    {
        "setting": f"{processes} process{'es' if processes > 1 else ''} of {tasks} tasks",
        "for": measures,
        "commands": [WORKER] * processes,
        "env": {"BENCH_TASKS": str(tasks)},
    }
    for processes, tasks, measures in (
        (2, 32, ["noop", "anoop"]),
        (2, 100, ["noop", "anoop"]),
        (2, 50, ["nap"]),
        (1, 32, ["ping"]),
    )
]

worker = Worker(
    os.environ["BENCH_URL"],
    concurrency=int(os.environ.get("BENCH_TASKS", "32")),
    anyio_kwargs={"use_uvloop": True},
)
connection = AsyncExitStack()


@worker.task(silent=True)
def noop() -> None:
    """Nothing, in a thread."""
    ticks.tick()


@worker.task(silent=True)
async def anoop() -> None:
    """Nothing, on the loop."""
    ticks.tick()


@worker.task(silent=True)
async def nap() -> None:
    """Wait."""
    ticks.tick()
    await asyncio.sleep(0.01)


TASKS = {"noop": noop, "anoop": anoop, "nap": nap}


async def begin() -> None:
    """Connect."""
    await connection.enter_async_context(worker)


async def end() -> None:
    """Disconnect."""
    await connection.aclose()


async def asend(task: str) -> None:
    """Enqueue one."""
    await TASKS[task].enqueue()


async def send_many(task: str, count: int) -> None:
    """Enqueue many in a pipeline."""
    await worker.enqueue_many([TASKS[task].enqueue() for _ in range(count)])


async def stored() -> int:
    """Count the results."""
    return sum([1 async for _ in worker.redis.scan_iter(f"{worker.results_key}*", count=10_000)])
