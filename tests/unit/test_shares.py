"""Weights: how the claims of a worker are shared out among its queues."""

from collections import Counter

import pytest

from celeriac.worker.shares import Shares


class World:
    """Queues that are full, or not, and a worker that claims from them."""

    def __init__(self, **weights: int) -> None:
        self.shares = Shares(weights)
        self.waiting = dict.fromkeys(weights, 0)
        self.claimed: Counter[str] = Counter()

    def trip(self, want: int) -> None:
        order, claims = self.shares.order(), []
        for queue in order:
            count = min(self.waiting[queue], want - len(claims))
            self.waiting[queue] -= count
            claims += [queue] * count
        self.shares.count(order, claims, want)
        self.claimed.update(claims)


@pytest.mark.parametrize("want", [1, 3, 50])
def test_full_queues_get_claims_by_their_weights(want):
    world = World(high=6, middle=3, low=1)
    world.waiting = dict.fromkeys(world.waiting, 1_000_000)

    for _ in range(1_000):
        world.trip(want)

    total = world.claimed.total()
    shares = {queue: world.claimed[queue] / total for queue in world.waiting}
    assert shares == pytest.approx({"high": 0.6, "middle": 0.3, "low": 0.1}, abs=0.01)


def test_equal_shares_are_served_in_the_order_in_which_the_queues_were_named():
    assert Shares({"b": 1, "a": 1, "c": 1}).order() == ("b", "a", "c")


def test_an_empty_queue_leaves_its_share_to_the_others_by_their_weights():
    world = World(high=6, middle=3, low=1)
    world.waiting = {"high": 0, "middle": 10_000, "low": 10_000}

    for _ in range(1_000):
        world.trip(1)

    assert world.claimed["middle"] == pytest.approx(750, abs=2)
    assert world.claimed["low"] == pytest.approx(250, abs=2)


def test_a_queue_that_was_empty_for_long_has_saved_nothing_up():
    world = World(high=1, low=1)
    world.waiting = {"high": 0, "low": 10_000}
    for _ in range(1_000):
        world.trip(1)
    world.waiting["high"] = 10_000
    world.claimed.clear()

    for _ in range(100):
        world.trip(1)

    assert world.claimed["high"] == pytest.approx(50, abs=1)


def test_a_worker_that_has_been_idle_begins_anew():
    world = World(high=2, low=1)
    world.waiting = {"high": 0, "low": 7}
    for _ in range(10):
        world.trip(1)

    assert world.shares.order() == ("high", "low")
    world.waiting = {"high": 30, "low": 30}
    for _ in range(30):
        world.trip(1)
    assert world.claimed["high"] == pytest.approx(20, abs=1)


def test_a_trip_that_wanted_nothing_changes_nothing():
    shares = Shares({"high": 2, "low": 1})
    shares.count(shares.order(), ["high"], 1)
    before = shares.order()

    shares.count(before, [], 0)

    assert shares.order() == before == ("low", "high")
