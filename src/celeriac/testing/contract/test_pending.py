"""`pending`: walks over what has not started, page by page, past whatever else there is."""

from celeriac.lanes import Limit
from celeriac.message import After
from celeriac.states import State
from celeriac.testing.contract.given import (
    NAME,
    a_message,
    given_finished,
    given_held,
    given_running,
    ids,
    messages,
    record_of,
    retry,
)


def walk(broker, count=500):
    """All pages, to the end."""
    pages = [broker.pending("", count)]
    while pages[-1].after:
        assert len(pages) < 10_000, "the walk has no end"
        pages.append(broker.pending(pages[-1].after, count))
    return pages


def found(broker, count=500):
    return {record.id: record for page in walk(broker, count) for record in page.records}


def test_nothing_is_pending_in_an_empty_store(broker):
    assert found(broker) == {}


def test_whatever_has_not_started_is_pending_with_all_that_was_sent(broker, clock, enlist):
    parked = a_message(name="shop.strange")
    broker.send([parked], clock.now())
    enlist().claim()
    lane = Limit("one", concurrency=1)
    queued, scheduled = a_message(payload=b"[[1],{}]", priority=3), a_message(eta=clock.now() + 60)
    first, held = messages(2, queue="slow", limit=lane)
    waits = a_message(after=After((queued.id,)))
    joins = a_message(after=After((waits.id,), join=True))
    sent = [queued, scheduled, first, held, waits, joins]
    broker.send(sent, clock.now())

    pending = found(broker)

    assert pending.keys() == set(ids([parked, *sent]))
    assert pending == {each: record_of(broker, each) for each in pending}
    assert pending[queued.id].message.payload == b"[[1],{}]"


def test_what_runs_or_has_ended_is_not_pending(broker, clock):
    given_finished(broker, clock, "worker-a")
    given_running(broker, clock, "worker-b")
    cancelled = a_message()
    broker.send([cancelled], clock.now())
    broker.cancel([cancelled.id], clock.now())

    assert found(broker) == {}


def test_what_is_run_again_later_is_pending(broker, clock):
    worker, task = given_held(broker, clock)
    worker.settles(retry(task, clock.now() + 60))

    assert found(broker)[task.id].state is State.SCHEDULED


def test_a_walk_in_small_pages_meets_all_of_them(broker, clock):
    sent = messages(2_500)
    broker.send(sent, clock.now())

    pages = walk(broker, 50)

    assert len(pages) > 10
    assert max(len(page.records) for page in pages) < 500
    assert {record.id for page in pages for record in page.records} == set(ids(sent))


def test_a_walk_meets_what_is_pending_all_the_while_though_others_start_and_end(broker, clock, enlist):
    stays, goes = messages(300, name="shop.strange"), messages(300)
    broker.send([one for pair in zip(stays, goes, strict=True) for one in pair], clock.now())
    worker = enlist()
    page = broker.pending("", 20)
    met = {record.id for record in page.records}

    while page.after:
        worker.claim(20)
        page = broker.pending(page.after, 20)
        met |= {record.id for record in page.records}

    assert met >= set(ids(stays))


def test_finished_tasks_that_stand_between_hide_nothing(broker, clock):
    first, between, last = a_message(name="shop.strange"), messages(300), a_message(name="shop.strange")
    broker.send([first, *between, last], clock.now())
    broker.cancel(ids(between), clock.now())

    assert found(broker, 10).keys() == {first.id, last.id}


def test_other_stores_and_names_do_not_show(new_store, clock):
    one, other = new_store().connect(), new_store().connect()
    one.send(messages(3, name=NAME), clock.now())

    assert found(other) == {}
