"""`celeriac top`: queues, workers, what runs, and rates; what is shown, and one frame of it as text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from celeriac.broker import QueueInfo, WorkerInfo
from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.output import count, span, table, visible
from celeriac.cli.session import Session
from celeriac.cli.stats import brief, of_point, sparkline
from celeriac.cli.views import of_queue, of_running, of_worker, state_of_worker
from celeriac.criteria import Criteria
from celeriac.errors import MissingExtra
from celeriac.message import Record
from celeriac.states import State
from celeriac.statistics import Series, Statistics

if TYPE_CHECKING:
    from celeriac.app import Celeriac

SPAN: Final = timedelta(minutes=30)  # of the charts
RECENT: Final = 5  # points of which rates are made: minutes
QUEUES: Final = (
    *("queue", "queued", "scheduled", "running", "a minute", "failed", "wait p95", "run p95", "", "30 min"),
)
WORKERS: Final = ("worker", "queues", "running", "slots", "state", "seen", "id")
RUNNING: Final = ("for", "task", "queue", "state", "attempt", "worker", "id")
LISTED: Final = 50  # running tasks that are shown
ASKED: Final = 2_000  # of which these are the longest


@make_command("top")
@click.option("--once", is_flag=True, help="Show one frame as text, and end; so it is without a terminal.")
@click.option(
    "--interval",
    type=click.FloatRange(0.2, 3_600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--read-only", is_flag=True, help="Let no key change anything.")
def command(session: Session, /, *, once: bool, interval: float, read_only: bool) -> int:
    """Show queues, workers, running tasks and rates on a screen that stays up to date (extra `top`)."""
    app = session.look()
    if session.json:
        _tell_json(session, look(app))
    elif once or not (sys.stdin.isatty() and sys.stdout.isatty()):
        for line in frame(look(app), session.where):
            session.out(line)
    else:
        look(app)  # a store that is away is told before the screen is taken
        _show(app, session.where, interval=interval, read_only=read_only)
    return Exit.OK


def _show(app: Celeriac, where: str, *, interval: float, read_only: bool) -> None:
    try:
        from celeriac.cli.top_screen import Top
    except ImportError as error:
        raise MissingExtra(
            "the screen of celeriac top needs textual: pip install 'celeriac[top]'; --once needs nothing"
        ) from error
    Top(app, where, interval=interval, read_only=read_only).run()


class Look(NamedTuple):
    """What is to be seen at one moment."""

    now: float
    queues: Sequence[QueueInfo]
    workers: Sequence[WorkerInfo]
    statistics: Statistics
    running: Sequence[Record]  # the longest first


def look(app: Celeriac) -> Look:
    """Ask the store for all that is shown."""
    now = app.clock.now()
    found = app.broker.find(Criteria(states=frozenset({State.RUNNING})), "", ASKED)
    running = sorted(found.records, key=lambda record: record.started or now)[:LISTED]
    statistics = app.stats(since=SPAN, step=60, by="queue")
    return Look(now, app.broker.queues(), app.broker.workers(now), statistics, running)


# --- rows ---------------------------------------------------------------------------------------------


def headline(seen: Look, where: str) -> str:
    """Say how much there is of everything."""
    slots = sum(worker.slots for worker in seen.workers)
    running = sum(queue.running for queue in seen.queues)
    queued = sum(queue.queued for queue in seen.queues)
    done, failed = rates(seen.statistics.total)
    return (
        f"{visible(where)}   {count(len(seen.workers), 'worker')}, {running:,} of {slots:,} slots busy   "
        f"{queued:,} queued   {done} a minute, {failed} of them failed"
    )


def rates(series: Series | None) -> tuple[str, str]:
    """Say how many tasks ended in a minute, lately, and how many of those failed."""
    points = () if series is None else series.points[-RECENT:]
    seconds = sum(point.seconds for point in points)
    if not seconds:
        return "0", "0"
    ended, failed = sum(point.ended for point in points), sum(point.failed for point in points)
    return _rate(60 * ended / seconds), _rate(60 * failed / seconds)


def _rate(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 or not number else f"{number:.1f}"


def queue_rows(seen: Look) -> list[tuple[str, ...]]:
    """Return the columns of `QUEUES`, for each queue that holds something or had something run lately."""
    known = {queue.name: queue for queue in seen.queues}
    rows: list[tuple[str, ...]] = []
    for name in sorted({*known, *seen.statistics.series}):
        queue, series = known.get(name, QueueInfo(name)), seen.statistics.series.get(name)
        done, failed = rates(series)
        slow = ("", "") if series is None else (brief(series.total.wait.p95), brief(series.total.run.p95))
        numbers = f"{queue.queued:,}", f"{queue.scheduled:,}", f"{queue.running:,}"
        chart = "" if series is None else sparkline(series)
        rows.append((name, *numbers, done, failed, *slow, "paused" if queue.paused else "", chart))
    return rows


def worker_rows(seen: Look) -> list[tuple[str, ...]]:
    """Return the columns of `WORKERS`, the busiest first."""
    busiest = sorted(seen.workers, key=lambda worker: (-worker.running, worker.name, worker.id))
    return [
        (
            worker.name,
            ",".join(worker.queues),
            str(worker.running),
            str(worker.slots),
            state_of_worker(worker, seen.now),
            f"{span(seen.now - worker.seen)} ago",
            worker.id,
        )
        for worker in busiest
    ]


def running_rows(seen: Look) -> list[tuple[str, ...]]:
    """Return the columns of `RUNNING`, the longest first."""
    names = {worker.id: worker.name for worker in seen.workers}
    return [
        (
            span(max(0.0, seen.now - (record.started or seen.now))),
            record.message.name,
            record.message.queue,
            f"{record.outside}, revoked" if record.cancelled else record.outside,
            str(record.fence),
            names.get(record.worker, record.worker),
            record.id,
        )
        for record in seen.running
    ]


def frame(seen: Look, where: str) -> list[str]:
    """Draw everything as text."""
    lines = [headline(seen, where), "", *table(QUEUES, queue_rows(seen))]
    for head, rows in ((WORKERS, worker_rows(seen)), (RUNNING, running_rows(seen))):
        lines += ["", *table(head, rows)] if rows else []
    return lines


def _tell_json(session: Session, seen: Look) -> None:
    for worker in seen.workers:
        session.emit(of_worker(worker, seen.now))
    for queue in seen.queues:
        session.emit(of_queue(queue, seen.now))
    for record in seen.running:
        session.emit({"kind": "running", **of_running(record, seen.now), "worker": record.worker})
    for series in (seen.statistics.total, *seen.statistics.series.values()):
        step = seen.statistics.step
        session.emit({"kind": "total", "key": series.key or None, "step": step, **of_point(series.total)})
