"""Attempts on Redis, where somebody else has written to the record: no trip of a worker fails of that."""

import pytest

from celeriac.attempts import Attempt
from celeriac.brokers.redis import RedisBroker
from celeriac.clock import ManualClock
from celeriac.states import State, Verdict
from celeriac.testing.contract.given import Courier, a_message, record_of, retry
from tests.plugin import shared_server

pytestmark = pytest.mark.redis
NAMESPACE = "attempts"


@pytest.fixture(scope="module")
def server():
    return shared_server("redis")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def broker(server):
    server.flush()
    broker = RedisBroker(server.url, namespace=NAMESPACE)
    yield broker
    broker.close()


@pytest.fixture
def claimed(broker, clock):
    """A worker, and a task that it has claimed."""
    broker.send([a_message()], clock.now())
    courier = Courier(broker, clock)
    return courier, courier.claim()[0]


def record_key(server, task):
    [key] = [key for key in server.cli("KEYS", "*") if key.endswith(task.id)]
    return key


def test_a_claim_that_is_gone_is_an_attempt_that_began_nobody_knows_when(broker, server, claimed, clock):
    courier, task = claimed
    server.cli("HDEL", record_key(server, task), "j")

    assert courier.settles(retry(task, 0.0, b'"again"'))

    [kept] = record_of(broker, task).attempts
    assert kept == Attempt(0, 0.0, clock.now(), courier.id, Verdict.RETRY, b'"again"')
    assert [each.id for each in courier.claim_all()] == [task.id]


@pytest.mark.parametrize("nonsense", ["x", "1 2 3 99999999999999999999\nx", "\n", "1 1 1 4 w -5\nxxxxx"])
def test_nonsense_begins_anew(broker, server, claimed, nonsense):
    courier, task = claimed
    server.cli("HSET", record_key(server, task), "A", nonsense)

    assert courier.settles(retry(task, 0.0, b'"again"'))

    assert record_of(broker, task).state in (State.QUEUED, State.FAILED)
    assert [each.id for each in courier.claim_all()] == [task.id]


def test_a_worker_whose_id_has_blanks_is_named(broker, clock):
    broker.send([a_message()], clock.now())
    courier = Courier(broker, clock, "worker of ours")
    [task] = courier.claim()

    broker.retire([courier.id], clock.now(), b'"gone"')

    assert [each.worker for each in record_of(broker, task).attempts] == ["worker of ours"]
