"""`celeriac status`: is the store there, who works, and what waits."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import click

from celeriac.broker import QueueInfo, WorkerInfo
from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.output import count, span, table, visible
from celeriac.cli.session import Session
from celeriac.cli.views import of_queue, of_worker
from celeriac.loading import guess
from celeriac.message import check_queue_name
from celeriac.worker.options import DEFAULT_SLOTS
from celeriac.worker.scaling import load_of, processes_for


@make_command("status")
@click.option(
    "--check", is_flag=True, help="Say in one line whether all is well: 8 also if no worker is alive."
)
@click.option("-n", "--hostname", help="With --check: of the workers of this name; %h is the host's.")
def command(session: Session, /, *, check: bool, hostname: str | None) -> int:
    """Show the store, its workers and its queues.

    The exit code is 8 when tasks wait that no worker takes, 3 when the store cannot be reached.
    """
    if hostname is not None and not check:
        raise click.UsageError("--hostname belongs to --check")
    app = session.look()
    app.broker.ping()
    now = app.clock.now()
    workers, queues = app.broker.workers(now), app.broker.queues()
    unserved = _unserved(session, workers, queues)
    if check:
        name = None if hostname is None else hostname.replace("%h", socket.gethostname())
        return _check(session, [worker for worker in workers if name in (None, worker.name)], name, unserved)
    if session.json:
        _tell_json(session, workers, queues, now)
    else:
        _tell(session, workers, queues, now)
        for reason, attempt in unserved:
            session.note(reason, *attempt)
        if not workers and not queues and session.is_bare_namespace:
            name = app.store_options["namespace"]
            session.note(
                f"nothing is in the namespace {name}, which is looked into where none is named; that of an "
                "application is its name",
                *("--namespace", "NAME", "status"),
            )
    return Exit.UNSERVED if unserved else Exit.OK


def _check(
    session: Session,
    workers: Sequence[WorkerInfo],
    name: str | None,
    unserved: Sequence[tuple[str, tuple[str, ...]]],
) -> int:
    """Say in one line whether all is well. A worker whose lease has run out is not among those given."""
    whose = "" if name is None else f" is called {visible(name)}"
    reasons = [] if workers else [f"no live worker{whose}"]
    reasons += [reason for reason, _ in unserved]
    processes = count(len(workers), "process", "processes")
    if session.json:
        session.emit({"kind": "check", "ok": not reasons, "processes": len(workers), "reasons": reasons})
    else:
        session.out("; ".join(reasons) if reasons else f"ok: {processes}")
    return Exit.UNSERVED if reasons else Exit.OK


def _unserved(
    session: Session, workers: Sequence[WorkerInfo], queues: Sequence[QueueInfo]
) -> list[tuple[str, tuple[str, ...]]]:
    """Say which tasks wait that nobody takes, and what starts somebody who does."""
    app = () if session.reference else ("-A", guess() or "tasks")
    served = {name for worker in workers for name in worker.queues}
    found: list[tuple[str, tuple[str, ...]]] = []
    for queue in queues:
        if queue.paused:
            continue
        if queue.queued and queue.name not in served:
            name = check_queue_name(queue.name)
            waits = count(queue.queued, "task waits", "tasks wait")
            found.append((f"no worker serves the queue {name}, where {waits}", (*app, "worker", "-Q", name)))
        elif queue.parked:
            waits = count(queue.parked, "task")
            found.append(
                (f"no worker knows the names of {waits} in the queue {queue.name}", ("worker", "--help"))
            )
    return found


def _needed(workers: Sequence[WorkerInfo], queues: Sequence[QueueInfo]) -> int:
    """Return how many processes what waits and runs would keep busy, of as many slots as those here."""
    slots = max((worker.slots for worker in workers), default=DEFAULT_SLOTS)
    return processes_for(load_of(queues), slots)


def _tell_json(
    session: Session, workers: Sequence[WorkerInfo], queues: Sequence[QueueInfo], now: float
) -> None:
    options = session.app.store_options
    session.emit(
        {
            "kind": "store",
            "url": session.app.broker.url,
            "namespace": options["namespace"],
            "reachable": True,
            "workers": len(workers),
            "slots": sum(worker.slots for worker in workers),
            "needed": _needed(workers, queues),
            "queues": len(queues),
        }
    )
    for worker in workers:
        session.emit(of_worker(worker, now))
    for queue in queues:
        session.emit(of_queue(queue, now))


def _tell(session: Session, workers: Sequence[WorkerInfo], queues: Sequence[QueueInfo], now: float) -> None:
    session.out(f"store    {visible(session.where)}: reachable")
    session.out(
        f"workers  {len(workers)}, {count(_needed(workers, queues), 'process', 'processes')} could be busy"
    )
    if workers:
        rows = [
            (w.name, ",".join(w.queues), w.slots, w.running, f"{span(now - w.seen)} ago", w.id)
            for w in workers
        ]
        _table(session, ("name", "queues", "slots", "running", "seen", "id"), rows)
    session.out(f"queues   {len(queues)}")
    if queues:
        lines = [
            (q.name, q.queued, q.scheduled, q.running, q.parked, q.held, "paused" if q.paused else "")
            for q in queues
        ]
        _table(session, ("name", "queued", "scheduled", "running", "parked", "held", ""), lines)


def _table(session: Session, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    for line in table(head, rows):
        session.out(f"  {line}")
