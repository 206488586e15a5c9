"""`celeriac pause`: have nothing claimed from a queue."""

from __future__ import annotations

from collections.abc import Callable

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.session import Session
from celeriac.errors import InvalidName
from celeriac.message import check_queue_name


@make_command("pause")
@click.argument("queues", nargs=-1, required=True, metavar="QUEUE...")
def command(session: Session, /, *, queues: tuple[str, ...]) -> int:
    """Have nothing claimed from queues, until they are resumed; what runs, runs on."""
    return change(session, queues, session.look().pause, "paused", "paused already")


def change(
    session: Session, queues: tuple[str, ...], do: Callable[[str], bool], done: str, was_so: str
) -> int:
    """Pause or resume *queues*, and say for each what that came to."""
    for queue in dict.fromkeys(queues):
        _check(queue)
    for queue in dict.fromkeys(queues):
        answer = done if do(queue) else was_so
        if session.json:
            session.emit({"queue": queue, "answer": answer})
        else:
            session.out(f"{queue}  {answer}")
    return Exit.OK


def _check(queue: str) -> None:
    try:
        check_queue_name(queue)
    except InvalidName as error:
        raise click.BadParameter(str(error)) from error
