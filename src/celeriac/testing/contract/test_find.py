"""`find`: walks over all tasks, or those that fit, page by page, whatever has become of them."""

import base64
import json

import pytest

from celeriac.criteria import Criteria
from celeriac.errors import InvalidFilter
from celeriac.lanes import Limit
from celeriac.message import After
from celeriac.states import State
from celeriac.testing.contract.given import (
    NAME,
    Courier,
    a_message,
    crashed,
    failed,
    given_held,
    given_running,
    ids,
    messages,
    record_of,
    release,
    retry,
    stopped,
    succeeded,
)
from celeriac.testing.contract.waiting import wait_until

ENDS = {succeeded: State.SUCCEEDED, failed: State.FAILED, stopped: State.CANCELLED}


def walk(broker, count=50, limit=10_000, **wanted):
    """All pages, to the end."""
    criteria = Criteria(**wanted)
    pages = [broker.find(criteria, "", count, limit)]
    while pages[-1].after:
        assert len(pages) < 10_000, "the walk has no end"
        pages.append(broker.find(criteria, pages[-1].after, count, limit))
    return pages


def found(broker, count=50, limit=10_000, **wanted):
    return [record.id for page in walk(broker, count, limit, **wanted) for record in page.records]


def in_state(broker, *states):
    return found(broker, states=frozenset(states))


def given_ended(broker, clock, how=succeeded, count=1, *, step=0.0, worker="worker-a", **fields):
    """Let tasks end, one after the other, *step* seconds between them; return their messages."""
    sent = messages(count, **fields)
    broker.send(sent, clock.now())
    queues = tuple({message.queue for message in sent})
    names = {message.name for message in sent}
    courier = Courier(broker, clock, f"{worker}-{sent[0].id}", queues=queues, names=names)
    for task in courier.claim(count):
        courier.settles(how(task))
        clock.advance(step)
    broker.retire([courier.id], clock.now())
    return sent


def given_one_of_each(broker, clock):
    """One task in each state, and in each place where a queued one can stand; return their ids by state."""
    parked = a_message(name="shop.strange")
    broker.send([parked], clock.now())
    ended = {state: given_ended(broker, clock, how) for how, state in ENDS.items()}
    running = given_running(broker, clock)
    lane = Limit("one", concurrency=1)
    queued, scheduled = a_message(priority=3, queue="other"), a_message(eta=clock.now() + 60)
    limited = messages(2, queue="slow", limit=lane)
    waits = a_message(after=After((scheduled.id,)))
    broker.send([queued, scheduled, *limited, waits], clock.now())
    Courier(broker, clock, "worker-c").claim()
    return {
        State.RUNNING: {running.id},
        State.QUEUED: {parked.id, queued.id, *ids(limited)},
        State.SCHEDULED: {scheduled.id},
        State.WAITING: {waits.id},
        **{state: set(ids(sent)) for state, sent in ended.items()},
    }


def test_nothing_is_found_in_an_empty_store(broker):
    page = broker.find()

    assert (list(page.records), page.after, page.searched, page.more) == ([], "", 0, False)


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_tasks_are_found_by_their_state_whatever_it_is(broker, clock, state):
    given = given_one_of_each(broker, clock)

    assert sorted(in_state(broker, state)) == sorted(given[state])


@pytest.mark.parametrize("count", [1, 3, 50])
def test_all_are_found_each_once_in_pages_of_any_size(broker, clock, count):
    given = given_one_of_each(broker, clock)

    met = found(broker, count)

    assert sorted(met) == sorted(set().union(*given.values()))


def test_a_record_comes_with_all_that_was_sent_and_came_of_it(broker, clock):
    [sent] = given_ended(broker, clock, payload=b"[[1],{}]", options=b'{"root_id":"r"}')

    [record] = broker.find().records

    assert record == record_of(broker, sent)
    assert (record.message.payload, record.result) == (b"[[1],{}]", b'"fine"')


def test_what_runs_comes_first_and_what_has_ended_last(broker, clock):
    given_one_of_each(broker, clock)

    states = [record.state for page in walk(broker) for record in page.records]

    unended = [State.RUNNING, State.QUEUED, State.SCHEDULED, State.WAITING]
    assert list(dict.fromkeys(states))[:4] == unended
    assert all(state.final for state in states[-3:])


def test_what_ended_last_comes_first_of_those_that_have_ended_however_they_did(broker, clock):
    sent = []
    for how in (succeeded, failed, stopped, succeeded, failed, stopped):
        sent += given_ended(broker, clock, how)
        clock.advance(1)

    assert found(broker, 2) == ids(reversed(sent))
    assert in_state(broker, State.SUCCEEDED, State.CANCELLED) == [sent[place].id for place in (5, 3, 2, 0)]
    assert in_state(broker, State.FAILED) == [sent[4].id, sent[1].id]


def test_thousands_that_ended_in_one_moment_are_cut_into_pages(broker, clock):
    sent = given_ended(broker, clock, count=1_200)

    pages = walk(broker, 100)

    assert max(len(page.records) for page in pages) == 100
    assert sorted(record.id for page in pages for record in page.records) == ids(sent)


@pytest.mark.parametrize(
    ("fields", "states"),
    [
        ({"eta": 2e9}, {State.SCHEDULED}),
        ({"priority": 4}, {State.QUEUED}),
        ({"queue": "slow", "limit": Limit("one", concurrency=1)}, {State.QUEUED}),
    ],
    ids=["scheduled", "in a line", "in a lane"],
)
def test_many_that_have_not_started_are_cut_into_pages(broker, clock, fields, states):
    sent = messages(650, **fields)
    broker.send(sent, clock.now())

    pages = walk(broker, 60, states=frozenset(states))

    assert max(len(page.records) for page in pages) == 60
    assert sorted(record.id for page in pages for record in page.records) == ids(sent)


def test_many_that_wait_for_others_are_cut_into_pages(broker, clock):
    parent = a_message()
    sent = [a_message(after=After((parent.id,))) for _ in range(450)]
    broker.send([parent, *sent], clock.now())

    met = found(broker, 40, states=frozenset({State.WAITING}))

    assert sorted(met) == ids(sent)


def test_many_that_are_parked_are_cut_into_pages(broker, clock):
    sent = [a_message(name=f"shop.strange{number % 3}") for number in range(300)]
    broker.send(sent, clock.now())
    Courier(broker, clock).claim(1_000)

    assert sorted(found(broker, 40)) == ids(sent)


# --- what is looked for ---------------------------------------------------------------------------


def test_tasks_are_found_by_queue(broker, clock):
    mail = given_ended(broker, clock, queue="mail")
    waiting = messages(3, queue="mail")
    broker.send([*waiting, *messages(3, queue="other"), a_message(queue="mailing")], clock.now())

    assert sorted(found(broker, queues=("mail",))) == ids([*mail, *waiting])
    assert len(found(broker, queues=("mail", "other"))) == 7
    assert found(broker, queues=("nobody",)) == []


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("mail.send", {"mail.send"}),
        ("mail.*", {"mail.send", "mail.sort", "mail.a-b"}),
        ("*.send", {"mail.send", "shop.send"}),
        ("*a*.*s*t*", {"mail.sort"}),
        ("mail.a-b", {"mail.a-b"}),
        ("mail.s?nd", set()),
        ("mail.[s]end", set()),
        ("MAIL.*", set()),
        ("*", {"mail.send", "mail.sort", "mail.a-b", "shop.send", "Ünï.x"}),
        ("Ü*x", {"Ünï.x"}),
    ],
)
def test_tasks_are_found_by_name_or_what_it_is_like(broker, clock, pattern, names):
    known = ("mail.send", "mail.sort", "mail.a-b", "shop.send", "Ünï.x")
    sent = {name: a_message(name=name) for name in known}
    broker.send([*sent.values()], clock.now())

    assert sorted(found(broker, names=(pattern,))) == sorted(sent[name].id for name in names)


def test_tasks_are_found_by_one_of_several_names(broker, clock):
    sent = [a_message(name=name) for name in ("a", "b", "c")]
    broker.send(sent, clock.now())

    assert sorted(found(broker, names=("a", "c*"))) == [sent[0].id, sent[2].id]


def test_tasks_are_found_by_the_worker_that_runs_them_or_ran_them_last(broker, clock, enlist):
    one, other = enlist("host.one"), enlist("host.other")
    sent = messages(3)
    broker.send(sent, clock.now())
    [done], [runs] = one.claim(), one.claim()
    other.claim()
    one.settles(succeeded(done))

    assert sorted(found(broker, workers=("host.one",))) == sorted([done.id, runs.id])
    assert len(found(broker, workers=("host.*",))) == 3


def test_tasks_are_found_by_the_beginnings_of_their_ids(broker, clock):
    sent = [a_message(id=name) for name in ("aa-1", "aa-2", "ab-1", "AA-3")]
    broker.send(sent, clock.now())

    assert sorted(found(broker, ids=("aa",))) == ["aa-1", "aa-2"]
    assert sorted(found(broker, ids=("ab-1", "AA"))) == ["AA-3", "ab-1"]


def test_tasks_are_found_by_when_they_last_changed(broker, clock):
    ended = given_ended(broker, clock, count=5, step=10.0)
    failures = given_ended(broker, clock, failed, count=5, step=10.0)

    start = clock.now() - 100
    assert sorted(found(broker, since=start + 30)) == ids([*ended[3:], *failures])
    assert sorted(found(broker, until=start + 30)) == ids(ended[:3])
    assert sorted(found(broker, since=start + 30, until=start + 70)) == ids([*ended[3:], *failures[:2]])
    assert found(broker, since=start + 60, states=frozenset({State.FAILED})) == ids(reversed(failures[1:]))


def test_those_that_have_not_ended_changed_when_they_were_started_or_sent(broker, clock):
    old, new = (a_message(created=clock.now() + number) for number in (0, 100))
    broker.send([old, new], clock.now())

    assert found(broker, since=clock.now() + 50) == [new.id]
    clock.advance(200)
    worker = Courier(broker, clock)
    worker.claim(1)
    assert sorted(found(broker, since=clock.now() - 150)) == sorted([old.id, new.id])


def test_those_that_were_sent_later_can_be_left_out(broker, clock):
    old, new = (a_message(created=clock.now() + number) for number in (0, 100))
    broker.send([old, new], clock.now())

    assert found(broker, sent_before=clock.now() + 50) == [old.id]


def test_what_fits_fits_all_that_was_asked_for(broker, clock):
    wanted = given_ended(broker, clock, failed, queue="mail", name="mail.send")
    given_ended(broker, clock, failed, queue="mail", name="mail.sort")
    given_ended(broker, clock, succeeded, queue="mail", name="mail.send")
    given_ended(broker, clock, failed, queue="other", name="mail.send")

    assert found(broker, states=frozenset({State.FAILED}), queues=("mail",), names=("*.send",)) == ids(wanted)


# --- how far it looks -----------------------------------------------------------------------------


def test_a_page_looks_at_so_many_tasks_at_most_and_says_where_to_go_on(broker, clock):
    rare = given_ended(broker, clock, name="shop.rare")
    clock.advance(1)
    given_ended(broker, clock, count=500)

    page = broker.find(Criteria(names=("shop.rare",)), "", 10, 200)

    assert (list(page.records), page.searched, page.more) == ([], 200, True)
    assert found(broker, 10, 200, names=("shop.rare",)) == ids(rare)
    assert sum(page.searched for page in walk(broker, 10, 200, names=("shop.rare",))) == 501


def test_what_is_looked_at_are_only_tasks_in_the_states_asked_for(broker, clock):
    given_ended(broker, clock, count=300)
    [sent] = messages(1)
    broker.send([sent], clock.now())

    page = broker.find(Criteria(states=frozenset({State.QUEUED})), "", 10, 200)

    assert (ids(page.records), page.searched, page.more) == ([sent.id], 1, False)


def test_one_can_go_on_behind_any_record_of_a_page(broker, clock):
    given_one_of_each(broker, clock)
    given_ended(broker, clock, count=5, step=1.0)
    whole = found(broker)

    page = broker.find(count=8)

    for place, behind in zip(page.places, range(1, 9), strict=True):
        assert [record.id for record in broker.find(after=place).records] == whole[behind:]


@pytest.mark.parametrize("after", ["nonsense", "W10", "WyJ4IiwxLDJd", "ä", "WyJlIl0", "[]"])
def test_a_place_that_no_answer_named_is_refused(broker, after):
    with pytest.raises(InvalidFilter, match="a place where an earlier answer said to go on"):
        broker.find(after=after)


@pytest.mark.parametrize(
    "parts", [("e", 1.5, 2**63), ("q", "mail", 0, -(2**63) - 1), ("h", 10**400), ("e", 5), (0, 0, 2**64 - 1)]
)
def test_a_place_with_numbers_that_no_answer_had_is_refused(broker, parts):
    after = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")

    with pytest.raises(InvalidFilter, match="a place where an earlier answer said to go on"):
        broker.find(after=after)


# --- what changes meanwhile -----------------------------------------------------------------------


def test_a_walk_over_what_has_ended_goes_on_where_it_was_though_more_ends_and_is_forgotten(broker, clock):
    sent = given_ended(broker, clock, count=10, step=1.0)
    page = broker.find(count=5)

    broker.forget([record.id for record in page.records])
    given_ended(broker, clock, count=7)

    assert [record.id for record in broker.find(after=page.after).records] == ids(reversed(sent[:5]))


def test_a_walk_over_a_line_meets_all_that_stay_though_others_come_and_go(broker, clock):
    stay = messages(100, name="shop.add")
    broker.send([*messages(50), *stay], clock.now())
    worker = Courier(broker, clock)
    page = broker.find(Criteria(states=frozenset({State.QUEUED})), count=20)
    met = {record.id for record in page.records}

    while page.after:
        worker.claim(5)
        broker.send(messages(30), clock.now())
        page = broker.find(Criteria(states=frozenset({State.QUEUED})), page.after, 20)
        met |= {record.id for record in page.records}

    still = {record.id for record in broker.get(ids(stay)) if record.state is State.QUEUED}
    assert met >= still


def test_what_is_forgotten_is_found_no_more(broker, clock):
    kept, dropped = given_ended(broker, clock, count=2)

    broker.forget([dropped.id])

    assert found(broker) == [kept.id]


def test_a_failed_task_that_was_requeued_is_queued_then_ended_once_more(broker, clock):
    [sent] = given_ended(broker, clock, failed)
    broker.requeue([sent.id], clock.now())
    assert found(broker) == in_state(broker, State.QUEUED) == [sent.id]

    worker = Courier(broker, clock, "worker-z")
    worker.settles(succeeded(worker.claim()[0]))

    assert found(broker) == in_state(broker, State.SUCCEEDED) == [sent.id]
    assert in_state(broker, State.FAILED) == []


@pytest.mark.parametrize(
    ("how", "state"),
    [
        (lambda task, now: retry(task, now + 60), State.SCHEDULED),
        (lambda task, now: release(task), State.QUEUED),
        (lambda task, now: crashed(task), State.QUEUED),
    ],
    ids=["retry", "release", "crash"],
)
def test_what_is_put_back_is_found_where_it_is(broker, clock, how, state):
    worker, task = given_held(broker, clock)
    worker.settles(how(task, clock.now()))

    assert found(broker) == in_state(broker, state) == [task.id]


def test_however_a_task_ends_it_is_found(broker, clock):
    purged, expires = a_message(queue="purged"), a_message(expires=clock.now() + 1, queue="slow")
    parent = a_message(queue="slow")
    child = a_message(after=After((parent.id,)))
    broker.send([purged, expires, parent, child], clock.now())

    broker.purge("purged", clock.now())
    clock.advance(2)
    broker.tend(clock.now())
    broker.cancel([parent.id], clock.now())

    everybody = ids([purged, expires, parent, child])
    assert sorted(in_state(broker, State.CANCELLED)) == sorted(found(broker)) == sorted(everybody)


def test_a_join_and_those_that_failed_because_of_another_are_found(broker, clock):
    good, bad = messages(2)
    join, child = a_message(after=After((good.id,), join=True)), a_message(after=After((bad.id,)))
    broker.send([good, bad, join, child], clock.now())
    worker = Courier(broker, clock)
    one, other = worker.claim(2)

    worker.settles(succeeded(one), failed(other))

    assert sorted(in_state(broker, State.SUCCEEDED)) == sorted([good.id, join.id])
    assert sorted(in_state(broker, State.FAILED)) == sorted([bad.id, child.id])


def test_what_a_dead_worker_held_too_often_is_found_among_the_failed(broker, clock):
    sent = a_message(crash_limit=0)
    broker.send([sent], clock.now())
    worker = Courier(broker, clock)
    worker.claim()

    broker.retire([worker.id], clock.now())

    assert in_state(broker, State.FAILED) == [sent.id]


def test_a_replaced_task_waits_and_ends_as_its_last_one_does(broker, clock):
    worker, task = given_held(broker, clock)
    graph = messages(1)
    broker.replace(worker.id, task.id, task.fence, graph, graph[0].id, clock.now())
    assert in_state(broker, State.WAITING) == [task.id]

    worker.settles(succeeded(worker.claim()[0]))

    assert sorted(in_state(broker, State.SUCCEEDED)) == sorted([task.id, graph[0].id])
    assert in_state(broker, State.WAITING) == []


def test_other_stores_and_names_do_not_show(new_store, clock):
    one, other = new_store().connect(), new_store().connect()
    one.send(messages(3, name=NAME), clock.now())

    assert found(other) == []


# --- how long it is found -------------------------------------------------------------------------

A_MOMENT = 0.3  # seconds, for a server that drops records by its own clock


def gone_after(store, broker, clock, seconds, *tasks):
    """Let time pass until records are dropped, and what pointed to them."""
    if not store.expires_by_itself:
        clock.advance(seconds + 1)
        broker.tend(clock.now())
    wait_until(lambda: broker.get(ids(tasks)) == [None] * len(tasks), what="the end of records")
    clock.advance(seconds + 1)
    broker.tend(clock.now())


def test_once_records_are_over_no_page_looks_for_them_and_failures_are_still_found(store, clock):
    broker = store.connect(retention=A_MOMENT, dead_retention=1_000 * A_MOMENT)
    good = given_ended(broker, clock, succeeded, count=5)
    bad = given_ended(broker, clock, failed, count=3)
    good += given_ended(broker, clock, stopped, count=2)

    gone_after(store, broker, clock, A_MOMENT, *good)

    assert sorted(found(broker, 2)) == sorted(in_state(broker, State.FAILED)) == ids(bad)
    assert sum(page.searched for page in walk(broker)) == 3
    numbers = {state: total.number for state, total in broker.totals().items() if total.number}
    assert numbers == {State.FAILED: 3}


def test_what_is_kept_for_others_is_found_as_long_as_it_is_there(store, clock):
    broker = store.connect(retention=A_MOMENT, dead_retention=1_000 * A_MOMENT)
    parent, other = messages(2)
    child = a_message(after=After((parent.id,)), queue="slow")
    broker.send([parent, other, child], clock.now())
    worker = Courier(broker, clock)
    worker.settles(*map(succeeded, worker.claim(2)))

    gone_after(store, broker, clock, A_MOMENT, other)

    assert in_state(broker, State.SUCCEEDED) == [parent.id]
    assert broker.totals()[State.SUCCEEDED].number == 1
