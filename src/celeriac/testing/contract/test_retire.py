"""`retire`: a dead worker's tasks go back at once, each with a crash counted, exactly once."""

from celeriac.errors import WorkerLostError
from celeriac.outcome import LEASE_LOST, REVOKED, decode_error
from celeriac.states import State
from celeriac.testing.contract.given import (
    EVERY_BYTE,
    a_message,
    given_held,
    ids,
    messages,
    record_of,
    state_of,
    succeeded,
    together,
)


def test_a_retired_workers_tasks_go_back_with_a_crash_counted(broker, clock, enlist):
    broker.send(messages(3), clock.now())
    worker = enlist()
    held = worker.claim(2)

    assert broker.retire([worker.id], clock.now()) == 2

    records = broker.get(ids(held))
    assert {(record.state, record.crashes, record.retries) for record in records} == {(State.QUEUED, 1, 0)}
    assert broker.workers(clock.now()) == []


def test_the_task_is_run_again_by_whoever_is_alive(broker, clock, enlist):
    worker, task = given_held(broker, clock)
    survivor = enlist("worker-b")

    broker.retire([worker.id], clock.now())

    [again] = survivor.claim()
    assert (again.id, again.crashes) == (task.id, 1)
    assert again.fence > task.fence
    assert survivor.has(again)


def test_its_tasks_go_to_the_head_in_the_order_of_their_ids(broker, clock, enlist):
    sent = messages(4)
    broker.send(sent[::-1], clock.now())
    worker = enlist()
    held = worker.claim(3)  # the three with the highest ids

    broker.retire([worker.id], clock.now())

    assert ids(enlist("worker-b").claim_all()) == [*sorted(ids(held)), sent[0].id]


def test_retiring_again_changes_nothing(broker, clock):
    worker, task = given_held(broker, clock)
    broker.retire([worker.id], clock.now())
    before = record_of(broker, task)

    assert broker.retire([worker.id, worker.id], clock.now()) == 0

    assert record_of(broker, task) == before


def test_naming_a_worker_twice_counts_its_crashes_once(broker, clock):
    worker, task = given_held(broker, clock)

    assert broker.retire([worker.id, worker.id], clock.now()) == 1

    assert record_of(broker, task).crashes == 1


def test_a_worker_that_the_store_never_knew_held_nothing(broker, clock):
    assert broker.retire(["never-seen"], clock.now()) == 0
    assert broker.retire([], clock.now()) == 0


def test_a_worker_that_holds_nothing_is_forgotten(broker, clock, enlist):
    worker = enlist()

    assert broker.retire([worker.id], clock.now()) == 0

    assert worker.trip().lost


def test_a_settled_task_is_no_longer_the_workers(broker, clock):
    worker, task = given_held(broker, clock)
    worker.settles(succeeded(task))

    assert broker.retire([worker.id], clock.now()) == 0

    assert state_of(broker, task) is State.SUCCEEDED


def test_a_crash_past_the_limit_fails_the_task_with_the_given_error(broker, clock):
    worker, task = given_held(broker, clock, crash_limit=0)

    assert broker.retire([worker.id], clock.now(), EVERY_BYTE) == 1

    record = record_of(broker, task)
    assert (record.state, record.error, record.crashes) == (State.FAILED, EVERY_BYTE, 1)


def test_a_crash_past_the_limit_says_that_the_worker_was_lost(broker, clock):
    worker, task = given_held(broker, clock, crash_limit=0)

    broker.retire([worker.id], clock.now())

    error = record_of(broker, task).error
    assert error == LEASE_LOST
    assert isinstance(decode_error(error).rebuild(), WorkerLostError)


def test_a_task_that_kills_its_workers_comes_to_an_end(broker, clock, enlist):
    message = a_message(crash_limit=3)
    broker.send([message], clock.now())

    workers = 0
    while enlist(f"worker-{workers}").claim():
        broker.retire([f"worker-{workers}"], clock.now())
        workers += 1

    assert workers == 4
    assert (state_of(broker, message), record_of(broker, message).crashes) == (State.FAILED, 4)


def test_a_task_that_was_cancelled_while_it_ran_is_not_run_again(broker, clock, enlist):
    worker, task = given_held(broker, clock)
    broker.cancel([task.id], clock.now(), terminate=True)

    assert broker.retire([worker.id], clock.now()) == 1

    record = record_of(broker, task)
    assert (record.state, record.error, record.crashes) == (State.CANCELLED, REVOKED, 0)
    assert enlist("worker-b").claim() == []


def test_two_processes_that_retire_a_worker_at_once_count_one_crash(broker, other, clock, enlist):
    broker.send(messages(30), clock.now())
    worker = enlist()
    held = worker.claim(30)
    counts = []

    together(*(lambda on=on: counts.append(on.retire([worker.id], clock.now())) for on in (broker, other)))

    assert sorted(counts) == [0, 30]
    assert {record.crashes for record in broker.get(ids(held))} == {1}


def test_a_retired_worker_may_not_report_and_learns_that_it_is_lost(broker, clock):
    worker, task = given_held(broker, clock)

    broker.retire([worker.id], clock.now())

    assert list(broker.heartbeat([worker.id], clock.now()).lost) == [worker.id]
    assert worker.trip(succeeded(task)).lost
    assert state_of(broker, task) is State.QUEUED


def test_several_workers_are_retired_in_one_call(broker, clock, enlist):
    held = [given_held(broker, clock, f"worker-{n}")[1] for n in range(4)]

    assert broker.retire([f"worker-{n}" for n in range(4)], clock.now()) == 4

    assert sorted(ids(enlist("survivor").claim_all())) == ids(held)
