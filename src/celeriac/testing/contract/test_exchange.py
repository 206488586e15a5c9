"""`exchange`: what is claimed, in which order, and what a settlement does."""

import pytest

from celeriac.outcome import EXPIRED, REVOKED
from celeriac.states import State
from celeriac.testing.contract.given import (
    EVERY_BYTE,
    Courier,
    a_message,
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
    together,
)

# --- claiming -------------------------------------------------------------------------------------


def test_a_claim_brings_the_whole_task_and_marks_it_running(broker, clock, enlist):
    sent = a_message(payload=EVERY_BYTE, options=EVERY_BYTE[::-1], priority=3, crash_limit=7, queue="mail")
    broker.send([sent], clock.now())
    clock.advance(5)

    [task] = enlist(queues=("mail",)).claim()

    assert (task.id, task.name, task.queue, task.priority) == (sent.id, sent.name, "mail", 3)
    assert (task.payload, task.options) == (EVERY_BYTE, EVERY_BYTE[::-1])
    assert (task.retries, task.crashes, task.crash_limit, task.checkpoint) == (0, 0, 7, b"")
    record = record_of(broker, sent)
    assert (record.state, record.outside, record.worker) == (State.RUNNING, "STARTED", "worker-a")
    assert record.fence == task.fence == 1
    assert abs(record.started - clock.now()) < 0.5


def test_a_claim_brings_no_more_than_was_wanted(broker, clock, enlist):
    broker.send(messages(5), clock.now())
    worker = enlist()

    assert [len(worker.claim(want)) for want in (0, 2, 1, 5, 5)] == [0, 2, 1, 2, 0]


def test_tasks_are_claimed_in_the_order_in_which_they_were_sent(broker, clock, enlist):
    sent = messages(6)
    broker.send(sent, clock.now())
    worker = enlist()

    claimed = worker.claim(2) + worker.claim(3) + worker.claim(3)

    assert ids(claimed) == ids(sent)


def test_a_higher_priority_goes_first_and_within_one_the_older(broker, clock, enlist):
    sent = [a_message(priority=priority) for priority in (0, 9, 5, 9, 0, 5, 1)]
    broker.send(sent, clock.now())

    claimed = ids(enlist().claim_all())

    assert claimed == [sent[place].id for place in (1, 3, 2, 5, 6, 0, 4)]


def test_queues_are_taken_in_the_workers_order_before_priorities_count(broker, clock, enlist):
    low, high = a_message(queue="second", priority=9), a_message(queue="first", priority=0)
    broker.send([low, high], clock.now())

    assert ids(enlist(queues=("first", "second")).claim_all()) == [high.id, low.id]


def test_a_worker_claims_from_its_own_queues_only(broker, clock, enlist):
    mine, foreign = a_message(queue="mine"), a_message(queue="foreign")
    broker.send([foreign, mine], clock.now())

    assert ids(enlist(queues=("mine",)).claim_all()) == [mine.id]
    assert state_of(broker, foreign) is State.QUEUED


def test_a_claimed_task_is_claimed_by_nobody_else(broker, other, clock, enlist):
    broker.send(messages(3), clock.now())
    first, second = enlist("worker-a"), enlist("worker-b", on=other)

    assert len(first.claim(2)) == 2
    assert len(second.claim(2)) == 1
    assert first.claim(2) == second.claim(2) == []


def test_processes_that_claim_at_the_same_time_share_the_work(broker, other, clock, enlist):
    sent = messages(120)
    broker.send(sent, clock.now())
    workers = [enlist(f"worker-{n}", on=on) for n, on in enumerate((broker, broker, other, other))]
    claimed = []

    def work(worker: Courier):
        while tasks := worker.claim(3):
            claimed.extend(tasks)
            assert worker.settles(*map(succeeded, tasks))

    together(*(lambda worker=worker: work(worker) for worker in workers))

    assert sorted(ids(claimed)) == ids(sent)
    assert {record.state for record in broker.get(ids(sent))} == {State.SUCCEEDED}


def test_an_expired_task_is_cancelled_instead_of_claimed(broker, clock, enlist):
    expired, good = a_message(expires=clock.now() + 10), a_message()
    broker.send([expired, good], clock.now())
    clock.advance(11)

    assert ids(enlist().claim(1)) == [good.id]

    record = record_of(broker, expired)
    assert (record.state, record.error, record.outside) == (State.CANCELLED, EXPIRED, "REVOKED")
    assert abs(record.finished - clock.now()) < 0.5


def test_a_task_may_start_just_before_it_expires_and_not_at_that_moment(broker, clock, enlist):
    worker = enlist()
    broker.send([a_message(expires=clock.now() + 10)], clock.now())
    clock.advance(9.9)
    assert len(worker.claim()) == 1

    broker.send([a_message(expires=clock.now() + 10)], clock.now())
    clock.advance(10)
    assert worker.claim() == []


def test_a_thousand_expired_tasks_do_not_hide_a_good_one_for_long(broker, clock, enlist):
    good = a_message()
    broker.send([*messages(1_100, expires=clock.now() + 1), good], clock.now())
    clock.advance(2)
    worker = enlist()

    claimed = [task for _ in range(3) for task in worker.claim()]

    assert ids(claimed) == [good.id]


def test_a_retried_task_that_has_expired_meanwhile_is_not_run_again(broker, clock, enlist):
    worker, task = given_held(broker, clock, expires=clock.now() + 10)
    worker.settles(retry(task, clock.now() + 20))
    clock.advance(21)

    assert worker.claim() == []

    assert record_of(broker, task).error == EXPIRED


# --- settling -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settle", "state", "outside"),
    [
        (succeeded, State.SUCCEEDED, "SUCCESS"),
        (failed, State.FAILED, "FAILURE"),
        (stopped, State.CANCELLED, "REVOKED"),
    ],
)
def test_a_final_verdict_keeps_its_body(broker, clock, settle, state, outside):
    worker, task = given_held(broker, clock)
    clock.advance(2)

    assert worker.settles(settle(task, EVERY_BYTE))

    record = record_of(broker, task)
    assert (record.state, record.outside, record.worker) == (state, outside, "worker-a")
    assert (record.result if state is State.SUCCEEDED else record.error) == EVERY_BYTE
    assert (record.error if state is State.SUCCEEDED else record.result) == b""
    assert abs(record.finished - clock.now()) < 0.5
    assert broker.queues() == []


def test_a_result_may_be_empty(broker, clock):
    worker, task = given_held(broker, clock)

    assert worker.settles(succeeded(task, b""))

    assert (state_of(broker, task), record_of(broker, task).result) == (State.SUCCEEDED, b"")


def test_a_trip_settles_and_claims_together(broker, clock, enlist):
    first, second = messages(2)
    broker.send([first, second], clock.now())
    worker = enlist()
    [task] = worker.claim()

    answer = worker.trip(succeeded(task), want=1)

    assert ids(answer.claims) == [second.id]
    assert state_of(broker, first) is State.SUCCEEDED


def test_a_released_task_can_be_claimed_in_the_same_trip(broker, clock):
    worker, task = given_held(broker, clock)

    [again] = worker.trip(release(task), want=1).claims

    assert (again.id, again.fence) == (task.id, task.fence + 1)


def test_a_retry_is_counted_scheduled_and_keeps_the_error(broker, clock):
    worker, task = given_held(broker, clock)

    assert worker.settles(retry(task, clock.now() + 10, EVERY_BYTE))

    record = record_of(broker, task)
    assert (record.state, record.outside) == (State.SCHEDULED, "RETRY")
    assert (record.retries, record.crashes, record.error) == (1, 0, EVERY_BYTE)
    assert abs(record.due - (clock.now() + 10)) < 0.5
    assert record.finished is None


def test_a_retry_is_claimed_when_it_is_due_and_not_before(broker, clock):
    worker, task = given_held(broker, clock)
    worker.settles(retry(task, clock.now() + 10))

    clock.advance(9.9)
    assert worker.claim() == []
    clock.advance(0.1)
    [again] = worker.claim()

    assert (again.id, again.retries, again.fence) == (task.id, 1, 2)
    assert record_of(broker, task).outside == "STARTED"


def test_a_retry_at_once_goes_to_the_tail(broker, clock, enlist):
    worker, task = given_held(broker, clock)
    other = a_message()
    broker.send([other], clock.now())

    assert worker.settles(retry(task, clock.now()))

    assert state_of(broker, task) is State.QUEUED
    assert ids(worker.claim_all()) == [other.id, task.id]


def test_released_tasks_go_to_the_head_in_their_order_and_nothing_is_counted(broker, clock, enlist):
    first, second, third = messages(3)
    broker.send([first, second, third], clock.now())
    worker = enlist()
    claimed = worker.claim(2)

    assert worker.settles(*map(release, claimed))

    records = broker.get([first.id, second.id])
    assert {(r.state, r.retries, r.crashes, r.outside) for r in records} == {(State.QUEUED, 0, 0, "PENDING")}
    assert ids(worker.claim_all()) == ids([first, second, third])


def test_tasks_released_at_different_times_stand_last_first(broker, clock, enlist):
    sent = messages(3)
    broker.send(sent, clock.now())
    worker = enlist()
    first, second = worker.claim(2)

    worker.settles(release(first))
    worker.settles(release(second))

    assert ids(worker.claim_all()) == [second.id, first.id, sent[2].id]


def test_released_tasks_go_to_the_head_of_their_own_queue_and_priority(broker, clock, enlist):
    low, high, mail = a_message(priority=1), a_message(priority=2), a_message(queue="mail")
    waiting = [a_message(priority=1), a_message(priority=2), a_message(queue="mail")]
    broker.send([low, high, mail, *waiting], clock.now())
    worker = enlist(queues=("default", "mail"))
    tasks = {task.id: task for task in worker.claim_all()}

    worker.settles(*(release(tasks[each.id]) for each in (low, mail, high)))
    worker.settles(*(retry(tasks[each.id], clock.now()) for each in waiting))

    expected = [high, waiting[1], low, waiting[0], mail, waiting[2]]
    assert ids(worker.claim_all()) == ids(expected)


def test_a_task_released_for_later_is_scheduled_and_nothing_is_counted(broker, clock):
    worker, task = given_held(broker, clock)

    assert worker.settles(release(task, clock.now() + 10))

    record = record_of(broker, task)
    assert (record.state, record.retries, record.crashes) == (State.SCHEDULED, 0, 0)
    assert worker.claim() == []
    clock.advance(10)
    assert ids(worker.claim()) == [task.id]


def test_a_crash_is_counted_and_sends_the_task_to_the_head(broker, clock):
    worker, task = given_held(broker, clock)
    other = a_message()
    broker.send([other], clock.now())

    assert worker.settles(crashed(task))

    record = record_of(broker, task)
    assert (record.state, record.crashes, record.retries) == (State.QUEUED, 1, 0)
    [again, _] = worker.claim_all()
    assert (again.id, again.crashes) == (task.id, 1)


def test_crashes_past_the_limit_fail_the_task_with_the_last_ones_body(broker, clock):
    worker, task = given_held(broker, clock, crash_limit=2)

    for _ in range(2):
        assert worker.settles(crashed(task, b'"not yet"'))
        [task] = worker.claim()
    assert worker.settles(crashed(task, EVERY_BYTE))

    record = record_of(broker, task)
    assert (record.state, record.crashes, record.error) == (State.FAILED, 3, EVERY_BYTE)
    assert worker.claim() == []


def test_a_crash_limit_of_zero_allows_none(broker, clock):
    worker, task = given_held(broker, clock, crash_limit=0)

    worker.settles(crashed(task))

    assert state_of(broker, task) is State.FAILED


def test_crashes_and_retries_are_counted_apart(broker, clock):
    worker, task = given_held(broker, clock)
    worker.settles(crashed(task))
    [task] = worker.claim()
    worker.settles(retry(task, clock.now()))

    [task] = worker.claim()

    assert (task.retries, task.crashes, task.fence) == (1, 1, 3)


@pytest.mark.parametrize("how", ["retry", "retry at once", "release", "release for later", "crash"])
def test_a_task_that_was_cancelled_while_it_ran_is_never_run_again(broker, clock, how):
    worker, task = given_held(broker, clock)
    broker.cancel([task.id], clock.now(), error=b'"by hand"')
    settlement = {
        "retry": retry(task, clock.now() + 5),
        "retry at once": retry(task, clock.now()),
        "release": release(task),
        "release for later": release(task, clock.now() + 5),
        "crash": crashed(task),
    }[how]

    assert worker.settles(settlement)

    record = record_of(broker, task)
    assert (record.state, record.error) == (State.CANCELLED, REVOKED)
    assert (record.retries, record.crashes) == (0, 0)
    clock.advance(10)
    assert worker.claim() == []


def test_a_task_that_was_cancelled_while_it_ran_may_still_finish(broker, clock):
    worker, task = given_held(broker, clock)
    broker.cancel([task.id], clock.now())

    assert worker.settles(succeeded(task, b"1"))

    record = record_of(broker, task)
    assert (record.state, record.result, record.error) == (State.SUCCEEDED, b"1", b"")


def test_success_after_a_retry_leaves_no_error(broker, clock):
    worker, task = given_held(broker, clock)
    worker.settles(retry(task, clock.now()))
    [task] = worker.claim()

    worker.settles(succeeded(task))

    record = record_of(broker, task)
    assert (record.error, record.retries) == (b"", 1)


# --- big and many ---------------------------------------------------------------------------------


def test_a_thousand_tasks_are_claimed_and_settled_in_two_trips(broker, clock, enlist):
    sent = messages(1_000)
    broker.send(sent, clock.now())
    worker = enlist()

    tasks = worker.claim(1_000)

    assert ids(tasks) == ids(sent)
    assert worker.settles(*map(succeeded, tasks))
    assert {record.state for record in broker.get(ids(sent))} == {State.SUCCEEDED}
