"""Workers: which are alive, what they serve, how busy they are; drained, resumed and stopped."""

from __future__ import annotations

from typing import Final

import msgspec

from celeriac.broker import WorkerInfo
from celeriac.dashboard.pages.tasks import TaskRow, row_of
from celeriac.dashboard.roles import Role
from celeriac.dashboard.visit import Action, Done, Missing, Page, Question, Visit
from celeriac.errors import UnknownWorker
from celeriac.message import check_id

MOST_NAMES: Final = 500
MOST_TASKS: Final = 200


class WorkerRow(msgspec.Struct, frozen=True):
    """A worker process as it is shown.

    Attributes:
        others: whether it has another version than most.
        state: running, draining, or silent when it has missed half of its lease. silence: since it was heard.
        memory: resident bytes. cpu: seconds of a processor. share: of one core, of a hundred, on average.
        lag: seconds after which its event loop answered. None where nobody knows.
        done: how many tasks have ended there.
    """

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
    state: str
    silence: float
    draining: bool
    memory: int | None
    cpu: float | None
    share: float | None
    lag: float | None
    done: int


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


def rows_of(workers: list[WorkerInfo], now: float) -> list[WorkerRow]:
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
            state=_state(worker, now),
            silence=max(0.0, now - worker.seen),
            draining=worker.draining,
            memory=worker.memory,
            cpu=worker.cpu,
            share=_share(worker),
            lag=worker.lag,
            done=worker.done,
        )
        for worker in sorted(workers, key=lambda worker: (worker.name, worker.started, worker.id))
    ]


def _state(worker: WorkerInfo, now: float) -> str:
    if now - worker.seen > worker.lease / 2:
        return "silent"
    return "draining" if worker.draining else "running"


def _share(worker: WorkerInfo) -> float | None:
    age = worker.seen - worker.started
    return None if worker.cpu is None or age <= 0 else round(100 * worker.cpu / age, 1)


def look(visit: Visit) -> WorkersView:
    """Look at all workers whose lease is good."""
    rows = rows_of(visit.app.broker.workers(visit.now), visit.now)
    return WorkersView(rows, sum(row.slots for row in rows), sum(row.running for row in rows))


def look_at_one(visit: Visit) -> WorkerView:
    """Look at the worker that the address names."""
    worker_id = check_id(visit.named(visit.query, "id"))
    workers = visit.app.broker.workers(visit.now)
    for row in rows_of(workers, visit.now):
        if row.id == worker_id:
            names = sorted(next(worker.names for worker in workers if worker.id == worker_id))
            found = visit.app.search(f'state:running worker:"{worker_id}"', count=MOST_TASKS)
            tasks = [row_of(task.redacted(visit.site.hiding.keys), visit.now) for task in found.tasks]
            return WorkerView(row, tasks, names[:MOST_NAMES], max(0, len(names) - MOST_NAMES))
    raise Missing(visit.site.say("worker.missing", id=worker_id))


# --- actions --------------------------------------------------------------------------------------------


def _named(visit: Visit) -> WorkerInfo:
    worker_id = check_id(visit.named(visit.form, "id"))
    for worker in visit.app.broker.workers(visit.now):
        if worker.id == worker_id:
            return worker
    raise Missing(visit.site.say("worker.missing", id=worker_id))


def _told(visit: Visit, verb: str) -> Done:
    """Tell a worker process, by its id: it hears of it with its next heartbeat."""
    worker, control = _named(visit), visit.app.control
    tell = {"drain": control.drain, "resume": control.resume, "stop": control.stop}[verb]
    back = visit.url("/worker", id=worker.id).removeprefix(visit.root)
    try:
        told = tell(worker.id)
    except UnknownWorker as error:
        return Done(str(error), "/workers", ok=False)
    return Done(visit.site.say(f"worker.{verb}.done", name=worker.name), back, data={"told": told})


def drain(visit: Visit) -> Done:
    """Have a worker process claim nothing more."""
    return _told(visit, "drain")


def resume(visit: Visit) -> Done:
    """Have a drained worker process claim again."""
    return _told(visit, "resume")


def stop(visit: Visit) -> Done:
    """End a worker with all its processes, in good order."""
    return msgspec.structs.replace(_told(visit, "stop"), to="/workers")


def ask_stop(visit: Visit) -> Question:
    """Ask before a worker is ended."""
    say, worker = visit.site.say, _named(visit)
    alive = sum(each.name == worker.name for each in visit.app.broker.workers(visit.now))
    facts = (say("worker.stop.fact", name=worker.name, n=alive), say("worker.stop.again"))
    back = visit.url("/worker", id=worker.id).removeprefix(visit.root)
    return Question(say("worker.stop.title", name=worker.name), facts, say("worker.stop"), back)


PAGES: Final = (
    Page("/workers", "workers.html", look, "workers"),
    Page("/worker", "worker.html", look_at_one, "workers"),
)
ACTIONS: Final = (
    Action("/worker/drain", Role.OPERATOR, drain),
    Action("/worker/resume", Role.OPERATOR, resume),
    Action("/worker/stop", Role.ADMIN, stop, ask_stop),
)
