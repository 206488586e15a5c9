"""`celeriac names`: the tasks that there are by name, and how they did lately."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import AGO
from celeriac.cli.options import command as make_command
from celeriac.cli.output import table
from celeriac.cli.session import Session
from celeriac.cli.stats import brief, of_point
from celeriac.statistics import Point, Statistics

BUILT_IN: Final = "celeriac."  # tasks that every application has, told when they ran


@make_command("names")
@click.option(
    "--since", type=AGO, default="1d", show_default=True, help="A span such as 90s, 30m, 6h, 7d, or a moment."
)
def command(session: Session, /, *, since: timedelta | datetime) -> int:
    """Show the tasks by name: those that the application has, with -A, and those that ran lately."""
    app = session.look()
    known = frozenset(session.app_with_tasks().tasks) if session.reference is not None else None
    found = app.stats(since=since, by="name")
    own = {name for name in known or () if not name.startswith(BUILT_IN)}
    names = sorted({*own, *filter(None, found.series)})
    for name in names if session.json else ():
        has = None if known is None else name in known
        session.emit({"kind": "name", "name": name, "registered": has, **of_point(_total(found, name))})
    if not session.json:
        rows = [_row(name, known, _total(found, name)) for name in names]
        for line in table(("task", "here", "ended", "failed", "run p50", "p95"), rows) if rows else ():
            session.out(line)
    if not names:
        session.note("no task has ended since, and no application is named with -A")
    return Exit.OK


def _total(found: Statistics, name: str) -> Point:
    series = found.series.get(name)
    return Point(found.total.total.moment, found.total.total.seconds) if series is None else series.total


def _row(name: str, known: frozenset[str] | None, point: Point) -> tuple[str, ...]:
    has = "?" if known is None else "yes" if name in known else "no"
    spans = brief(point.run.p50), brief(point.run.p95)
    return name, has, f"{point.ended:,}", f"{point.failed:,}", *spans
