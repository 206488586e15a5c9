"""The server is killed, paused, loses scripts or connections: verbs go on or give up in time."""

import os
import threading
import time
import traceback

import pytest

from celeriac.brokers.redis import RedisBroker
from celeriac.clock import ManualClock
from celeriac.errors import BrokerUnavailable
from celeriac.message import Message
from celeriac.states import State
from celeriac.testing.contract.given import (
    NAME,
    Courier,
    a_message,
    counts_of,
    messages,
    rings,
    state_of,
    succeeded,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(params=["redis", "valkey"])
def server(request, start_redis):
    return start_redis("--appendonly", "yes", "--appendfsync", "always", kind=request.param)


@pytest.fixture
def broker(server):
    broker = RedisBroker(server.url, deadline=8.0)
    yield broker
    broker.close()


@pytest.fixture
def clock():
    return ManualClock()


def test_a_server_that_restarts_is_waited_for(broker, server, clock):
    broker.send([before := a_message()], clock.now())
    worker = Courier(broker, clock)
    server.kill()
    answers: list[int] = []
    sender = threading.Thread(target=lambda: answers.append(broker.send([a_message()], clock.now())))

    sender.start()
    server.start()
    sender.join(20)

    assert answers == [1]
    assert state_of(broker, before) is State.QUEUED
    assert len(worker.claim_all()) == 2


def test_work_goes_on_exactly_once_while_the_server_is_killed_again_and_again(broker, server, clock):
    total, stop = 400, threading.Event()
    counted: dict[str, int] = {}

    def produce() -> None:
        for number in range(0, total, 4):
            batch = [Message(f"t-{number + each}", NAME) for each in range(4)]
            assert broker.send(batch, clock.now()) == 4

    def consume() -> None:
        worker = Courier(broker, clock)
        claims: list = []
        while not stop.is_set() or claims:
            answer = worker.trip(*map(succeeded, claims), want=3)
            assert not answer.refused
            claims = list(answer.claims)
            for task in claims:
                counted[task.id] = counted.get(task.id, 0) + 1

    producer, consumer = threading.Thread(target=produce), threading.Thread(target=consume)
    producer.start()
    consumer.start()
    for part in (total // 8, total // 4, total // 2):
        wait_until(lambda part=part: len(counted) >= part, 30, what="some work")
        server.kill()
        server.start()
    producer.join(30)
    wait_until(lambda: len(counted) == total and counts_of(broker)[0] == 0, 30, what="the rest of the work")
    stop.set()
    consumer.join(30)

    assert set(counted.values()) == {1}
    assert counts_of(broker) == (0, 0, 0, 0)
    records = broker.get([f"t-{number}" for number in range(total)])
    assert {(record.state, record.fence) for record in records if record} == {(State.SUCCEEDED, 1)}


def test_a_server_that_stays_away_is_given_up_at_the_deadline(server, clock):
    broker = RedisBroker(server.url, deadline=0.3)
    broker.ping()
    server.kill()

    for verb in (
        lambda: broker.send(messages(1), clock.now()),
        lambda: broker.exchange("w", trip=1, now=clock.now()),
        lambda: broker.get(["t"]),
        broker.queues,
        broker.ping,
    ):
        began = time.monotonic()
        with pytest.raises(BrokerUnavailable, match=r"cannot be reached.*tried for 0\.3 s") as caught:
            verb()
        assert "IndexError" not in "".join(traceback.format_exception(caught.value))
        assert 0.1 < time.monotonic() - began < 1.5


def test_a_paused_server_is_given_up_and_taken_up_again(server, clock):
    broker = RedisBroker(server.url, deadline=0.4)
    broker.send(messages(1), clock.now())
    server.pause()
    try:
        began = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            broker.send(messages(1), clock.now())
        assert time.monotonic() - began < 1.5
    finally:
        server.resume()

    assert broker.send(messages(1), clock.now()) == 1
    broker.close()


def test_a_server_that_forgets_its_scripts_is_not_noticed(broker, server, clock):
    broker.send(messages(2), clock.now())
    worker = Courier(broker, clock)

    for _ in range(2):
        server.cli("SCRIPT", "FLUSH")
        [task] = worker.claim(1)
        server.cli("SCRIPT", "FLUSH")
        assert worker.settles(succeeded(task))


def test_connections_that_are_closed_by_the_server_are_not_noticed(broker, server, clock):
    broker.send(messages(3), clock.now())
    worker = Courier(broker, clock)

    for _ in range(3):
        server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        [task] = worker.claim(1)
        server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert worker.settles(succeeded(task))
    assert counts_of(broker) == (0, 0, 0, 0)


def test_a_server_that_lost_everything_tells_the_worker_that_it_is_lost(broker, server, clock):
    broker.send(messages(1), clock.now())
    worker = Courier(broker, clock)
    [task] = worker.claim(1)

    server.cli("FLUSHALL")

    assert worker.trip(succeeded(task), want=1).lost
    assert broker.heartbeat([worker.id], clock.now()).lost == [worker.id]
    assert broker.queues() == []
    again = Courier(broker, clock, "worker-b")
    broker.send(messages(1), clock.now())
    assert len(again.claim(1)) == 1


def test_a_bell_and_a_listener_stay_quiet_while_the_server_is_away(broker, server, clock):
    worker = Courier(broker, clock)
    bell, listener = broker.bell(worker.id), broker.listener()
    listener.watch([])
    bell.arm(True)

    server.kill()
    assert rings(bell)
    assert not bell.heard()
    bell.arm(True)

    assert bell.fileno() == -1
    assert listener.wait(5) is None
    assert listener.wait(0.01) is None
    server.start()
    assert listener.wait(0.01) is None
    assert listener.wait(0.01) == set()
    bell.arm(True)
    worker.claim(1)
    broker.send(messages(1), clock.now())
    assert rings(bell)
    assert bell.heard()
    bell.close()
    listener.close()


def test_a_forked_child_leaves_the_parents_connections_alone(broker, server, clock):
    broker.send([sent := a_message()], clock.now())
    bell = broker.bell(Courier(broker, clock).id)
    bell.arm(True)
    child = os.fork()
    if child == 0:
        try:
            broker.send(messages(1), clock.now())
            right = broker.get([sent.id])[0].message == sent
            bell.arm(True)
            broker.close()
            os._exit(0 if right else 1)
        except BaseException:  # noqa: BLE001 - a forked child must end here, whatever happens
            os._exit(2)

    parents = [broker.get([sent.id])[0].message for _ in range(50)]
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert parents == [sent] * 50
    assert counts_of(broker) == (2, 0, 0, 0)
    bell.close()


def test_many_threads_share_one_broker(broker, server, clock):
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for each in range(30):
                batch = [Message(f"{number}-{each}", NAME)]
                assert broker.send(batch, clock.now()) == 1
                assert broker.get([batch[0].id])[0].message == batch[0]
        except BaseException as error:  # noqa: BLE001 - looked at in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert not errors
    assert counts_of(broker) == (360, 0, 0, 0)
