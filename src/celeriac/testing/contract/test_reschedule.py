"""`reschedule`: what waits for a moment waits for another one, or starts at once."""

import pytest

from celeriac.message import After
from celeriac.states import State
from celeriac.testing.contract.given import (
    a_message,
    given_finished,
    given_held,
    ids,
    is_silent,
    record_of,
    retry,
    rings,
    state_of,
)


def scheduled(broker, clock, seconds, **fields):
    message = a_message(eta=clock.now() + seconds, **fields)
    broker.send([message], clock.now())
    return message


@pytest.mark.parametrize("seconds", [5, 500])
def test_a_scheduled_task_becomes_due_at_its_new_moment_and_not_before(broker, clock, enlist, seconds):
    worker, task = enlist(), scheduled(broker, clock, 60)

    assert broker.reschedule([task.id], clock.now() + seconds, clock.now()) == [True]

    assert abs(record_of(broker, task).due - clock.now() - seconds) < 0.5
    clock.advance(seconds - 1)
    assert worker.claim() == []
    clock.advance(2)
    assert ids(worker.claim()) == [task.id]


@pytest.mark.parametrize("seconds", [0, -10])
def test_one_whose_new_moment_has_passed_is_queued_behind_the_others(broker, clock, enlist, seconds):
    worker, task = enlist(), scheduled(broker, clock, 60)
    broker.send([other := a_message()], clock.now())

    assert broker.reschedule([task.id], clock.now() + seconds, clock.now()) == [True]

    record = record_of(broker, task)
    assert (record.state, record.due) == (State.QUEUED, None)
    assert ids(worker.claim_all()) == [other.id, task.id]


def test_several_are_queued_in_the_order_that_was_asked_for(broker, clock, enlist):
    worker = enlist()
    tasks = [scheduled(broker, clock, seconds) for seconds in (10, 20, 30)]
    order = [tasks[1].id, tasks[2].id, tasks[0].id]

    assert broker.reschedule(order, clock.now(), clock.now()) == [True] * 3

    assert ids(worker.claim_all()) == order


def test_a_retry_can_be_made_at_once_and_stays_counted(broker, clock):
    worker, task = given_held(broker, clock)
    worker.settles(retry(task, clock.now() + 3600))

    assert broker.reschedule([task.id], clock.now(), clock.now()) == [True]

    [again] = worker.claim()
    assert (again.id, again.retries) == (task.id, 1)


def test_what_waits_for_no_moment_is_left_alone(broker, clock):
    finished = given_finished(broker, clock)
    _, running = given_held(broker, clock, "worker-b")
    queued, waiting = a_message(), a_message(after=After((running.id,)))
    broker.send([queued, waiting], clock.now())
    tasks = (finished, running, queued, waiting)
    before = [record_of(broker, task) for task in tasks]

    asked = [*(task.id for task in tasks), "nobody"]
    assert broker.reschedule(asked, clock.now() + 5, clock.now()) == [False] * 5

    assert [record_of(broker, task) for task in tasks] == before


def test_expiry_stays_as_it_is(broker, clock, enlist):
    worker = enlist()
    task = scheduled(broker, clock, 60, expires=clock.now() + 100)

    broker.reschedule([task.id], clock.now() + 200, clock.now())
    clock.advance(101)
    broker.tend(clock.now())

    assert worker.claim() == []
    assert state_of(broker, task) is State.CANCELLED


def test_the_counts_of_the_queue_follow(broker, clock):
    tasks = [scheduled(broker, clock, 60) for _ in range(3)]

    broker.reschedule([tasks[0].id], clock.now(), clock.now())
    broker.reschedule([tasks[1].id, tasks[1].id], clock.now() + 5, clock.now())

    [queue] = broker.queues()
    assert (queue.queued, queue.scheduled) == (1, 2)


def test_an_idle_worker_is_rung_for_what_starts_at_once(broker, clock, enlist, hang):
    worker, task = enlist(), scheduled(broker, clock, 60)
    bell = hang(worker)
    assert worker.claim() == []
    bell.arm(True)
    assert is_silent(bell)

    broker.reschedule([task.id], clock.now(), clock.now())

    assert rings(bell)
    assert ids(worker.claim()) == [task.id]
