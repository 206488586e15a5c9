"""`tend`: what time asks for, in steps, by however many processes."""

import pytest

from celeriac.broker import Tended
from celeriac.outcome import EXPIRED, LEASE_LOST
from celeriac.states import State
from celeriac.testing.contract.given import (
    a_message,
    counts_of,
    given_finished,
    given_held,
    ids,
    messages,
    record_of,
    retry,
    state_of,
    together,
)
from celeriac.testing.contract.waiting import wait_until


def what(tended: Tended) -> tuple[int, int, int, int]:
    return tended.promoted, tended.recovered, tended.expired, tended.dropped


def test_with_nothing_to_do_nothing_is_done(broker, clock, enlist):
    enlist()
    broker.send([a_message(), a_message(eta=clock.now() + 60, expires=clock.now() + 90)], clock.now())

    tended = broker.tend(clock.now())

    assert what(tended) == (0, 0, 0, 0)
    assert (list(tended.buried), tended.more) == ([], False)
    assert counts_of(broker) == (1, 1, 0, 0)


# --- what is due --------------------------------------------------------------------------------


def test_due_tasks_are_promoted_and_no_others(broker, clock):
    due, later = a_message(eta=clock.now() + 5), a_message(eta=clock.now() + 50)
    broker.send([due, later], clock.now())
    clock.advance(10)

    assert what(broker.tend(clock.now())) == (1, 0, 0, 0)

    assert (state_of(broker, due), state_of(broker, later)) == (State.QUEUED, State.SCHEDULED)


def test_due_tasks_are_promoted_in_the_order_of_their_times(broker, clock, enlist):
    sent = [a_message(eta=clock.now() + seconds) for seconds in (30, 10, 20)]
    broker.send(sent, clock.now())
    clock.advance(60)

    assert [broker.tend(clock.now(), limit=1).promoted for _ in range(4)] == [1, 1, 1, 0]

    assert ids(enlist().claim_all()) == [sent[1].id, sent[2].id, sent[0].id]


def test_a_retry_is_promoted_when_it_is_due(broker, clock):
    worker, task = given_held(broker, clock)
    worker.settles(retry(task, clock.now() + 5))
    clock.advance(5)

    assert broker.tend(clock.now()).promoted == 1

    assert (state_of(broker, task), record_of(broker, task).outside) == (State.QUEUED, "RETRY")


# --- dead workers -------------------------------------------------------------------------------


def test_a_worker_whose_lease_ran_out_is_buried_and_its_tasks_go_back(broker, clock, enlist):
    broker.send(messages(3), clock.now())
    worker = enlist()
    held = worker.claim(2)
    clock.advance(11)

    tended = broker.tend(clock.now())

    assert what(tended) == (0, 2, 0, 0)
    assert list(tended.buried) == [worker.id]
    assert {(r.state, r.crashes) for r in broker.get(ids(held))} == {(State.QUEUED, 1)}
    assert worker.trip().lost


def test_a_worker_that_holds_nothing_is_buried_too(broker, clock, enlist):
    enlist()
    clock.advance(11)

    tended = broker.tend(clock.now())

    assert (list(tended.buried), tended.recovered) == (["worker-a"], 0)


def test_a_lost_lease_past_the_limit_fails_the_task(broker, clock):
    _, task = given_held(broker, clock, crash_limit=0)
    clock.advance(11)

    assert broker.tend(clock.now()).recovered == 1

    assert (state_of(broker, task), record_of(broker, task).error) == (State.FAILED, LEASE_LOST)


def test_the_living_are_not_buried(broker, clock, enlist):
    _, task = given_held(broker, clock, "worker-a")
    enlist("worker-b")
    clock.advance(6)
    broker.heartbeat(["worker-a"], clock.now())
    clock.advance(6)

    assert list(broker.tend(clock.now()).buried) == ["worker-b"]

    assert state_of(broker, task) is State.RUNNING


# --- the expired --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["queued", "scheduled", "parked"])
def test_what_has_expired_is_cancelled_wherever_it_waits(broker, clock, enlist, kind):
    fields = {"scheduled": {"eta": clock.now() + 60}, "parked": {"name": "shop.strange"}, "queued": {}}[kind]
    message = a_message(expires=clock.now() + 5, **fields)
    broker.send([message], clock.now())
    worker = enlist(lease=3600.0)
    if kind == "parked":
        worker.claim()
    clock.advance(5)

    assert what(broker.tend(clock.now())) == (0, 0, 1, 0)

    record = record_of(broker, message)
    assert (record.state, record.error, record.due) == (State.CANCELLED, EXPIRED, None)
    clock.advance(60)
    assert enlist("worker-b", names=("shop.add", "shop.strange")).claim() == []
    assert broker.queues() == []


def test_a_running_task_does_not_expire(broker, clock, enlist):
    broker.send([a_message(expires=clock.now() + 5)], clock.now())
    worker = enlist(lease=3600.0)
    [task] = worker.claim()
    clock.advance(60)

    assert broker.tend(clock.now()).expired == 0

    assert worker.has(task)


def test_a_task_that_is_due_and_expired_is_cancelled(broker, clock):
    message = a_message(eta=clock.now() + 5, expires=clock.now() + 8)
    broker.send([message], clock.now())
    clock.advance(10)

    assert what(broker.tend(clock.now())) == (0, 0, 1, 0)

    assert state_of(broker, message) is State.CANCELLED


def test_a_retry_that_has_expired_is_cancelled(broker, clock):
    worker, task = given_held(broker, clock, expires=clock.now() + 5)
    worker.settles(retry(task, clock.now() + 600))
    clock.advance(6)

    assert broker.tend(clock.now()).expired == 1

    assert record_of(broker, task).error == EXPIRED


# --- the old ------------------------------------------------------------------------------------


def test_finished_records_are_dropped_when_they_are_older_than_the_retention(new_store, clock):
    store = new_store()
    broker = store.connect(retention=0.4 if store.expires_by_itself else 60.0)
    old = given_finished(broker, clock, "worker-a", expires=clock.now() + 3600)
    running = given_held(broker, clock, "worker-b")[1]
    waiting = a_message()
    broker.send([waiting], clock.now())
    broker.heartbeat(["worker-a", "worker-b"], clock.now() + 3600)

    if store.expires_by_itself:
        wait_until(lambda: broker.get([old.id]) == [None], what="the server to expire the record")
    else:
        assert broker.tend(clock.advance(59)).dropped == 0
        assert broker.tend(clock.advance(1)).dropped == 1

    assert broker.get([old.id]) == [None]
    assert [record.state for record in broker.get([running.id, waiting.id])] == [State.RUNNING, State.QUEUED]


def test_finished_records_are_kept_for_a_day_unless_told_otherwise(broker, clock):
    task = given_finished(broker, clock)

    clock.advance(hours=23, minutes=59)
    broker.tend(clock.now())

    assert state_of(broker, task) is State.SUCCEEDED


# --- in steps, again, at the same time ------------------------------------------------------------


def test_tending_again_does_nothing_more(broker, clock, enlist):
    given_held(broker, clock)
    broker.send([a_message(eta=clock.now() + 5), a_message(expires=clock.now() + 5)], clock.now())
    clock.advance(11)
    assert what(broker.tend(clock.now())) == (1, 1, 1, 0)

    again = broker.tend(clock.now())

    assert what(again) == (0, 0, 0, 0)
    assert (list(again.buried), again.more) == ([], False)


def test_tending_goes_in_steps_and_says_when_there_is_more(broker, clock, enlist):
    for number in range(5):
        enlist(f"worker-{number}")
    broker.send([*messages(5, eta=clock.now() + 5), *messages(5, expires=clock.now() + 5)], clock.now())
    clock.advance(11)

    steps = [broker.tend(clock.now(), limit=2)]
    while steps[-1].more:
        steps.append(broker.tend(clock.now(), limit=2))

    assert sum(step.promoted for step in steps) == 5
    assert sum(step.expired for step in steps) == 5
    assert sorted(worker for step in steps for worker in step.buried) == [f"worker-{n}" for n in range(5)]
    assert all(max(step.promoted, step.expired, len(step.buried)) <= 2 for step in steps)
    assert counts_of(broker) == (5, 0, 0, 0)


def test_processes_that_tend_at_once_do_everything_once(broker, other, clock, enlist):
    broker.send(messages(20), clock.now())
    held = [task for n in range(4) for task in enlist(f"worker-{n}").claim(5)]
    due, doomed = messages(20, eta=clock.now() + 5), messages(20, expires=clock.now() + 5)
    broker.send([*due, *doomed], clock.now())
    clock.advance(11)
    done = []

    together(*(lambda on=on: done.append(on.tend(clock.now())) for on in (broker, other, broker, other)))

    assert [sum(column) for column in zip(*map(what, done), strict=True)] == [20, 20, 20, 0]
    assert sorted(worker for tended in done for worker in tended.buried) == [f"worker-{n}" for n in range(4)]
    assert {record.crashes for record in broker.get(ids(held))} == {1}
    assert counts_of(broker) == (40, 0, 0, 0)
