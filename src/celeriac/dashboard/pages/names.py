"""Types of tasks, by their names: how many ended, how many failed, how long they take; each over time."""

from __future__ import annotations

from typing import Final

import msgspec

from celeriac.clock import as_datetime
from celeriac.dashboard import charts, figures
from celeriac.dashboard.charts import Chart
from celeriac.dashboard.figures import Span, span_of
from celeriac.dashboard.pages.tasks import TaskRow, row_of
from celeriac.dashboard.visit import Page, Visit
from celeriac.filters import Filter, Term
from celeriac.statistics import Point, Series
from celeriac.tally import NAMES

LATEST: Final = 25


class NameRow(msgspec.Struct, frozen=True):
    """A type of task.

    Attributes:
        ended, failed, retried: how many in the span of time. rate: how many ended a minute.
        share: how many of a hundred that ended had failed; None where none ended.
        p50, p95: of its runs. wait: the p95 of its waiting. Seconds; None where nothing was counted.
        spark: how many ended over time, as the way of a line.
    """

    name: str
    ended: int
    failed: int
    retried: int
    rate: float
    share: float | None
    p50: float | None
    p95: float | None
    wait: float | None
    spark: str


class NamesView(msgspec.Struct, frozen=True):
    """All types of tasks that were counted, or that live workers know."""

    names: list[NameRow]
    span: str


class NameView(msgspec.Struct, frozen=True):
    """One type of task. *tasks*: the latest. *query*: the filter that means all."""

    name: NameRow
    span: str
    charts: tuple[Chart, ...]
    tasks: list[TaskRow]
    query: str


def look(visit: Visit) -> NamesView:
    """Look at all types of tasks."""
    span = span_of(visit.query.get("span", ""))
    found = visit.site.figures.of(visit.app, span, by="name").series
    rows = [_row(name, series.total, series) for name, series in found.items() if name]
    known = {name for worker in visit.app.broker.workers(visit.now) for name in worker.names}
    idle = sorted(known - found.keys())[: max(0, NAMES - len(rows))]
    rows += [_row(name, Point(as_datetime(visit.now), span.seconds)) for name in idle]
    return NamesView(sorted(rows, key=lambda row: (-row.ended, row.name)), span.key)


def _row(name: str, total: Point, series: Series | None = None) -> NameRow:
    ended = [] if series is None else [point.ended for point in series.points[:-1]]
    return NameRow(
        name=name,
        ended=total.ended,
        failed=total.failed,
        retried=total.retried,
        rate=round(60 * total.throughput, 2),
        share=round(100 * total.failed / total.ended, 1) if total.ended else None,
        p50=total.run.p50,
        p95=total.run.p95,
        wait=total.wait.p95,
        spark=charts.spark(ended) if total.ended else "",
    )


def look_at_one(visit: Visit) -> NameView:
    """Look at the type of task that the address names."""
    name, span = visit.named(visit.query), span_of(visit.query.get("span", ""))
    query = str(Filter((Term("name", (name,)),)))
    series = visit.site.figures.of(visit.app, span, name=name).total
    found = visit.app.search(query, count=LATEST)
    return NameView(
        name=_row(name, series.total, series),
        span=span.key,
        charts=_charts(visit, span, series),
        tasks=[row_of(task.redacted(visit.site.hiding.keys), visit.now) for task in found.tasks],
        query=query,
    )


def _charts(visit: Visit, span: Span, series: Series) -> tuple[Chart, ...]:
    makers = (figures.ended, figures.runs, figures.waits)
    return tuple(make(visit.site.say, span, series) for make in makers)


PAGES: Final = (
    Page("/names", "names.html", look, "names", every=2.0),
    Page("/name", "name.html", look_at_one, "names"),
)
ACTIONS: Final = ()
