"""`exchange` with *queues* and *ageing*: in which order a trip claims."""

import pytest

from celeriac.lanes import Limit
from celeriac.testing.contract.given import a_message, crashed, ids, release, retry

MINUTE = 60.0


@pytest.fixture
def send(broker, clock):
    """Send a message of a priority that is so many seconds old; return its id."""

    def send(priority: int, age: float, **fields) -> str:
        message = a_message(priority=priority, created=clock.now() - age, **fields)
        broker.send([message], clock.now())
        return message.id

    return send


def test_a_trip_may_look_into_the_queues_in_another_order(enlist, send):
    worker = enlist(queues=("a", "b", "c"))
    a, b, c = (send(0, 0, queue=queue) for queue in "abc")

    assert ids(worker.claim(1, queues=("b", "c", "a"))) == [b]
    assert ids(worker.claim(1, queues=("b", "c", "a"))) == [c]
    assert ids(worker.claim(9, queues=("b", "c", "a"))) == [a]


def test_the_other_order_is_for_one_trip_only(enlist, send):
    worker = enlist(queues=("a", "b"))
    first, _, second = send(0, 0, queue="b"), send(0, 0, queue="b"), send(0, 0, queue="a")

    assert ids(worker.claim(1, queues=("b", "a"))) == [first]
    assert ids(worker.claim(1)) == [second]


def test_parked_tasks_are_taken_back_in_the_order_of_the_trip(enlist, send, clock, broker):
    stranger = enlist("stranger", names=("other",), queues=("a", "b"))
    one, two = send(0, 0, queue="a"), send(0, 0, queue="b")
    assert stranger.claim_all() == []
    worker = enlist("worker", names=("other",), queues=("a", "b"))
    assert worker.claim_all() == []
    broker.retire(["stranger", "worker"], clock.now())
    knows = enlist("knows", queues=("a", "b"))

    assert ids(knows.claim(1, queues=("b", "a"))) == [two]
    assert ids(knows.claim(1, queues=("b", "a"))) == [one]


def test_a_paused_queue_is_left_out_of_the_other_order_too(broker, clock, enlist, send):
    worker = enlist(queues=("a", "b"))
    a, _ = send(0, 0, queue="a"), send(0, 0, queue="b")
    broker.pause("b", clock.now())

    assert ids(worker.claim(9, queues=("b", "a"))) == [a]


def test_without_ageing_priorities_are_strict(enlist, send):
    worker = enlist()
    old, new = send(0, 10_000), send(9, 0)

    assert ids(worker.claim_all()) == [new, old]


def test_with_ageing_a_task_gains_one_priority_in_each_so_many_seconds(enlist, send):
    worker = enlist()
    behind, level, ahead = send(0, 3 * MINUTE - 1), send(1, MINUTE), send(2, 61)

    assert ids(worker.claim(9, ageing=MINUTE)) == [ahead, behind, level]


def test_of_equal_ones_the_higher_priority_goes_first(enlist, send):
    worker = enlist()
    low, high = send(0, 2 * MINUTE), send(2, 0)

    assert ids(worker.claim(9, ageing=MINUTE)) == [high, low]


def test_ageing_is_exact_however_few_a_trip_wants(enlist, send):
    worker = enlist()
    sent = [(priority, age, send(priority, age)) for priority in (0, 3, 7) for age in (500, 400, 90, 30, 0)]
    expected = [task for *_, task in sorted(sent, key=lambda one: (-one[1] - one[0] * MINUTE, -one[0]))]

    claimed = [task for _ in range(len(sent)) for task in ids(worker.claim(1, ageing=MINUTE))]

    assert claimed == expected


def test_ageing_is_the_same_for_one_large_trip(enlist, send):
    worker = enlist()
    sent = [(priority, age, send(priority, age)) for priority in (0, 3, 7) for age in (500, 400, 90, 30, 0)]
    expected = [task for *_, task in sorted(sent, key=lambda one: (-one[1] - one[0] * MINUTE, -one[0]))]

    assert ids(worker.claim(100, ageing=MINUTE)) == expected


def test_the_next_one_of_a_lane_does_not_pass_an_older_one_of_another_priority(enlist, send):
    worker, lane = enlist(), Limit("fair", concurrency=5)
    oldest, urgent, next_of_lane = send(0, 10 * MINUTE, limit=lane), send(9, 0), send(0, 0, limit=lane)

    assert ids(worker.claim(9, ageing=MINUTE)) == [oldest, urgent, next_of_lane]


def test_within_a_priority_the_order_of_the_line_stays(enlist, send, clock):
    """Who comes back to the tail is behind, however old it is."""
    worker = enlist()
    old, new = send(0, 500), send(0, 10)
    [task] = worker.claim(1)
    worker.trip(retry(task, clock.now()))

    assert ids(worker.claim(9, ageing=MINUTE)) == [new, old]


@pytest.mark.parametrize("back", [release, crashed])
def test_what_comes_back_to_the_head_counts_its_whole_age(enlist, send, back):
    worker = enlist()
    old = send(0, 10 * MINUTE)
    [task] = worker.claim(1)
    send(5, 0)
    worker.trip(back(task))

    assert ids(worker.claim(1, ageing=MINUTE)) == [old]


def test_queues_go_before_ages(enlist, send):
    worker = enlist(queues=("a", "b"))
    young, old = send(0, 0, queue="a"), send(9, 10_000, queue="b")

    assert ids(worker.claim(9, ageing=MINUTE)) == [young, old]


def test_ageing_parks_and_cancels_like_any_claim(enlist, send, clock):
    worker = enlist()
    send(0, 10_000, name="shop.unknown")
    send(1, 9_000, expires=clock.now() - 1)
    good = send(2, 0)

    assert ids(worker.claim(9, ageing=MINUTE)) == [good]
