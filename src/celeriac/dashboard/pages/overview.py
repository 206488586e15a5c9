"""The first page: what is wrong comes first; then how much there is to do, who does it, what failed last."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

import msgspec

from celeriac.broker import QueueInfo, WorkerInfo
from celeriac.dashboard import charts, figures
from celeriac.dashboard.charts import Chart
from celeriac.dashboard.figures import SPANS, Rates, span_of
from celeriac.dashboard.pages.dead import Group, counted
from celeriac.dashboard.pages.queues import QueueRow, queues_of, rows_of
from celeriac.dashboard.visit import Page, Visit
from celeriac.findings import Severity
from celeriac.statistics import Series

WORST: Final = 5
FAILURES: Final = 200  # of the newest, to be grouped
GROUPS: Final = 5


class Verdict(msgspec.Struct, frozen=True):
    """One thing that is wrong, or that all is well. *command*: what may help, for the terminal."""

    severity: str
    code: str
    text: str
    remedy: str
    command: str


class OverviewView(msgspec.Struct, frozen=True):
    """All at a glance.

    Attributes:
        verdicts: what is wrong, the worst first; else one that says that nothing is. more: how many others.
        failures: the newest, in groups of the same kind.
        span: how far back the charts go: hour, day or week. rates: of the last five minutes.
        sparks: the numbers over the last hour, as ways of lines.
    """

    verdicts: list[Verdict]
    more: int
    waiting: int
    running: int
    scheduled: int
    workers: int
    slots: int
    queues: list[QueueRow]
    failures: list[Group]
    more_failures: bool
    span: str
    rates: Rates
    sparks: dict[str, str]
    charts: tuple[Chart, ...]


def look(visit: Visit) -> OverviewView:
    """Look at everything a little."""
    app = visit.app
    queues, workers = queues_of(visit), app.broker.workers(visit.now)
    rows = rows_of(queues, workers)
    found = _verdicts(visit, queues, workers)
    groups, more = visit.site.remembered.of("newest failures", lambda: _failures(visit))
    waiting, slots = sum(row.queued for row in rows), sum(worker.slots for worker in workers)
    running = sum(row.running for row in rows)
    if not found:
        text = _well(visit, len(workers), waiting)
        found = [Verdict("ok", "ok", text, "", "")]
    span, say = span_of(visit.query.get("span", "")), visit.site.say
    hour = visit.site.figures.of(app, SPANS["hour"]).total
    series = visit.site.figures.of(app, span).total
    return OverviewView(
        verdicts=found[:WORST],
        more=max(0, len(found) - WORST),
        waiting=waiting,
        running=running,
        scheduled=sum(row.scheduled for row in rows),
        workers=len(workers),
        slots=slots,
        queues=rows,
        failures=groups,
        more_failures=more,
        span=span.key,
        rates=figures.rates(hour.points),
        sparks=_sparks(hour),
        charts=tuple(make(say, span, series) for make in (figures.ended, figures.waits, figures.depth)),
    )


def _well(visit: Visit, workers: int, waiting: int) -> str:
    say = visit.site.say
    counted = {
        "workers": say("overview.well.workers", n=workers),
        "tasks": say("overview.well.tasks", n=f"{waiting:,}"),
    }
    return say("overview.well", **counted)


def _sparks(hour: Series) -> dict[str, str]:
    points = hour.points
    return {
        "waiting": charts.spark([point.queued for point in points]),
        "running": charts.spark([point.running for point in points]),
        "finished": charts.spark([point.ended for point in points[:-1]]),
        "failed": charts.spark([point.failed for point in points[:-1]]),
    }


def _verdicts(visit: Visit, queues: Sequence[QueueInfo], workers: Sequence[WorkerInfo]) -> list[Verdict]:
    findings = visit.site.checkup.findings(visit.app, queues, workers)
    bad = sorted((one for one in findings if one.severity > Severity.OK), key=lambda one: -one.severity)
    return [
        Verdict(
            one.severity.word,
            one.code,
            one.text,
            one.remedy,
            one.command or (" ".join(("celeriac", *one.attempt)) if one.attempt else ""),
        )
        for one in bad
    ]


def _failures(visit: Visit) -> tuple[list[Group], bool]:
    found = visit.app.dead.find()
    groups: dict[str, Group] = {}
    for dead in islice(found, FAILURES):
        counted(groups, dead, visit)
    ordered = sorted(groups.values(), key=lambda group: -group.last)
    return ordered[:GROUPS], len(ordered) > GROUPS or next(found, None) is not None


PAGES: Final = (Page("/", "overview.html", look, "overview", api="/overview"),)
ACTIONS: Final = ()
