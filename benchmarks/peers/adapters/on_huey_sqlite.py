"""Huey on SQLite."""

import os
import time
from urllib.parse import urlsplit

import ticks
from huey import CySqliteHuey, SqliteHuey

PACKAGES = ["huey", "cysqlite"]
CONSUMER = [
    "python",
    "-m",
    "huey.bin.huey_consumer",
    "on_huey_sqlite.huey",
    "-q",
    "-n",
    "-d",
    "0.005",
    "-m",
    "0.005",
    "-b",
    "1",
]
WORKERS = []
for kind in ("fsync", "cy0", "cy1"):
    WORKERS += [
        {
            "setting": "1 thread " + kind,
            "for": ["noop", "ping"],
            "commands": [[*CONSUMER, "-w", "1"]],
            "env": {"KIND": kind},
        },
        {
            "setting": "2 threads " + kind,
            "for": ["noop"],
            "commands": [[*CONSUMER, "-w", "2"]],
            "env": {"KIND": kind},
        },
        {
            "setting": "2 processes " + kind,
            "for": ["noop"],
            "commands": [[*CONSUMER, "-w", "2", "-k", "process"]],
            "env": {"KIND": kind},
        },
        {
            "setting": "100 threads " + kind,
            "for": ["nap"],
            "commands": [[*CONSUMER, "-w", "100"]],
            "env": {"KIND": kind},
        },
    ]

path = urlsplit(os.environ["BENCH_URL"]).path
if os.environ.get("KIND") == "fsync":
    huey = SqliteHuey("bench", filename=path.replace("//", "/"), store_none=True, fsync=False)
elif os.environ.get("KIND") == "cy0":
    huey = CySqliteHuey(
        "bench", filename=path.replace("//", "/"), store_none=True, pragmas={"synchronous": 0}
    )
else:
    huey = CySqliteHuey(
        "bench", filename=path.replace("//", "/"), store_none=True, pragmas={"synchronous": 1}
    )


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
