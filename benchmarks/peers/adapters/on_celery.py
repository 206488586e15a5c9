"""Celery on Redis; tasks are acknowledged late, so they are delivered at least once, and results are stored.

A prefetch of 128 messages a process, as its guide to optimizing says for short tasks. What a killed worker
held comes back after the visibility timeout, an hour by default.
"""

import os
import time

import redis
import ticks
from celery import Celery

PACKAGES = ["celery", "kombu", "billiard", "redis", "hiredis"]
WORKER = ["celery", "-A", "on_celery", "-q", "worker", "-l", "ERROR"]
WORKER += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
WORKERS = []
for m in ("4", "128"):
    WORKERS += [
        {
            "setting": f"prefork 2 x{m}",
            "for": ["noop", "ping"],
            "commands": [[*WORKER, "-c", "2", "--prefetch-multiplier", m]],
        },
        {
            "setting": f"2 solo x{m}",
            "for": ["noop"],
            "commands": [
                [*WORKER, "-P", "solo", "-n", f"{name}@bench", "--prefetch-multiplier", m] for name in "ab"
            ],
        },
        {
            "setting": f"2 workers of 1 thread x{m}",
            "for": ["noop"],
            "commands": [
                [*WORKER, "-P", "threads", "-c", "1", "-n", f"{name}@bench", "--prefetch-multiplier", m]
                for name in "ab"
            ],
        },
        {
            "setting": f"2x50 x{m}",
            "for": ["nap"],
            "commands": [
                [*WORKER, "-P", "threads", "-c", "50", "-n", f"{name}@bench", "--prefetch-multiplier", m]
                for name in "ab"
            ],
        },
        {
            "setting": f"1x100 x{m}",
            "for": ["nap"],
            "commands": [[*WORKER, "-P", "threads", "-c", "100", "--prefetch-multiplier", m]],
        },
    ]

app = Celery("bench", broker=os.environ["BENCH_URL"], backend=os.environ["BENCH_URL"])
app.conf.update(task_acks_late=os.environ.get("EARLY") is None, task_reject_on_worker_lost=True)


@app.task
def noop() -> None:
    """Nothing."""
    ticks.tick()


@app.task
def nap() -> None:
    """Wait."""
    ticks.tick()
    time.sleep(0.01)


TASKS = {"noop": noop, "nap": nap}


def send(task: str) -> None:
    """Enqueue one."""
    TASKS[task].delay()


def send_many(task: str, count: int) -> None:
    """Enqueue many through a producer that sends them in batches."""
    with app.producer_pool.acquire(block=True) as producer, producer.batch():
        for _ in range(count):
            TASKS[task].apply_async(producer=producer)


def stored() -> int:
    """Count the results."""
    store = redis.Redis.from_url(os.environ["BENCH_URL"])
    return sum(1 for _ in store.scan_iter("celery-task-meta-*", count=10_000))
