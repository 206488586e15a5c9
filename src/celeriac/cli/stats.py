"""`celeriac stats`: what was counted of tasks, as a table with small charts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import AGO, SECONDS
from celeriac.cli.options import command as make_command
from celeriac.cli.output import moment, span, table
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session
from celeriac.errors import ConfigurationError
from celeriac.message import check_queue_name
from celeriac.statistics import Point, Series, Spread, Statistics

BLOCKS: Final = "▁▂▃▄▅▆▇█"
WIDTH: Final = 30
HEAD: Final = ("ended", "failed", "a minute", "wait p50", "p95", "run p50", "p95", "queued")


@make_command("stats")
@click.option(
    "--since", type=AGO, default="1h", show_default=True, help="A span such as 90s, 30m, 6h, 7d, or a moment."
)
@click.option("--until", type=AGO, help="The same; without it now.")
@click.option("--by", type=click.Choice(("queue", "name")), help="Tell of each queue, or of each task name.")
@click.option("--step", type=SECONDS, help="Seconds from point to point; chosen by itself without.")
@click.option("-Q", "--queue", metavar="NAME", help="Count only this queue.")
@click.option("--task", metavar="NAME", help="Count only tasks of this name.")
@click.option("--points", is_flag=True, help="Tell of each point in time, and not only of the sum.")
def command(
    session: Session,
    /,
    *,
    since: timedelta | datetime,
    until: timedelta | datetime | None,
    by: Any,
    step: float | None,
    queue: str | None,
    task: str | None,
    points: bool,
) -> int:
    """Show what was done: tasks that ended and failed, how long they waited and ran, how full queues were."""
    app = session.look()
    if isinstance(until, timedelta):
        if isinstance(since, timedelta) and until >= since:
            raise _turned(since, until)
        until = datetime.fromtimestamp(app.clock.now(), tz=None).astimezone() - until
    name = None if queue is None else check_queue_name(queue)
    try:
        found = app.stats(since=since, until=until, step=step, by=by, queue=name, name=task)
    except ConfigurationError as error:
        raise Problem(str(error), code=Exit.USAGE, attempt=("stats", "--help")) from error
    if step is not None and found.step != step:
        session.note(f"the steps have {found.step} s: of that time, finer ones than that are not kept")
    if session.json:
        _tell_json(session, found, points=points)
    else:
        _tell(session, found, points=points, charts=sys.stdout.isatty())
    return Exit.OK


def _turned(since: timedelta, until: timedelta) -> Problem:
    """Say that a span ends before it begins, both being so long ago."""
    first, last = (f"{span.total_seconds():g}s" for span in (since, until))
    turned = ("--since", last, "--until", first) if until > since else ("--since", last)
    return Problem(
        f"statistics need a span: both say how long ago, and {last} ago is not after {first} ago",
        code=Exit.USAGE,
        attempt=("stats", *turned),
    )


# --- for people ---------------------------------------------------------------------------------------


def _tell(session: Session, found: Statistics, *, points: bool, charts: bool) -> None:
    every = [found.total, *found.series.values()]
    if points:
        for series in every:
            rows = [(moment(point.moment.timestamp()), *cells_of(point)) for point in series.points]
            _print(session, (series.key or "all", *HEAD), rows)
        return
    chart = ("ended, over time",) if charts else ()
    rows = [
        (series.key or "all", *cells_of(series.total), *([sparkline(series)] if charts else []))
        for series in every
    ]
    _print(session, ("", *HEAD, *chart), rows)


def _print(session: Session, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    for line in table(head, rows):
        session.out(line)


def cells_of(point: Point) -> tuple[str, ...]:
    """Return the columns of `HEAD`."""
    return (
        f"{point.ended:,}",
        f"{point.failed:,}",
        f"{60 * point.throughput:,.1f}",
        *(brief(seconds) for seconds in (point.wait.p50, point.wait.p95, point.run.p50, point.run.p95)),
        "" if point.queued is None else f"{point.queued:,}",
    )


def brief(seconds: float | None) -> str:
    """Write a short time: `3 ms`, `1.27 s`, `5 min 2 s`."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.2g} ms" if seconds < 0.0995 else f"{seconds * 1000:.0f} ms"
    return f"{seconds:.3g} s" if seconds < 60 else span(seconds)


def sparkline(series: Series, width: int = WIDTH) -> str:
    """Draw how many tasks ended over time, in *width* characters at most."""
    each = max(1, -(-len(series.points) // width))
    sums = [
        sum(point.ended for point in series.points[start : start + each])
        for start in range(0, len(series.points), each)
    ]
    return blocks(sums)


def blocks(values: Sequence[float]) -> str:
    """Draw *values* as blocks, the highest as a whole one; nothing at all as a space."""
    most = max(values, default=0)
    if most <= 0:
        return ""
    return "".join(BLOCKS[round(value / most * (len(BLOCKS) - 1))] if value else " " for value in values)


# --- for programs -------------------------------------------------------------------------------------


def _tell_json(session: Session, found: Statistics, *, points: bool) -> None:
    for series in (found.total, *found.series.values()):
        session.emit(
            {"kind": "total", "key": series.key or None, "step": found.step, **of_point(series.total)}
        )
        for point in series.points if points else ():
            session.emit({"kind": "point", "key": series.key or None, "step": found.step, **of_point(point)})


def of_point(point: Point) -> dict[str, Any]:
    """Describe a point, as docs/reference/cli.md does."""
    return {
        "moment": moment(point.moment.timestamp()),
        "seconds": point.seconds,
        "started": point.started,
        "succeeded": point.succeeded,
        "failed": point.failed,
        "retried": point.retried,
        "cancelled": point.cancelled,
        "crashed": point.crashed,
        "expired": point.expired,
        "recovered": point.recovered,
        "wait": _of_spread(point.wait),
        "run": _of_spread(point.run),
        "queued": point.queued,
        "scheduled": point.scheduled,
        "running": point.running,
    }


def _of_spread(spread: Spread) -> dict[str, Any]:
    return {
        "count": spread.count,
        "mean": spread.mean,
        "p50": spread.p50,
        "p95": spread.p95,
        "p99": spread.p99,
    }
