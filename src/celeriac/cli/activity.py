"""`celeriac activity`: who did what."""

from __future__ import annotations

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.output import local, table
from celeriac.cli.session import Session
from celeriac.cli.views import of_activity


@make_command("activity")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, help="How many at most: 50.")
def command(session: Session, /, *, limit: int) -> int:
    """Show what people have done by terminal and dashboard, the newest first."""
    found = session.look().activity(count=limit)
    if session.json:
        for entry in found:
            session.emit(of_activity(entry))
        return Exit.OK
    if not found:
        session.note("nothing was done yet")
        return Exit.OK
    rows = [(local(entry.at), entry.who, entry.verb, entry.count, entry.target[:80]) for entry in found]
    for line in table(("when", "who", "what", "count", "to"), rows):
        session.out(line)
    return Exit.OK
