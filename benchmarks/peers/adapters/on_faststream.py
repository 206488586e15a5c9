"""FastStream on Redis streams, a framework for messages: at-least-once, as it can be set up; no results.

Messages are acknowledged when a handler is done, and a second subscriber claims what a killed worker held,
after an idle minute, as its documentation describes. Each process reads 100 messages at a time and handles
them one after another, its default, or ten at once; uvloop, which it uses where it is installed; `def`
handlers run in threads. Entries stay in the stream when they are done.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ticks
from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub
from redis.exceptions import ResponseError

PACKAGES = ["faststream", "redis", "hiredis", "uvloop"]
WORKER = ["faststream", "run", "on_faststream:app", "--log-level", "error"]
WORKERS = [
    {
        "setting": f"{processes} process{'es' if processes > 1 else ''}, {handlers} at once",
        "for": measures,
        "commands": [WORKER] * processes,
        "env": {"BENCH_HANDLERS": str(handlers)},
    }
    for processes, handlers, measures in (
        (2, 1, ["noop", "anoop"]),
        (2, 10, ["noop", "anoop"]),
        (2, 50, ["nap"]),
        (1, 1, ["ping"]),
    )
]
GROUP = "bench"
IDLE = 60_000  # milliseconds
LOOK = 10_000

broker = RedisBroker(os.environ["BENCH_URL"], logger=None)
app = FastStream(broker)


def task(handler: Callable[[], Any]) -> Callable[[], Any]:
    """Subscribe *handler* to a stream of its name, for new messages and for those that another one left."""
    name, consumer = handler.__name__, str(os.getpid())
    handlers = int(os.environ.get("BENCH_HANDLERS", "1"))
    new = StreamSub(name, group=GROUP, consumer=consumer, max_records=100, polling_interval=LOOK)
    left = StreamSub(name, group=GROUP, consumer=consumer, min_idle_time=IDLE, polling_interval=LOOK)
    return broker.subscriber(stream=left)(broker.subscriber(stream=new, max_workers=handlers)(handler))


@task
def noop() -> None:
    """Nothing, in a thread."""
    ticks.tick()


@task
async def anoop() -> None:
    """Nothing, on the loop."""
    ticks.tick()


@task
async def nap() -> None:
    """Wait."""
    ticks.tick()
    await asyncio.sleep(0.01)


async def begin() -> None:
    """Connect, and make the consumer groups, which get what comes after they are made."""
    client = await broker.connect()
    for name in ("noop", "anoop", "nap"):
        with suppress(ResponseError):  # there is one already
            await client.xgroup_create(name, GROUP, mkstream=True)


async def end() -> None:
    """Disconnect."""
    await broker.stop()


async def asend(task: str) -> None:
    """Enqueue one."""
    await broker.publish(None, stream=task)


async def send_many(task: str, count: int) -> None:
    """Enqueue many in a pipeline."""
    async with (await broker.connect()).pipeline(transaction=False) as pipe:
        for _ in range(count):
            await broker.publish(None, stream=task, pipeline=pipe)
        await pipe.execute()


def stored() -> None:
    """Say that nothing is stored."""
