"""The charts of the dashboard: what was counted in the last hour, day or week, read at most so often."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from celeriac.dashboard import charts, shown
from celeriac.dashboard.charts import Chart, Values
from celeriac.statistics import Point, Series, Spread, Statistics

if TYPE_CHECKING:
    from celeriac.app import Celeriac

Say = Callable[..., str]
MOST: Final = 64  # answers that are remembered
RECENT: Final = 5  # minutes


class Span(msgspec.Struct, frozen=True):
    """How far back charts go: *seconds* in steps of *step*; what was read stays good for *fresh* seconds."""

    key: str
    seconds: int
    step: int
    fresh: float


SPANS: Final = {
    "hour": Span("hour", 3_600, 60, 2.0),
    "day": Span("day", 86_400, 1_800, 15.0),
    "week": Span("week", 7 * 86_400, 10_800, 60.0),
}


def span_of(text: str) -> Span:
    """Return the span of time that an address names; an hour otherwise."""
    return SPANS.get(text, SPANS["hour"])


class Figures:
    """Asks for statistics, however many look, once in a while. May be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Any, ...], tuple[float, Statistics]] = OrderedDict()

    def of(
        self,
        app: Celeriac,
        span: Span,
        *,
        by: Literal["queue", "name"] | None = None,
        queue: str | None = None,
        name: str | None = None,
    ) -> Statistics:
        """Return what `app.stats` does for *span*, not older than that allows."""
        key, now = (span.key, by, queue, name), app.clock.now()
        with self._lock:
            at, found = self._known.get(key, (0.0, None))
        if found is not None and 0 <= now - at < span.fresh:
            return found
        since = timedelta(seconds=span.seconds)
        found = app.stats(since=since, step=span.step, by=by, queue=queue, name=name)
        with self._lock:
            self._known[key] = now, found
            self._known.move_to_end(key)
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return found


# --- charts ---------------------------------------------------------------------------------------------


class _Drawn(msgspec.Struct, frozen=True):
    """What all charts of one span have in common."""

    say: Say
    span: Span

    def chart(
        self,
        key: str,
        summary: str,
        points: Sequence[Point],
        named: Sequence[tuple[str, str, Values]],
        *,
        write: Callable[[float], str],
        whole: bool,
    ) -> Chart:
        """Draw lines."""
        series = [values for _, _, values in named]
        top = charts.ceiling(charts.highest(series), whole=whole)
        lines = charts.lines_of(named, top or 1.0)
        return self.around(key, summary, points, lines, series, top=top, write=write)

    def around(
        self,
        key: str,
        summary: str,
        points: Sequence[Point],
        lines: tuple[charts.Line, ...],
        series: Sequence[Values],
        *,
        top: float,
        write: Callable[[float], str],
        kind: str = "lines",
    ) -> Chart:
        """Put title, scale and table around what was drawn."""
        moments = [point.moment.timestamp() for point in points]
        return Chart(
            key=key,
            title=self.say(f"charts.{key}.title", step=self.say(f"charts.step.{self.span.key}")),
            summary=summary,
            kind=kind,
            lines=lines,
            top=write(top) if top else "",
            middle=write(top / 2) if top else "",
            ticks=self.ticks(),
            rows=charts.rows_of(moments, series, write),
        )

    def ticks(self) -> tuple[str, ...]:
        """Say what stands below a chart."""
        ago = (shown.span(self.span.seconds * part / 4) for part in (4, 3, 2, 1))
        return (*(self.say("charts.ago", span=each) for each in ago), self.say("charts.now"))

    def says(self, key: str, none: bool, **values: object) -> str:
        """Say a chart in one sentence; the numbers are written as people read them."""
        within = self.say(f"charts.in.{self.span.key}")
        if none:
            return self.say(f"charts.{key}.none", span=within)
        texts = {name: shown.number(value) for name, value in values.items()}
        return self.say(f"charts.{key}.summary", span=within, **texts)


def ended(say: Say, span: Span, series: Series) -> Chart:
    """Draw how many tasks ended, and with what, as bars on each other."""
    drawn, points, total = _Drawn(say, span), series.points, series.total
    named = [
        ("succeeded", "good", [float(point.succeeded) for point in points]),
        ("failed", "bad", [float(point.failed) for point in points]),
        ("cancelled", "off", [float(point.cancelled) for point in points]),
    ]
    top = charts.ceiling(max((point.ended for point in points), default=0), whole=True)
    numbers = {"done": total.succeeded, "failed": total.failed, "cancelled": total.cancelled}
    return drawn.around(
        "ended",
        drawn.says("ended", not total.ended, n=total.ended, **numbers),
        points,
        charts.bars_of(named, top),
        [values for _, _, values in named] if total.ended else [[None] * len(points)] * len(named),
        top=top,
        write=_whole,
        kind="bars",
    )


def waits(say: Say, span: Span, series: Series) -> Chart:
    """Draw how long tasks waited for their start."""
    return _spread(say, span, series, "wait", lambda point: point.wait)


def runs(say: Say, span: Span, series: Series) -> Chart:
    """Draw how long runs took."""
    return _spread(say, span, series, "run", lambda point: point.run)


def _spread(say: Say, span: Span, series: Series, key: str, of: Callable[[Point], Spread]) -> Chart:
    drawn, spreads, whole = _Drawn(say, span), [of(point) for point in series.points], of(series.total)
    named: list[tuple[str, str, Values]] = [
        ("p99", "quiet", [spread.p99 for spread in spreads]),
        ("p95", "warn", [spread.p95 for spread in spreads]),
        ("p50", "active", [spread.p50 for spread in spreads]),
    ]
    summary = drawn.says(
        key,
        not whole.count,
        n=whole.count,
        p50=shown.span(whole.p50 or 0.0),
        p95=shown.span(whole.p95 or 0.0),
        p99=shown.span(whole.p99 or 0.0),
    )
    return drawn.chart(key, summary, series.points, named, write=shown.span, whole=False)


def depth(say: Say, span: Span, series: Series) -> Chart:
    """Draw how many tasks were queued, running and scheduled."""
    drawn, points, total = _Drawn(say, span), series.points, series.total
    named: list[tuple[str, str, Values]] = [
        ("scheduled", "quiet", [point.scheduled for point in points]),
        ("running", "active", [point.running for point in points]),
        ("queued", "warn", [point.queued for point in points]),
    ]
    summary = drawn.says("depth", total.queued is None, n=total.queued or 0, m=total.running or 0)
    return drawn.chart("depth", summary, points, named, write=_whole, whole=True)


def _whole(number: float) -> str:
    return f"{round(number):,}"


# --- numbers --------------------------------------------------------------------------------------------


class Rates(msgspec.Struct, frozen=True):
    """How many tasks ended and failed a minute, on average over the last few."""

    finished: float
    failed: float


def rates(points: Sequence[Point]) -> Rates:
    """Return the rates of the last minutes of *points*, of which each is a minute."""
    last = points[-RECENT:]
    minutes = sum(point.seconds for point in last) / 60
    if minutes <= 0:
        return Rates(0.0, 0.0)
    done, failed = sum(point.ended for point in last), sum(point.failed for point in last)
    return Rates(round(done / minutes, 1), round(failed / minutes, 1))


class Drain(msgspec.Struct, frozen=True):
    """When a queue will be empty. *code*: `empty`, `paused`, `unknown`, `growing`, `steady` or `span`."""

    code: str
    seconds: float | None = None
    growth: float = 0.0  # tasks a minute


def drain(points: Sequence[Point], queued: int, *, paused: bool, now: float) -> Drain:
    """Say when a queue with *queued* tasks will be empty, if it goes on as in the last ten minutes."""
    if not queued:
        return Drain("empty")
    if paused:
        return Drain("paused")
    known = [point for point in points[-11:-1] if point.queued is not None]
    if len(known) < 2:
        return Drain("unknown")
    first = known[0]
    elapsed = now - first.moment.timestamp()
    growth = (queued - (first.queued or 0)) / elapsed * 60 if elapsed > 0 else 0.0
    if abs(growth) * elapsed / 60 < max(1.0, 0.01 * queued):
        return Drain("steady")
    if growth > 0:
        return Drain("growing", growth=round(growth, 1))
    return Drain("span", seconds=queued / -growth * 60, growth=round(growth, 1))
