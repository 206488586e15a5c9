"""Huey on SQLite (WAL) with `fsync=False`, its fastest setting; it stores results, also None.

That is `synchronous=OFF`: a crash of the machine may corrupt the file, one of a program does not. Nothing is
acknowledged. Idle consumers poll: each 1 ms here, not after 0.1 to 10 s.
"""

import os
import time
from urllib.parse import urlsplit

import ticks
from huey import SqliteHuey

PACKAGES = ["huey"]
CONSUMER = ["python", "-m", "huey.bin.huey_consumer", "on_huey_sqlite.huey", "-q", "-n"]
CONSUMER += ["--delay", "0.001", "--max-delay", "0.001", "--workers"]
WORKERS = [
    {"setting": "1 thread", "for": ["noop", "ping"], "commands": [[*CONSUMER, "1"]]},
    {"setting": "2 processes", "for": ["noop"], "commands": [[*CONSUMER, "2", "-k", "process"]]},
    {"setting": "100 threads", "for": ["nap"], "commands": [[*CONSUMER, "100"]]},
]

path = "/" + urlsplit(os.environ["BENCH_URL"]).path.lstrip("/")
huey = SqliteHuey("bench", filename=path, fsync=False, store_none=True)


@huey.task()
def noop() -> None:
    """Nothing."""
    ticks.tick()


@huey.task()
def nap() -> None:
    """Wait."""
    ticks.tick()
    time.sleep(0.01)


TASKS = {"noop": noop, "nap": nap}


def send(task: str) -> None:
    """Enqueue one."""
    TASKS[task]()


def stored() -> int:
    """Count the results."""
    return huey.storage.result_store_size()
