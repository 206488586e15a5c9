"""`celeriac resume`: let a paused queue be claimed from again."""

from __future__ import annotations

import click

from celeriac.cli.options import command as make_command
from celeriac.cli.pause import change
from celeriac.cli.session import Session


@make_command("resume")
@click.argument("queues", nargs=-1, required=True, metavar="QUEUE...")
def command(session: Session, /, *, queues: tuple[str, ...]) -> int:
    """Let queues that were paused be claimed from again; idle workers start at once."""
    return change(session, queues, session.look().resume, "resumed", "not paused")
