"""`celeriac queues`: what waits in each queue, for how long, and who listens."""

from __future__ import annotations

from collections import Counter

from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.output import span, table
from celeriac.cli.session import Session
from celeriac.cli.views import of_queue


@make_command("queues")
def command(session: Session, /) -> int:
    """Show each queue: how many tasks wait, since when the oldest does, how many run, and who listens."""
    app = session.look()
    now = app.clock.now()
    listeners = Counter(name for worker in app.broker.workers(now) for name in worker.queues)
    queues = app.queues()
    if session.json:
        for queue in queues:
            session.emit({**of_queue(queue, now), "listeners": listeners[queue.name]})
        return Exit.OK
    rows = [
        (
            queue.name,
            queue.queued,
            "" if queue.oldest is None else span(now - queue.oldest),
            queue.scheduled,
            queue.waiting,
            queue.running,
            listeners[queue.name],
            "paused" if queue.paused else "",
        )
        for queue in queues
    ]
    head = ("name", "queued", "oldest", "scheduled", "waiting", "running", "listeners", "")
    for line in table(head, rows) if rows else ():
        session.out(line)
    if not rows:
        session.note("no queue has tasks that have not ended, and none is paused")
    return Exit.OK
