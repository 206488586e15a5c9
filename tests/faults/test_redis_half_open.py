"""Connections die without a sign, all at once, as behind a firewall that forgets: who listens finds out."""

import pytest

from celeriac.brokers.redis import RedisBroker
from celeriac.clock import ManualClock
from celeriac.testing.contract.given import Courier, messages, rings
from tests.proxy import proxy_to
from tests.waiting import wait_until


@pytest.fixture
def proxy(redis_server):
    redis_server.flush()
    with proxy_to(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def broker(proxy):
    broker = RedisBroker(proxy.url, deadline=1.0)
    yield broker
    broker.close()


def test_a_bell_is_hung_anew_once_another_connection_was_found_dead(broker, proxy, redis_server):
    clock = ManualClock()
    worker = Courier(broker, clock)
    bell = broker.bell(worker.id)
    assert worker.claim() == []
    bell.arm(True)
    wait_until(lambda: redis_server.cli("INFO", "clients")["blocked_clients"] == 1, what="the blocking pop")

    proxy.strand()
    broker.ping()  # finds its own connection dead, and takes another one
    bell.arm(True)
    broker.send(messages(1), clock.now())  # the server, which knows nothing yet, rings where nobody hears
    assert len(worker.claim_all()) == 1
    broker.send(messages(1), clock.now())

    assert rings(bell)
    assert bell.heard()
    bell.close()


def test_a_listener_subscribes_anew_once_another_connection_was_found_dead(broker, proxy):
    clock = ManualClock()
    broker.send(sent := messages(1), clock.now())
    listener = broker.listener()
    listener.watch([sent[0].id])

    proxy.strand()
    broker.ping()
    assert listener.wait(0.01) is None  # news may have been lost
    assert listener.wait(0.01) == set()
    broker.cancel([sent[0].id], clock.now())

    assert listener.wait(5) == {sent[0].id}
    listener.close()
