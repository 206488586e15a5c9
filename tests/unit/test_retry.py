"""When a task is run again, and how long that takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac.retry import DEFAULT_DELAY, DEFAULT_MAX_RETRIES, RetryPolicy


def test_nothing_is_retried_unless_asked_for():
    assert not RetryPolicy().wants(ValueError())


def test_a_named_error_and_its_kinds_are_retried():
    policy = RetryPolicy(autoretry_for=(LookupError, OSError))

    assert policy.wants(KeyError("x"))
    assert policy.wants(ConnectionResetError())
    assert not policy.wants(ValueError())


def test_exceptions_from_the_rule_are_not_retried():
    policy = RetryPolicy(autoretry_for=(Exception,), dont_autoretry_for=(LookupError,))

    assert policy.wants(ValueError())
    assert not policy.wants(KeyError("x"))


@pytest.mark.parametrize(
    ("most", "limit", "retries", "allowed"),
    [
        (3, None, 0, True),
        (3, None, 2, True),
        (3, None, 3, False),
        (0, None, 0, False),
        (None, None, 10_000, True),
        (3, 5, 4, True),
        (3, 1, 1, False),
        (3, 0, 0, False),
        (None, 2, 2, False),
    ],
)
def test_so_many_retries_are_allowed_and_the_message_has_the_last_word(most, limit, retries, allowed):
    assert RetryPolicy(max_retries=most).allows(retries, limit) is allowed


def test_the_defaults_are_celerys():
    policy = RetryPolicy()

    assert (policy.max_retries, policy.delay) == (DEFAULT_MAX_RETRIES, DEFAULT_DELAY) == (3, 180.0)
    assert (policy.backoff, policy.backoff_max, policy.jitter) == (0.0, 600.0, True)


def test_without_backoff_the_delay_is_always_the_same():
    policy = RetryPolicy(delay=7.0)

    assert {policy.seconds(retries, chance=0.5) for retries in range(5)} == {7.0}


def test_a_backoff_doubles_until_its_longest():
    policy = RetryPolicy(backoff=2.0, backoff_max=20.0, jitter=False)

    assert [policy.seconds(retries, chance=0.5) for retries in range(6)] == [2, 4, 8, 16, 20, 20]


def test_jitter_takes_a_part_of_the_backoff():
    policy = RetryPolicy(backoff=8.0)

    assert [policy.seconds(0, chance) for chance in (0.0, 0.25, 1.0)] == [0.0, 2.0, 8.0]


@given(
    retries=st.integers(0, 10**9),
    chance=st.floats(0, 1),
    backoff=st.floats(0.001, 1e6),
    longest=st.floats(0.001, 1e6),
)
def test_a_backoff_is_never_negative_nor_longer_than_its_longest(retries, chance, backoff, longest):
    seconds = RetryPolicy(backoff=backoff, backoff_max=longest).seconds(retries, chance)

    assert 0.0 <= seconds <= longest
