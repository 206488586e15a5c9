"""The application that is measured. Every task notes first that its code runs (see `ticks`).

It is loaded by the measured workers, so it imports nothing that they do not need.
"""

import asyncio
import os
import time

from benchmarks import trips
from benchmarks.peers.adapters import ticks
from benchmarks.peers.adapters.ticks import tick
from celeriac import Celeriac

trips.count()
if "BENCH_TICKS" in os.environ:
    ticks._open()  # noqa: SLF001 - now: two threads whose first ticks coincide would both do it
app = Celeriac("bench", broker=os.environ.get("CELERIAC_BROKER_URL", "memory://"))


@app.task
def noop() -> None:
    """Do nothing, in a thread."""
    tick()


@app.task
async def anoop() -> None:
    """Do nothing, on the event loop."""
    tick()


@app.task
def spoil() -> None:
    """Fail."""
    tick()
    raise ValueError("spoilt")


@app.task
def nap(seconds: float) -> None:
    """Hold a thread for *seconds*."""
    tick()
    time.sleep(seconds)


@app.task
async def anap(seconds: float) -> None:
    """Wait for *seconds*, on the event loop."""
    tick()
    await asyncio.sleep(seconds)


@app.task
def swallow(_text: str) -> None:
    """Take what may be large."""
    tick()


@app.task
def unite(_results: list[None]) -> None:
    """Take what the header of a chord has come to."""
    tick()


@app.task
def produce(size: int) -> str:
    """Return *size* characters."""
    tick()
    return "x" * size


@app.task
def moment() -> float:
    """Return when it ran, on the clock of the ticks."""
    tick()
    return time.monotonic()


@app.task
async def amoment() -> float:
    """Return when it ran, on the clock of the ticks."""
    tick()
    return time.monotonic()
