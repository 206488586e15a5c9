"""`celeriac drain`: have workers claim nothing more, or claim again."""

from __future__ import annotations

from collections.abc import Sequence

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.output import visible
from celeriac.cli.session import Session


@make_command("drain")
@click.argument("workers", nargs=-1, required=True, metavar="WORKER...")
@click.option("--undo", is_flag=True, help="Have them claim again.")
def command(session: Session, /, *, workers: tuple[str, ...], undo: bool) -> int:
    """Have workers claim nothing more; what they run, they finish, and then they idle.

    A worker is named by its name, by the id of one of its processes, or by a pattern such as 'web-*'. It
    hears of it within about two seconds.
    """
    control = session.look().control
    for which in dict.fromkeys(workers):
        told = control.resume(which) if undo else control.drain(which)
        tell(session, told, "claims again" if undo else "drains")
    return Exit.OK


def tell(session: Session, told: Sequence[str], what: str) -> None:
    """Say what each of those that were *told* does."""
    for worker in told:
        if session.json:
            session.emit({"worker": worker, "answer": what})
        else:
            session.out(f"{visible(worker)}  {what}")
