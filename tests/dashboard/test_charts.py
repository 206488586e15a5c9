"""Charts: what is drawn is what was counted; scales, gaps, tables; when a queue will be empty."""

import re
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac.clock import ManualClock, as_datetime
from celeriac.dashboard import charts, figures
from celeriac.dashboard.figures import SPANS, Figures, span_of
from celeriac.dashboard.words import english
from celeriac.statistics import Point, statistics_of
from celeriac.tally import FAILED, QUEUED, RUN, RUNNING, SUCCEEDED, Tally

COUNTS = st.lists(st.integers(0, 10**6), max_size=60)


def bars(path):
    """The bars of a path: where each stands, and how high it is."""
    found = re.findall(r"M([\d.]+) ([\d.]+)V([\d.]+)h([\d.]+)V[\d.]+z", path)
    return [(float(x), float(lower), float(upper), float(width)) for x, lower, upper, width in found]


def minutes(*queued):
    """Points of which each is a minute; *queued* is how deep the queue was in each."""
    return [Point(as_datetime(60 * at), 60.0, queued=depth) for at, depth in enumerate(queued)]


@given(st.floats(1e-6, 1e12))
def test_a_scale_ends_at_a_round_number_that_is_not_far_off(most):
    top = charts.ceiling(most)

    assert most <= top * (1 + 1e-6)
    assert top <= most * 2.5 * (1 + 1e-6)


@given(st.integers(1, 10**9))
def test_half_of_a_scale_of_tasks_is_a_whole_number(most):
    top = charts.ceiling(most, whole=True)

    assert most <= top
    assert top / 2 == int(top / 2)


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_bars_stand_on_each_other_inside_the_picture(first, second):
    size = min(len(first), len(second))
    first, second = first[:size], second[:size]
    top = charts.ceiling(max((a + b for a, b in zip(first, second, strict=True)), default=0), whole=True)

    low, high = (bars(path) for path in charts.stacked([first, second], top))

    assert len(low) == sum(value > 0 for value in first)
    assert len(high) == sum(value > 0 for value in second)
    for x, lower, upper, width in (*low, *high):
        assert 0 <= upper <= lower <= charts.HEIGHT
        assert 0 <= x <= x + width <= charts.WIDTH


def test_a_line_is_broken_where_nothing_was_counted_and_a_lone_value_is_a_dot():
    path = charts.line([1, 1, None, 2, None, 0, 0], 2)

    assert path.count("M") == 3
    assert path.count("h") == 1
    assert path.endswith("100")


def test_nothing_counted_is_said_and_not_drawn_as_zero():
    total = statistics_of([], since=0, until=3_600, step=60).total

    made = [make(english, SPANS["hour"], total) for make in (figures.ended, figures.waits, figures.depth)]

    assert [chart.rows for chart in made] == [(), (), ()]
    assert {line.path for chart in made for line in chart.lines} == {""}
    assert [chart.top for chart in made] == ["", "", ""]
    assert made[0].summary == "No task ended in the last hour."


def test_a_chart_says_in_words_and_as_a_table_what_it_shows():
    counted = [
        Tally(60, "mail", "send", {SUCCEEDED: 1_200, FAILED: 3, RUN + 5: 10}),
        Tally(120, "mail", "send", {SUCCEEDED: 1}),
        Tally(120, "mail", "", {QUEUED: 40, RUNNING: 7}),
    ]
    total = statistics_of(counted, since=0, until=180, step=60).total

    ended = figures.ended(english, SPANS["hour"], total)
    depth = figures.depth(english, SPANS["hour"], total)
    runs = figures.runs(english, SPANS["hour"], total)

    assert ended.summary == "1,204 tasks ended in the last hour: 1,201 done, 3 failed, 0 cancelled."
    assert [row.cells for row in ended.rows] == [("1", "0", "0"), ("1,200", "3", "0"), ("0", "0", "0")]
    assert (ended.top, ended.middle) == ("2,000", "1,000")
    assert depth.summary == "The most tasks at once in the last hour: 40 queued, 7 running."
    assert [row.moment for row in depth.rows] == [120]
    assert runs.summary.startswith("Of 10 runs in the last hour half took no longer than 0.0")


# --- how fast a queue drains ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("queued", "paused", "code"), [(0, False, "empty"), (0, True, "empty"), (5, True, "paused")]
)
def test_a_queue_that_is_empty_or_paused_does_not_drain(queued, paused, code):
    assert figures.drain(minutes(*[9] * 12), queued, paused=paused, now=660).code == code


def test_the_time_to_drain_is_what_is_left_by_what_went_in_the_last_ten_minutes():
    points = minutes(*(1_100 - 50 * at for at in range(12)))

    left = figures.drain(points, 550, paused=False, now=660)

    assert left.code == "span"
    assert left.growth == pytest.approx(-50, abs=1)
    assert left.seconds == pytest.approx(660, rel=0.05)


def test_a_queue_that_grows_stands_still_or_is_new_has_no_time_to_drain():
    growing = figures.drain(minutes(*(10 * at for at in range(12))), 110, paused=False, now=660)
    steady = figures.drain(minutes(*[500] * 12), 501, paused=False, now=660)
    new = figures.drain(minutes(None, None, 5, 6), 5, paused=False, now=200)

    assert (growing.code, growing.growth > 0) == ("growing", True)
    assert steady.code == "steady"
    assert new.code == "unknown"


# --- how often the store is asked -------------------------------------------------------------------------


def test_however_many_look_the_store_is_asked_once_in_a_while(app, monkeypatch):
    app.clock, asked = ManualClock(), []
    stats = app.stats
    monkeypatch.setattr(app, "stats", lambda **options: asked.append(options) or stats(**options))
    kept = Figures()

    for _ in range(5):
        kept.of(app, SPANS["hour"])
        kept.of(app, SPANS["week"], by="name")
    app.clock.advance(SPANS["hour"].fresh)
    kept.of(app, SPANS["hour"])
    kept.of(app, SPANS["week"], by="name")

    assert [(each["since"], each["by"]) for each in asked] == [
        (timedelta(hours=1), None),
        (timedelta(days=7), "name"),
        (timedelta(hours=1), None),
    ]


def test_of_answers_that_nobody_asks_for_again_few_are_kept(app):
    kept = Figures()

    for at in range(figures.MOST + 10):
        kept.of(app, SPANS["hour"], queue=f"q{at}")

    assert len(kept._known) == figures.MOST


def test_a_span_that_there_is_not_is_an_hour():
    assert span_of("century").key == span_of("").key == "hour"
    assert figures.rates([]).finished == 0
