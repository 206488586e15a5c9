"""`send_unique`: of those that want one name, one is sent; the others are told which."""

from functools import partial

import pytest

from celeriac.message import Unique
from celeriac.outcome import EXPIRED, SUPERSEDED
from celeriac.states import State
from celeriac.testing.contract.given import (
    a_message,
    failed,
    ids,
    record_of,
    retry,
    rings,
    state_of,
    succeeded,
    together,
)

NAME = Unique("shop.add#7")


def wanting(unique=NAME, **fields):
    return a_message(unique=unique, **fields)


def send(broker, clock, *wanted):
    return broker.send_unique(wanted, clock.now())


def test_the_first_one_is_sent_and_the_others_are_told_its_id(broker, clock, enlist):
    first, second, third = wanting(), wanting(), wanting()

    assert send(broker, clock, first, second) == [first.id, first.id]
    assert send(broker, clock, third) == [first.id]

    assert ids(enlist().claim_all()) == [first.id]
    assert broker.get([second.id, third.id]) == [None, None]


def test_other_names_and_none_at_all_do_not_matter(broker, clock, enlist):
    sent = [wanting(), wanting(Unique("shop.add#8")), a_message(), a_message()]

    assert send(broker, clock, *sent) == ids(sent)
    assert ids(enlist().claim_all()) == ids(sent)


@pytest.mark.parametrize("end", [succeeded, failed])
def test_the_name_is_free_once_its_task_has_ended(broker, clock, enlist, end):
    worker, first = enlist(), wanting()
    send(broker, clock, first)
    [task] = worker.claim()
    assert send(broker, clock, wanting()) == [first.id]
    worker.settles(end(task))

    assert send(broker, clock, second := wanting()) == [second.id]


def test_a_retry_keeps_the_name_and_a_revoked_task_gives_it_back(broker, clock, enlist):
    worker, first = enlist(), wanting()
    send(broker, clock, first)
    [task] = worker.claim()
    worker.settles(retry(task, clock.now() + 60))
    assert send(broker, clock, wanting()) == [first.id]

    broker.cancel([first.id], clock.now())

    assert send(broker, clock, second := wanting()) == [second.id]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("start", ["at once", "later", "after a retry"])
def test_a_task_that_expired_before_it_could_start_has_the_name_no_more(
    broker, clock, enlist, start, replace
):
    worker, first = enlist(), wanting(expires=clock.now() + 5, eta=clock.now() + 60 * (start == "later"))
    send(broker, clock, first)
    if start == "after a retry":
        worker.settles(retry(*worker.claim(), clock.now() + 60))
    clock.advance(4)
    assert send(broker, clock, wanting()) == [first.id]
    clock.advance(1)

    assert send(broker, clock, second := wanting(Unique(NAME.name, replace=replace))) == [second.id]

    assert send(broker, clock, wanting()) == [second.id]
    assert ids(worker.claim_all()) == [second.id]
    broker.tend(clock.now())
    assert (record_of(broker, first).state, record_of(broker, first).error) == (State.CANCELLED, EXPIRED)
    assert send(broker, clock, wanting()) == [second.id]


def test_a_task_that_has_started_in_time_keeps_the_name(broker, clock, enlist):
    worker, first = enlist(), wanting(expires=clock.now() + 5)
    send(broker, clock, first)
    [task] = worker.claim()
    clock.advance(6)
    assert send(broker, clock, wanting()) == [first.id]

    other = a_message()
    broker.replace(worker.id, task.id, task.fence, [other], other.id, clock.now())

    assert send(broker, clock, wanting()) == [first.id]


@pytest.mark.parametrize("unique", [Unique("window", seconds=60.0), Unique("once", "forgotten")])
def test_a_name_that_outlives_its_task_is_held_by_an_expired_one_too(broker, clock, unique):
    first = wanting(unique, expires=clock.now() + 5)
    send(broker, clock, first)
    clock.advance(6)

    assert send(broker, clock, wanting(unique)) == [first.id]


def test_for_a_span_of_time_the_name_is_taken_whatever_becomes_of_its_task(broker, clock, enlist):
    window = Unique("window", seconds=60.0)
    worker, first = enlist(), wanting(window)
    send(broker, clock, first)
    worker.settles(*map(succeeded, worker.claim()))
    clock.advance(59)
    assert send(broker, clock, wanting(window)) == [first.id]
    broker.forget([first.id])
    assert send(broker, clock, wanting(window)) == [first.id]
    clock.advance(2)

    assert send(broker, clock, second := wanting(window)) == [second.id]


def test_until_it_is_forgotten_the_name_stands_for_its_result(broker, clock, enlist):
    once = Unique("once", "forgotten")
    worker, first = enlist(), wanting(once)
    send(broker, clock, first)
    worker.settles(*map(succeeded, worker.claim()))
    assert send(broker, clock, wanting(once)) == [first.id]

    broker.forget([first.id])

    assert send(broker, clock, second := wanting(once)) == [second.id]


@pytest.mark.parametrize("seconds", [None, 60])
def test_a_newer_one_takes_the_place_of_one_that_has_not_started(broker, clock, enlist, seconds):
    newest = Unique("newest", replace=True)
    first = wanting(newest, eta=None if seconds is None else clock.now() + seconds)
    send(broker, clock, first)
    clock.advance(1)

    assert send(broker, clock, second := wanting(newest)) == [second.id]

    record = record_of(broker, first)
    assert (record.state, record.error) == (State.CANCELLED, SUPERSEDED)
    assert ids(enlist().claim_all()) == [second.id]


def test_one_that_runs_goes_on_beside_the_newer_one(broker, clock, enlist):
    newest = Unique("newest", replace=True)
    worker, first = enlist(), wanting(newest)
    send(broker, clock, first)
    [task] = worker.claim()

    assert send(broker, clock, second := wanting(newest)) == [second.id]

    assert state_of(broker, first) is State.RUNNING
    assert worker.settles(succeeded(task))
    assert send(broker, clock, third := wanting(Unique("newest"))) == [second.id]
    assert broker.get([third.id]) == [None]


def test_sending_the_same_again_changes_nothing_and_gives_the_same_answer(broker, clock, enlist):
    worker, first = enlist(), wanting()
    assert send(broker, clock, first) == send(broker, clock, first) == [first.id]
    worker.settles(*map(succeeded, worker.claim()))

    assert send(broker, clock, first) == [first.id]

    assert state_of(broker, first) is State.SUCCEEDED


def test_of_many_who_try_at_once_one_is_sent(store, clock):
    brokers = [store.connect() for _ in range(4)]
    wanted, answers = [wanting() for _ in range(8)], []

    def try_it(number):
        answers.extend(brokers[number % 4].send_unique([wanted[number]], clock.now()))

    together(*(partial(try_it, number) for number in range(8)))

    assert len(set(answers)) == 1
    assert sum(record is not None for record in brokers[0].get(ids(wanted))) == 1


def test_an_idle_worker_is_rung(broker, clock, enlist, hang):
    bell = hang(worker := enlist())
    bell.arm(hungry=True)
    worker.claim()

    send(broker, clock, wanting())

    assert rings(bell)


def test_nothing_of_it_is_kept_with_the_record(broker, clock):
    send(broker, clock, message := wanting(payload=b"[[1],{}]", priority=3))

    kept = record_of(broker, message).message
    assert (kept.unique, kept.payload, kept.priority) == (None, b"[[1],{}]", 3)
