"""`requeue`: what has failed begins again."""

import pytest

from celeriac.broker import Report
from celeriac.lanes import Limit
from celeriac.message import After, Unique
from celeriac.states import State
from celeriac.testing.contract.given import (
    a_message,
    counts_of,
    crashed,
    failed,
    given_finished,
    given_held,
    hears,
    ids,
    is_silent,
    messages,
    record_of,
    release,
    retry,
    rings,
    settle_down,
    state_of,
    succeeded,
)
from celeriac.testing.contract.test_pending import found


def given_failed(broker, clock, worker="worker-a", **fields):
    """Let a task fail; return its worker and it."""
    courier, task = given_held(broker, clock, worker, **fields)
    assert courier.settles(failed(task))
    return courier, task


def requeue(broker, clock, *tasks):
    return broker.requeue([task if isinstance(task, str) else task.id for task in tasks], clock.now())


def test_a_failed_task_is_queued_behind_the_others_and_runs_again(broker, clock):
    worker, task = given_failed(broker, clock, payload=b"[[1],{}]")
    broker.send([other := a_message()], clock.now())

    assert requeue(broker, clock, task) == [True]

    assert ids(claims := worker.claim_all()) == [other.id, task.id]
    assert (claims[1].payload, claims[1].fence) == (b"[[1],{}]", task.fence + 1)
    assert worker.settles(succeeded(claims[1]))
    record = record_of(broker, task)
    assert (record.state, record.result, record.error) == (State.SUCCEEDED, b'"fine"', b"")


def test_several_are_queued_in_the_order_that_was_asked_for(broker, clock, enlist):
    worker = enlist()
    broker.send(messages(3), clock.now())
    one, two, three = worker.claim(3)
    worker.settles(failed(one), failed(two), failed(three))

    assert requeue(broker, clock, three, one, two) == [True] * 3

    assert ids(worker.claim_all()) == [three.id, one.id, two.id]


def test_its_record_says_that_it_waits_and_how_it_failed(broker, clock):
    _, task = given_failed(broker, clock)

    requeue(broker, clock, task)

    record = record_of(broker, task)
    assert (record.state, record.error, record.finished) == (State.QUEUED, b'"broken"', None)
    assert record.outside == "PENDING"


def test_retries_and_crashes_are_counted_from_0(broker, clock):
    worker, task = given_held(broker, clock, crash_limit=1)
    worker.settles(retry(task, clock.now()))
    worker.settles(crashed(worker.claim()[0]))
    worker.settles(crashed(worker.claim()[0]))
    assert state_of(broker, task) is State.FAILED

    requeue(broker, clock, task)

    [again] = worker.claim()
    assert (again.retries, again.crashes, again.crash_limit) == (0, 0, 1)
    worker.settles(crashed(again))
    assert state_of(broker, task) is State.QUEUED


def test_it_goes_on_from_its_checkpoint(broker, clock):
    worker, task = given_held(broker, clock)
    broker.report(worker.id, [Report(task.id, task.fence, checkpoint=b"17")], clock.now())
    worker.settles(failed(task))

    requeue(broker, clock, task)

    assert worker.claim()[0].checkpoint == b"17"


def test_whoever_ran_it_before_cannot_settle_it(broker, clock):
    worker, task = given_failed(broker, clock)
    requeue(broker, clock, task)
    [again] = worker.claim()

    assert not worker.settles(succeeded(task))

    assert worker.settles(succeeded(again))


def test_what_has_not_failed_is_left_alone(broker, clock):
    finished = given_finished(broker, clock)
    _, running = given_held(broker, clock, "worker-b")
    queued, scheduled = a_message(), a_message(eta=clock.now() + 60)
    waiting, cancelled = a_message(after=After((running.id,))), a_message()
    broker.send([queued, scheduled, waiting, cancelled], clock.now())
    broker.cancel([cancelled.id], clock.now())
    tasks = (finished, running, queued, scheduled, waiting, cancelled)
    before = [record_of(broker, task) for task in tasks]

    assert requeue(broker, clock, *tasks, "nobody") == [False] * 7

    assert [record_of(broker, task) for task in tasks] == before


def test_it_may_be_repeated(broker, clock):
    worker, task = given_failed(broker, clock)

    assert requeue(broker, clock, task, task) == [True, False]
    assert requeue(broker, clock, task) == [False]

    assert ids(worker.claim_all()) == [task.id]


def test_what_failed_again_can_be_requeued_again(broker, clock):
    worker, task = given_failed(broker, clock)
    for _ in range(3):
        assert requeue(broker, clock, task) == [True]
        worker.settles(failed(worker.claim()[0], b'"again"'))
        assert [record.error for record in broker.dead().records] == [b'"again"']


def test_the_dead_and_the_counts_follow(broker, clock):
    worker, task = given_failed(broker, clock)

    requeue(broker, clock, task)

    assert broker.dead().records == []
    assert counts_of(broker) == (1, 0, 0, 0)
    assert found(broker).keys() == {task.id}
    worker.claim()
    assert counts_of(broker) == (0, 0, 1, 0)


def test_it_never_expires(broker, clock):
    worker, task = given_failed(broker, clock, expires=clock.now() + 3)
    clock.advance(5)

    assert requeue(broker, clock, task) == [True]
    broker.tend(clock.now())

    assert record_of(broker, task).message.expires is None
    assert ids(worker.claim()) == [task.id]


def test_one_that_was_revoked_while_it_ran_is_run_again_all_the_same(broker, clock):
    worker, task = given_held(broker, clock)
    broker.cancel([task.id], clock.now())
    worker.settles(failed(task))

    requeue(broker, clock, task)
    worker.settles(release(worker.claim()[0]))

    assert state_of(broker, task) is State.QUEUED


def test_an_idle_worker_is_rung(broker, clock, hang):
    worker, task = given_failed(broker, clock)
    bell = hang(worker)
    assert worker.claim() == []
    bell.arm(True)
    assert is_silent(bell)

    requeue(broker, clock, task)

    assert rings(bell)


def test_whoever_listens_hears_how_it_goes_on(broker, clock, listen):
    worker, task = given_failed(broker, clock)
    requeue(broker, clock, task)
    listener = listen()
    [record] = listener.watch([task.id])
    assert record.state is State.QUEUED
    settle_down(listener)

    worker.claim()

    assert hears(listener, task)


# --- those that wait for each other ---------------------------------------------------------------


def given_broken_chain(broker, clock, worker):
    """A chain of three whose second one fails."""
    first = a_message()
    second = a_message(after=After((first.id,)))
    third = a_message(after=After((second.id,)))
    broker.send([first, second, third], clock.now())
    worker.settles(succeeded(worker.claim()[0], b"1"))
    worker.settles(failed(worker.claim()[0]))
    return first, second, third


def test_those_that_failed_because_of_it_stay_as_they_are(broker, clock, enlist):
    worker = enlist()
    _, second, third = given_broken_chain(broker, clock, worker)

    assert requeue(broker, clock, second) == [True]
    worker.settles(succeeded(worker.claim()[0]))

    assert state_of(broker, second) is State.SUCCEEDED
    assert state_of(broker, third) is State.FAILED


def test_those_that_failed_because_of_another_are_not_requeued(broker, clock, enlist):
    worker = enlist()
    _, _, third = given_broken_chain(broker, clock, worker)
    join = a_message(after=After((third.id,), join=True))
    broker.send([join], clock.now())

    assert requeue(broker, clock, third, join) == [False, False]


def test_it_waits_for_nobody_and_what_it_was_given_is_still_known(broker, clock, enlist):
    worker = enlist()
    first, second, _ = given_broken_chain(broker, clock, worker)

    requeue(broker, clock, second)

    assert record_of(broker, second).message.after is None
    assert broker.inputs(second.id) == [(first.id, b"1")]
    assert broker.forget([first.id]) == 1


def test_those_sent_later_wait_for_its_next_end(broker, clock):
    worker, task = given_failed(broker, clock)
    requeue(broker, clock, task)
    broker.send([later := a_message(after=After((task.id,)))], clock.now())
    assert state_of(broker, later) is State.WAITING

    worker.settles(succeeded(worker.claim()[0]))

    assert state_of(broker, later) is State.QUEUED


def test_who_was_released_by_its_failure_is_not_released_twice(broker, clock, enlist):
    worker = enlist()
    parent = a_message()
    errback = a_message(after=After((parent.id,), on="failure"))
    broker.send([parent, errback], clock.now())
    worker.settles(failed(worker.claim()[0]))
    [held] = worker.claim()
    assert held.id == errback.id

    requeue(broker, clock, parent)
    worker.settles(failed(worker.claim()[0]))

    assert worker.claim_all() == []
    assert worker.settles(succeeded(held))


def test_one_that_was_replaced_after_the_failure_hears_of_what_it_was_replaced_by_only(broker, clock, enlist):
    worker = enlist()
    parent = a_message()
    errback = a_message(after=After((parent.id,), on="failure"))
    broker.send([parent, errback], clock.now())
    worker.settles(failed(worker.claim()[0]))
    [held] = worker.claim()
    end = a_message(eta=clock.now() + 1000)
    assert broker.replace(worker.id, held.id, held.fence, [end], end.id, clock.now())

    requeue(broker, clock, parent)
    worker.settles(succeeded(worker.claim()[0]))

    assert state_of(broker, errback) is State.WAITING


def test_what_was_replaced_is_not_requeued(broker, clock):
    worker, task = given_held(broker, clock)
    end = a_message()
    broker.replace(worker.id, task.id, task.fence, [end], end.id, clock.now())
    worker.settles(failed(worker.claim()[0]))
    assert state_of(broker, task) is State.FAILED

    assert requeue(broker, clock, task, end) == [False, True]


def test_not_while_those_that_waited_do_not_all_know_it(broker, clock, enlist):
    worker, parent = enlist(), a_message()
    broker.send([parent], clock.now())
    broker.send([a_message(after=After((parent.id,))) for _ in range(2_500)], clock.now())
    worker.settles(failed(worker.claim()[0]))
    assert requeue(broker, clock, parent) == [False]

    while broker.tend(clock.now()).more:
        pass

    assert requeue(broker, clock, parent) == [True]


# --- limits and names -----------------------------------------------------------------------------


def test_it_stands_in_its_lane_again(broker, clock, enlist):
    worker, limit = enlist(), Limit("one", concurrency=1)
    broker.send([one := a_message(limit=limit), two := a_message(limit=limit)], clock.now())
    worker.settles(failed(worker.claim()[0]))
    [running] = worker.claim_all()

    requeue(broker, clock, one)

    assert running.id == two.id
    assert worker.claim_all() == []
    assert broker.queues()[0].held == 1
    worker.settles(succeeded(running))
    assert ids(worker.claim_all()) == [one.id]


def unique(broker, clock, name="once", **fields):
    message = a_message(unique=Unique(name, **fields))
    [holder] = broker.send_unique([message], clock.now())
    return message, holder


def test_it_has_its_unique_name_again_until_it_ends(broker, clock, enlist):
    worker = enlist()
    first, _ = unique(broker, clock)
    worker.settles(failed(worker.claim()[0]))

    assert requeue(broker, clock, first) == [True]

    assert unique(broker, clock)[1] == first.id
    worker.settles(succeeded(worker.claim()[0]))
    second, holder = unique(broker, clock)
    assert holder == second.id


def test_not_while_another_task_has_its_unique_name(broker, clock, enlist):
    worker = enlist()
    first, _ = unique(broker, clock)
    worker.settles(failed(worker.claim()[0]))
    unique(broker, clock)

    assert requeue(broker, clock, first) == [False]

    worker.settles(succeeded(worker.claim()[0]))
    assert requeue(broker, clock, first) == [True]
    assert unique(broker, clock)[1] == first.id


@pytest.mark.parametrize("until", ["done", "forgotten"])
def test_a_name_that_lasts_as_long_as_the_record_stays_its_own(broker, clock, enlist, until):
    worker = enlist()
    first, _ = unique(broker, clock, until=until)
    worker.settles(failed(worker.claim()[0]))
    requeue(broker, clock, first)

    worker.settles(succeeded(worker.claim()[0]))

    assert (unique(broker, clock)[1] == first.id) is (until == "forgotten")
