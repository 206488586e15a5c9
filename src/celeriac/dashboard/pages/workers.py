"""Workers: which are alive, what they serve, how busy they are."""

from __future__ import annotations

from typing import Final

import msgspec

from celeriac.broker import WorkerInfo
from celeriac.dashboard.pages.tasks import TaskRow, row_of
from celeriac.dashboard.visit import Missing, Page, Visit
from celeriac.message import check_id

MOST_NAMES: Final = 500
MOST_TASKS: Final = 200


class WorkerRow(msgspec.Struct, frozen=True):
    """A worker process as it is shown. *others*: whether it has another version than most."""

    id: str
    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    slots: int
    running: int
    version: str
    started: float
    seen: float
    lease: float
    others: bool


class WorkersView(msgspec.Struct, frozen=True):
    """All live workers."""

    workers: list[WorkerRow]
    slots: int
    running: int


class WorkerView(msgspec.Struct, frozen=True):
    """One worker, what it runs now, and the names of the tasks that it knows."""

    worker: WorkerRow
    tasks: list[TaskRow]
    names: list[str]
    more_names: int


def rows_of(workers: list[WorkerInfo]) -> list[WorkerRow]:
    """Make rows of what the store knows."""
    versions = [worker.version for worker in workers]
    usual = max(set(versions), key=lambda version: (versions.count(version), version), default="")
    return [
        WorkerRow(
            id=worker.id,
            name=worker.name,
            host=worker.host,
            pid=worker.pid,
            queues=worker.queues,
            slots=worker.slots,
            running=worker.running,
            version=worker.version,
            started=worker.started,
            seen=worker.seen,
            lease=worker.lease,
            others=worker.version != usual,
        )
        for worker in sorted(workers, key=lambda worker: (worker.name, worker.started, worker.id))
    ]


def look(visit: Visit) -> WorkersView:
    """Look at all workers whose lease is good."""
    rows = rows_of(visit.app.broker.workers(visit.now))
    return WorkersView(rows, sum(row.slots for row in rows), sum(row.running for row in rows))


def look_at_one(visit: Visit) -> WorkerView:
    """Look at the worker that the address names."""
    worker_id = check_id(visit.named(visit.query, "id"))
    workers = visit.app.broker.workers(visit.now)
    for row in rows_of(workers):
        if row.id == worker_id:
            names = sorted(next(worker.names for worker in workers if worker.id == worker_id))
            found = visit.app.search(f'state:running worker:"{worker_id}"', count=MOST_TASKS)
            tasks = [row_of(task.redacted(visit.site.hiding.keys), visit.now) for task in found.tasks]
            return WorkerView(row, tasks, names[:MOST_NAMES], max(0, len(names) - MOST_NAMES))
    raise Missing(visit.site.say("worker.missing", id=worker_id))


PAGES: Final = (
    Page("/workers", "workers.html", look, "workers"),
    Page("/worker", "worker.html", look_at_one, "workers"),
)
ACTIONS: Final = ()
