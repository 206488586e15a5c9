"""The measurements: how fast tasks go in, how fast they come out, and how fast anything could be here.

Every figure goes through the same public doors as a user's: `delay`, `delay_many`, a worker started by
the supervisor in processes of its own. The floor goes through the store's contract alone: one loop a
process that claims, decodes, calls, encodes and settles a hundred tasks a trip, and does nothing else.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from celeriac import Celeriac
from celeriac.broker import WorkerInfo
from celeriac.brokers import connect
from celeriac.message import Message, decode_payload, new_ids
from celeriac.outcome import Settlement
from celeriac.states import Verdict

BATCH = 100
DEADLINE = 300.0
SUPERVISE = (
    "import sys, json; from celeriac.brokers import connect; "
    "from celeriac.worker.supervisor import Supervisor; "
    "sys.exit(Supervisor('benchmarks.work:app', json.loads(sys.argv[1]), connect=connect, "
    "loglevel='ERROR').run())"
)


def application(url: str) -> Celeriac:
    """Return the measured application on the store at *url*."""
    from benchmarks.work import app

    app.close()
    app.conf.broker_url = url
    return app


def per_second(count: int, call: Callable[[], Any]) -> float:
    """Return how many times a second *call*, which does *count* things, does them."""
    started = time.perf_counter()
    call()
    return count / (time.perf_counter() - started)


def enqueue_singly(app: Celeriac, count: int) -> float:
    """`delay`, one after another, in one thread."""
    delay = app.tasks["benchmarks.work.noop"].delay
    return per_second(count, lambda: [delay() for _ in range(count)])


def enqueue_concurrently(app: Celeriac, count: int, callers: int = 100) -> float:
    """`adelay` from so many coroutines at once."""
    adelay = app.tasks["benchmarks.work.noop"].adelay

    async def caller() -> None:
        for _ in range(count // callers):
            await adelay()

    async def all_of_them() -> None:
        await asyncio.gather(*(caller() for _ in range(callers)))

    return per_second(count, lambda: asyncio.run(all_of_them()))


def enqueue_in_bulk(app: Celeriac, count: int, name: str = "noop") -> float:
    """`delay_many` of a generator."""
    many = app.tasks[f"benchmarks.work.{name}"].delay_many
    return per_second(count, lambda: many(() for _ in range(count)))


def drain(url: str, *, name: str, count: int, processes: int) -> float:
    """Fill the queue, then start a worker: tasks a second from the first claim to the last settlement."""
    app = application(url)
    results = app.tasks[f"benchmarks.work.{name}"].delay_many(() for _ in range(count))
    order = f'{{"processes": {processes}}}'
    worker = subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, order], env={**os.environ, "CELERIAC_BROKER_URL": url}
    )
    try:
        _wait_until_empty(app)
        return _rate(app, [result.id for result in results])
    finally:
        worker.terminate()
        worker.wait(30)
        app.close()


def _wait_until_empty(app: Celeriac) -> None:
    deadline = time.monotonic() + DEADLINE
    while app.broker.queues():
        if time.monotonic() > deadline:
            raise SystemExit(f"the queue was not drained within {DEADLINE:g} s")
        time.sleep(0.05)


def _rate(app: Celeriac, ids: list[str]) -> float:
    started, finished = [], []
    for first in range(0, len(ids), 1_000):
        for record in app.broker.get(ids[first : first + 1_000]):
            assert record is not None, "a task is lost"
            assert record.finished is not None, "a task is not finished"
            started.append(record.started or 0.0)
            finished.append(record.finished)
    return len(ids) / (max(finished) - min(started))


def floor(url: str, *, count: int, processes: int) -> float:
    """The tightest honest loop over the same store, in so many processes: tasks a second."""
    broker = connect(url, namespace="floor")
    broker.open()
    for first in range(0, count, 1_000):
        now = time.time()
        size = min(1_000, count - first)
        broker.send([Message(id=task_id, name="noop", created=now) for task_id in new_ids(size, now)], now)
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        spans = pool.starmap(floor_loop, [(url, number) for number in range(processes)], chunksize=1)
    broker.close()
    spans = [span for span in spans if span[2]]
    return sum(span[2] for span in spans) / (max(span[1] for span in spans) - min(span[0] for span in spans))


def floor_loop(url: str, number: int) -> tuple[float, float, int]:
    """Drain with nothing but the contract; return when it began, when it ended, and how many it did."""
    broker = connect(url, namespace="floor")
    worker = f"floor-{number}"
    broker.enlist(WorkerInfo(id=worker, name=worker, names=frozenset({"noop"}), lease=3600.0), time.time())
    table = {"noop": lambda: None}
    finished: list[Settlement] = []
    trip = done = 0
    began = time.time()
    while True:
        trip += 1
        claims = broker.exchange(worker, trip=trip, finished=finished, want=BATCH, now=time.time()).claims
        done += len(finished)
        if not claims and not finished:
            break
        finished = []
        for claim in claims:
            args, kwargs = decode_payload(claim.payload, what="the arguments")
            result = table[claim.name](*args, **kwargs)
            body = b"" if result is None else result
            finished.append(Settlement(claim.id, claim.fence, Verdict.SUCCEEDED, body))
    ended = time.time()
    broker.retire([worker], ended)
    broker.close()
    return began, ended, done
