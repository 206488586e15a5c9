"""Celery on Redis; tasks are acknowledged late, so that they are delivered at least once; results are stored.

Each worker prefetches 64 messages a process, which its guide to optimizing advises for short tasks. What a
killed worker held comes back when the visibility timeout is over, an hour by default. It has no coroutines.
"""

import os
import time

import redis
import ticks
from celery import Celery, chain, chord, group

PACKAGES = ["celery", "kombu", "billiard", "redis", "hiredis"]
WORKER = ["celery", "-A", "on_celery", "-q", "worker", "-l", "ERROR"]
WORKER += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
SOLO = ["-P", "solo", "--prefetch-multiplier", "64"]
WORKERS = [
    {
        "setting": "prefork, 2 processes",
        "for": ["noop"],
        "commands": [[*WORKER, "-P", "prefork", "-c", "2", "--prefetch-multiplier", "64"]],
    },
    {
        "setting": "2 workers, solo",
        "for": ["noop", "ping"],
        "commands": [[*WORKER, *SOLO, "-n", f"{name}@bench"] for name in ("one", "two")],
    },
    {
        "setting": "2 workers of 50 threads",
        "for": ["nap"],
        "commands": [
            [*WORKER, "-P", "threads", "-c", "50", "-n", f"{name}@bench"] for name in ("one", "two")
        ],
    },
]

app = Celery("bench", broker=os.environ["BENCH_URL"], backend=os.environ["BENCH_URL"])
app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True)


@app.task
def noop() -> None:
    """Nothing."""
    ticks.tick()


@app.task
def nap() -> None:
    """Wait."""
    ticks.tick()
    time.sleep(0.01)


@app.task
def unite(results: list[None]) -> int:
    """Take the results of a header."""
    ticks.tick()
    return len(results)


TASKS = {"noop": noop, "nap": nap}


def send(task: str) -> None:
    """Enqueue one."""
    TASKS[task].delay()


def send_many(task: str, count: int) -> None:
    """Enqueue many by one producer of Kombu, which sends them in batches."""
    with app.producer_pool.acquire(block=True) as producer, producer.batch():
        for _ in range(count):
            TASKS[task].apply_async(producer=producer)


def send_shape(shape: str, count: int) -> None:
    """Enqueue a shape of no-ops."""
    calls = (noop.si() for _ in range(count))
    if shape == "chain":
        chain(*calls).apply_async()
    elif shape == "group":
        group(calls).apply_async()
    else:
        chord(calls)(unite.s())


def stored() -> int:
    """Count the results."""
    store = redis.Redis.from_url(os.environ["BENCH_URL"])
    return sum(1 for _ in store.scan_iter("celery-task-meta-*", count=10_000))
