"""`exchange` and `enlist`: a task whose name nobody knows waits where no claim meets it."""

from celeriac.states import State
from celeriac.testing.contract.given import (
    a_message,
    counts_of,
    ids,
    messages,
    state_of,
)


def test_a_task_with_an_unknown_name_is_parked_and_the_next_is_claimed(broker, clock, enlist):
    strange, known = a_message(name="shop.strange"), a_message()
    broker.send([strange, known], clock.now())

    assert ids(enlist().claim(1)) == [known.id]

    assert state_of(broker, strange) is State.QUEUED
    assert counts_of(broker) == (1, 0, 1, 1)


def test_a_parked_task_waits_for_a_worker_that_knows_its_name(broker, clock, enlist):
    strange = a_message(name="shop.strange")
    broker.send([strange], clock.now())
    ignorant = enlist("worker-a")
    assert ignorant.claim() == []

    knowing = enlist("worker-b", names=("shop.add", "shop.strange"))

    assert counts_of(broker) == (1, 0, 0, 0)
    assert ids(knowing.claim()) == [strange.id]


def test_a_worker_that_was_there_all_the_time_gets_what_another_has_parked(broker, clock, enlist):
    knowing, ignorant = enlist("worker-b", names=("shop.strange",)), enlist("worker-a")
    strange = messages(3, name="shop.strange")
    broker.send(strange, clock.now())
    assert ignorant.claim() == []

    assert ids(knowing.claim(2)) == ids(strange[:2])

    assert counts_of(broker) == (1, 0, 2, 1)
    assert ids(knowing.claim(2)) == ids(strange[2:])


def test_a_worker_takes_back_what_was_parked_to_the_head_of_its_line(broker, clock, enlist):
    knowing, ignorant = enlist("worker-b", names=("shop.add", "shop.strange")), enlist("worker-a")
    strange, urgent = a_message(name="shop.strange"), a_message(name="shop.strange", priority=9)
    broker.send([strange, urgent], clock.now())
    ignorant.claim()
    later = a_message()
    broker.send([later], clock.now())

    assert ids(knowing.claim(3)) == [urgent.id, strange.id, later.id]


def test_a_worker_leaves_alone_what_was_parked_in_queues_that_are_not_its_own(broker, clock, enlist):
    knowing = enlist("worker-b", names=("shop.strange",), queues=("mail",))
    broker.send([a_message(name="shop.strange")], clock.now())
    enlist("worker-a").claim()

    assert knowing.claim() == []
    assert counts_of(broker) == (1, 0, 0, 1)


def test_a_worker_without_room_takes_nothing_back(broker, clock, enlist):
    knowing = enlist("worker-b", names=("shop.strange",))
    broker.send([a_message(name="shop.strange")], clock.now())
    enlist("worker-a").claim()

    knowing.trip(want=0)

    assert counts_of(broker) == (1, 0, 0, 1)


def test_unparked_tasks_go_to_the_tail_in_the_order_in_which_they_were_parked(broker, clock, enlist):
    strange = messages(3, name="shop.strange")
    broker.send(strange, clock.now())
    enlist("worker-a").claim()
    later = a_message()
    broker.send([later], clock.now())

    worker = enlist("worker-b", names=("shop.add", "shop.strange"))

    assert ids(worker.claim_all()) == [later.id, *ids(strange)]


def test_names_are_unparked_one_after_the_other_in_their_order(broker, clock, enlist):
    sent = [a_message(name=name) for name in ("shop.two", "shop.one", "shop.two", "shop.one")]
    broker.send(sent, clock.now())
    enlist("worker-a").claim()

    worker = enlist("worker-b", names=("shop.one", "shop.two"))

    assert ids(worker.claim_all()) == [sent[place].id for place in (1, 3, 0, 2)]


def test_an_expired_task_is_cancelled_even_when_nobody_knows_its_name(broker, clock, enlist):
    strange = a_message(name="shop.strange", expires=clock.now() + 5)
    broker.send([strange], clock.now())
    clock.advance(6)

    assert enlist().claim() == []

    assert state_of(broker, strange) is State.CANCELLED


def test_enlisting_unparks_only_the_names_that_the_worker_knows(broker, clock, enlist):
    broker.send([a_message(name="shop.one"), a_message(name="shop.two")], clock.now())
    enlist("worker-a").claim()

    enlist("worker-b", names=("shop.one",))

    assert counts_of(broker) == (2, 0, 0, 1)


def test_a_parked_task_keeps_its_queue_and_priority(broker, clock, enlist):
    urgent = a_message(name="shop.strange", priority=9, queue="mail")
    broker.send([urgent], clock.now())
    enlist("worker-a", queues=("mail",)).claim()
    broker.send([a_message(queue="mail", priority=8)], clock.now())

    knowing = enlist("worker-b", names=("shop.add", "shop.strange"), queues=("mail",))

    assert ids(knowing.claim_all())[0] == urgent.id
