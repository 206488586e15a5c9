"""`dead`: walks over what has failed, those first that failed last, page by page."""

import itertools

from celeriac.message import After
from celeriac.states import State
from celeriac.testing.contract.given import (
    Courier,
    a_message,
    crashed,
    failed,
    given_held,
    ids,
    messages,
    record_of,
    retry,
    stopped,
    succeeded,
)
from celeriac.testing.contract.waiting import wait_until

_numbers = itertools.count(1)


def walk(broker, count=100, **options):
    """All pages, to the end."""
    pages = [broker.dead("", count, **options)]
    while pages[-1].after:
        assert len(pages) < 10_000, "the walk has no end"
        pages.append(broker.dead(pages[-1].after, count))
    return pages


def found(broker, count=100, **options):
    return [record.id for page in walk(broker, count, **options) for record in page.records]


def given_failed(broker, clock, count=1, *, step=0.0, **fields):
    """Let tasks fail, one after the other, *step* seconds between them; return their messages."""
    sent = messages(count, **fields)
    broker.send(sent, clock.now())
    worker = Courier(broker, clock, f"worker-{next(_numbers)}")
    for task in worker.claim(count):
        worker.settles(failed(task))
        clock.advance(step)
    return sent


def test_nothing_is_dead_in_an_empty_store(broker):
    assert found(broker) == []


def test_what_has_failed_is_dead_with_all_that_was_sent_and_its_error(broker, clock):
    [task] = given_failed(broker, clock, payload=b"[[1],{}]", priority=3)

    [record] = broker.dead().records

    assert record == record_of(broker, task)
    assert (record.state, record.message.payload, record.error) == (State.FAILED, b"[[1],{}]", b'"broken"')


def test_whoever_failed_last_comes_first(broker, clock):
    sent = given_failed(broker, clock, 5, step=1.0)

    assert found(broker) == ids(reversed(sent))


def test_what_crashed_too_often_or_failed_because_of_another_is_dead_too(broker, clock, enlist):
    worker = enlist()
    crashes, parent = a_message(crash_limit=0), a_message()
    waits = a_message(after=After((parent.id,)))
    joins = a_message(after=After((waits.id,), join=True))
    broker.send([crashes, parent, waits, joins], clock.now())
    first, second = worker.claim(2)

    worker.settles(crashed(first), failed(second))

    assert set(found(broker)) == {crashes.id, parent.id, waits.id, joins.id}


def test_what_ended_otherwise_or_not_at_all_is_not_dead(broker, clock, enlist):
    worker = enlist()
    broker.send(messages(5), clock.now())
    tasks = worker.claim(4)

    worker.settles(succeeded(tasks[0]), stopped(tasks[1]), retry(tasks[2], clock.now() + 60))

    assert found(broker) == []


def test_a_walk_in_small_pages_meets_each_once_also_those_that_failed_in_one_moment(broker, clock):
    earlier = given_failed(broker, clock, 7, step=0.5)
    at_once = given_failed(broker, clock, 40)

    pages = walk(broker, 5)

    assert max(len(page.records) for page in pages) == 5
    met = [record.id for page in pages for record in page.records]
    assert sorted(met[:40]) == ids(at_once)
    assert met[40:] == ids(reversed(earlier))


def test_a_walk_goes_on_where_it_was_though_those_before_are_forgotten_and_more_fail(broker, clock):
    sent = given_failed(broker, clock, 10, step=1.0)
    page = broker.dead("", 5)

    broker.forget([record.id for record in page.records])
    given_failed(broker, clock, 3)

    assert [record.id for record in broker.dead(page.after, 5).records] == ids(reversed(sent[:5]))


def test_only_those_can_be_asked_for_that_failed_before_a_moment(broker, clock):
    sent = given_failed(broker, clock, 6, step=10.0)

    assert found(broker, 2, before=clock.now() - 35.0) == ids(reversed(sent[:3]))
    assert found(broker, before=clock.now() - 1000.0) == []


def test_what_is_forgotten_is_dead_no_more(broker, clock):
    kept, dropped = given_failed(broker, clock, 2)

    broker.forget([dropped.id])

    assert found(broker) == [kept.id]


def test_an_id_that_was_forgotten_and_fails_again_is_met_once(broker, clock):
    [first] = given_failed(broker, clock)
    broker.forget([first.id])
    clock.advance(5)

    given_failed(broker, clock, id=first.id)

    assert found(broker) == [first.id]


def test_other_stores_and_names_do_not_show(new_store, clock):
    one, other = new_store().connect(), new_store().connect()
    given_failed(one, clock)

    assert found(other) == []


def test_other_queues_are_counted_as_before(broker, clock):
    worker, task = given_held(broker, clock)
    worker.settles(failed(task))

    assert broker.queues() == []


# --- how long it is kept --------------------------------------------------------------------------

A_MOMENT = 0.3  # seconds, for a server that drops records by its own clock


def connect_briefly(store):
    """A store that keeps what has failed ten times as long as what has succeeded."""
    return store.connect(retention=A_MOMENT, dead_retention=10 * A_MOMENT)


def gone_after(store, broker, clock, seconds, *tasks):
    """Let time pass until records are dropped."""
    if not store.expires_by_itself:
        clock.advance(seconds + 1)
        broker.tend(clock.now())
    wait_until(lambda: broker.get(ids(tasks)) == [None] * len(tasks), what="the end of records")


def test_what_has_failed_is_kept_longer_than_what_has_succeeded(store, clock):
    broker = connect_briefly(store)
    worker = Courier(broker, clock)
    broker.send(messages(2), clock.now())
    good, bad = worker.claim(2)
    worker.settles(succeeded(good), failed(bad))

    gone_after(store, broker, clock, A_MOMENT, good)
    assert found(broker) == [bad.id]

    gone_after(store, broker, clock, 10 * A_MOMENT, bad)
    assert found(broker) == []


def test_failures_are_kept_for_30_days_unless_told_otherwise(broker, clock):
    [task] = given_failed(broker, clock)

    clock.advance(hours=30 * 24 - 1)
    broker.tend(clock.now())

    assert found(broker) == [task.id]


def test_once_records_are_over_no_page_looks_for_them(store, clock):
    broker = connect_briefly(store)
    sent = given_failed(broker, clock, 5)
    gone_after(store, broker, clock, 10 * A_MOMENT, *sent)

    clock.advance(60)
    broker.tend(clock.now())

    assert broker.dead("", 1).after == ""


def test_what_a_failed_one_was_given_is_kept_as_long_as_it(store, clock):
    broker = connect_briefly(store)
    worker = Courier(broker, clock)
    parents = messages(2)
    join = a_message(after=After(tuple(ids(parents)), join=True))
    body, plain = a_message(after=After((join.id,))), a_message()
    broker.send([*parents, plain, join, body], clock.now())
    worker.settles(*map(succeeded, worker.claim(3)))
    worker.settles(failed(worker.claim()[0]))

    gone_after(store, broker, clock, A_MOMENT, plain)

    assert broker.inputs(join.id) == [(each.id, b'"fine"') for each in parents]
    assert broker.requeue([body.id], clock.now()) == [True]


def test_what_a_failed_one_was_given_goes_with_it(store, clock):
    broker = connect_briefly(store)
    worker = Courier(broker, clock)
    parent = a_message()
    child = a_message(after=After((parent.id,)))
    broker.send([parent, child], clock.now())
    worker.settles(succeeded(worker.claim()[0]))
    clock.advance(1)
    worker.settles(failed(worker.claim()[0]))

    gone_after(store, broker, clock, 10 * A_MOMENT, child)

    gone_after(store, broker, clock, 10 * A_MOMENT, parent)
