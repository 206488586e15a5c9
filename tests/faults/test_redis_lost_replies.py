"""A connection may break at any byte: nothing is lost by that, and nothing happens twice."""

import pytest

from celeriac.broker import WorkerInfo
from celeriac.brokers.redis import RedisBroker
from celeriac.brokers.redis.scripts import script
from celeriac.clock import ManualClock
from celeriac.errors import BrokerUnavailable
from celeriac.states import State
from celeriac.testing.contract.given import (
    Courier,
    a_message,
    counts_of,
    failed,
    ids,
    messages,
    record_of,
    rings,
    succeeded,
)
from tests.proxy import proxy_to
from tests.waiting import wait_until

NOTHING, PART = 0, 7  # bytes of the reply that arrive


@pytest.fixture
def proxy(redis_server):
    redis_server.flush()
    with proxy_to(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def broker(proxy):
    broker = RedisBroker(proxy.url)
    yield broker
    broker.close()


@pytest.fixture
def clock():
    return ManualClock()


def sha_of(verb: str) -> bytes:
    return script(verb).sha.encode()


@pytest.mark.parametrize("arriving", [NOTHING, PART])
def test_an_exchange_whose_reply_is_lost_orphans_no_claim(broker, clock, proxy, arriving):
    broker.send(messages(6), clock.now())
    worker = Courier(broker, clock)
    first = worker.claim(3)

    proxy.cut_reply(to=sha_of("exchange"), after=arriving)
    answer = worker.trip(*map(succeeded, first), want=2)

    assert proxy.cuts == 1
    assert len(answer.claims) == 2
    assert not answer.refused
    assert counts_of(broker) == (1, 0, 2, 0)
    assert [record_of(broker, task).fence for task in answer.claims] == [1, 1]
    assert {record_of(broker, task).state for task in first} == {State.SUCCEEDED}
    assert not worker.trip(*map(succeeded, answer.claims)).refused


@pytest.mark.parametrize("arriving", [NOTHING, PART])
def test_an_exchange_whose_very_first_request_also_breaks_still_answers(broker, clock, proxy, arriving):
    broker.send(messages(1), clock.now())
    worker = Courier(broker, clock)

    proxy.close_all()
    proxy.cut_reply(to=sha_of("exchange"), after=arriving)

    assert len(worker.claim(1)) == 1
    assert worker.claim(1) == []


@pytest.mark.parametrize("arriving", [NOTHING, 1])
def test_a_send_whose_reply_is_lost_doubles_nothing_and_counts_right(broker, clock, proxy, arriving):
    broker.send([known := a_message()], clock.now())
    batch = [*messages(3), a_message(id=known.id, created=clock.now())]

    proxy.cut_reply(to=sha_of("send"), after=arriving)

    assert broker.send(batch, clock.now()) == 3
    assert proxy.cuts == 1
    assert counts_of(broker) == (4, 0, 0, 0)
    assert ids(Courier(broker, clock).claim_all()) == [known.id, *ids(batch[:3])]


def test_a_cancel_whose_reply_is_lost_is_not_called_too_late(broker, clock, proxy):
    done = a_message()
    broker.send([done], clock.now())
    worker = Courier(broker, clock)
    worker.trip(*map(succeeded, worker.claim(1)))
    broker.send([waiting := a_message()], clock.now())

    proxy.cut_reply(to=sha_of("cancel"))

    assert broker.cancel([waiting.id, done.id, "nobody"], clock.now()) == ["cancelled", "final", "unknown"]
    assert proxy.cuts == 1


def test_a_requeue_whose_reply_is_lost_is_done_once_and_says_so(broker, clock, proxy):
    broker.send([one := a_message(), a_message()], clock.now())
    worker = Courier(broker, clock)
    worker.trip(*map(failed, worker.claim(1)))

    proxy.cut_reply(to=sha_of("requeue"))

    assert broker.requeue([one.id, one.id, "nobody"], clock.now()) == [True, False, False]
    assert proxy.cuts == 1
    assert counts_of(broker) == (2, 0, 0, 0)


@pytest.mark.parametrize("verb", ["enlist", "heartbeat", "report", "forget", "purge", "tend", "retire"])
def test_every_other_verb_may_lose_its_reply(broker, clock, proxy, verb):
    broker.send(messages(2), clock.now())
    worker = Courier(broker, clock)
    worker.claim(1)
    calls = {
        "enlist": lambda: broker.enlist(WorkerInfo("other", "other"), clock.now()),
        "heartbeat": lambda: broker.heartbeat([worker.id], clock.now()),
        "report": lambda: broker.report(worker.id, [], clock.now()),
        "forget": lambda: broker.forget(["nobody"]),
        "purge": lambda: broker.purge("default", clock.now()),
        "tend": lambda: broker.tend(clock.now()),
        "retire": lambda: broker.retire([worker.id], clock.now()),
    }

    proxy.cut_reply(to=sha_of(verb))
    calls[verb]()

    assert proxy.cuts == 1
    queued, _, running, _ = counts_of(broker)
    assert (queued, running) == {"purge": (0, 1), "retire": (2, 0)}.get(verb, (1, 1))


def test_no_reply_is_read_by_the_request_after_a_broken_one(broker, clock, proxy):
    broker.send(sent := messages(5), clock.now())

    for after in range(1, 40):
        proxy.cut_reply(to=b"HGETALL", after=after)
        records = broker.get(ids(sent))
        assert [record.id for record in records] == ids(sent)
        assert [record.message for record in records] == sent
    assert proxy.cuts == 39


def test_a_server_that_stops_answering_is_given_up_within_the_deadline(proxy, clock):
    broker = RedisBroker(proxy.url, deadline=0.4)
    broker.send(messages(1), clock.now())

    proxy.stall()
    with pytest.raises(BrokerUnavailable, match=r"tried for 0\.4 s"):
        broker.send(messages(1), clock.now())
    proxy.resume()

    assert broker.send(messages(1), clock.now()) == 1
    broker.close()


def test_a_connection_that_died_silently_is_replaced_within_the_deadline(proxy, clock):
    broker = RedisBroker(proxy.url, deadline=1.0)
    broker.ping()
    before = proxy.connections

    # The pooled connection's peer answers nothing any more; a fresh connection is answered.
    proxy.strand()
    broker.ping()

    assert proxy.connections == before + 1
    broker.close()


def test_a_server_that_refuses_is_given_up_within_the_deadline(proxy, clock):
    broker = RedisBroker(proxy.url, deadline=0.3)
    proxy.refuse()

    with pytest.raises(BrokerUnavailable, match=str(proxy.port)):
        broker.send(messages(1), clock.now())

    proxy.resume()
    assert broker.send(messages(1), clock.now()) == 1
    broker.close()


def test_a_bell_and_a_listener_survive_a_broken_connection(broker, clock, proxy, redis_server):
    worker = Courier(broker, clock)
    bell, listener = broker.bell(worker.id), broker.listener()
    broker.send([task := a_message()], clock.now())
    listener.watch([task.id])
    assert len(worker.claim(2)) == 1
    bell.arm(True)
    wait_until(lambda: redis_server.cli("INFO", "clients")["blocked_clients"] == 1, what="the bell's pop")

    proxy.close_all()
    broker.send([a_message()], clock.now())

    while listener.wait(5) is not None:  # until it says that something may have been missed
        pass
    assert [record.state for record in listener.watch([task.id])] == [State.RUNNING]
    assert listener.wait(0) == set()
    assert rings(bell)
    assert not bell.heard()
    bell.arm(True)
    assert rings(bell)
    assert bell.heard()
    bell.close()
    listener.close()
