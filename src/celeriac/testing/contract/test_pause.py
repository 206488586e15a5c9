"""`pause`, `resume`: whether anything is claimed from a queue; all else goes on."""

import pytest

from celeriac.states import State
from celeriac.testing.contract.given import (
    a_message,
    given_held,
    ids,
    is_silent,
    messages,
    release,
    retry,
    rings,
    state_of,
    succeeded,
)


def test_nothing_is_claimed_from_a_paused_queue_until_it_is_resumed(broker, clock, enlist):
    worker = enlist()
    sent = messages(3)
    broker.send(sent, clock.now())

    assert broker.pause("default", clock.now())
    assert worker.claim_all() == []

    assert broker.resume("default", clock.now())
    assert ids(worker.claim_all()) == ids(sent)


def test_pausing_and_resuming_may_be_repeated(broker, clock):
    assert [broker.pause("q", clock.now()), broker.pause("q", clock.now())] == [True, False]
    assert [broker.resume("q", clock.now()), broker.resume("q", clock.now())] == [True, False]


def test_other_queues_are_claimed_from_meanwhile(broker, clock, enlist):
    worker = enlist(queues=("first", "second"))
    one, two = a_message(queue="first"), a_message(queue="second")
    broker.send([one, two], clock.now())
    broker.pause("first", clock.now())

    assert ids(worker.claim_all()) == [two.id]


def test_what_runs_goes_on_and_can_be_settled(broker, clock):
    worker, task = given_held(broker, clock)
    broker.pause("default", clock.now())

    assert worker.settles(succeeded(task))
    assert state_of(broker, task) is State.SUCCEEDED


@pytest.mark.parametrize("how", ["retry", "release"])
def test_what_comes_back_stays_in_the_paused_queue(broker, clock, how):
    worker, task = given_held(broker, clock)
    broker.pause("default", clock.now())
    worker.settles(retry(task, clock.now()) if how == "retry" else release(task))

    assert worker.claim_all() == []
    assert state_of(broker, task) is State.QUEUED
    broker.resume("default", clock.now())
    assert ids(worker.claim_all()) == [task.id]


def test_scheduled_tasks_become_due_and_expire_while_their_queue_is_paused(broker, clock, enlist):
    worker = enlist()
    later, short = a_message(eta=clock.now() + 5), a_message(expires=clock.now() + 5)
    broker.send([later, short], clock.now())
    broker.pause("default", clock.now())

    clock.advance(6)
    broker.tend(clock.now())

    assert worker.claim_all() == []
    assert [state_of(broker, each) for each in (later, short)] == [State.QUEUED, State.CANCELLED]


def test_parked_tasks_stay_parked_while_their_queue_is_paused(broker, clock, enlist):
    stranger = enlist("stranger", names=frozenset({"something.else"}))
    broker.send([sent := a_message()], clock.now())
    stranger.claim()
    knows = enlist("knows")
    broker.send([other := a_message()], clock.now())
    stranger.claim_all()
    broker.pause("default", clock.now())

    assert knows.claim_all() == []

    broker.resume("default", clock.now())
    assert sorted(ids(knows.claim_all())) == sorted(ids([sent, other]))


def test_a_paused_queue_is_shown_as_such_even_when_it_is_empty(broker, clock):
    broker.send(messages(2), clock.now())
    broker.pause("default", clock.now())
    broker.pause("empty", clock.now())

    assert [(each.name, each.queued, each.paused) for each in broker.queues()] == [
        ("default", 2, True),
        ("empty", 0, True),
    ]
    broker.resume("empty", clock.now())
    assert [each.name for each in broker.queues()] == ["default"]


def test_nobody_is_rung_for_a_paused_queue_but_when_it_is_resumed(broker, clock, enlist, hang):
    worker = enlist()
    bell = hang(worker)
    broker.pause("default", clock.now())
    assert worker.claim() == []
    bell.arm(True)

    broker.send(messages(1), clock.now())
    assert is_silent(bell)

    broker.resume("default", clock.now())
    assert rings(bell)
    assert bell.heard()
    assert len(worker.claim_all()) == 1


def test_a_worker_that_was_idle_before_the_pause_is_rung_when_it_ends(broker, clock, enlist, hang):
    worker = enlist()
    bell = hang(worker)
    assert worker.claim() == []
    bell.arm(True)
    broker.pause("default", clock.now())
    broker.send(messages(1), clock.now())
    assert is_silent(bell)

    broker.resume("default", clock.now())

    assert rings(bell)
