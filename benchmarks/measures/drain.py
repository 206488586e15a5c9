"""Drain: a queue full of no-ops, and a worker that empties it and stores the results."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Final

import msgspec

from benchmarks import workers
from benchmarks.figures import Figure, figure
from benchmarks.floors import loop
from benchmarks.plan import Plan, in_turn
from benchmarks.site import Site, site
from benchmarks.stores import Store

MICRO: Final = 1e6
Beside = Callable[[Site], AbstractContextManager[None]]
KINDS: Final = {"def": "noop", "async def": "anoop"}


class Drained(msgspec.Struct, frozen=True):
    """What one drain came to.

    Attributes:
        rate: tasks a second. worker, server: CPU microseconds of a task, in the worker's processes and in
            the store's server. trips, commands: to and of the store, for one task.
    """

    rate: float
    worker: float
    server: float
    trips: float
    commands: float


def measure(plan: Plan) -> Iterator[Figure]:
    """Drain each kind of task, on each store, in one process and in two."""
    each = plan.count(60_000, 20_000)
    for store in plan.stores:
        for kind, task in KINDS.items():
            for processes in (1, 2):
                count = each * processes
                floors, ours = in_turn(
                    plan.rounds,
                    lambda: floor(store, count, processes=processes, is_async=task == "anoop"),  # noqa: B023
                    lambda: drain(store, task, count, processes=processes),  # noqa: B023
                )
                label = f"{kind}, {processes} process{'es' * (processes > 1)}"
                yield from _figures(store, label, floors, ours)


def _figures(store: Store, label: str, floors: list[Drained], ours: list[Drained]) -> Iterator[Figure]:
    parts = {"rate": ("drain", "tasks/s"), "worker": ("CPU of the worker", "µs/task")}
    if store.has_server:
        parts["server"] = ("CPU of the server", "µs/task")
    parts["trips"] = ("trips to the store", "/task")
    if store.has_server:
        parts["commands"] = ("store commands", "/task")
    for part, (words, unit) in parts.items():
        yield figure(
            "drain",
            store.name,
            f"{label}, {words}",
            unit,
            rounds=[getattr(drained, part) for drained in ours],
            floors=[getattr(drained, part) for drained in floors],
        )


def drain(
    store: Store,
    task: str,
    count: int,
    *,
    processes: int = 1,
    beside: Beside = contextlib.nullcontext,
    environment: Mapping[str, str] | None = None,
) -> Drained:
    """Fill the queue, start a worker, and measure from when each process has started a task to the end.

    What it costs to start is thereby left out. The end is when the store has the last result. *beside* is
    what goes on meanwhile; *environment* is added to the worker's.
    """
    with site(store) as here, beside(here):
        here.fill(task, count)
        with workers.worker(here, processes=processes, environment=environment) as worker:
            here.wait_for_processes(processes, count)
            began, cpu, before = time.monotonic(), worker.cpu(), here.counters()
            here.wait_for(count)
            here.wait_until_stored()
            ended, spent, done = time.monotonic(), worker.cpu() - cpu, here.counters().since(before)
        tasks = sum(moment > began for moment in here.moments())
    return _drained(tasks, ended - began, spent, done.cpu, done.trips, done.commands)


def _drained(
    tasks: int, seconds: float, worker: float, server: float, trips: float, commands: float
) -> Drained:
    each = MICRO / tasks
    return Drained(tasks / seconds, worker * each, server * each, trips / tasks, commands / tasks)


def floor(store: Store, count: int, *, processes: int, is_async: bool) -> Drained:
    """The same by the floor's loop."""
    with site(store) as here:
        loop.fill(here.url, count)
        before = here.counters()
        spans = loop.drain(here.url, processes=processes, is_async=is_async)
        done = here.counters().since(before)
    tasks = sum(span.done for span in spans)
    seconds = max(span.ended for span in spans) - min(span.began for span in spans)
    cpu, trips = sum(span.cpu for span in spans), sum(span.trips for span in spans)
    return _drained(tasks, seconds, cpu, done.cpu, trips, done.commands)
