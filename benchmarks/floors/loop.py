"""The floor of draining: a loop over the store's contract that claims, decodes, calls, encodes and settles.

It has no threads, no limits, no middleware, and trusts everybody; but each task is claimed and settled as
durably as ours, with its result.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import uvloop

from celeriac import codec
from celeriac.broker import Broker, WorkerInfo
from celeriac.brokers import connect
from celeriac.message import Delivery, Message, decode_payload, new_ids
from celeriac.outcome import Settlement
from celeriac.states import Verdict

BATCH: Final = (
    500  # of 100, 500 and 1,000 the fastest on this machine; see `python -m benchmarks.floors.loop`
)
NAMESPACE: Final = "floor"


class Span(msgspec.Struct, frozen=True):
    """What one process did.

    Attributes:
        began: when it had its first tasks. ended: when its last was settled. cpu: seconds.
    """

    began: float
    ended: float
    done: int
    cpu: float
    trips: int


def fill(url: str, count: int, payload: bytes = b"") -> None:
    """Enqueue *count* no-ops for the loop, with *payload* as their arguments."""
    broker = connect(url, namespace=NAMESPACE)
    broker.open()
    step = 1_000 if len(payload) < 1_000 else 10
    for first in range(0, count, step):
        now = time.time()
        size = min(step, count - first)
        ids = new_ids(size, now)
        broker.send([Message(id=task_id, name="noop", created=now, payload=payload) for task_id in ids], now)
    broker.close()


def drain(url: str, *, processes: int, is_async: bool, batch: int = BATCH) -> list[Span]:
    """Drain what `fill` has queued, in so many processes that begin together."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(processes), context.Queue()
    running = [
        context.Process(target=_process, args=(url, number, is_async, batch, barrier, answers))
        for number in range(processes)
    ]
    for process in running:
        process.start()
    spans = [Span(*answers.get(timeout=300)) for _ in running]
    for process in running:
        process.join()
    return [span for span in spans if span.done]


def _process(url: str, number: int, is_async: bool, batch: int, barrier: Any, answers: Any) -> None:
    broker = connect(url, namespace=NAMESPACE)
    loop = _Loop(broker, f"floor-{number}", batch)
    barrier.wait()
    cpu = time.process_time()
    if is_async:
        uvloop.run(loop.run_async())
    else:
        loop.run()
    cpu = time.process_time() - cpu
    answers.put((loop.began, time.monotonic(), loop.done, cpu, loop.trip))
    broker.retire([loop.worker], time.time())
    broker.close()


def _noop(*_: Any) -> None:
    return None


async def _anoop(*_: Any) -> None:
    return None


class _Loop:
    def __init__(self, broker: Broker, worker: str, batch: int) -> None:
        self.worker = worker
        self.trip = self.done = 0
        self.began = 0.0
        self._broker, self._batch = broker, batch
        known = WorkerInfo(id=worker, name=worker, names=frozenset({"noop"}), lease=3600.0)
        broker.enlist(known, time.time())

    def _exchange(self, finished: Sequence[Settlement]) -> Sequence[Delivery]:
        self.trip += 1
        answer = self._broker.exchange(
            self.worker, trip=self.trip, finished=finished, want=self._batch, now=time.time()
        )
        self.done += len(finished)
        self.began = self.began or time.monotonic()
        return answer.claims

    def run(self) -> None:
        """Call functions, one after another."""
        table = {"noop": _noop}
        claims = self._exchange(())
        while claims:
            claims = self._exchange([_call(claim, table) for claim in claims])

    async def run_async(self) -> None:
        """Await coroutine functions, each in an asyncio task of its own, a batch at a time."""
        table = {"noop": _anoop}
        start = asyncio.get_running_loop().create_task
        claims = self._exchange(())
        while claims:
            jobs = [start(_await(claim, table)) for claim in claims]
            claims = self._exchange(await asyncio.gather(*jobs))


def _call(claim: Delivery, table: dict[str, Callable[..., Any]]) -> Settlement:
    args, kwargs = decode_payload(claim.payload, what="the arguments")
    return _succeeded(claim, table[claim.name](*args, **kwargs))


async def _await(claim: Delivery, table: dict[str, Callable[..., Any]]) -> Settlement:
    args, kwargs = decode_payload(claim.payload, what="the arguments")
    return _succeeded(claim, await table[claim.name](*args, **kwargs))


def _succeeded(claim: Delivery, value: Any) -> Settlement:
    body = b"" if value is None else codec.encode(value, what="the result")
    return Settlement(claim.id, claim.fence, Verdict.SUCCEEDED, body)


def _compare() -> None:
    """Print which batch is fastest here."""
    from benchmarks.stores import STORES

    for store in STORES.values():
        for is_async in (False, True):
            for batch in (100, 500, 1_000):
                with store.opener(()) as url:
                    fill(url, 60_000)
                    [span] = drain(url, processes=1, is_async=is_async, batch=batch)
                rate = span.done / (span.ended - span.began)
                print(f"{store.name:12} {'async' if is_async else 'def':6} {batch:5} {rate:8,.0f}/s")


if __name__ == "__main__":
    _compare()
