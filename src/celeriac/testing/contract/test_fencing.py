"""`exchange`: whoever does not hold a task changes nothing; stop requests reach who does."""

import pytest

from celeriac.states import State
from celeriac.testing.contract.given import (
    a_message,
    counts_of,
    crashed,
    failed,
    given_held,
    ids,
    messages,
    record_of,
    release,
    retry,
    state_of,
    stopped,
    succeeded,
)

# --- fencing --------------------------------------------------------------------------------------

VERDICTS = [
    pytest.param(lambda task, now: succeeded(task), id="succeeded"),
    pytest.param(lambda task, now: failed(task), id="failed"),
    pytest.param(lambda task, now: stopped(task), id="cancelled"),
    pytest.param(lambda task, now: retry(task, now + 5), id="retry"),
    pytest.param(lambda task, now: release(task), id="release"),
    pytest.param(lambda task, now: crashed(task), id="crashed"),
]


@pytest.mark.parametrize("settle", VERDICTS)
def test_only_the_worker_that_holds_a_task_may_settle_it(broker, clock, enlist, settle):
    _, task = given_held(broker, clock)
    thief = enlist("worker-b")
    before = record_of(broker, task)

    assert thief.trip(settle(task, clock.now())).refused == [task.id]

    assert record_of(broker, task) == before


@pytest.mark.parametrize("settle", VERDICTS)
def test_a_claim_that_was_given_back_is_no_good_even_to_the_same_worker(broker, clock, settle):
    worker, old = given_held(broker, clock)
    [new] = worker.trip(release(old), want=1).claims
    before = record_of(broker, old)

    assert worker.trip(settle(old, clock.now())).refused == [old.id]

    assert record_of(broker, old) == before
    assert worker.has(new)


@pytest.mark.parametrize("settle", VERDICTS)
def test_a_settled_task_is_not_settled_again(broker, clock, settle):
    worker, task = given_held(broker, clock)
    worker.settles(succeeded(task))
    before = record_of(broker, task)

    assert worker.trip(settle(task, clock.now())).refused == [task.id]

    assert record_of(broker, task) == before


def test_of_two_settlements_of_one_task_in_a_trip_the_first_counts(broker, clock):
    worker, task = given_held(broker, clock)

    assert worker.trip(release(task), succeeded(task)).refused == [task.id]

    assert state_of(broker, task) is State.QUEUED


def test_a_refused_settlement_does_not_hold_up_the_others(broker, clock, enlist):
    broker.send(messages(3), clock.now())
    worker = enlist()
    first, second, third = worker.claim(3)
    worker.settles(succeeded(second))

    answer = worker.trip(succeeded(first), failed(second), succeeded(third))

    assert list(answer.refused) == [second.id]
    assert {record.state for record in broker.get(ids([first, second, third]))} == {State.SUCCEEDED}


def test_a_settlement_of_a_task_that_does_not_exist_is_refused(broker, clock):
    worker, task = given_held(broker, clock)
    worker.settles(succeeded(task))
    broker.forget([task.id])

    assert list(worker.trip(succeeded(task)).refused) == [task.id]

    assert broker.get([task.id]) == [None]


def test_a_waiting_task_cannot_be_settled(broker, clock, enlist):
    worker, task = given_held(broker, clock)
    worker.settles(retry(task, clock.now() + 5))

    assert not worker.settles(succeeded(task))

    assert state_of(broker, task) is State.SCHEDULED


def test_a_late_finish_after_the_lease_ran_out_changes_nothing(broker, clock, enlist):
    late, task = given_held(broker, clock)
    clock.advance(60)
    broker.tend(clock.now())
    [again] = enlist("worker-b").claim()
    before = record_of(broker, task)

    answer = late.trip(succeeded(task), want=1)

    assert answer.lost
    assert (list(answer.claims), list(answer.refused)) == ([], [])
    assert again.fence > task.fence
    assert record_of(broker, task) == before


# --- the lost worker ------------------------------------------------------------------------------


def test_a_worker_that_the_store_does_not_know_settles_and_claims_nothing(broker, clock, enlist):
    broker.send(messages(2), clock.now())
    worker = enlist()
    [task] = worker.claim()
    broker.retire([worker.id], clock.now())

    answer = worker.trip(succeeded(task), want=2)

    assert answer.lost
    assert list(answer.claims) == []
    assert counts_of(broker) == (2, 0, 0, 0)


def test_a_worker_that_never_enlisted_is_lost(broker, clock):
    broker.send(messages(1), clock.now())

    answer = broker.exchange("nobody", trip=1, want=1, now=clock.now())

    assert answer.lost
    assert counts_of(broker) == (1, 0, 0, 0)


def test_a_lost_worker_promotes_nothing(broker, clock):
    message = a_message(eta=clock.now() + 1)
    broker.send([message], clock.now())
    clock.advance(2)

    broker.exchange("nobody", trip=1, want=1, now=clock.now())

    assert state_of(broker, message) is State.SCHEDULED


# --- stop requests --------------------------------------------------------------------------------


def test_each_answer_names_what_is_to_be_stopped_until_it_is_settled(broker, clock, enlist):
    broker.send(messages(2), clock.now())
    worker = enlist()
    first, second = worker.claim(2)
    broker.cancel([first.id, second.id], clock.now(), terminate=True)

    assert sorted(worker.trip().stops) == ids([first, second])
    assert sorted(worker.trip().stops) == ids([first, second])
    assert list(worker.trip(stopped(first)).stops) == [second.id]
    assert list(worker.trip(succeeded(second)).stops) == []


def test_stops_go_to_the_worker_that_runs_the_task_alone(broker, clock, enlist):
    _, task = given_held(broker, clock)
    broker.cancel([task.id], clock.now(), terminate=True)

    assert list(enlist("worker-b").trip().stops) == []
