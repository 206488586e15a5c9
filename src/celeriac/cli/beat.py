"""`celeriac beat`: send for the schedules that are due, or show what is coming."""

from __future__ import annotations

from typing import Any

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.output import moment, table, visible
from celeriac.cli.session import Session
from celeriac.cli.worker import LEVELS, LOG_FORMATS, reference_of, tell_event
from celeriac.logs import LogFormat
from celeriac.schedules import FURTHEST

DAY = 86_400.0


@make_command("beat")
@click.argument("what", required=False, type=click.Choice(["preview"]))
@click.option(
    "--days",
    type=click.FloatRange(min=0, min_open=True, max=FURTHEST),
    default=7.0,
    show_default=True,
    help="How far to look.",
)
@click.option("--schedule", "names", multiple=True, metavar="NAME", help="Only this one; may be given again.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Most lines of each schedule."
)
@click.option(
    "-l",
    "--loglevel",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="INFO",
    show_default=True,
    help="What to tell on standard error.",
)
@click.option(
    "--log-format",
    type=click.Choice(LOG_FORMATS),
    help="How to tell it: text, or a line of JSON for each event (setting `worker_log_format`).",
)
def command(
    session: Session,
    /,
    *,
    what: str | None,
    days: float,
    names: tuple[str, ...],
    limit: int,
    loglevel: str,
    log_format: LogFormat | None,
) -> int:
    """Send for schedules when they are due, until SIGTERM or Ctrl-C. Workers do so too; any number may.

    `celeriac beat preview` shows what is coming: the schedules in the code, and those in the store.
    """
    reference_of(session, "beat")
    if what == "preview":
        return _preview(session, days, names, limit)
    return _run(session, loglevel.upper(), log_format)


def _run(session: Session, loglevel: str, log_format: LogFormat | None) -> int:
    from celeriac.worker.beat import BeatService
    from celeriac.worker.log import set_up_logging

    app = session.send()
    form = log_format or app.conf.worker_log_format
    set_up_logging(loglevel, form)
    counts = app.conf.worker_statistics > 0
    service = BeatService(app.broker, app.clock, declare=app.schedules.declare, counts=counts)
    count = len(app.schedules.defined())
    if form == "json" and not session.quiet:
        tell_event("beat started", app=app.main, store=app.broker.url, in_code=count)
    elif not session.quiet:
        click.echo(
            f"beat of {app.main}\n  store      {visible(app.broker.url)}\n  in code    {count}", err=True
        )
    service.run(signals=True)
    return Exit.OK


def _preview(session: Session, days: float, names: tuple[str, ...], limit: int) -> int:
    app = session.app_with_tasks()
    coming = app.schedules.preview(days=days, most=limit)
    unknown = [name for name in names if name not in {one.name for one in coming}]
    if unknown:
        raise click.BadParameter(f"there is no schedule {unknown[0]!r}", param_hint="'--schedule'")
    wanted = [one for one in coming if not names or one.name in names]
    rows: list[tuple[Any, ...]] = []
    for one in wanted:
        rows += [
            (run.due, run.local.isoformat(sep=" ", timespec="seconds"), one.name, run.note)
            for run in one.runs
        ]
        if one.is_cut and not session.json:
            session.note(f"{one.name}: only the next {'one is' if limit == 1 else f'{limit} are'} shown")
    rows.sort()
    if session.json:
        for due, local, name, note in rows:
            session.emit({"schedule": name, "due": moment(due), "local": local, "note": note or None})
        return Exit.OK
    for line in table(("due", "schedule", ""), [row[1:] for row in rows]):
        session.out(line)
    for one in wanted:
        if one.paused:
            session.note(f"{one.name} is paused")
    return Exit.OK
