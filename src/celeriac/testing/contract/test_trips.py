"""`exchange` can be asked again with the same trip number."""

from celeriac.states import State
from celeriac.testing.contract.given import (
    a_message,
    counts_of,
    failed,
    given_held,
    ids,
    messages,
    record_of,
    retry,
    state_of,
    succeeded,
)


def test_a_repeated_trip_brings_the_same_claims(broker, clock, enlist):
    broker.send(messages(5), clock.now())
    worker = enlist()
    first = worker.trip(want=3)

    again = worker.repeat()

    assert list(again.claims) == list(first.claims)
    assert len(first.claims) == 3
    assert counts_of(broker) == (2, 0, 3, 0)


def test_a_repeated_trip_keeps_the_order_of_its_claims(broker, clock, enlist):
    sent = [a_message(priority=priority) for priority in (0, 5, 3, 9, 1)]
    broker.send(sent, clock.now())
    worker = enlist()
    first = worker.trip(want=5)

    assert ids(worker.repeat().claims) == ids(first.claims)
    assert [task.priority for task in first.claims] == [9, 5, 3, 1, 0]


def test_a_repeated_trip_settles_nothing_twice(broker, clock):
    worker, task = given_held(broker, clock)
    first = worker.trip(retry(task, clock.now()), want=1)

    again = worker.repeat()

    assert list(again.claims) == list(first.claims)
    record = record_of(broker, task)
    assert (record.retries, record.fence, record.state) == (1, 2, State.RUNNING)


def test_a_repeated_trip_claims_nothing_new(broker, clock, enlist):
    worker = enlist()
    assert worker.claim(3) == []
    broker.send(messages(2), clock.now())

    assert list(worker.repeat().claims) == []

    assert len(worker.claim(3)) == 2


def test_a_repeated_trip_of_a_retired_worker_is_lost(broker, clock, enlist):
    broker.send(messages(1), clock.now())
    worker = enlist()
    worker.claim()
    broker.retire([worker.id], clock.now())

    answer = worker.repeat()

    assert answer.lost
    assert list(answer.claims) == []


def test_a_repeated_trip_names_the_stops_that_came_meanwhile(broker, clock):
    worker, task = given_held(broker, clock)
    broker.cancel([task.id], clock.now(), terminate=True)

    answer = worker.repeat()

    assert list(answer.stops) == [task.id]
    assert ids(answer.claims) == [task.id]


def test_a_late_copy_of_an_older_trip_changes_nothing(broker, clock, enlist):
    worker = enlist()
    worker.trip(want=2)
    worker.trip(want=2)
    broker.send(messages(2), clock.now())

    answer = worker.repeat(number=1)

    assert list(answer.claims) == []
    assert counts_of(broker) == (2, 0, 0, 0)
    assert len(worker.claim(2)) == 2


def test_a_late_copy_of_an_older_trip_settles_nothing(broker, clock, enlist):
    worker, task = given_held(broker, clock)
    finished = worker.trip()  # number 2
    assert not finished.refused

    broker.exchange(worker.id, trip=1, finished=[failed(task)], want=1, now=clock.now())

    assert state_of(broker, task) is State.RUNNING
    assert worker.has(task)


def test_a_late_copy_brings_no_claims_though_nothing_has_happened_since(broker, clock):
    worker, task = given_held(broker, clock)
    broker.send([a_message()], clock.now())
    assert len(worker.trip(succeeded(task), want=1).claims) == 1  # number 2
    worker.trip()

    answer = broker.exchange(worker.id, trip=2, finished=[succeeded(task)], want=1, now=clock.now())

    assert list(answer.claims) == []


def test_trips_of_different_workers_do_not_mix(broker, clock, enlist):
    broker.send(messages(2), clock.now())
    first, second = enlist("worker-a"), enlist("worker-b")

    [one], [two] = first.claim(), second.claim()

    assert ids(first.repeat().claims) == [one.id]
    assert ids(second.repeat().claims) == [two.id]


def test_a_trip_may_be_repeated_through_another_connection(broker, other, clock, enlist):
    broker.send(messages(2), clock.now())
    worker = enlist()
    first = worker.trip(want=1)

    worker.broker = other

    assert list(worker.repeat().claims) == list(first.claims)
