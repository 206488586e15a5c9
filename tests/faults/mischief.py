"""Tasks that no worker should meet, and some day meets; they belong to the shop's application."""

import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

from celeriac.errors import SoftTimeLimitExceeded
from tests.faults.shop import MARKS, app, mark


@app.task(crash_limit=0)
def close_every_descriptor() -> str:
    """Close what the process has open, as a program does that wants to become a daemon."""
    os.closerange(3, 1024)
    return "closed"


@app.task(crash_limit=0, executor="process")
def close_every_descriptor_alone() -> str:
    os.closerange(3, 1024)
    return "closed"


@app.task(bind=True)
def fork_and_return(self) -> int:
    """Return twice: in this process, and in a copy of it."""
    copy = os.fork()
    if copy:
        mark(f"copy {copy}")
    return os.getpid()


@app.task(bind=True)
async def fork_and_return_async(self) -> int:
    copy = os.fork()
    if copy:
        mark(f"copy {copy}")
    return os.getpid()


@app.task(executor="process")
def fork_and_return_alone() -> int:
    copy = os.fork()
    if copy:
        mark(f"copy {copy}")
    return os.getpid()


@app.task(executor="process")
def where_alone() -> int:
    return os.getpid()


@app.task
async def take_over_signals() -> str:
    """Change the handlers of the process; only a coroutine runs in the thread that may."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    return "ignored"


@app.task(executor="process")
def take_over_signals_alone() -> int:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    return os.getpid()


@app.task(executor="process", soft_time_limit=0.3, time_limit=5)
def wait_for_the_soft_limit() -> list[object]:
    try:
        time.sleep(30)
    except SoftTimeLimitExceeded as error:
        return [os.getpid(), type(error).__name__]
    return []


@app.task(bind=True)
def ignore_every_exception(self) -> str:
    """Run on, whatever is asked of the process."""
    mark(f"stubborn {self.request.id}")
    while not (MARKS / "enough").exists():
        try:
            time.sleep(0.02)
        except BaseException:  # noqa: BLE001
            continue
    return "enough"


@app.task
def print_much(mebibytes: int) -> int:
    line = "x" * 1023 + "\n"
    for _ in range(mebibytes):
        sys.stdout.write(line * 1024)
    sys.stdout.flush()
    return mebibytes


@app.task
def eat_all_memory() -> int:
    """Take small pieces until there are no more, as a leak does."""
    pieces: list[object] = []
    while True:
        pieces.append(["x"] * 1000)


@app.task
def leave_threads(count: int) -> int:
    """Start threads that outlive the task, daemons and others."""
    for number in range(count):
        threading.Thread(target=time.sleep, args=(3600,), daemon=bool(number % 2)).start()
    return threading.active_count()


@app.task
def limit_memory(mebibytes: int) -> int:
    """Let this process have so much more memory than it has, and no more."""
    has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + mebibytes * 1024 * 1024, resource.RLIM_INFINITY))
    return os.getpid()
