"""A server that has no memory left (`maxmemory`, `noeviction`): it takes nothing new; all else goes on."""

import time

import pytest

from celeriac import Celeriac
from celeriac.broker import Report
from celeriac.brokers.redis import RedisBroker
from celeriac.clock import ManualClock
from celeriac.errors import StoreFull
from celeriac.states import State
from celeriac.steering import Command, Line, Pulse, body_of
from celeriac.tally import SUCCEEDED, Tally, begin
from celeriac.testing.contract.given import (
    Courier,
    a_message,
    counts_of,
    failed,
    hears,
    ids,
    messages,
    record_of,
    retry,
    state_of,
    succeeded,
)
from tests.faults import shop as tasks
from tests.faults.workers import marks, until_marked
from tests.waiting import wait_until

SOON = 20.0


@pytest.fixture
def server(redis_server):
    redis_server.flush()
    return redis_server


@pytest.fixture
def broker(server):
    broker = RedisBroker(server.url, deadline=0.5)
    yield broker
    broker.close()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def full(broker, server, clock):
    """A store with one waiting task and one running, and no memory left."""
    worker = Courier(broker, clock)
    broker.send(messages(2), clock.now())
    [running] = worker.claim(1)
    server.cli("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.cli("CONFIG", "SET", "maxmemory", "1")
    yield worker, running
    server.cli("CONFIG", "SET", "maxmemory", "0")


def test_a_full_store_refuses_new_tasks_and_takes_them_when_there_is_room(broker, server, clock, full):
    message = a_message()

    with pytest.raises(StoreFull, match="maxmemory"):
        broker.send([message], clock.now())
    assert broker.get([message.id]) == [None]
    assert counts_of(broker) == (1, 0, 1, 0)

    server.cli("CONFIG", "SET", "maxmemory", "0")
    assert broker.send([message], clock.now()) == 1


def test_a_full_store_still_lets_its_workers_finish_and_claim(broker, clock, full):
    worker, running = full

    answer = worker.trip(succeeded(running), want=1)

    assert not answer.refused
    assert len(answer.claims) == 1
    assert worker.settles(retry(answer.claims[0], clock.now() + 5))
    assert broker.cancel(ids(answer.claims), clock.now()) == ["cancelled"]


def test_in_a_full_store_tasks_fail_are_requeued_and_dropped(broker, clock, full):
    worker, running = full

    [other] = worker.trip(failed(running), want=1).claims
    assert worker.settles(failed(other))

    assert len(broker.dead().records) == 2
    assert broker.requeue([running.id], clock.now()) == [True]
    assert broker.forget([other.id]) == 1
    assert ids(worker.claim(1)) == [running.id]


# --- what must go on ---------------------------------------------------------------------------------


def test_in_a_full_store_a_lease_is_renewed_and_a_worker_is_heard(broker, clock, full):
    worker, _ = full
    clock.advance(9)

    beat = broker.heartbeat([worker.id], clock.now(), {worker.id: Pulse(done=3)})
    clock.advance(9)

    assert not beat.lost
    assert not broker.tend(clock.now()).buried
    assert broker.workers(clock.now())[0].done == 3


def test_in_a_full_store_the_tasks_of_a_dead_worker_go_to_a_new_one(broker, clock, full):
    _, running = full
    clock.advance(60)

    assert broker.tend(clock.now()).recovered == 1
    other = Courier(broker, clock, "worker-b")

    assert running.id in ids(other.claim(2))


def test_in_a_full_store_a_worker_that_has_left_is_retired(broker, clock, full):
    worker, running = full

    assert broker.retire([worker.id], clock.now()) == 1

    assert state_of(broker, running) is State.QUEUED


def test_in_a_full_store_a_running_task_is_revoked(broker, clock, full):
    worker, running = full

    assert broker.cancel([running.id], clock.now(), terminate=True) == ["stopping"]

    assert list(worker.trip().stops) == [running.id]


def test_in_a_full_store_progress_is_told_and_heard(broker, clock, full):
    worker, running = full
    listener = broker.listener()

    [seen] = listener.watch([running.id])
    refused = broker.report(worker.id, [Report(running.id, running.fence, "BUSY", b"{}")], clock.now())

    assert seen.state is State.RUNNING
    assert refused == []
    assert hears(listener, running)
    assert record_of(broker, running).outside == "BUSY"
    listener.close()


def test_in_a_full_store_workers_are_told_what_to_do_and_queues_stand_still(broker, clock, full):
    worker, _ = full

    assert broker.command([worker.id], Command("drain"), clock.now()) == [True]
    assert broker.pause("default", clock.now())

    assert broker.heartbeat([worker.id], clock.now()).commands[worker.id][0].verb == "drain"
    assert worker.claim() == []


def test_in_a_full_store_what_a_task_has_said_and_what_was_counted_hold_nothing_up(broker, clock, full):
    worker, running = full
    line = Line(running.id, running.fence, clock.now(), 20, body_of("shop", "x" * 1000))
    counted = Tally(begin(clock.now()), "default", "shop.add", {SUCCEEDED: 1})

    broker.write_log(worker.id, [line], clock.now())  # a run's first one frees what others have said
    with pytest.raises(StoreFull):
        broker.write_log(worker.id, [line], clock.now())
    with pytest.raises(StoreFull):
        broker.count("teller", 1, [counted], clock.now())

    assert worker.settles(succeeded(running))


def test_in_a_full_store_what_somebody_does_is_done_though_it_cannot_be_noted(server, broker, full):
    _, running = full

    with Celeriac(broker=server.url, set_as_current=False) as app, app.acting("ana"):
        assert app.AsyncResult(running.id).revoke(terminate=True)
        assert app.activity() == []


# --- real workers --------------------------------------------------------------------------------------


@pytest.fixture
def own_server(start_redis):
    return start_redis()


@pytest.fixture
def store_url(own_server):
    return own_server.url


@pytest.mark.serial
def test_in_a_full_store_a_worker_outlives_its_lease_and_its_tasks_tell_how_far_they_are(
    shop, start_worker, own_server, tmp_path
):
    start_worker(
        *("--processes", "1", "--concurrency", "1"), SHOP_LEASE="1", CELERIAC_WORKER_STATISTICS="0.2"
    )
    first, second = tasks.wait_for.delay("one"), tasks.wait_for.delay("two")
    until_marked(tmp_path, f"start {first.id}")

    own_server.cli("CONFIG", "SET", "maxmemory", "1")
    over = time.monotonic() + 3.0
    wait_until(lambda: time.monotonic() > over, SOON, what="three leases to pass")
    (tmp_path / "one").touch()
    states = []
    for update in second.updates(SOON):
        states.append(update.state)
        if update.state == "PROGRESS":
            (tmp_path / "two").touch()

    assert first.get(SOON) == "one"
    assert states[-2:] == ["PROGRESS", "SUCCESS"]
    assert len([mark for mark in marks(tmp_path) if mark.startswith("start")]) == 2
    own_server.cli("CONFIG", "SET", "maxmemory", "0")
    wait_until(lambda: shop.stats().total.total.succeeded == 2, SOON, what="what was counted to be stored")
