"""`purge`: cancels what waits in one queue; what runs or has finished is left alone."""

from celeriac.outcome import PURGED
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
)


def test_purging_cancels_what_is_queued_scheduled_and_parked(broker, clock, enlist):
    parked = a_message(name="shop.strange")
    broker.send([parked], clock.now())
    worker = enlist()
    worker.claim()
    queued, scheduled = a_message(priority=5), a_message(eta=clock.now() + 60)
    broker.send([queued, scheduled], clock.now())

    assert broker.purge("default", clock.now()) == 3

    for record in broker.get(ids([parked, queued, scheduled])):
        assert (record.state, record.error) == (State.CANCELLED, PURGED)
        assert abs(record.finished - clock.now()) < 0.5
    assert broker.queues() == []


def test_what_was_purged_is_never_run(broker, clock, enlist):
    broker.send([*messages(3), a_message(eta=clock.now() + 5), a_message(name="shop.strange")], clock.now())
    broker.purge("default", clock.now())

    clock.advance(60)
    broker.tend(clock.now())

    assert enlist("worker-a", names=("shop.add", "shop.strange")).claim_all() == []


def test_purging_leaves_other_queues_alone(broker, clock):
    mine, foreign = a_message(queue="mine"), a_message(queue="mine:too")
    broker.send([mine, foreign], clock.now())

    assert broker.purge("mine", clock.now()) == 1

    assert (state_of(broker, mine), state_of(broker, foreign)) == (State.CANCELLED, State.QUEUED)


def test_purging_leaves_alone_what_runs_and_what_has_finished(broker, clock):
    finished = given_finished(broker, clock, "worker-a")
    worker, running = given_held(broker, clock, "worker-b")
    before = record_of(broker, finished)

    assert broker.purge("default", clock.now()) == 0

    assert record_of(broker, finished) == before
    assert worker.has(running)


def test_purging_cancels_a_task_that_waits_for_its_retry(broker, clock):
    worker, task = given_held(broker, clock)
    worker.settles(retry(task, clock.now() + 5))

    assert broker.purge("default", clock.now()) == 1

    assert state_of(broker, task) is State.CANCELLED


def test_purging_goes_in_steps_of_the_limit(broker, clock):
    broker.send([*messages(3), *messages(2, priority=4), *messages(2, eta=clock.now() + 5)], clock.now())

    counts = [broker.purge("default", clock.now(), limit=3) for _ in range(4)]

    assert counts == [3, 3, 1, 0]
    assert counts_of(broker) == (0, 0, 0, 0)


def test_purging_an_empty_or_unknown_queue_does_nothing(broker, clock):
    assert broker.purge("no-such-queue", clock.now()) == 0
