"""`totals`, and how old the first ones of a queue are."""

from celeriac.broker import Total
from celeriac.lanes import Limit
from celeriac.message import After
from celeriac.states import State
from celeriac.testing.contract.given import Courier, a_message, failed, messages, stopped, succeeded


def numbers(broker):
    return {state: total.number for state, total in broker.totals().items() if total.number}


def test_an_empty_store_has_none_in_any_state(broker):
    assert {state: total.number for state, total in broker.totals().items()} == dict.fromkeys(State, 0)


def test_tasks_are_counted_in_each_state(broker, clock):
    ends = messages(6)
    broker.send(ends, clock.now())
    worker = Courier(broker, clock)
    tasks = worker.claim(6)
    worker.settles(*map(succeeded, tasks[:3]), *map(failed, tasks[3:5]), stopped(tasks[5]))
    parent = a_message(eta=clock.now() + 60)
    limited = messages(2, queue="slow", limit=Limit("one", concurrency=1))
    waits = [a_message(after=After((parent.id,))) for _ in range(2)]
    broker.send([*messages(2), a_message(name="shop.strange"), *limited, parent, *waits], clock.now())
    worker.claim(3)

    assert numbers(broker) == {
        State.SUCCEEDED: 3,
        State.FAILED: 2,
        State.CANCELLED: 1,
        State.RUNNING: 2,
        State.QUEUED: 3,
        State.SCHEDULED: 1,
        State.WAITING: 2,
    }


def test_what_has_not_ended_and_what_has_failed_is_counted_exactly(broker, clock):
    broker.send(messages(3), clock.now())

    totals = broker.totals()

    assert totals[State.QUEUED] == Total(3)
    assert totals[State.FAILED] == Total(0)


def test_a_requeued_task_is_not_counted_as_failed(broker, clock):
    [sent] = messages(1)
    broker.send([sent], clock.now())
    worker = Courier(broker, clock)
    worker.settles(failed(worker.claim()[0]))

    broker.requeue([sent.id], clock.now())

    assert (numbers(broker)[State.QUEUED], State.FAILED in numbers(broker)) == (1, False)


def oldest(broker):
    return {queue.name: queue.oldest for queue in broker.queues()}


def test_a_queue_knows_when_the_oldest_of_its_first_ones_was_sent(broker, clock):
    sent = [
        a_message(created=clock.now() + offset, priority=priority)
        for offset, priority in ((5, 3), (1, 3), (2, 0), (0, 0))
    ]
    broker.send(sent, clock.now())

    assert round(oldest(broker)["default"] - clock.now(), 3) == 2.0


def test_a_queue_in_whose_lines_nobody_stands_has_no_oldest(broker, clock):
    broker.send(messages(2, eta=clock.now() + 60), clock.now())
    broker.pause("empty", clock.now())

    assert oldest(broker) == {"default": None, "empty": None}


def test_what_was_cancelled_in_the_line_is_not_its_first(broker, clock):
    first, second = a_message(created=clock.now()), a_message(created=clock.now() + 3)
    broker.send([first, second], clock.now())

    broker.cancel([first.id], clock.now())

    assert round(oldest(broker)["default"] - clock.now(), 3) == 3.0


def test_totals_are_written_as_people_read_them():
    totals = Total(12), Total(10_000, "least"), Total(1_204_331, "about")

    assert [*map(str, totals)] == ["12", "10,000+", "about 1,204,331"]
