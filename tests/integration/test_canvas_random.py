"""Random shapes with failures and retries come to what a plain evaluation in memory says."""

import random
from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celeriac import Celeriac, chain, chord, group
from celeriac.states import State
from tests.waiting import wait_until

SOON = 30.0
SHAPES = 40  # on each store


class Leaf(NamedTuple):
    """One task: its number, and what it does: return, fail, or return in its second run."""

    number: int
    fate: str


class Chain(NamedTuple):
    steps: list


class Group(NamedTuple):
    members: list


class Chord(NamedTuple):
    header: list
    body: object


class Failed(Exception):
    """The evaluation came to a failure."""


def a_shape(chance: random.Random, deep: int, numbers: list):
    kind = chance.choice(("leaf", "leaf", "chain", "group", "chord")) if deep else "leaf"
    if kind == "leaf":
        numbers.append(len(numbers))
        return Leaf(numbers[-1], chance.choices(("return", "fail", "retry"), (12, 1, 2))[0])
    parts = [a_shape(chance, deep - 1, numbers) for _ in range(chance.randint(1, 3))]
    if kind == "chain":
        return Chain(parts)
    return Group(parts) if kind == "group" else Chord(parts, a_shape(chance, deep - 1, numbers))


# --- the plain evaluation -----------------------------------------------------------------------------


def is_many(shape):
    """Say whether a shape comes to a list of results, which a group around it takes apart."""
    match shape:
        case Group():
            return True
        case Chain(steps):
            return is_many(steps[-1])
        case Chord(_, body):
            return is_many(body)
    return False


def value_of(shape, given, ran):
    """Return what *shape* comes to; count in *ran* how often each leaf runs."""
    match shape:
        case Leaf(number, fate):
            ran[number] += 2 if fate == "retry" else 1
            if fate == "fail":
                raise Failed
            return [number, given]
        case Chain(steps):
            for step in steps:
                given = value_of(step, given, ran)
            return given
        case Group(members):
            return values_of(members, given, ran)
        case Chord(header, body):
            return value_of(body, values_of(header, given, ran), ran)


def values_of(members, given, ran):
    values, failed = [], False
    for member in members:  # the others run, whatever becomes of one
        try:
            value = value_of(member, given, ran)
            values += value if is_many(member) else [value]
        except Failed:
            failed = True
    if failed:
        raise Failed
    return values


def signature_of(shape, leaf):
    match shape:
        case Leaf(number, fate):
            return leaf.s(number, fate)
        case Chain(steps):
            return chain(*(signature_of(step, leaf) for step in steps))
        case Group(members):
            return group(*(signature_of(member, leaf) for member in members))
        case Chord(header, body):
            return chord([signature_of(member, leaf) for member in header], signature_of(body, leaf))


# --- the two beside each other --------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.redis)])
def running(request, tmp_path_factory):
    """An application with a worker, its only task, and how often that ran with which number."""
    urls = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path_factory.mktemp('random')}/random.db"}
    url = urls.get(request.param) or request.getfixturevalue("integration_redis").url
    ran: Counter = Counter()
    with Celeriac(f"random-{request.param}", broker=url) as app:

        @app.task(bind=True)
        def leaf(self, given, number, fate=None):
            if fate is None:  # it stands first: nothing was given
                given, number, fate = None, given, number
            ran[number] += 1
            if fate == "fail":
                raise ValueError(f"leaf {number}")
            if fate == "retry" and self.request.retries == 0:
                raise self.retry(countdown=0)
            return [number, given]

        with app.embedded():
            yield app, leaf, ran


@settings(max_examples=SHAPES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_a_random_shape_comes_to_what_it_should(running, seed):
    app, leaf, ran = running
    shape = a_shape(random.Random(seed), 3, [])
    expected: Counter = Counter()
    try:
        value, failed = value_of(shape, None, expected), False
    except Failed:
        value, failed = None, True
    ran.clear()

    result = signature_of(shape, leaf).delay()

    if failed:
        with pytest.raises(Exception, match=r"leaf \d+"):
            result.get(timeout=SOON)
    else:
        assert result.get(timeout=SOON) == value
    wait_until(lambda: not app.broker.queues(), SOON, what="the end of everything")
    assert ran == expected


@settings(
    max_examples=SHAPES // 2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32))
def test_revoking_a_part_of_a_random_shape_leaves_nothing_behind(running, seed):
    app, leaf, ran = running
    chance = random.Random(seed)
    shape = chain(signature_of(a_shape(chance, 2, []), leaf), leaf.s(99, "return"))
    ran.clear()
    result = shape.delay()
    parts = [each for each in _before(result) if hasattr(each, "revoke")]

    chance.choice(parts).revoke()

    wait_until(lambda: not app.broker.queues(), SOON, what="the end of everything")
    [record] = app.broker.get([result.id])
    assert record.state.final
    assert ran[99] == (record.state is State.SUCCEEDED)


def _before(result):
    while result is not None:
        yield result
        result = result.parent
