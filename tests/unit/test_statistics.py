"""Statistics as points: steps, sums, levels, and percentiles that are true to within a bucket."""

from bisect import bisect_left
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from celeriac import Celeriac
from celeriac.clock import ManualClock
from celeriac.errors import ConfigurationError
from celeriac.statistics import percentile, statistics_of, steps_of
from celeriac.tally import (
    BOUNDS,
    BUCKETS,
    DAY,
    EXPIRED,
    FAILED,
    HOUR,
    MINUTE,
    QUEUED,
    RAN,
    RUN,
    RUNNING,
    SCHEDULED,
    STARTED,
    SUCCEEDED,
    Tally,
    begin,
)

NOW = 1_700_000_000.0
START = begin(NOW - HOUR)


def histogram(values):
    buckets = [0] * BUCKETS
    for value in values:
        buckets[bisect_left(BOUNDS, value)] += 1
    return buckets


def made(tallies, **given):
    return statistics_of(tallies, **{"since": START, "until": START + 3 * MINUTE, "step": MINUTE, **given})


# --- percentiles --------------------------------------------------------------------------------------

seconds = st.floats(1e-5, 30_000.0)
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
shares = st.floats(0.01, 1.0)


@unhurried
@given(st.lists(seconds, min_size=1, max_size=60), shares)
def test_a_percentile_lies_in_the_bucket_of_the_true_one(values, share):
    values.sort()
    rank = share * len(values)
    assume(rank == int(rank) or abs(rank - round(rank)) > 1e-9)
    true = values[max(0, -int(-rank // 1) - 1)]

    found = percentile(histogram(values), share)

    bucket = bisect_left(BOUNDS, true)
    lower = BOUNDS[bucket - 1] if bucket else 0.0
    upper = BOUNDS[bucket] if bucket < len(BOUNDS) else lower
    assert lower <= found <= upper


@unhurried
@given(st.lists(st.integers(0, 1_000), min_size=BUCKETS, max_size=BUCKETS), shares, shares)
def test_a_larger_share_never_took_less_time(buckets, one, other):
    assume(any(buckets))
    less, more = sorted((one, other))

    assert percentile(buckets, less) <= percentile(buckets, more)


def test_of_nothing_there_is_no_percentile():
    assert percentile([0] * BUCKETS, 0.5) is None


def test_what_took_longer_than_the_last_bound_counts_as_that():
    assert percentile(histogram([1e6]), 0.99) == BOUNDS[-1]


# --- points -------------------------------------------------------------------------------------------


def test_counts_of_a_minute_are_one_point_and_there_are_no_gaps():
    tallies = [
        Tally(START, "a", "x", {STARTED: 3, SUCCEEDED: 2, FAILED: 1}),
        Tally(START, "b", "x", {STARTED: 1, SUCCEEDED: 1}),
        Tally(START + 2 * MINUTE, "a", "y", {STARTED: 6, SUCCEEDED: 6}),
    ]

    found = made(tallies)

    assert [(point.succeeded, point.failed) for point in found.total.points] == [(3, 1), (0, 0), (6, 0)]
    assert (found.total.total.ended, found.total.total.started) == (10, 10)
    assert found.total.points[2].throughput == 0.1
    assert found.series == {}


def test_each_queue_or_name_has_a_series_of_its_own():
    tallies = [
        Tally(START, "a", "x", {SUCCEEDED: 2}),
        Tally(START, "b", "x", {SUCCEEDED: 3}),
        Tally(START, "", "", {EXPIRED: 1}),
    ]

    queues, names = made(tallies, by="queue"), made(tallies, by="name")

    assert {key: series.total.succeeded for key, series in queues.series.items()} == {"a": 2, "b": 3}
    assert {key: series.total.succeeded for key, series in names.series.items()} == {"x": 5}
    assert queues.total.total.expired == names.total.total.expired == 1


def test_only_a_queue_or_a_name_can_be_asked_for():
    tallies = [Tally(START, queue, name, {SUCCEEDED: 1}) for queue in "ab" for name in "xy"]

    assert made(tallies, queue="a").total.total.succeeded == 2
    assert made(tallies, queue="a", name="y").total.total.succeeded == 1
    assert made(tallies, queue="none").total.total.succeeded == 0


def test_levels_of_queues_add_up_and_of_moments_the_highest_counts():
    tallies = [
        Tally(START, "a", "", {QUEUED: 5, SCHEDULED: 1}),
        Tally(START, "b", "", {QUEUED: 2}),
        Tally(START + MINUTE, "a", "", {QUEUED: 6, RUNNING: 1}),
    ]

    found = made(tallies, by="queue")

    assert [point.queued for point in found.total.points] == [7, 6, None]
    assert (found.total.total.queued, found.series["a"].total.queued) == (7, 6)
    assert made(tallies, step=3 * MINUTE, since=begin(START, 3 * MINUTE)).total.points[0].queued is not None


def test_a_name_has_no_depth():
    tallies = [Tally(START, "a", "", {QUEUED: 5}), Tally(START, "a", "x", {SUCCEEDED: 1})]

    assert made(tallies, by="name").series["x"].total.queued is None


def test_the_mean_of_runs_is_exact_and_the_percentiles_lie_in_their_bucket():
    place = RUN + bisect_left(BOUNDS, 1.0)
    [point, *_] = made([Tally(START, "a", "x", {RAN: 3_000_000, place: 3})]).total.points

    assert (point.run.count, point.run.mean) == (3, 1.0)
    assert 0.662 < point.run.p50 < point.run.p95 < point.run.p99 <= 1.27
    assert (point.wait.count, point.wait.mean, point.wait.p50) == (0, None, None)


def test_what_lies_outside_of_the_span_is_left_out():
    tallies = [Tally(START + at * MINUTE, "a", "x", {SUCCEEDED: 1}) for at in (-1, 0, 2, 3)]

    assert made(tallies).total.total.succeeded == 2


# --- steps --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ago", "step", "seconds"),
    [
        (HOUR, None, MINUTE),
        (DAY, None, 15 * MINUTE),
        (2 * DAY, None, 30 * MINUTE),
        (7 * DAY, None, HOUR),
        (90 * DAY, None, DAY),
        (399 * DAY, None, 7 * DAY),
        (HOUR, 61, 2 * MINUTE),
        (3 * DAY, MINUTE, HOUR),
        (40 * DAY, timedelta(hours=25), 2 * DAY),
    ],
)
def test_steps_suit_the_span_and_are_no_finer_than_what_is_kept(ago, step, seconds):
    first, found = steps_of(NOW - ago, NOW, NOW, step)

    assert found == seconds
    assert first % seconds == 0
    assert 0 <= NOW - ago - first < seconds


@pytest.mark.parametrize(
    ("since", "step", "says"),
    [
        (NOW + 1, None, "need a span"),
        (NOW - HOUR, 0, "a step is some seconds"),
        (NOW - HOUR, -5, "a step is some seconds"),
        (NOW - HOUR, float("nan"), "a step is some seconds"),
        (0.0, DAY, "are more than 3,000 points"),
    ],
)
def test_a_span_that_makes_no_sense_is_refused(since, step, says):
    with pytest.raises(ConfigurationError, match=says):
        steps_of(since, NOW, NOW, step)


# --- app.stats ----------------------------------------------------------------------------------------


@pytest.fixture
def app():
    with Celeriac("counted", broker="memory://", clock=ManualClock(NOW), set_as_current=False) as app:
        minute = begin(NOW - 5 * MINUTE)
        app.broker.count("t", 1, [Tally(minute, "mail", "send", {SUCCEEDED: 4, FAILED: 1})], NOW)
        yield app


def test_an_application_tells_its_statistics_of_the_last_hour(app):
    found = app.stats(by="queue")

    assert (found.step, len(found.total.points)) == (MINUTE, 61)
    assert (found.series["mail"].total.succeeded, found.series["mail"].total.failed) == (4, 1)
    assert app.stats(since=timedelta(minutes=3)).total.total.ended == 0
    assert app.stats(since=NOW - DAY, name="send").total.total.ended == 5


async def _asked(app):
    return await app.astats(by="name")


def test_the_async_twin_tells_the_same(app):
    import asyncio

    assert asyncio.run(_asked(app)) == app.stats(by="name")


def test_a_wrong_by_is_refused(app):
    with pytest.raises(ConfigurationError, match="'queue' or by 'name'"):
        app.stats(by="worker")
