"""Bells of the Redis store: who is rung when workers die without a word."""

import pytest

from celeriac.brokers.redis import RedisBroker
from celeriac.clock import ManualClock
from celeriac.testing.contract.given import Courier, a_message, is_silent, rings


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def broker(redis_server):
    redis_server.flush()
    broker = RedisBroker(redis_server.url)
    yield broker
    broker.close()


@pytest.fixture
def idle(broker, clock):
    """Make workers that wait for work."""
    bells = []

    def idle(id: str):
        worker, bell = Courier(broker, clock, id), broker.bell(id)
        bells.append(bell)
        assert worker.claim() == []
        bell.arm(True)
        return worker, bell

    yield idle
    for bell in bells:
        bell.close()


def test_one_task_rings_for_one_worker(broker, clock, idle):
    bells = [idle(f"w{number}")[1] for number in range(4)]

    broker.send([a_message()], clock.now())

    assert [rings(bell, 0.2) for bell in bells].count(True) == 1


@pytest.mark.parametrize("round", range(5))
def test_a_silent_worker_takes_nobodys_ring(broker, clock, idle, round):
    for number in range(3):
        idle(f"silent-{number}")
    alive, bell = idle("alive")
    clock.advance(6)  # of a lease of 10
    broker.heartbeat([alive.id], clock.now())

    broker.send([a_message()], clock.now())

    assert rings(bell)


def test_a_ring_that_a_dead_worker_took_with_it_is_given_to_another(broker, clock, idle):
    dead, _ = idle("dead")
    broker.send([a_message()], clock.now())
    broker.purge("default", clock.now())
    _, bell = idle("alive")
    assert is_silent(bell)

    broker.retire([dead.id], clock.now())

    assert rings(bell)


def test_a_worker_that_is_rung_is_not_rung_again_before_it_has_looked(broker, clock, idle, redis_server):
    worker, bell = idle("one")
    broker.send([a_message()], clock.now())
    broker.send([a_message()], clock.now())

    assert rings(bell)
    assert bell.heard()
    bell.arm(True)
    assert is_silent(bell)
    assert len(worker.claim_all()) == 2


def test_what_was_rung_before_the_trip_is_not_rung_after_it(broker, clock, idle):
    worker, bell = Courier(broker, clock, "one"), broker.bell("one")
    worker.claim()
    broker.send([a_message()], clock.now())

    assert len(worker.claim()) == 1
    bell.arm(True)

    assert is_silent(bell)
    bell.close()
