"""RQ: its pool of SimpleWorkers, which do not fork for each job; results are stored.

Jobs may be retried 3 times: without that, a job whose worker was killed is marked as failed, with it the job
runs again when another worker finds it abandoned. A worker does one job at a time and has no threads.
"""

import os
import time

import ticks
from redis import Redis
from rq import Queue, Retry

PACKAGES = ["rq", "redis", "hiredis"]
POOL = ["rq", "worker-pool", "bench", "-c", "on_rq", "-w", "rq.worker.SimpleWorker", "-l", "ERROR", "-n"]
WORKERS = [
    {"setting": "pool of 2 processes", "for": ["noop", "anoop", "ping"], "commands": [[*POOL, "2"]]},
    {"setting": "pool of 4 processes", "for": ["noop", "anoop"], "commands": [[*POOL, "4"]]},
    {"setting": "pool of 10 processes", "for": ["nap"], "commands": [[*POOL, "10"]]},
]
REDIS_URL = os.environ["BENCH_URL"]  # `-c` reads it

queue = Queue("bench", connection=Redis.from_url(REDIS_URL))


def noop() -> None:
    """Nothing."""
    ticks.tick()


async def anoop() -> None:
    """Nothing, on a loop that is made for it."""
    ticks.tick()


def nap() -> None:
    """Wait."""
    ticks.tick()
    time.sleep(0.01)


JOBS = {"noop": noop, "anoop": anoop, "nap": nap}
RETRY = Retry(max=3)


def send(task: str) -> None:
    """Enqueue one."""
    queue.enqueue(JOBS[task], retry=RETRY)


def send_many(task: str, count: int) -> None:
    """Enqueue many."""
    queue.enqueue_many(Queue.prepare_data(JOBS[task], retry=RETRY) for _ in range(count))


def stored() -> int:
    """Count the finished jobs: each is kept with its result."""
    return queue.finished_job_registry.get_job_count(cleanup=False)
