"""`bell`: idle workers are woken at once, and no more of them than there is work for."""

from celeriac.states import State
from celeriac.testing.contract.given import (
    a_message,
    crashed,
    given_held,
    is_silent,
    messages,
    release,
    retry,
    rings,
    rung_among,
    state_of,
)


def idle(enlist, hang, id="worker-a", on=None, **fields):
    """A worker that found nothing to do, and its bell."""
    worker = enlist(id, on=on, **fields)
    bell = hang(worker, on)
    assert worker.claim() == []
    bell.arm(True)
    return worker, bell


def test_a_bell_is_silent_while_there_is_no_work(enlist, hang):
    _, bell = idle(enlist, hang)

    assert is_silent(bell)
    assert not bell.heard()


def test_new_work_rings_for_an_idle_worker(broker, clock, enlist, hang):
    worker, bell = idle(enlist, hang)

    broker.send([a_message()], clock.now())

    assert rings(bell)
    assert bell.heard()
    assert len(worker.claim()) == 1


def test_work_from_another_process_rings_too(broker, other, clock, enlist, hang):
    _, bell = idle(enlist, hang)

    other.send([a_message()], clock.now())

    assert rings(bell)
    assert bell.heard()


def test_work_that_came_before_the_bell_was_armed_rings_too(broker, clock, enlist, hang):
    worker = enlist()
    bell = hang(worker)
    assert worker.claim() == []

    broker.send([a_message()], clock.now())
    bell.arm(True)

    assert rings(bell)
    assert bell.heard()


def test_a_bell_rings_again_for_the_next_work(broker, clock, enlist, hang):
    worker, bell = idle(enlist, hang)

    for _ in range(3):
        broker.send([a_message()], clock.now())
        assert rings(bell)
        assert bell.heard()
        assert len(worker.claim(1)) == 1
        assert worker.claim() == []
        bell.arm(True)


def test_one_task_wakes_one_worker(broker, clock, enlist, hang):
    bells = [idle(enlist, hang, f"worker-{n}")[1] for n in range(3)]

    broker.send([a_message()], clock.now())

    assert len(rung_among(bells)) == 1


def test_a_parked_task_wakes_a_worker_that_knows_its_name(broker, clock, enlist, hang):
    ignorant = enlist("worker-a")
    strangers = [idle(enlist, hang, f"worker-b{n}")[1] for n in range(2)]
    _, bell = idle(enlist, hang, "worker-c", names=("shop.strange",), queues=("mail", "default"))
    broker.send([a_message(name="shop.strange", queue="other")], clock.now())  # nobody's
    broker.send([a_message(name="shop.strange")], clock.now())
    rung_among([*strangers, bell])

    ignorant.claim()

    assert rings(bell)
    assert bell.heard()


def test_many_tasks_wake_every_idle_worker(broker, clock, enlist, hang):
    bells = [idle(enlist, hang, f"worker-{n}")[1] for n in range(3)]

    broker.send(messages(10), clock.now())

    assert all(rings(bell) for bell in bells)


def test_a_woken_worker_is_not_woken_again_before_it_has_looked(broker, clock, enlist, hang):
    bells = [idle(enlist, hang, f"worker-{n}")[1] for n in range(2)]

    broker.send([a_message()], clock.now())
    broker.send([a_message()], clock.now())

    assert all(rings(bell) for bell in bells)


def test_work_for_another_queue_wakes_nobody(broker, clock, enlist, hang):
    _, bell = idle(enlist, hang, queues=("mail",))

    broker.send([a_message(queue="default")], clock.now())

    assert is_silent(bell)


def test_a_worker_that_is_busy_is_not_rung_for_work(broker, clock, enlist, hang):
    broker.send([a_message()], clock.now())
    worker = enlist()
    bell = hang(worker)
    assert len(worker.claim(1)) == 1  # all that it wanted
    bell.arm(False)

    broker.send([a_message()], clock.now())

    assert is_silent(bell)


def test_a_task_that_was_known_already_wakes_nobody(broker, clock, enlist, hang):
    message = a_message()
    broker.send([message], clock.now())
    enlist("worker-b").claim()
    _, bell = idle(enlist, hang)

    broker.send([message], clock.now())

    assert is_silent(bell)


def test_work_that_comes_back_wakes_an_idle_worker(broker, clock, enlist, hang):
    ways = {
        "release": lambda worker, task: worker.trip(release(task)),
        "retry at once": lambda worker, task: worker.trip(retry(task, clock.now())),
        "crash": lambda worker, task: worker.trip(crashed(task)),
        "retire": lambda worker, task: broker.retire([worker.id], clock.now()),
    }
    for number, (way, come_back) in enumerate(ways.items()):
        holder, task = given_held(broker, clock, f"holder-{number}")
        waiter, bell = idle(enlist, hang, f"waiter-{number}")

        come_back(holder, task)

        assert rings(bell), way
        assert bell.heard(), way
        assert len(waiter.claim(1)) == 1, way
        broker.retire([waiter.id, holder.id], clock.now())
        broker.purge("default", clock.now())


def test_work_that_becomes_due_wakes_an_idle_worker(broker, clock, enlist, hang):
    broker.send([a_message(eta=clock.now() + 5)], clock.now())
    _, bell = idle(enlist, hang, lease=60.0)
    clock.advance(6)
    assert is_silent(bell)

    assert broker.tend(clock.now()).promoted == 1

    assert rings(bell)


def test_a_task_that_is_due_before_all_others_wakes_one_who_sleeps_until_then(broker, clock, enlist, hang):
    _, bell = idle(enlist, hang)

    broker.send([a_message(eta=clock.now() + 5)], clock.now())

    assert rings(bell)


def test_unparked_work_wakes_an_idle_worker(broker, clock, enlist, hang):
    broker.send([a_message(name="shop.strange")], clock.now())
    enlist("ignorant").claim()
    _, bell = idle(enlist, hang, names=("shop.add",))

    enlist("knowing", names=("shop.strange",))

    assert rings(bell)


def test_a_ring_that_is_not_needed_is_passed_on(broker, clock, enlist, hang):
    bells = dict(idle(enlist, hang, f"worker-{n}") for n in range(2))
    broker.send([a_message()], clock.now())
    [rung] = rung_among(bells.values())
    [silent] = [bell for bell in bells.values() if bell is not rung]
    assert rung.heard()

    rung.pass_on()

    assert rings(silent)
    assert silent.heard()


def test_passing_on_when_nothing_waits_rings_for_nobody(broker, clock, enlist, hang):
    (_, first), (_, second) = idle(enlist, hang, "worker-a"), idle(enlist, hang, "worker-b")

    first.pass_on()

    assert is_silent(second)


def test_a_stop_request_rings_for_the_worker_that_runs_the_task(broker, other, clock, enlist, hang):
    broker.send(messages(2), clock.now())
    one, two = enlist("worker-a"), enlist("worker-b")
    first, second = hang(one), hang(two)
    [task], _ = one.claim(1), two.claim(1)
    first.arm(False)
    second.arm(False)

    other.cancel([task.id], clock.now(), terminate=True)

    assert rings(first)
    assert not first.heard()  # no work
    assert list(one.trip().stops) == [task.id]
    assert is_silent(second)


def test_a_stop_request_rings_for_a_worker_that_waits_for_work_too(broker, clock, enlist, hang):
    worker, task = given_held(broker, clock)
    bell = hang(worker)
    assert worker.claim(1) == []
    bell.arm(True)

    broker.cancel([task.id], clock.now(), terminate=True)

    assert rings(bell)
    assert not bell.heard()
    assert list(worker.trip().stops) == [task.id]


def test_a_cancel_that_stops_nothing_rings_for_nobody(broker, clock, enlist, hang):
    worker, task = given_held(broker, clock)
    bell = hang(worker)
    assert worker.claim(1) == []
    bell.arm(True)

    broker.cancel([task.id], clock.now())

    assert is_silent(bell)


def test_a_worker_that_is_gone_holds_up_nobody(broker, clock, enlist, hang):
    gone, bell = idle(enlist, hang, "worker-a")
    _, there = idle(enlist, hang, "worker-b")
    bell.close()
    broker.retire([gone.id], clock.now())

    broker.send([a_message()], clock.now())

    assert rings(there)


def test_a_bell_that_was_taken_down_does_not_hinder_sending(broker, clock, enlist, hang):
    _, bell = idle(enlist, hang)
    bell.close()
    bell.close()
    message = a_message()

    broker.send([message], clock.now())

    assert state_of(broker, message) is State.QUEUED
