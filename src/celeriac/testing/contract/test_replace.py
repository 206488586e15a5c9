"""`replace`: other tasks take a running one's place, and its dependants go on waiting."""

import pytest

from celeriac.errors import UnknownTask
from celeriac.message import After
from celeriac.outcome import REVOKED, decode_error, stored
from celeriac.states import State
from celeriac.testing.contract.given import (
    a_message,
    counts_of,
    failed,
    given_held,
    hears,
    ids,
    record_of,
    state_of,
    stopped,
    succeeded,
)

BOOM = stored(ValueError("boom"))


@pytest.fixture
def held(broker, clock):
    """A worker, a task that it runs, and one that waits for that task."""
    worker, task = given_held(broker, clock)
    child = a_message(after=After((task.id,)))
    broker.send([child], clock.now())
    return worker, task, child


def replaced(broker, clock, worker, task, *graph):
    return broker.replace(worker.id, task.id, task.fence, graph, graph[-1].id, clock.now())


def test_a_replaced_task_ends_as_its_replacement_does(broker, clock, held):
    worker, task, child = held
    new = a_message()

    assert replaced(broker, clock, worker, task, new)

    assert state_of(broker, task) is State.WAITING
    [running] = worker.claim_all()
    assert running.id == new.id
    [next_one] = worker.trip(succeeded(running, b'"this"'), want=9).claims
    record = record_of(broker, task)
    assert (record.state, record.result) == (State.SUCCEEDED, b'"this"')
    assert next_one.id == child.id


def test_the_slot_of_a_replaced_task_is_free(broker, clock, held):
    worker, task, _ = held

    replaced(broker, clock, worker, task, a_message())

    assert not worker.has(task)
    [queue] = broker.queues()
    assert (queue.queued, queue.running, queue.waiting) == (1, 0, 2)


def test_a_graph_takes_its_place_whole(broker, clock, held):
    worker, task, child = held
    first = a_message()
    last = a_message(after=After((first.id,)))

    replaced(broker, clock, worker, task, first, last)

    for expected in (first, last, child):
        [running] = worker.claim_all()
        assert running.id == expected.id
        assert worker.settles(succeeded(running))


@pytest.mark.parametrize(
    ("end", "state", "error"),
    [
        (lambda task: failed(task, BOOM), State.FAILED, BOOM),
        (lambda task: stopped(task, REVOKED), State.CANCELLED, REVOKED),
    ],
)
def test_what_becomes_of_the_replacement_becomes_of_it(broker, clock, held, end, state, error):
    worker, task, child = held
    replaced(broker, clock, worker, task, a_message())

    worker.settles(end(worker.claim_all()[0]))

    assert (state_of(broker, task), record_of(broker, task).error) == (state, error)
    assert state_of(broker, child) is state
    if state is State.FAILED:
        assert decode_error(record_of(broker, child).error).origin == task.id


def test_it_can_be_replaced_twice_over(broker, clock, held):
    worker, task, child = held
    replaced(broker, clock, worker, task, a_message())
    [second] = worker.claim_all()
    replaced(broker, clock, worker, second, a_message())
    [third] = worker.claim_all()

    [last] = worker.trip(succeeded(third, b"7"), want=9).claims

    assert [record_of(broker, each).result for each in (task, second, third)] == [b"7"] * 3
    assert last.id == child.id


def test_a_replacement_may_be_repeated(broker, clock, held):
    worker, task, _ = held
    new = a_message()
    assert replaced(broker, clock, worker, task, new)

    assert replaced(broker, clock, worker, task, new)
    [running] = worker.claim_all()
    worker.settles(succeeded(running))
    assert replaced(broker, clock, worker, task, new)

    assert state_of(broker, task) is State.SUCCEEDED


def test_who_does_not_hold_a_task_cannot_replace_it(broker, clock, held, enlist):
    worker, task, _ = held
    new = a_message()

    assert not broker.replace("nobody", task.id, task.fence, [new], new.id, clock.now())
    assert not broker.replace(worker.id, task.id, task.fence - 1, [new], new.id, clock.now())
    assert not broker.replace(worker.id, "nothing", 1, [new], new.id, clock.now())

    assert broker.get([new.id]) == [None]
    assert worker.has(task)


def test_a_task_that_was_revoked_meanwhile_is_not_replaced(broker, clock, held):
    worker, task, child = held
    broker.cancel([task.id], clock.now())
    new = a_message()

    assert replaced(broker, clock, worker, task, new)

    assert (state_of(broker, task), state_of(broker, child)) == (State.CANCELLED, State.CANCELLED)
    assert broker.get([new.id]) == [None]
    assert counts_of(broker) == (0, 0, 0, 0)


def test_what_cannot_be_sent_replaces_nothing(broker, clock, held):
    worker, task, _ = held
    new = a_message(after=After(("nobody",)))

    with pytest.raises(UnknownTask, match="cannot wait for task nobody"):
        replaced(broker, clock, worker, task, new)

    assert broker.get([new.id]) == [None]
    assert worker.has(task)


def test_a_replaced_task_that_is_revoked_revokes_who_waits_for_it(broker, clock, held):
    worker, task, child = held
    new = a_message()
    replaced(broker, clock, worker, task, new)

    assert broker.cancel([task.id], clock.now()) == ["cancelled"]

    assert state_of(broker, child) is State.CANCELLED
    [running] = worker.claim_all()
    assert worker.settles(succeeded(running))
    assert state_of(broker, task) is State.CANCELLED


def test_a_task_that_has_started_in_time_does_not_expire_while_others_stand_for_it(broker, clock):
    worker, task = given_held(broker, clock, expires=clock.now() + 10.5)
    replaced(broker, clock, worker, task, a_message())
    clock.advance(60)

    assert broker.tend(clock.now()).expired == 0
    assert state_of(broker, task) is State.WAITING


def test_a_worker_that_dies_leaves_what_it_replaced_alone(broker, clock, held, enlist):
    worker, task, child = held
    replaced(broker, clock, worker, task, a_message())

    assert broker.retire([worker.id], clock.now()) == 0

    other = enlist("other")
    [running] = other.claim_all()
    assert ids(other.trip(succeeded(running), want=9).claims) == [child.id]


def test_a_listener_hears_that_a_task_was_replaced_and_how_it_ended(broker, clock, held):
    worker, task, _ = held
    listener = broker.listener()
    listener.watch([task.id])

    replaced(broker, clock, worker, task, a_message())
    assert hears(listener, task)
    worker.settles(succeeded(worker.claim_all()[0]))

    assert hears(listener, task)
    listener.close()
