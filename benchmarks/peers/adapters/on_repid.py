"""Repid on Redis streams: acknowledged when an actor is done, so at-least-once; it keeps no results.

uvloop, as in its own benchmarks; its defaults, and fewer tasks with larger reads; `def` actors run in
threads. Actors send no keep-alive, which only tasks of a minute need. It reclaims what a killed worker held
every 30 seconds, once that is idle for a minute (its default is never). Entries stay in the stream when they
are done.
"""

import asyncio
import os
from contextlib import AsyncExitStack

import ticks
from repid import RedisServer, Repid, Router

PACKAGES = ["repid", "redis", "hiredis", "uvloop"]
WORKERS = [
    {
        "setting": f"{processes} process{'es' if processes > 1 else ''} of {tasks} tasks, {read} a read",
        "for": measures,
        "commands": [["python", "-m", "on_repid"]] * processes,
        "env": {"BENCH_TASKS": str(tasks), "BENCH_READ": str(read)},
    }
    for processes, tasks, read, measures in (
        (2, 1_000, 10, ["noop", "anoop"]),
        (2, 32, 100, ["noop", "anoop"]),
        (2, 50, 50, ["nap"]),
        (1, 1_000, 10, ["ping"]),
    )
]

app = Repid()
server = RedisServer(
    os.environ["BENCH_URL"],
    batch_size=int(os.environ.get("BENCH_READ", "10")),
    claim_interval=30.0,
)
app.servers.register_server("default", server, is_default=True)
router = Router(channel="bench", keep_alive=False)
connection = AsyncExitStack()


@router.actor
def noop() -> None:
    """Nothing, in a thread."""
    ticks.tick()


@router.actor
async def anoop() -> None:
    """Nothing, on the loop."""
    ticks.tick()


@router.actor
async def nap() -> None:
    """Wait."""
    ticks.tick()
    await asyncio.sleep(0.01)


app.include_router(router)


async def begin() -> None:
    """Connect."""
    await connection.enter_async_context(server.connection())


async def end() -> None:
    """Disconnect."""
    await connection.aclose()


async def asend(task: str) -> None:
    """Enqueue one."""
    await app.send_message(channel="bench", payload=b"", headers={"topic": task})


def stored() -> None:
    """Say that nothing is stored."""


async def work() -> None:
    """Be a worker."""
    async with server.connection():
        await app.run_worker(tasks_limit=int(os.environ["BENCH_TASKS"]))


if __name__ == "__main__":
    import uvloop

    uvloop.run(work())
