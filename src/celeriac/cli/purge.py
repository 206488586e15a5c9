"""`celeriac purge`: cancel everything that waits."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from celeriac.broker import TEND_LIMIT, QueueInfo
from celeriac.cli.codes import Exit
from celeriac.cli.options import QUEUE_NAMES, flattened
from celeriac.cli.options import command as make_command
from celeriac.cli.output import count
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session


@make_command("purge")
@click.option("-Q", "--queues", type=QUEUE_NAMES, multiple=True, help="Only these queues: a,b.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(session: Session, /, *, queues: tuple[tuple[str, ...], ...], yes: bool) -> int:
    """Cancel all tasks that are queued or scheduled; running ones go on. Asks first."""
    session.look()
    found = _waiting(session, flattened(queues))
    if not any(queue.queued + queue.scheduled for queue in found):
        session.note("nothing waits there")
        return Exit.OK
    if not yes and not _confirmed(session, found, flattened(queues)):
        session.note("nothing was cancelled")
        return Exit.OK
    for queue in found:
        purged = _purge(session, queue.name)
        if session.json:
            session.emit({"queue": queue.name, "cancelled": purged})
        else:
            session.out(f"{queue.name}  {count(purged, 'task')} cancelled")
    return Exit.OK


def _waiting(session: Session, names: Sequence[str]) -> list[QueueInfo]:
    """Return the queues to purge: those named, or all in which something waits."""
    there = {queue.name: queue for queue in session.app.broker.queues()}
    if names:
        return [there.get(name, QueueInfo(name)) for name in names]
    return [queue for queue in there.values() if queue.queued or queue.scheduled]


def _confirmed(session: Session, found: Sequence[QueueInfo], names: Sequence[str]) -> bool:
    queued, scheduled = sum(queue.queued for queue in found), sum(queue.scheduled for queue in found)
    what = (
        f"{count(queued + scheduled, 'task')} ({queued:,} queued, {scheduled:,} scheduled) in "
        f"{', '.join(queue.name for queue in found)} of {session.where}"
    )
    if not sys.stdin.isatty():
        options = ("-Q", ",".join(names)) if names else ()
        raise Problem(
            f"without a terminal nobody can be asked whether to cancel {what}",
            code=Exit.USAGE,
            attempt=("purge", *options, "--yes"),
        )
    return click.confirm(f"Cancel {what}?", err=True)


def _purge(session: Session, name: str) -> int:
    """Cancel batch by batch, until a batch was not full."""
    app, total = session.app, 0
    while True:
        purged = app.broker.purge(name, app.clock.now())
        total += purged
        if purged < TEND_LIMIT:
            app.acted("purge", name, total)
            return total
