"""`forget`: deletes what has finished, and nothing else."""

from celeriac.states import State
from celeriac.testing.contract.given import (
    a_message,
    counts_of,
    given_finished,
    given_held,
    ids,
    record_of,
    state_of,
    succeeded,
)


def test_a_finished_task_is_forgotten(broker, clock):
    task = given_finished(broker, clock)

    assert broker.forget([task.id]) == 1

    assert broker.get([task.id]) == [None]


def test_a_cancelled_and_a_failed_task_are_forgotten(broker, clock):
    worker, failing = given_held(broker, clock, crash_limit=0)
    broker.retire([worker.id], clock.now())
    cancelled = a_message()
    broker.send([cancelled], clock.now())
    broker.cancel([cancelled.id], clock.now())

    assert broker.forget([failing.id, cancelled.id]) == 2


def test_what_has_not_finished_stays(broker, clock, enlist):
    worker, running = given_held(broker, clock)
    waiting, scheduled = a_message(), a_message(eta=clock.now() + 5)
    broker.send([waiting, scheduled], clock.now())
    before = broker.get([running.id, waiting.id, scheduled.id])

    assert broker.forget([running.id, waiting.id, scheduled.id]) == 0

    assert broker.get([running.id, waiting.id, scheduled.id]) == before
    assert counts_of(broker) == (1, 1, 1, 0)
    assert worker.has(running)
    assert ids(worker.claim()) == [waiting.id]


def test_forgetting_again_or_the_unknown_is_no_error(broker, clock):
    task = given_finished(broker, clock)
    broker.forget([task.id])

    assert broker.forget([task.id, "no-such-task"]) == 0
    assert broker.forget([]) == 0


def test_a_task_that_is_named_twice_is_counted_once(broker, clock):
    task = given_finished(broker, clock)

    assert broker.forget([task.id, task.id]) == 1


def test_any_collection_of_ids_will_do(broker, clock):
    first, second = given_finished(broker, clock, "worker-a"), given_finished(broker, clock, "worker-b")

    assert broker.forget({first.id, second.id}) == 2


def test_an_id_that_was_forgotten_is_free_again(broker, clock, enlist):
    task = given_finished(broker, clock)
    broker.forget([task.id])

    assert broker.send([a_message(id=task.id, payload=b"[[2],{}]")], clock.now()) == 1

    worker = enlist("worker-b")
    [again] = worker.claim()
    assert (again.id, again.payload, again.fence) == (task.id, b"[[2],{}]", 1)
    assert worker.settles(succeeded(again))
    assert (state_of(broker, task), record_of(broker, task).worker) == (State.SUCCEEDED, "worker-b")
