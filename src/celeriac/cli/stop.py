"""`celeriac stop`: end workers in good order."""

from __future__ import annotations

import click

from celeriac.cli.codes import Exit
from celeriac.cli.drain import tell
from celeriac.cli.options import command as make_command
from celeriac.cli.session import Session


@make_command("stop")
@click.argument("workers", nargs=-1, required=True, metavar="WORKER...")
def command(session: Session, /, *, workers: tuple[str, ...]) -> int:
    """End workers in good order, with all their processes, as SIGTERM does.

    A worker is named by its name, by the id of one of its processes, or by a pattern such as 'web-*'. It
    hears of it within about two seconds. Who starts workers again when
    they end (systemd, Kubernetes) does so.
    """
    control = session.look().control
    for which in dict.fromkeys(workers):
        tell(session, control.stop(which), "stops")
    return Exit.OK
