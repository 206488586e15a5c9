"""`exchange`: a task with a time is never early, and what is due is queued in the order of its time."""

from celeriac.states import State
from celeriac.testing.contract.given import (
    a_message,
    counts_of,
    ids,
    messages,
    record_of,
)


def test_a_task_is_never_started_before_its_eta(broker, clock, enlist):
    worker = enlist()
    broker.send([a_message(eta=clock.now() + 10)], clock.now())

    assert worker.claim() == []
    clock.advance(9.9)
    assert worker.claim() == []
    clock.advance(0.1)
    assert len(worker.claim()) == 1


def test_due_tasks_are_queued_in_the_order_of_their_times_and_then_of_their_ids(broker, clock, enlist):
    now = clock.now()
    late, early = a_message(eta=now + 30), a_message(eta=now + 10)
    second, first = a_message(id="b", eta=now + 20), a_message(id="a", eta=now + 20)
    broker.send([late, early, second, first], now)
    clock.advance(60)

    assert ids(enlist().claim_all()) == [early.id, first.id, second.id, late.id]


def test_due_tasks_are_queued_behind_those_that_wait_already(broker, clock, enlist):
    scheduled, waiting = a_message(eta=clock.now() + 10), a_message()
    broker.send([scheduled, waiting], clock.now())
    clock.advance(60)

    assert ids(enlist().claim_all()) == [waiting.id, scheduled.id]


def test_a_trip_promotes_the_due_tasks_of_all_queues(broker, clock, enlist):
    foreign = a_message(queue="foreign", eta=clock.now() + 10)
    broker.send([foreign], clock.now())
    clock.advance(11)

    enlist().trip()

    record = record_of(broker, foreign)
    assert (record.state, record.due) == (State.QUEUED, None)


def test_a_trip_promotes_at_most_a_thousand(broker, clock, enlist):
    broker.send(messages(1_100, eta=clock.now() + 10), clock.now())
    clock.advance(11)
    worker = enlist()

    answer = worker.trip()

    assert counts_of(broker) == (1_000, 100, 0, 0)
    assert answer.due <= clock.now() + 0.5
    worker.trip()
    assert counts_of(broker) == (1_100, 0, 0, 0)


def test_an_answer_says_when_the_next_scheduled_task_is_due(broker, clock, enlist):
    worker = enlist()
    assert worker.trip().due is None

    later, sooner = a_message(eta=clock.now() + 60), a_message(eta=clock.now() + 30, queue="foreign")
    broker.send([later, sooner], clock.now())

    assert abs(worker.trip().due - (clock.now() + 30)) < 0.5
