"""`enlist` and `workers`: who is alive, and what an enlisting worker keeps."""

from celeriac.testing.contract.given import Courier, a_worker, messages, succeeded


def test_an_enlisted_worker_is_known_with_all_it_said(broker, clock):
    info = a_worker(
        "worker-a",
        host="machine-1",
        pid=4711,
        queues=("mail", "default"),
        lease=12.5,
        slots=8,
        version="1.2.3",
    )

    broker.enlist(info, clock.now())

    [found] = broker.workers(clock.now())
    assert (found.id, found.name, found.host, found.pid) == ("worker-a", "worker-a@host", "machine-1", 4711)
    assert (found.queues, found.lease, found.slots) == (("mail", "default"), 12.5, 8)
    assert (found.version, found.running) == ("1.2.3", 0)
    assert abs(found.started - clock.now()) < 0.5
    assert found.names in (frozenset(), info.names)  # a store may leave them out here


def test_workers_come_by_id_with_their_tasks_counted(broker, clock, enlist):
    broker.send(messages(5), clock.now())
    for name, want in (("worker-c", 3), ("worker-a", 0), ("worker-b", 1)):
        enlist(name).claim(want)

    found = [(info.id, info.running) for info in broker.workers(clock.now())]

    assert found == [("worker-a", 0), ("worker-b", 1), ("worker-c", 3)]


def test_settled_tasks_are_not_counted(broker, clock, enlist):
    broker.send(messages(3), clock.now())
    worker = enlist()
    first, *_ = worker.claim(3)
    worker.settles(succeeded(first))

    assert broker.workers(clock.now())[0].running == 2


def test_a_heartbeat_shows_when_a_worker_was_last_seen(broker, clock, enlist):
    enlist()
    began = clock.now()
    clock.advance(7)

    broker.heartbeat(["worker-a"], clock.now())

    [found] = broker.workers(clock.now())
    assert abs(found.seen - clock.now()) < 0.5
    assert abs(found.started - began) < 0.5


def test_a_worker_whose_lease_ran_out_is_not_listed_even_before_it_is_buried(broker, clock, enlist):
    enlist("worker-a", lease=5.0)
    enlist("worker-b", lease=50.0)
    clock.advance(6)

    assert [info.id for info in broker.workers(clock.now())] == ["worker-b"]


def test_enlisting_again_keeps_what_the_worker_holds_and_its_trip_number(broker, clock, enlist):
    broker.send(messages(2), clock.now())
    worker = enlist()
    first = worker.trip(want=1)

    broker.enlist(a_worker(worker.id), clock.now())

    assert list(worker.repeat().claims) == list(first.claims)
    assert broker.workers(clock.now())[0].running == 1
    assert worker.has(first.claims[0])


def test_enlisting_again_renews_the_lease(broker, clock, enlist):
    worker = enlist()
    clock.advance(8)
    broker.enlist(a_worker(worker.id), clock.now())
    clock.advance(8)

    assert list(broker.tend(clock.now()).buried) == []


def test_enlisting_again_may_teach_new_names_and_queues(broker, clock, enlist):
    worker = enlist(names=("shop.add",), queues=("default",))
    broker.send(messages(1, name="shop.new", queue="new"), clock.now())
    assert worker.claim() == []

    broker.enlist(a_worker(worker.id, names=("shop.new",), queues=("new",)), clock.now())

    assert len(worker.claim()) == 1


def test_a_retired_worker_that_enlists_under_its_old_id_begins_anew(broker, clock, enlist):
    broker.send(messages(1), clock.now())
    worker = enlist()
    [old] = worker.claim()
    broker.retire([worker.id], clock.now())

    fresh = Courier(broker, clock, worker.id)

    [new] = fresh.claim()
    assert new.id == old.id
    assert not fresh.has(old)
    assert fresh.has(new)


def test_a_worker_may_know_thousands_of_names_and_serve_many_queues(broker, clock, enlist):
    names = [f"shop.task_{number}" for number in range(3_000)]
    queues = tuple(f"queue-{number}" for number in range(50))
    broker.send(messages(1, name=names[2_999], queue=queues[49]), clock.now())

    assert len(enlist(names=names, queues=queues).claim()) == 1
