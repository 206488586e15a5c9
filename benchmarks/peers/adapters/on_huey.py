"""Huey on Redis; it stores results, also None, and acknowledges nothing."""

import os
import time

import ticks
from huey import RedisHuey

PACKAGES = ["huey", "redis", "hiredis"]
CONSUMER = ["python", "-m", "huey.bin.huey_consumer", "on_huey.huey", "-q", "-n"]
WORKERS = [
    {
        "setting": "2 consumers of 1 thread",
        "for": ["noop", "ping"],
        "commands": [[*CONSUMER, "-w", "1"]] * 2,
    },
    {"setting": "1 consumer of 100 threads", "for": ["nap"], "commands": [[*CONSUMER, "-w", "100"]]},
]

huey = RedisHuey("bench", store_none=True, url=os.environ["BENCH_URL"])


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
