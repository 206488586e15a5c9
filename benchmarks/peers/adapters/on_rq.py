"""RQ: its pool of SimpleWorkers, which do not fork for each job; results stored, abandoned jobs retried."""

import os
import time

import ticks
from redis import Redis
from rq import Queue, Retry

PACKAGES = ["rq", "redis", "hiredis"]
POOL = [
    "rq",
    "worker-pool",
    "-u",
    os.environ["BENCH_URL"],
    "-w",
    "rq.worker.SimpleWorker",
    "-l",
    "ERROR",
    "-n",
]
WORKERS = [
    {"setting": "pool of 2", "for": ["noop", "anoop", "ping"], "commands": [[*POOL, "2", "bench"]]},
    {"setting": "pool of 100", "for": ["nap"], "commands": [[*POOL, "100", "bench"]]},
    {"setting": "pool of 20", "for": ["nap"], "commands": [[*POOL, "20", "bench"]]},
]

queue = Queue("bench", connection=Redis.from_url(os.environ["BENCH_URL"]))


def noop() -> None:
    """Nothing."""
    ticks.tick()


async def anoop() -> None:
    """Nothing, on a loop of its own."""
    ticks.tick()


def nap() -> None:
    """Wait."""
    ticks.tick()
    time.sleep(0.01)


JOBS = {"noop": noop, "anoop": anoop, "nap": nap}


def send(task: str) -> None:
    """Enqueue one."""
    queue.enqueue(JOBS[task], retry=Retry(max=3))


def send_many(task: str, count: int) -> None:
    """Enqueue many."""
    job = JOBS[task]
    queue.enqueue_many(Queue.prepare_data(job, retry=Retry(max=3)) for _ in range(count))


def stored() -> int:
    """Count the jobs that have finished: each is kept with its result."""
    return queue.finished_job_registry.get_job_count(cleanup=False)
