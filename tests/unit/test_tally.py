"""Tallies: merging does not depend on the order, and what is written is read again."""

import random
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celeriac.tally import (
    BOUNDS,
    BUCKETS,
    LEVELS,
    NAMES,
    OTHER,
    PLACES,
    QUEUED,
    RUN,
    SUCCEEDED,
    WAIT,
    begin,
    read,
    row_for,
    sum_of,
    written,
)

numbers = st.dictionaries(st.integers(0, PLACES - 1), st.integers(1, 10**15), max_size=8)
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine


def test_bounds_rise_evenly_from_a_millisecond_to_six_hours():
    ratios = [longer / shorter for shorter, longer in pairwise(BOUNDS)]

    assert (BOUNDS[0], BOUNDS[-1], len(BOUNDS)) == (0.001, 21_600.0, BUCKETS - 1)
    assert min(ratios) > 1.85
    assert max(ratios) < 1.97


def test_no_two_things_have_the_same_place():
    assert WAIT + BUCKETS <= RUN
    assert LEVELS.stop <= WAIT


@unhurried
@given(st.lists(numbers, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_merging_does_not_matter(all_numbers: list[dict[int, int]], chance: random.Random):
    shuffled = list(all_numbers)
    chance.shuffle(shuffled)

    assert sum_of(all_numbers) == sum_of([sum_of(shuffled[:2]), *shuffled[2:]])


@unhurried
@given(numbers)
def test_what_is_written_is_read(given_numbers):
    assert read(written(given_numbers)) == given_numbers


@pytest.mark.parametrize("damaged", ["", "nonsense", "1:", ":3", "1:-4", "99:1", "١:٢x", "1:2:3:4 \x00"])
def test_what_is_damaged_is_left_out(damaged):
    assert all(place < PLACES and number >= 0 for place, number in read(damaged).items())


def test_levels_do_not_add_up():
    assert sum_of([{QUEUED: 3, SUCCEEDED: 3}, {QUEUED: 2, SUCCEEDED: 2}]) == {QUEUED: 3, SUCCEEDED: 5}


def test_a_bucket_begins_at_a_multiple_of_its_step():
    assert [begin(125.9), begin(3_725.0, 3_600), begin(59.0)] == [120, 3_600, 0]


@pytest.mark.parametrize(
    ("rows", "row"),
    [(0, ("q", "n")), (NAMES - 1, ("q", "n")), (NAMES, ("q", OTHER)), (2 * NAMES, (OTHER, OTHER))],
)
def test_the_fuller_a_bucket_the_coarser_its_rows(rows, row):
    assert row_for("q", "n", rows) == row


def test_levels_of_a_queue_never_become_those_of_a_name():
    assert [row_for("q", "", NAMES), row_for("q", "", 2 * NAMES)] == [("q", ""), (OTHER, "")]
