"""`listener`: whoever waits for a task misses nothing, and waits no longer than it must."""

import time

import pytest

from celeriac.broker import Report
from celeriac.states import State
from celeriac.testing.contract.given import (
    DEADLINE,
    QUIET,
    a_message,
    crashed,
    failed,
    given_finished,
    given_held,
    hears,
    ids,
    in_threads,
    messages,
    record_of,
    release,
    retry,
    settle_down,
    succeeded,
)


def test_watching_returns_the_records_in_order_with_none_for_the_unknown(broker, clock, listen):
    finished = given_finished(broker, clock)
    waiting = a_message()
    broker.send([waiting], clock.now())

    records = listen().watch([waiting.id, "no-such-task", finished.id])

    assert records == [record_of(broker, waiting), None, record_of(broker, finished)]


CHANGES = {
    "claim": lambda broker, worker, task, now: worker.trip(release(task), want=1),
    "success": lambda broker, worker, task, now: worker.trip(succeeded(task)),
    "failure": lambda broker, worker, task, now: worker.trip(failed(task)),
    "retry": lambda broker, worker, task, now: worker.trip(retry(task, now + 9)),
    "release": lambda broker, worker, task, now: worker.trip(release(task)),
    "crash": lambda broker, worker, task, now: worker.trip(crashed(task)),
    "retirement": lambda broker, worker, task, now: broker.retire([worker.id], now),
    "lost lease": lambda broker, worker, task, now: broker.tend(now + 60),
    "progress": lambda broker, worker, task, now: broker.report(
        worker.id, [Report(task.id, task.fence, "PROGRESS", b"1")], now
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_listener_hears_of_each_change_of_a_running_task(broker, clock, listen, change):
    worker, task = given_held(broker, clock)
    listener = listen()
    listener.watch([task.id])

    CHANGES[change](broker, worker, task, clock.now())

    assert hears(listener, task)


ENDS = {
    "cancel": lambda broker, task, now: broker.cancel([task.id], now),
    "purge": lambda broker, task, now: broker.purge("default", now),
    "expiry": lambda broker, task, now: broker.tend(now + 90),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_listener_hears_of_the_end_of_a_waiting_task(broker, clock, listen, end):
    message = a_message(expires=clock.now() + 60)
    broker.send([message], clock.now())
    listener = listen()
    listener.watch([message.id])

    ENDS[end](broker, message, clock.now())

    assert hears(listener, message)


def test_a_listener_hears_what_another_process_did(broker, other, clock, listen):
    worker, task = given_held(broker, clock)
    listener = listen(other)
    listener.watch([task.id])

    worker.settles(succeeded(task))

    assert hears(listener, task)
    assert record_of(other, task).state is State.SUCCEEDED


def test_several_listeners_hear_the_same_task(broker, other, clock, listen):
    worker, task = given_held(broker, clock)
    listeners = [listen(), listen(), listen(other)]
    for listener in listeners:
        listener.watch([task.id])

    worker.settles(succeeded(task))

    assert all(hears(listener, task) for listener in listeners)


def test_a_listener_hears_of_many_tasks(broker, clock, listen, enlist):
    broker.send(messages(200), clock.now())
    worker = enlist()
    tasks = worker.claim_all()
    listener = listen()
    listener.watch(ids(tasks))

    worker.settles(*map(succeeded, tasks))

    heard = set()
    end = time.monotonic() + DEADLINE
    while not heard >= set(ids(tasks)) and time.monotonic() < end:
        news = listener.wait(1.0)
        heard |= set(ids(tasks)) if news is None else news
    assert heard >= set(ids(tasks))


def test_tasks_may_be_added_to_those_watched(broker, clock, listen, enlist):
    broker.send(messages(2), clock.now())
    worker = enlist()
    first, second = worker.claim(2)
    listener = listen()
    listener.watch([first.id])
    listener.watch([second.id])

    worker.settles(succeeded(first))
    assert hears(listener, first)
    worker.settles(succeeded(second))
    assert hears(listener, second)


def test_every_change_is_heard_not_only_the_first(broker, clock, listen):
    worker, task = given_held(broker, clock)
    listener = listen()
    listener.watch([task.id])

    for step in range(5):
        broker.report(worker.id, [Report(task.id, task.fence, meta=b"%d" % step)], clock.now())
        assert hears(listener, task)

    worker.settles(succeeded(task))
    assert hears(listener, task)


def test_no_change_is_missed_between_the_record_and_the_news(broker, other, clock, listen, enlist):
    broker.send(messages(60), clock.now())
    worker = enlist(on=other)
    tasks = worker.claim_all()
    listener = listen()

    def finish():
        for task in tasks:
            worker.settles(succeeded(task))

    with in_threads(finish):
        for task in tasks:
            [record] = listener.watch([task.id])
            assert record.state.final or hears(listener, task)


def test_with_no_news_waiting_ends_at_its_time_out(broker, clock, listen):
    message = a_message()
    broker.send([message], clock.now())
    listener = listen()
    listener.watch([message.id])
    settle_down(listener)

    began = time.monotonic()
    assert listener.wait(QUIET) == set()

    assert QUIET * 0.9 <= time.monotonic() - began < DEADLINE


def test_news_that_came_before_the_waiting_ends_it_at_once(broker, clock, listen):
    worker, task = given_held(broker, clock)
    listener = listen()
    listener.watch([task.id])
    worker.settles(succeeded(task))

    began = time.monotonic()
    assert hears(listener, task, timeout=60)

    assert time.monotonic() - began < DEADLINE


def test_waking_ends_the_waiting_from_another_thread(broker, clock, listen):
    message = a_message()
    broker.send([message], clock.now())
    listener = listen()
    listener.watch([message.id])
    settle_down(listener)

    began = time.monotonic()
    with in_threads(listener.wake):
        listener.wait(60.0)

    assert time.monotonic() - began < DEADLINE


def test_a_wake_that_came_first_is_not_lost(broker, clock, listen):
    listener = listen()
    listener.watch(["no-such-task"])
    settle_down(listener)
    listener.wake()

    began = time.monotonic()
    listener.wait(60.0)

    assert time.monotonic() - began < DEADLINE


def test_closing_may_be_repeated(broker, clock, listen):
    listener = listen()
    listener.watch(["no-such-task"])

    listener.close()
    listener.close()


def test_a_closed_listener_disturbs_nobody(broker, clock, listen):
    worker, task = given_held(broker, clock)
    gone, there = listen(), listen()
    for listener in (gone, there):
        listener.watch([task.id])
    gone.close()

    worker.settles(succeeded(task))

    assert hears(there, task)
