"""`celeriac watch`: look on until tasks have ended."""

from __future__ import annotations

import click

from celeriac.cli.call import unknown
from celeriac.cli.following import code_of, follow
from celeriac.cli.options import SECONDS
from celeriac.cli.options import command as make_command
from celeriac.cli.session import Session, check_ids
from celeriac.states import UNKNOWN


@make_command("watch")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--timeout", type=SECONDS, help="For so many seconds at most.")
def command(session: Session, /, *, ids: tuple[str, ...], timeout: float | None) -> int:
    """Show the progress of tasks until all have ended: bars in a terminal, lines elsewhere.

    `-` reads ids from standard input. Ctrl-C ends the watching, not the tasks.
    """
    given = check_ids(ids)
    session.look()
    last = follow(session, given, timeout=timeout)
    missing = [task_id for task_id, update in last.items() if update.state == UNKNOWN]
    if missing and not session.json:
        raise unknown(session, *missing)
    return code_of(last.values())
