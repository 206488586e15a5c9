"""Celeriac, at its defaults: results stored, at-least-once, a record of each task."""

import asyncio
import os

import ticks

from celeriac import Celeriac, chain, chord, group

PACKAGES = ["celeriac", "redis", "hiredis", "msgspec"]
WORKERS = [
    {
        "setting": f"{processes} process{'es' if processes > 1 else ''}",
        "for": ["noop", "anoop", "nap", "ping"] if processes == 1 else ["noop", "anoop"],
        "commands": [["python", "-m", "celeriac", "-A", "on_celeriac", "worker", *options]],
    }
    for processes, options in (
        (2, ["--processes", "2", "-c", "50", "--loglevel", "ERROR"]),
        (1, ["--processes", "1", "-c", "100", "--loglevel", "ERROR"]),
    )
]

app = Celeriac("bench", broker=os.environ["BENCH_URL"])


@app.task
def noop() -> None:
    """Nothing."""
    ticks.tick()


@app.task
async def anoop() -> None:
    """Nothing, on the loop."""
    ticks.tick()


@app.task
async def nap() -> None:
    """Wait."""
    ticks.tick()
    await asyncio.sleep(0.01)


@app.task
def unite(results: list[None]) -> int:
    """Take the results of a header."""
    ticks.tick()
    return len(results)


TASKS = {"noop": noop, "anoop": anoop, "nap": nap}


def send(task: str) -> None:
    """Enqueue one."""
    TASKS[task].delay()


async def asend(task: str) -> None:
    """Enqueue one from a coroutine."""
    await TASKS[task].adelay()


def send_many(task: str, count: int) -> None:
    """Enqueue many."""
    TASKS[task].delay_many(() for _ in range(count))


def send_shape(shape: str, count: int) -> None:
    """Enqueue a shape of no-ops."""
    calls = (noop.si() for _ in range(count))
    if shape == "chain":
        chain(*calls).apply_async()
    elif shape == "group":
        group(calls).apply_async()
    else:
        chord(calls)(unite.s())


def stored() -> int:
    """Count the tasks that have ended: all that were sent, but for those that the store still has to run."""
    left = sum(
        queue.queued + queue.scheduled + queue.running + queue.waiting for queue in app.broker.queues()
    )
    return int(os.environ["BENCH_COUNT"]) - left
