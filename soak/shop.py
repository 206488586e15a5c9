"""The application of the long runs. Each run of a task writes its id into a file, before it does anything."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from celeriac import Celeriac
from celeriac.schedules import every

FOLDER = Path(os.environ.get("SOAK_FOLDER", "."))
SHORT = 0.003  # seconds that a task takes, so that kills find some running
EVERY = 0.2  # seconds between two ticks
NEVER = 1_000_000  # a task may cost so many workers: what is asked is whether it comes through

app = Celeriac("soak", task_crash_limit=NEVER, task_default_queue="work")
_effects: dict[int, int] = {}


def note(task: Any) -> None:
    """Write down that a run of *task* has begun; a kill after this leaves the line."""
    pid = os.getpid()
    if pid not in _effects:
        _effects[pid] = os.open(FOLDER / f"effects-{pid}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(_effects[pid], f"{task.request.id} {task.name} {task.request.due or ''}\n".encode())


@app.task(bind=True)
def plain(self: Any, number: int) -> int:
    note(self)
    time.sleep(SHORT)
    return number


@app.task(bind=True)
async def plain_async(self: Any, number: int) -> int:
    note(self)
    await asyncio.sleep(SHORT)
    return number


@app.task(bind=True, default_retry_delay=0.05, max_retries=1)
def once_more(self: Any, number: int) -> int:
    note(self)
    if self.request.retries == 0:
        raise self.retry(countdown=0.05)
    return number


@app.task(bind=True, concurrency=2)
def limited(self: Any, number: int) -> int:
    note(self)
    return number


@app.task(bind=True)
def total(self: Any, numbers: list[int]) -> int:
    note(self)
    return sum(numbers)


@app.task(bind=True)
def tick(self: Any) -> None:
    note(self)


@app.task
def noop(number: int) -> int:
    return number


if os.environ.get("SOAK_TICKS"):
    app.add_periodic_task(every(EVERY), tick.s(), name="ticks", missed="all", grace=3_600.0)
