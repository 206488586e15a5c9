"""A third application that is measured: tasks with limits, and one that says how late it runs."""

import os
import time
from typing import Any

from benchmarks.peers.adapters import ticks
from celeriac import Celeriac

if "BENCH_TICKS" in os.environ:
    ticks._open()  # noqa: SLF001 - as in `work`
app = Celeriac("bench", broker=os.environ.get("CELERIAC_BROKER_URL", "memory://"), set_as_current=False)


@app.task(name="noop")
def noop() -> None:
    """Do nothing."""
    ticks.tick()


@app.task(name="rated", rate_limit=1e7, burst=10_000_000)
def rated() -> None:
    """Do nothing, at a rate that is never reached."""
    ticks.tick()


@app.task(name="placed", concurrency=100_000)
def placed() -> None:
    """Do nothing, in one of many places."""
    ticks.tick()


@app.task(name="keyed", fair=True, key="customer")
def keyed(customer: int) -> None:  # noqa: ARG001 - the key
    """Do nothing, in turn with other customers."""
    ticks.tick()


@app.task(name="alone", concurrency=1)
def alone(seconds: float) -> None:
    """Keep others of its lane waiting."""
    ticks.tick()
    time.sleep(seconds)


@app.task(name="late", bind=True)
def late(self: Any) -> float:
    """Return how many seconds after its due time it runs."""
    ticks.tick()
    return time.time() - float(self.request.due)
