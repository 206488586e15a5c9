"""Speed, time left and silence: what the reports of a task promise, whatever they are."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac.pace import CALM, PATIENCE, TOLERANCE, Pace, rounded, span, time_left

moments = st.lists(st.floats(0, 1e6), min_size=1, max_size=40).map(sorted)
anything = st.one_of(
    st.none(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**53), 2**53)
)


def steady(pace: Pace, *, steps: int, every: float, start: float = 0.0) -> float:
    """Report one step after the other; return when the last was."""
    for step in range(steps):
        pace.report(step, start + step * every)
    return start + (steps - 1) * every


@given(every=st.floats(0.05, 3_600), steps=st.integers(120, 200), more=st.integers(1, 1_000))
def test_of_a_steady_task_the_time_left_is_what_it_will_take(every, steps, more):
    pace = Pace()

    now = steady(pace, steps=steps, every=every)

    assert pace.rate == pytest.approx(1 / every)
    assert pace.left(steps - 1 + more, now) == pytest.approx(more * every)


@given(at=moments, currents=st.lists(anything, min_size=1, max_size=40), total=anything)
def test_whatever_is_reported_a_guess_is_a_number_of_seconds_or_none(at, currents, total):
    pace = Pace()

    for now, current in zip(at, currents, strict=False):
        pace.report(current, now)
        left, rate = pace.left(total, now), pace.rate

        assert left is None or (left >= 0 and math.isfinite(left))
        assert rate is None or (rate > 0 and math.isfinite(rate))
        assert pace.silence(now) == 0


@pytest.mark.parametrize(
    ("reports", "every", "known"), [(2, 100.0, False), (3, 2.4, False), (3, 2.5, True), (40, 0.1, False)]
)
def test_nothing_is_guessed_before_three_reports_and_five_seconds(reports, every, known):
    pace = Pace()

    now = steady(pace, steps=reports, every=every)

    assert (pace.left(1_000, now) is not None) is known


@given(gaps=st.lists(st.floats(0.01, 20), min_size=10, max_size=60), look=st.floats(0.05, 0.9))
def test_a_guess_counts_down_and_is_replaced_only_if_it_was_wrong_and_once_a_second(gaps, look):
    pace, now, replaced = Pace(), 0.0, -math.inf
    shown = None

    for step, gap in enumerate(gaps):
        pace.report(step, now)
        for moment in (now, now + gap * look):
            left = pace.left(1_000, moment)
            if left is None:
                continue
            expected = None if shown is None else max(0.0, shown[0] - (moment - shown[1]))
            if expected is None or left != pytest.approx(expected):
                assert moment - replaced >= CALM
                assert expected is None or abs(left - expected) > TOLERANCE * expected * 0.999
                replaced = moment
            shown = left, moment
        now += gap


def test_a_task_that_speeds_up_is_believed_after_a_while():
    pace = Pace()
    now = steady(pace, steps=20, every=10.0)

    for step in range(200):
        pace.report(20 + step, now + 1 + step)

    assert pace.rate == pytest.approx(1.0, rel=0.1)


def test_a_task_that_goes_back_begins_anew():
    pace = Pace()
    now = steady(pace, steps=20, every=10.0)

    pace.report(0, now + 1)

    assert pace.rate is None
    assert pace.left(100, now + 1) is None


def test_of_what_is_done_or_has_no_end_nothing_is_left():
    pace = Pace()

    now = steady(pace, steps=20, every=1.0)

    assert [pace.left(total, now) for total in (None, 19, 5, -1)] == [None] * 4


@given(gap=st.floats(0.01, 1_000), more=st.floats(0, 10_000))
def test_silence_is_longer_than_half_a_minute_and_than_five_usual_gaps(gap, more):
    pace = Pace()
    now = steady(pace, steps=5, every=gap)

    silence = pace.silence(now + more)

    if more > max(PATIENCE, 5 * gap) * 1.001:
        assert silence == pytest.approx(more, abs=1e-6)
    elif more < max(PATIENCE, 5 * gap) * 0.999:
        assert silence == 0


def test_who_has_said_nothing_yet_is_not_silent():
    assert Pace().silence(1e9) == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (3.4, "3 s"), (9.6, "10 s"), (12, "10 s"), (13, "15 s"), (56, "55 s"), (58, "1 min"),
        (100, "2 min"), (3_500, "58 min"), (3_590, "1 h"), (4_700, "1 h 20 min"), (40_000, "11 h"),
        (200_000, "2 d"),
    ],
)  # fmt: skip
def test_a_guess_is_written_coarsely(seconds, text):
    assert rounded(seconds) == text


@given(st.floats(0, 1e9))
def test_a_coarse_span_is_near_the_truth_and_has_two_units_at_most(seconds):
    words = rounded(seconds).split()
    units = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}

    told = sum(int(number) * units[unit] for number, unit in zip(words[::2], words[1::2], strict=True))

    assert len(words) <= 4
    assert abs(told - seconds) <= max(0.5, 0.26 * seconds)


@pytest.mark.parametrize(("seconds", "text"), [(None, ""), (0.5, "a moment left"), (170, "about 3 min left")])
def test_the_time_left_in_words(seconds, text):
    assert time_left(seconds) == text


def test_a_span_that_is_known_is_written_exactly():
    assert span(130) == "2 min 10 s"
