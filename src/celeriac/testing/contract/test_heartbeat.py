"""`heartbeat`: one call renews many leases, and brings what was lost and what is to be stopped."""

import pytest

from celeriac.states import State
from celeriac.testing.contract.given import given_held, state_of, stopped, succeeded


def test_a_heartbeat_keeps_a_worker_and_its_tasks(broker, clock):
    worker, task = given_held(broker, clock)

    for _ in range(5):
        clock.advance(8)
        assert list(broker.heartbeat([worker.id], clock.now()).lost) == []
        assert list(broker.tend(clock.now()).buried) == []

    assert worker.has(task)


def test_without_a_heartbeat_the_lease_runs_out(broker, clock):
    worker, task = given_held(broker, clock)
    clock.advance(11)

    assert list(broker.tend(clock.now()).buried) == [worker.id]

    assert state_of(broker, task) is State.QUEUED


def test_a_lease_is_as_long_as_the_worker_asked_for(broker, clock, enlist):
    enlist("worker-a", lease=3.0)
    enlist("worker-b", lease=60.0)
    clock.advance(4)

    assert list(broker.tend(clock.now()).buried) == ["worker-a"]

    broker.heartbeat(["worker-b"], clock.now())
    clock.advance(59)
    assert list(broker.tend(clock.now()).buried) == []
    clock.advance(2)
    assert list(broker.tend(clock.now()).buried) == ["worker-b"]


def test_a_late_copy_of_an_older_heartbeat_shortens_no_lease(broker, clock, enlist):
    worker = enlist()
    sent = clock.now()
    clock.advance(8)
    broker.heartbeat([worker.id], clock.now())

    broker.heartbeat([worker.id], sent)

    clock.advance(8)
    assert list(broker.tend(clock.now()).buried) == []
    assert [known.seen for known in broker.workers(clock.now())] == pytest.approx([sent + 8], abs=1.0)


def test_a_trip_alone_renews_nothing(broker, clock, enlist):
    worker = enlist()
    clock.advance(9)
    worker.trip()
    clock.advance(2)

    assert list(broker.tend(clock.now()).buried) == [worker.id]


def test_a_late_heartbeat_is_good_while_nobody_has_buried_the_worker(broker, clock, enlist):
    worker = enlist()
    clock.advance(60)

    assert list(broker.heartbeat([worker.id], clock.now()).lost) == []

    assert list(broker.tend(clock.now()).buried) == []
    assert not worker.trip().lost


def test_a_heartbeat_names_the_workers_that_are_lost(broker, clock, enlist):
    enlist("worker-a")
    enlist("worker-b")
    broker.retire(["worker-b"], clock.now())

    beat = broker.heartbeat(["worker-b", "worker-a", "never-seen"], clock.now())

    assert sorted(beat.lost) == ["never-seen", "worker-b"]


def test_a_heartbeat_brings_no_lost_worker_back(broker, clock, enlist):
    worker = enlist()
    broker.retire([worker.id], clock.now())

    broker.heartbeat([worker.id], clock.now())

    assert broker.workers(clock.now()) == []
    assert worker.trip().lost


def test_one_heartbeat_renews_many_leases(broker, clock, enlist):
    workers = [enlist(f"worker-{n}").id for n in range(20)]
    clock.advance(9)

    broker.heartbeat(workers, clock.now())

    clock.advance(9)
    assert list(broker.tend(clock.now()).buried) == []
    assert len(broker.workers(clock.now())) == 20


def test_a_heartbeat_says_which_tasks_to_stop_and_since_when(broker, clock):
    worker, task = given_held(broker, clock)
    asked = clock.now()
    broker.cancel([task.id], asked, terminate=True)
    clock.advance(3)

    beat = broker.heartbeat([worker.id], clock.now())

    assert set(beat.stops) == {worker.id}
    assert set(beat.stops[worker.id]) == {task.id}
    assert abs(beat.stops[worker.id][task.id] - asked) < 0.5


def test_asking_again_does_not_make_a_stop_request_younger(broker, clock):
    worker, task = given_held(broker, clock)
    asked = clock.now()
    broker.cancel([task.id], asked, terminate=True)
    clock.advance(3)
    broker.cancel([task.id], clock.now(), terminate=True)

    beat = broker.heartbeat([worker.id], clock.now())

    assert abs(beat.stops[worker.id][task.id] - asked) < 0.5


def test_a_settled_task_is_not_to_be_stopped_any_more(broker, clock, enlist):
    one, first = given_held(broker, clock, "worker-a")
    two, second = given_held(broker, clock, "worker-b")
    broker.cancel([first.id, second.id], clock.now(), terminate=True)

    one.settles(stopped(first))
    two.settles(succeeded(second))

    assert dict(broker.heartbeat([one.id, two.id], clock.now()).stops) == {}


def test_a_heartbeat_for_nobody_is_allowed(broker, clock):
    beat = broker.heartbeat([], clock.now())

    assert (list(beat.lost), dict(beat.stops)) == ([], {})
