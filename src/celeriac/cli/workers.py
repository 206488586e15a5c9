"""`celeriac workers`: who works, how it is, and what it runs now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from celeriac.broker import WorkerInfo
from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.output import span, table, visible
from celeriac.cli.session import Session
from celeriac.cli.views import of_running, of_worker, state_of_worker
from celeriac.findings import size
from celeriac.message import Record


@make_command("workers")
@click.argument("worker", default="*")
@click.option("--tasks", is_flag=True, help="Also what each runs now.")
def command(session: Session, /, *, worker: str, tasks: bool) -> int:
    """Show the live worker processes: all, those of a name, one by its id, or those of a pattern.

    The exit code is 4 when there is none.
    """
    app = session.look()
    found, now = app.control.workers(worker), app.clock.now()
    running = {each.id: app.broker.running(each.id) for each in found} if tasks else {}
    if session.json:
        for each in found:
            more = {"tasks": [of_running(record, now) for record in running[each.id]]} if tasks else {}
            session.emit(of_worker(each, now) | more)
    else:
        _tell(session, found, running, now)
    return Exit.OK


def _tell(
    session: Session, found: Sequence[WorkerInfo], running: dict[str, list[Record]], now: float
) -> None:
    for line in table(_HEAD, [_row(each, now) for each in found]):
        session.out(line)
    for each in found if running else ():
        session.out(f"\n{visible(each.id)}" + ("" if running[each.id] else "  runs nothing"))
        rows = [
            (task["id"], task["name"], task["queue"], task["state"], f"{span(task['seconds'])}")
            for task in (of_running(record, now) for record in running[each.id])
        ]
        for line in table(("id", "task", "queue", "state", "for"), rows) if rows else ():
            session.out(f"  {line}")


_HEAD = ("name", "host", "pid", "state", "queues", "busy", "done", "memory", "version", "seen", "id")


def _row(worker: WorkerInfo, now: float) -> tuple[Any, ...]:
    return (
        *(worker.name, worker.host, worker.pid, state_of_worker(worker, now)),
        *(",".join(worker.queues), f"{worker.running}/{worker.slots}", worker.done),
        "?" if worker.memory is None else size(worker.memory),
        *(worker.version, f"{span(now - worker.seen)} ago", worker.id),
    )
