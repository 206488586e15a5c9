"""The application whose workers the fault tests kill; it leaves its marks in the folder of the test."""

import asyncio
import ctypes
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from celeriac import Celeriac, Middleware

app = Celeriac("shop", worker_lease=float(os.environ.get("SHOP_LEASE", "10")))
MARKS = Path(os.environ.get("SHOP_MARKS", "."))


def mark(text: str) -> None:
    """Append a line that survives whatever happens to this process."""
    with (MARKS / "marks").open("a") as marks:
        marks.write(f"{text}\n")


class Chronicle(Middleware):
    """Marks what happens to the worker."""

    def on_worker_init(self, worker: str) -> None:
        mark("worker init")

    def on_process_init(self, worker: str) -> None:
        mark(f"process init {os.getpid()}")

    def on_worker_shutdown(self, worker: str) -> None:
        mark("worker shutdown")


app.add_middleware(Chronicle())


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def pid() -> int:
    return os.getpid()


@app.task(bind=True)
def tick(self) -> None:
    """Mark for which moment of which schedule it runs."""
    mark(f"tick {self.request.schedule} {self.request.due!r} {self.request.id}")


@app.task(concurrency=2)
def in_two_places(name: str) -> str:
    """Run until there is the file *name*, in one of two places."""
    mark(f"place {name}")
    time.sleep(0.02)
    while not (MARKS / name).exists():
        time.sleep(0.02)
    return name


@app.task(bind=True)
def wait_for(self, name: str) -> str:
    """Run until the test makes the file *name*; each run leaves a mark."""
    mark(f"start {self.request.id} crashes={self.request.crashes} retries={self.request.retries}")
    self.progress(1, 2, "waiting")
    try:
        while not (MARKS / name).exists():
            time.sleep(0.02)
    except BaseException:
        mark(f"interrupted {self.request.id}")
        raise
    mark(f"end {self.request.id}")
    return name


@app.task(bind=True)
def say(self, name: str) -> str:
    """Log which run it is, and wait for the file *name*."""
    logging.getLogger("shop").warning("run %d", self.request.crashes + 1)
    mark(f"said {self.request.id}")
    while not (MARKS / name).exists():
        time.sleep(0.02)
    return name


@app.task(bind=True)
async def await_for(self, name: str) -> str:
    mark(f"start {self.request.id} crashes={self.request.crashes} retries={self.request.retries}")
    while not (MARKS / name).exists():
        await asyncio.sleep(0.02)
    return name


@app.task(bind=True)
def steps(self, total: int, die_at: int) -> list[int]:
    """Save a checkpoint at each step; die once, in the first run."""
    done: list[int] = self.cursor or []
    for step in range(len(done), total):
        if step == die_at and self.request.crashes == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        mark(f"step {step}")
        done.append(step)
        self.checkpoint(done, current=step + 1, total=total)
    return done


@app.task(crash_limit=1)
def leave(code: int) -> None:
    mark("leave")
    os._exit(code)


@app.task(crash_limit=0)
def segfault() -> None:
    ctypes.string_at(0)


@app.task(crash_limit=0)
def eat_memory() -> None:
    """Ask for more than this process may have, as the kernel's out-of-memory killer would end it."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
def hold_the_interpreter(seconds: float) -> str:
    """Sleep in C without giving the interpreter free."""
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    return "held"


@app.task
async def block_the_loop(seconds: float) -> str:
    time.sleep(seconds)
    return "blocked"


@app.task(time_limit=0.5)
def hold_past_the_limit() -> None:
    ctypes.PyDLL(None).usleep(60_000_000)


@app.task(time_limit=0.5)
def sleep_past_the_limit() -> None:
    time.sleep(60)


@app.task
def sleep_in_c(seconds: float) -> None:
    mark("sleeping")
    time.sleep(seconds)


@app.task
def exit_the_interpreter() -> None:
    sys.exit(3)


@app.task
def interrupt() -> None:
    raise KeyboardInterrupt


@app.task
def start_a_thread_that_exits() -> str:
    thread = threading.Thread(target=lambda: sys.exit(1))
    thread.start()
    thread.join()
    return "still here"


@app.task
def grow(mebibytes: int) -> int:
    global _ballast
    _ballast = bytearray(os.urandom(1024)) * (mebibytes * 1024)
    return os.getpid()


@app.task(crash_limit=0)
def fork_and_die() -> None:
    """Die, and leave behind a process that has inherited whatever was open."""
    if os.fork() == 0:
        time.sleep(30)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(crash_limit=10_000)
def part(number: int) -> int:
    time.sleep(0.02)
    return number


@app.task(bind=True, crash_limit=10_000)
def unite(self, numbers: list[int]) -> int:
    """Add up; each run leaves a mark."""
    mark(f"unite {self.request.id} {sum(numbers)}")
    return sum(numbers)
