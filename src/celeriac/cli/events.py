"""`celeriac events`: what starts and ends, as it happens."""

from __future__ import annotations

import threading
from typing import Final

import click
from click.core import ParameterSource

from celeriac.cli.codes import Exit
from celeriac.cli.filtering import FilterCommand, joined
from celeriac.cli.happenings import Event, Happenings, Look
from celeriac.cli.options import command as make_command
from celeriac.cli.output import local, short, span, visible
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session
from celeriac.cli.views import of_event, of_gap
from celeriac.errors import OperationalError

INTERVAL: Final = 1.0
MOST: Final = 200  # characters of an error
COLORS: Final = {"succeeded": "green", "failed": "red", "cancelled": "yellow"}


@make_command("events", cls=FilterCommand)
@click.argument("words", nargs=-1, metavar="[FILTER]...")
@click.option("--follow", is_flag=True, help="Go on with what happens, until Ctrl-C.")
@click.option(
    "--count",
    type=click.IntRange(0, 10_000),
    default=20,
    show_default=True,
    help="How many of those that happened before.",
)
@click.option(
    "--interval", type=click.FloatRange(0.1, 3_600), help="With --follow: seconds between two looks (1)."
)
def command(
    session: Session, /, *, words: tuple[str, ...], follow: bool, count: int, interval: float | None
) -> int:
    """Tell which tasks have started and ended, the last ones first before now, then as it happens.

    A filter says of which tasks, as for `celeriac tasks`: name:reports.*, state:failed, queue:mail.
    """
    source = click.get_current_context().get_parameter_source("interval")
    if source is ParameterSource.COMMANDLINE and not follow:  # a variable is for those that follow
        raise click.UsageError("--interval says how often to look with --follow")
    query = joined(words)
    happenings = Happenings(session.look(), query)
    try:
        _tell(session, happenings.look(count))
        if follow:
            _follow(session, happenings, interval or INTERVAL)
    except KeyboardInterrupt:
        again = ("events", *([query] if query else []), *(("--follow",) if follow else ()))
        raise Problem("interrupted; the tasks run on", code=Exit.INTERRUPTED, attempt=again) from None
    return Exit.OK


def _follow(session: Session, happenings: Happenings, interval: float) -> None:
    """Tell what happens, until somebody interrupts; a store that is away is waited for, and told once."""
    pause, away = threading.Event(), False
    while not pause.wait(interval):
        try:
            seen = happenings.look()
        except OperationalError as error:
            if not away:
                session.note(f"waiting for the store: {error}")
            away = True
            continue
        if away:
            session.note("the store is back")
            away = False
        _tell(session, seen)


def _tell(session: Session, seen: Look) -> None:
    if seen.gap is not None:
        if session.json:
            session.emit(of_gap(*seen.gap))
        since, until = map(local, seen.gap)
        session.note(f"too many tasks end: between {since} and {until} some may be missing")
    for event in seen.events:
        if session.json:
            session.emit(of_event(event.what, event.at, event.task))
        else:
            session.out(_line(event))


def _line(event: Event) -> str:
    """Write an event for people."""
    task = event.task
    word = click.style(f"{event.what:<9}", fg=COLORS.get(event.what))
    parts = [local(event.at), word, visible(task.id), visible(task.name)]
    if event.what == "started":
        parts.append(
            f"on {visible(task.worker)}" + (f", attempt {task.attempts}" if task.attempts > 1 else "")
        )
    elif task.started is not None and task.attempts:
        parts.append(f"after {span(max(0.0, event.at - task.started))}")
    if event.what in ("failed", "cancelled") and task.error_type:
        parts.append(visible(short(f"{task.error_type.removeprefix('builtins.')}: {task.error}", most=MOST)))
    return "  ".join(parts)
