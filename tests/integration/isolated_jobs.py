"""Tasks with `executor="process"`: a fresh process must be able to import them."""

import asyncio
import ctypes
import os
import signal
import time
from pathlib import Path
from typing import Any

from celeriac import Celeriac, Ignore, Middleware, Reject, Task, current_task
from celeriac.errors import SoftTimeLimitExceeded

time.sleep(float(os.environ.get("SLOW_IMPORT", "0")))  # as a large application would

app = Celeriac("isolated", broker="memory://", set_as_current=False)
isolated = app.task(executor="process")


begun_as: list[str] = []


class Watcher(Middleware):
    def on_process_init(self, worker: str) -> None:
        begun_as.append(worker)


app.add_middleware(Watcher())


class OddError(BaseException):
    pass


def spin(path: str) -> None:
    """Say so in a file, then hold the interpreter in C for a minute."""
    Path(path).touch()
    ctypes.PyDLL(None).sleep(60)


def wait_long(path: str) -> None:
    Path(path).touch()
    time.sleep(60)


@isolated
def where() -> int:
    return os.getpid()


@isolated
def begun() -> list[str]:
    return begun_as


@isolated
def send_one(url: str) -> str:
    """Send a task that nobody knows, by an application of this process's own."""
    other = Celeriac("isolated", broker=url, set_as_current=False)
    return other.send_task("nobody.knows.this").id


@isolated
async def where_async() -> int:
    await asyncio.sleep(0)
    return os.getpid()


@app.task(executor="process", bind=True)
def tell(self: Task, *args: Any) -> dict[str, Any]:
    request = self.request
    return {
        "id": request.id,
        "args": list(request.args),
        "queue": request.queue,
        "headers": request.headers,
        "current": current_task.name,
    }


@app.task(executor="process", bind=True)
def report(self: Task, path: str) -> str:
    """Report, and go on when the file at *path* is there."""
    self.update_state(state="PROGRESS", meta={"current": 1, "total": 2, "status": "half"})
    while not Path(path).exists():
        time.sleep(0.01)
    return "done"


@app.task(executor="process", bind=True, default_retry_delay=0)
def walk(self: Task, upto: int) -> list[int]:
    """Save a checkpoint at each step and die in the middle, once."""
    seen = []
    for step in range(self.cursor or 0, upto):
        seen.append(step)
        self.checkpoint(step + 1)
        if step == 1 and not self.request.crashes:
            os._exit(9)
    return seen


@app.task(executor="process", bind=True)
async def walk_async(self: Task) -> list[int]:
    """Hand one checkpoint over and wait for the next; report from a thread meanwhile."""
    if self.cursor is None:
        for step in range(20):
            self.checkpoint(step)
            await asyncio.gather(
                self.acheckpoint([step]), *[asyncio.to_thread(self.progress, n, 20) for n in range(5)]
            )
        os._exit(9)
    return self.cursor


@app.task(executor="process", bind=True)
def again(self: Task) -> int:
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries


@app.task(executor="process", bind=True)
async def again_async(self: Task) -> int:
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries


@isolated
def control(what: str) -> None:
    raise {"ignore": Ignore(), "reject": Reject("no")}[what]


@isolated
def fail(kind: str) -> None:
    raise {
        "value": ValueError("bad", 1),
        "exit": SystemExit(3),
        "interrupt": KeyboardInterrupt(),
        "odd": OddError("odd"),
    }[kind]


@app.task(executor="process", crash_limit=0)
def die(how: str) -> None:
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), getattr(signal, how))


@app.task(executor="process", crash_limit=0)
def crash_in_c() -> None:
    ctypes.string_at(0)


@app.task(executor="process", time_limit=0.4)
def spin_past_the_limit(path: str) -> None:
    spin(path)


@isolated
def spin_for_ever(path: str) -> None:
    spin(path)


@app.task(executor="process", soft_time_limit=0.3)
def clean_up(path: str) -> str:
    try:
        wait_long(path)
    except SoftTimeLimitExceeded:
        return "cleaned up"
    return "not interrupted"


@app.task(executor="process", soft_time_limit=0.3)
async def clean_up_async(path: str) -> str:
    Path(path).touch()
    try:
        await asyncio.sleep(60)
    except SoftTimeLimitExceeded:
        return "cleaned up"
    return "not interrupted"


@isolated
def send_another() -> tuple[str, str | None]:
    """Send a task from inside an isolated process."""
    result = where.delay()
    return result.id, result.queue


@isolated
def unserialisable() -> object:
    return object()
