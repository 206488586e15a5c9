"""`celeriac logs`: what a task has logged."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.output import local, visible
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session
from celeriac.cli.views import of_line
from celeriac.message import check_id

if TYPE_CHECKING:
    from celeriac.app import Celeriac
    from celeriac.steering import LogLine

PAUSE = 0.5  # seconds between looks
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@make_command("logs")
@click.argument("task_id", metavar="ID")
@click.option("--follow", is_flag=True, help="Go on until the task has ended.")
@click.option(
    "--level",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="DEBUG",
    help="Only from this level up.",
)
def command(session: Session, /, *, task_id: str, follow: bool, level: str) -> int:
    """Show what a task has logged while it ran, all of its attempts.

    The exit code is 4 for an unknown task.
    """
    app, least = session.look(), logging.getLevelNamesMapping()[level]
    check_id(task_id)
    last, goes_on, pause = 0, True, threading.Event()
    try:
        while goes_on:
            [record] = app.broker.get([task_id])  # before the lines: those before the end are there then
            if record is None:
                message = f"no task has the id {task_id}"
                raise Problem(message, code=Exit.UNKNOWN, attempt=("status",))
            last = _tell_new(session, app, task_id, last, least)
            goes_on = follow and not record.state.final
            if goes_on:
                pause.wait(PAUSE)
    except KeyboardInterrupt:
        message = "interrupted; the task runs on"
        raise Problem(message, code=Exit.INTERRUPTED, attempt=("logs", task_id)) from None
    if not last:
        session.note("it has logged nothing that is kept (setting worker_task_log_level)")
    return Exit.OK


def _tell_new(session: Session, app: Celeriac, task_id: str, last: int, least: int) -> int:
    """Show the lines after number *last*; return the number of the newest."""
    while lines := app.log(task_id, last):
        for line in lines:
            if line.level >= least:
                _tell(session, task_id, line)
        last = lines[-1].number
    return last


def _tell(session: Session, task_id: str, line: LogLine) -> None:
    if session.json:
        session.emit(of_line(task_id, line))
        return
    first, *more = visible(line.text, lines=True).splitlines() or [""]
    level = logging.getLevelName(line.level)
    session.out(f"{local(line.time)} #{line.attempt} {level:<7} {visible(line.logger)}: {first}".rstrip())
    for rest in more:
        session.out(f"    {rest}")
