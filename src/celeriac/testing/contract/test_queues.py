"""`queues`: what waits and what runs, counted."""

from celeriac.broker import QueueInfo
from celeriac.testing.contract.given import a_message, given_finished, given_held, messages, retry


def test_an_empty_store_has_no_queues(broker):
    assert broker.queues() == []


def test_queues_come_by_name_with_their_tasks_counted(broker, clock, enlist):
    strange = a_message(queue="b", name="shop.strange")
    broker.send([*messages(4, queue="b"), strange, *messages(2, queue="a", eta=clock.now() + 9)], clock.now())
    worker = enlist(queues=("b",))
    tasks = worker.claim(4)
    worker.settles(retry(tasks[0], clock.now() + 9))
    worker.claim()

    assert broker.queues() == [QueueInfo("a", scheduled=2), QueueInfo("b", 1, 1, 3, 1)]


def test_finished_tasks_are_not_counted(broker, clock):
    given_finished(broker, clock)

    assert broker.queues() == []


def test_all_priorities_of_a_queue_are_counted_together(broker, clock):
    broker.send([a_message(priority=priority) for priority in range(10)], clock.now())

    assert broker.queues() == [QueueInfo("default", queued=10, oldest=1_600_000_000.0)]


def test_a_queue_whose_last_task_was_cancelled_is_gone(broker, clock):
    message = a_message()
    broker.send([message], clock.now())
    broker.cancel([message.id], clock.now())

    assert broker.queues() == []


def test_another_process_counts_the_same(broker, other, clock):
    given_held(broker, clock)
    broker.send(messages(3), clock.now())

    assert other.queues() == broker.queues() == [QueueInfo("default", 3, running=1, oldest=1_600_000_000.0)]
