"""`cancel`: stored, not broadcast; what has not started never will."""

import pytest

from celeriac.outcome import REVOKED
from celeriac.states import State
from celeriac.testing.contract.given import (
    EVERY_BYTE,
    a_message,
    counts_of,
    given_finished,
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


def test_a_waiting_task_is_cancelled_and_never_claimed(broker, clock, enlist):
    message = a_message()
    broker.send([message], clock.now())
    clock.advance(1)

    assert list(broker.cancel([message.id], clock.now())) == ["cancelled"]

    record = record_of(broker, message)
    assert (record.state, record.error, record.outside) == (State.CANCELLED, REVOKED, "REVOKED")
    assert abs(record.finished - clock.now()) < 0.5
    assert enlist().claim() == []
    assert broker.queues() == []


def test_the_error_is_kept_as_it_was_given(broker, clock):
    message = a_message()
    broker.send([message], clock.now())

    broker.cancel([message.id], clock.now(), error=EVERY_BYTE)

    assert record_of(broker, message).error == EVERY_BYTE


def test_a_scheduled_task_is_cancelled_and_never_becomes_due(broker, clock, enlist):
    message = a_message(eta=clock.now() + 10)
    broker.send([message], clock.now())

    assert list(broker.cancel([message.id], clock.now())) == ["cancelled"]

    clock.advance(20)
    worker = enlist()
    assert worker.claim() == []
    assert worker.trip().due is None
    assert (state_of(broker, message), record_of(broker, message).due) == (State.CANCELLED, None)


def test_a_task_that_waits_for_its_retry_is_cancelled(broker, clock):
    worker, task = given_held(broker, clock)
    worker.settles(retry(task, clock.now() + 5))

    assert list(broker.cancel([task.id], clock.now())) == ["cancelled"]

    clock.advance(10)
    assert worker.claim() == []


def test_a_parked_task_is_cancelled_and_never_unparked(broker, clock, enlist):
    message = a_message(name="shop.strange")
    broker.send([message], clock.now())
    enlist("worker-a").claim()

    assert list(broker.cancel([message.id], clock.now())) == ["cancelled"]

    assert counts_of(broker) == (0, 0, 0, 0)
    assert enlist("worker-b", names=("shop.strange",)).claim() == []
    assert state_of(broker, message) is State.CANCELLED


def test_a_running_task_is_noted_and_runs_on(broker, clock):
    worker, task = given_held(broker, clock)

    assert list(broker.cancel([task.id], clock.now())) == ["noted"]

    record = record_of(broker, task)
    assert (record.state, record.cancelled) == (State.RUNNING, True)
    answer = worker.trip()
    assert list(answer.stops) == []
    assert worker.has(task)


def test_a_running_task_is_stopped_when_that_is_asked_for(broker, clock):
    worker, task = given_held(broker, clock)

    assert list(broker.cancel([task.id], clock.now(), terminate=True)) == ["stopping"]

    assert (state_of(broker, task), record_of(broker, task).cancelled) == (State.RUNNING, True)
    assert list(worker.trip().stops) == [task.id]
    assert worker.settles(stopped(task))
    assert state_of(broker, task) is State.CANCELLED


def test_a_cancel_that_was_noted_may_become_a_stop(broker, clock):
    worker, task = given_held(broker, clock)
    broker.cancel([task.id], clock.now())

    assert list(broker.cancel([task.id], clock.now(), terminate=True)) == ["stopping"]

    assert list(worker.trip().stops) == [task.id]


def test_a_finished_task_stays_as_it_is(broker, clock):
    task = given_finished(broker, clock)
    before = record_of(broker, task)

    assert list(broker.cancel([task.id], clock.now(), terminate=True)) == ["final"]

    assert record_of(broker, task) == before


def test_cancelling_again_is_too_late(broker, clock):
    message = a_message()
    broker.send([message], clock.now())
    broker.cancel([message.id], clock.now(), error=b'"first"')

    assert list(broker.cancel([message.id], clock.now(), error=b'"second"')) == ["final"]

    assert record_of(broker, message).error == b'"first"'


def test_an_unknown_task_is_unknown_and_stays_so(broker, clock):
    assert list(broker.cancel(["no-such-task"], clock.now())) == ["unknown"]

    assert broker.get(["no-such-task"]) == [None]


def test_many_are_cancelled_in_one_call_and_answered_in_their_order(broker, clock, enlist):
    finished = given_finished(broker, clock, "worker-a")
    _, running = given_held(broker, clock, "worker-b")
    waiting, scheduled = a_message(), a_message(eta=clock.now() + 5)
    broker.send([waiting, scheduled], clock.now())

    answers = broker.cancel(
        [running.id, waiting.id, "no-such-task", finished.id, scheduled.id, waiting.id], clock.now()
    )

    assert list(answers) == ["noted", "cancelled", "unknown", "final", "cancelled", "final"]


def test_cancelling_nothing_is_allowed(broker, clock):
    assert list(broker.cancel([], clock.now())) == []


def test_only_the_cancelled_one_leaves_its_line(broker, clock, enlist):
    sent = messages(5)
    broker.send(sent, clock.now())

    broker.cancel([sent[0].id, sent[2].id, sent[4].id], clock.now())

    assert ids(enlist().claim_all()) == [sent[1].id, sent[3].id]


def test_a_task_that_was_given_back_leaves_the_head_of_its_line(broker, clock):
    worker, task = given_held(broker, clock)
    worker.settles(release(task))
    later = a_message()
    broker.send([later], clock.now())

    assert list(broker.cancel([task.id], clock.now())) == ["cancelled"]

    assert ids(worker.claim_all()) == [later.id]


@pytest.mark.parametrize("terminate", [False, True])
def test_a_cancelled_run_that_succeeds_all_the_same_is_a_success(broker, clock, terminate):
    worker, task = given_held(broker, clock)
    broker.cancel([task.id], clock.now(), terminate=terminate)

    assert worker.settles(succeeded(task, b"1"))

    assert (state_of(broker, task), record_of(broker, task).result) == (State.SUCCEEDED, b"1")


def test_a_thousand_are_cancelled_in_one_call(broker, clock, enlist):
    sent = messages(1_000)
    broker.send(sent, clock.now())

    assert set(broker.cancel(ids(sent), clock.now())) == {"cancelled"}

    assert enlist().claim_all() == []
