"""Tasks that wait for others: released once, in the same step that ended the last one waited for."""

import pytest

from celeriac.errors import UnknownTask
from celeriac.message import After
from celeriac.outcome import (
    EXPIRED,
    NOT_NEEDED,
    PARENT_REVOKED,
    PURGED,
    REVOKED,
    decode_error,
    stored,
)
from celeriac.states import State
from celeriac.testing.contract.given import (
    Courier,
    a_message,
    counts_of,
    crashed,
    failed,
    hears,
    ids,
    messages,
    record_of,
    release,
    retry,
    rings,
    state_of,
    stopped,
    succeeded,
)
from celeriac.testing.contract.waiting import wait_until

BOOM = stored(ValueError("boom"))


def waits(*parents, on="success", countdown=None, **fields):
    """A message that waits for *parents*."""
    return a_message(after=After(tuple(ids(parents)), on=on, countdown=countdown), **fields)


def a_join(*parents, **fields):
    return a_message(after=After(tuple(ids(parents)), join=True), **fields)


@pytest.fixture
def send(broker, clock):
    def send(*messages):
        assert broker.send(messages, clock.now()) == len(messages)
        return messages

    return send


@pytest.fixture
def chain(send):
    """Three messages, each of which waits for the one before."""
    first = a_message()
    second = waits(first)
    return send(first, second, waits(second))


def states_of(broker, tasks):
    return [state_of(broker, task) for task in tasks]


# --- release --------------------------------------------------------------------------------------


def test_whoever_comes_to_wait_for_an_ended_join_does_not_let_its_parents_go_twice(broker, clock, enlist):
    parent = a_message()
    join = a_message(after=After((parent.id,), join=True))
    broker.send([parent, join], clock.now())
    broker.cancel([join.id], clock.now())
    waits = a_message(after=After((parent.id,)))
    broker.send([waits], clock.now())

    broker.send([a_message(after=After((join.id,)))], clock.now())  # is cancelled at once
    broker.cancel([parent.id], clock.now())

    assert state_of(broker, waits) is State.CANCELLED


def test_who_waits_is_not_claimed(broker, chain, enlist):
    assert ids(enlist().claim_all()) == [chain[0].id]

    assert states_of(broker, chain) == [State.RUNNING, State.WAITING, State.WAITING]
    assert record_of(broker, chain[1]).outside == "PENDING"


def test_the_next_one_is_claimed_in_the_same_trip_that_settles_the_one_before(chain, enlist):
    worker = enlist()
    [task] = worker.claim_all()

    for expected in chain[1:]:
        [task] = worker.trip(succeeded(task), want=9).claims
        assert task.id == expected.id

    assert not worker.trip(succeeded(task), want=9).claims


def test_who_waits_for_many_is_released_by_the_last_of_them(broker, send, enlist):
    parents = messages(3)
    body = waits(*parents)
    send(*parents, body)
    worker = enlist()
    first, second, third = worker.claim_all()

    assert not worker.trip(succeeded(second), succeeded(first), want=9).claims
    assert ids(worker.trip(succeeded(third), want=9).claims) == [body.id]
    assert record_of(broker, body).fence == 1


def test_the_order_in_which_a_batch_names_tasks_does_not_matter(send, enlist):
    first = a_message()
    second = waits(first)
    send(waits(second), second, first)

    assert ids(enlist().claim_all()) == [first.id]


def test_one_task_may_release_many_in_the_order_in_which_they_were_sent(send, enlist):
    parent = a_message()
    others = [waits(parent) for _ in range(5)]
    send(parent, *others)
    worker = enlist()
    [task] = worker.claim_all()

    assert ids(worker.trip(succeeded(task), want=9).claims) == ids(others)


def test_a_released_task_goes_to_the_tail_of_its_own_queue_and_priority(send, enlist):
    parent = a_message()
    later = waits(parent, queue="mail", priority=3)
    send(parent, later, a_message(queue="mail"), a_message(queue="mail", priority=3))
    worker = enlist(queues=("default", "mail"))
    [task] = worker.claim(1)

    claims = worker.trip(succeeded(task), want=9).claims

    assert [task.priority for task in claims] == [3, 3, 0]
    assert claims[1].id == later.id


def test_a_parent_that_is_sent_again_releases_nobody_twice(broker, clock, send, enlist):
    parent = a_message()
    child = waits(parent)
    send(parent, child)
    worker = enlist()
    [task] = worker.claim_all()
    [running] = worker.trip(succeeded(task), want=9).claims

    assert broker.send([parent, child], clock.now()) == 0

    assert state_of(broker, child) is State.RUNNING
    assert worker.has(running)


def test_a_trip_that_is_repeated_releases_once(chain, enlist):
    worker = enlist()
    [task] = worker.claim_all()

    first = worker.trip(succeeded(task), want=9)
    again = worker.repeat()

    assert ids(first.claims) == ids(again.claims) == [chain[1].id]
    assert not worker.claim_all()


@pytest.mark.parametrize("settle", [release, crashed, lambda task: retry(task, 0.0)])
def test_a_parent_that_has_to_run_again_releases_nobody_before_it_succeeds(broker, chain, enlist, settle):
    worker = enlist()
    [task] = worker.claim_all()

    [again] = worker.trip(settle(task), want=9).claims
    assert again.id == task.id
    assert state_of(broker, chain[1]) is State.WAITING

    assert ids(worker.trip(succeeded(again), want=9).claims) == [chain[1].id]


def test_a_worker_that_dies_after_it_settled_takes_nobody_with_it(broker, clock, chain, enlist):
    worker = enlist()
    [task] = worker.claim_all()
    [second] = worker.trip(succeeded(task), want=9).claims
    broker.retire([worker.id], clock.now())

    [recovered] = Courier(broker, clock, "other").claim_all()

    assert (recovered.id, recovered.crashes) == (second.id, 1)


def test_an_idle_worker_is_rung_for_who_is_released(broker, chain, enlist):
    busy = enlist("busy", queues=("default",))
    [task] = busy.claim_all()
    idle = enlist("idle")
    bell = broker.bell("idle")
    assert not idle.claim(1)
    bell.arm(hungry=True)

    busy.settles(succeeded(task))

    assert rings(bell)
    bell.close()


# --- times ----------------------------------------------------------------------------------------


def test_a_countdown_counts_from_the_release(broker, clock, send, enlist):
    parent = a_message()
    child = waits(parent, countdown=30.5)
    send(parent, child)
    worker = enlist()
    [task] = worker.claim_all()
    clock.advance(1000)

    answer = worker.trip(succeeded(task), want=9)

    assert not answer.claims
    assert state_of(broker, child) is State.SCHEDULED
    assert abs(record_of(broker, child).due - clock.now() - 30.5) < 0.1
    clock.advance(31)
    assert ids(worker.claim_all()) == [child.id]


def test_an_eta_is_waited_for_as_well(broker, clock, send, enlist):
    parent = a_message()
    early, late = (waits(parent, eta=clock.now() + seconds) for seconds in (-5.5, 60.5))
    send(parent, early, late)
    worker = enlist()
    [task] = worker.claim_all()

    assert ids(worker.trip(succeeded(task), want=9).claims) == [early.id]
    assert state_of(broker, late) is State.SCHEDULED


def test_who_expires_while_waiting_is_cancelled_with_all_that_wait_for_it(broker, clock, send, enlist):
    parent = a_message()
    child = waits(parent, expires=clock.now() + 10.5)
    last = waits(child)
    send(parent, child, last)
    enlist().claim_all()
    clock.advance(11)

    assert broker.tend(clock.now()).expired == 1

    assert record_of(broker, child).error == EXPIRED
    assert (state_of(broker, last), record_of(broker, last).error) == (State.CANCELLED, PARENT_REVOKED)


# --- failure and cancel -----------------------------------------------------------------------------


def test_a_failure_fails_all_that_wait_and_names_who_failed_first(broker, chain, enlist):
    worker = enlist()
    [task] = worker.claim_all()

    assert not worker.trip(failed(task, BOOM), want=9).claims

    assert states_of(broker, chain) == [State.FAILED] * 3
    for waiting in chain[1:]:
        error = decode_error(record_of(broker, waiting).error)
        assert error.type == "celeriac.errors.ChordError"
        assert error.origin == task.id
        assert error.message == f"task {task.id}, which it waited for, has failed: ValueError: boom"
        assert str(error.rebuild()) == error.message


@pytest.mark.parametrize("body", [b"", b"nonsense", b'"text"', b"[1]", b'{"type": 5}', b"\xff\x00"])
def test_an_error_that_nobody_can_read_fails_who_waits_all_the_same(broker, send, enlist, body):
    parent = a_message()
    child = waits(parent)
    send(parent, child)
    worker = enlist()

    worker.settles(failed(worker.claim_all()[0], body))

    error = decode_error(record_of(broker, child).error)
    assert error.message.startswith(f"task {parent.id}, which it waited for, has failed: ")
    assert error.origin == parent.id


def test_strange_characters_in_an_error_stay_what_they_are(broker, send, enlist):
    said = 'a "quote", a \\ backslash, a / slash, \t\x01\x7f and 🥕'
    parent = a_message()
    child = waits(parent)
    send(parent, child)
    worker = enlist()

    worker.settles(failed(worker.claim_all()[0], stored(RuntimeError(said))))

    assert decode_error(record_of(broker, child).error).message.endswith(f"RuntimeError: {said}")


def test_of_two_failures_the_first_is_named(broker, send, enlist):
    parents = messages(2)
    body = waits(*parents)
    send(*parents, body)
    worker = enlist()
    first, second = worker.claim_all()

    worker.settles(failed(second, BOOM), failed(first, BOOM))

    assert decode_error(record_of(broker, body).error).origin == second.id


def test_the_others_run_on_when_one_fails(broker, send, enlist):
    parents = messages(2)
    body = waits(*parents)
    send(*parents, body)
    worker = enlist()
    first, second = worker.claim_all()

    worker.settles(failed(first, BOOM))

    assert worker.has(second)
    assert state_of(broker, body) is State.FAILED


def test_a_crash_past_the_limit_fails_who_waits(broker, clock, send, enlist):
    parent = a_message(crash_limit=0)
    child = waits(parent)
    send(parent, child)
    enlist().claim_all()

    broker.retire(["worker-a"], clock.now())

    assert states_of(broker, (parent, child)) == [State.FAILED, State.FAILED]
    assert "WorkerLostError" in decode_error(record_of(broker, child).error).message


@pytest.mark.parametrize(
    "end",
    [
        lambda broker, clock, worker, task: worker.settles(stopped(task, REVOKED)),
        lambda broker, clock, worker, task: (
            broker.cancel([task.id], clock.now()),
            worker.settles(crashed(task)),
        ),
        lambda broker, clock, worker, task: (
            worker.settles(release(task)),
            broker.cancel([task.id], clock.now()),
        ),
        lambda broker, clock, worker, task: (
            worker.settles(release(task)),
            broker.purge("default", clock.now()),
        ),
    ],
)
def test_who_waits_for_a_revoked_task_is_revoked(broker, clock, chain, enlist, end):
    worker = enlist()
    [task] = worker.claim_all()

    end(broker, clock, worker, task)

    assert states_of(broker, chain) == [State.CANCELLED] * 3
    assert record_of(broker, chain[2]).error == PARENT_REVOKED


def test_a_waiting_task_can_be_revoked_and_its_parent_runs_on(broker, clock, chain, enlist):
    worker = enlist()
    [task] = worker.claim_all()

    assert broker.cancel([chain[1].id], clock.now()) == ["cancelled"]

    assert states_of(broker, chain) == [State.RUNNING, State.CANCELLED, State.CANCELLED]
    assert not worker.trip(succeeded(task), want=9).claims


def test_purging_a_queue_leaves_those_alone_that_wait_for_others(broker, clock, send, enlist):
    parent = a_message(queue="mail")
    child = waits(parent)
    other = a_message()
    send(parent, child, other)

    assert broker.purge("default", clock.now()) == 1

    assert record_of(broker, other).error == PURGED
    assert states_of(broker, (parent, child)) == [State.QUEUED, State.WAITING]


# --- waiting for a failure ----------------------------------------------------------------------------


def test_who_waits_for_a_failure_is_released_by_it(broker, send, enlist):
    parent = a_message()
    handler = waits(parent, on="failure")
    send(parent, handler)
    worker = enlist()
    [task] = worker.claim_all()

    assert ids(worker.trip(failed(task, BOOM), want=9).claims) == [handler.id]


@pytest.mark.parametrize(("end", "error"), [(succeeded, NOT_NEEDED), (stopped, NOT_NEEDED)])
def test_who_waits_for_a_failure_that_does_not_come_is_cancelled(broker, send, enlist, end, error):
    parent = a_message()
    handler = waits(parent, on="failure")
    send(parent, handler, waits(handler))
    worker = enlist()
    [task] = worker.claim_all()

    assert not worker.trip(end(task), want=9).claims

    assert (state_of(broker, handler), record_of(broker, handler).error) == (State.CANCELLED, error)


def test_the_failure_of_a_waiting_task_counts_as_one(broker, chain, send, enlist):
    [handler] = send(waits(chain[2], on="failure"))
    worker = enlist()
    [task] = worker.claim_all()

    assert ids(worker.trip(failed(task, BOOM), want=9).claims) == [handler.id]


# --- joins --------------------------------------------------------------------------------------------


def test_a_join_succeeds_with_the_last_of_its_parents(broker, send, enlist):
    parents = messages(2)
    join = a_join(*parents)
    body = waits(join)
    send(*parents, join, body)
    worker = enlist()
    first, second = worker.claim_all()

    worker.settles(succeeded(first))
    assert state_of(broker, join) is State.WAITING
    assert ids(worker.trip(succeeded(second), want=9).claims) == [body.id]

    record = record_of(broker, join)
    assert (record.state, record.result, record.fence) == (State.SUCCEEDED, b"", 0)
    assert record.message.after.join
    assert abs(record.finished - worker.clock.now()) < 0.5


def test_an_empty_join_succeeds_at_once(broker, send, enlist):
    join = a_join()
    body = waits(join)
    send(body, join)

    assert state_of(broker, join) is State.SUCCEEDED
    assert ids(enlist().claim_all()) == [body.id]


def test_joins_of_joins_succeed_in_one_step(broker, send, enlist):
    parent = a_message()
    joins = [a_join(parent)]
    for _ in range(9):
        joins.append(a_join(joins[-1]))
    body = waits(joins[-1])
    send(parent, *joins, body)
    worker = enlist()
    [task] = worker.claim_all()

    assert ids(worker.trip(succeeded(task), want=9).claims) == [body.id]


def test_a_join_fails_with_one_of_its_parents(broker, send, enlist):
    parents = messages(2)
    join = a_join(*parents)
    body = waits(join)
    send(*parents, join, body)
    worker = enlist()
    first, _ = worker.claim_all()

    worker.settles(failed(first, BOOM))

    assert states_of(broker, (join, body)) == [State.FAILED, State.FAILED]
    assert decode_error(record_of(broker, body).error).origin == first.id


# --- sending to what is there already -------------------------------------------------------------------


def test_a_task_may_wait_for_one_that_was_sent_before(send, enlist):
    [parent] = send(a_message())
    worker = enlist()
    [task] = worker.claim_all()
    [child] = send(waits(parent))

    assert ids(worker.trip(succeeded(task), want=9).claims) == [child.id]


def test_what_has_ended_already_counts_at_once(broker, send, enlist):
    done, open_, broken, gone = send(*messages(4))
    worker = enlist()
    first, _, third, fourth = worker.claim_all()
    worker.settles(succeeded(first), failed(third, BOOM), stopped(fourth))

    both = waits(done, open_)
    sent = send(
        waits(done), both, waits(done, broken), waits(gone), waits(broken, on="failure"), a_join(done)
    )

    assert states_of(broker, sent) == [
        State.QUEUED, State.WAITING, State.FAILED, State.CANCELLED, State.QUEUED, State.SUCCEEDED,
    ]  # fmt: skip


def test_nothing_is_sent_when_one_waits_for_a_task_that_there_is_not(broker, clock):
    good, bad = a_message(), a_message(after=After(("nobody",)))

    with pytest.raises(UnknownTask, match=rf"{bad.id} \(shop.add\) cannot wait for task nobody"):
        broker.send([good, bad], clock.now())

    assert broker.get([good.id, bad.id]) == [None, None]


# --- what is kept ---------------------------------------------------------------------------------------


def test_a_record_says_what_kind_of_waiting_it_was_but_not_for_whom(broker, send):
    parent = a_message()
    sent = waits(parent, countdown=4.5), waits(parent, on="failure"), a_join(parent)
    send(parent, *sent)

    kept = [record_of(broker, task).message.after for task in sent]

    assert kept == [After(countdown=4.5), After(on="failure"), After(join=True)]
    assert record_of(broker, parent).message == parent


def test_parents_and_dependants_can_be_read_in_order_and_in_parts(broker, send):
    parents = messages(5)
    body = waits(*reversed(parents))
    other = waits(parents[0])
    send(*parents, body, other)

    assert broker.parents(body.id) == ids(reversed(parents))
    assert broker.parents(body.id, 1, 2) == [parents[3].id, parents[2].id]
    assert broker.parents(body.id, 4) == [parents[0].id]
    assert broker.parents(parents[0].id) == broker.parents("nobody") == broker.dependants(body.id) == []
    assert broker.dependants(parents[0].id) == [body.id, other.id]
    assert broker.dependants(parents[0].id, 1, 1) == [other.id]


def test_inputs_are_the_results_of_parents_in_order(broker, send, enlist):
    parents = messages(3)
    join, body = a_join(*parents), a_message()
    both = waits(parents[1], join, parents[0])
    send(*parents, join, both, body)
    worker = enlist()
    first, second, third, _ = worker.claim_all()
    worker.settles(succeeded(first, b"1"), succeeded(second, b""))

    assert broker.inputs(both.id) == [(parents[1].id, b""), (join.id, None), (parents[0].id, b"1")]
    assert broker.inputs(join.id, 1, 5) == [(parents[1].id, b""), (parents[2].id, None)]
    worker.settles(succeeded(third))
    assert broker.inputs(both.id, 1, 1) == [(join.id, None)]
    assert broker.inputs("nobody") == []


def test_parents_can_be_read_when_all_have_ended(broker, chain, enlist):
    worker = enlist()
    [task] = worker.claim_all()
    [second] = worker.trip(succeeded(task), want=9).claims
    [third] = worker.trip(succeeded(second), want=9).claims
    worker.settles(succeeded(third))

    assert broker.parents(chain[1].id) == [chain[0].id]
    assert broker.dependants(chain[0].id) == [chain[1].id]


def test_what_an_unfinished_task_waited_for_is_not_forgotten(broker, chain, enlist):
    worker = enlist()
    [task] = worker.claim_all()
    [second] = worker.trip(succeeded(task), want=9).claims

    assert broker.forget([chain[0].id]) == 0
    [third] = worker.trip(succeeded(second), want=9).claims
    assert broker.forget(ids(chain)) == 1
    worker.settles(succeeded(third))
    assert broker.forget(ids(chain)) == 2


def test_what_a_join_brings_together_is_kept_as_long_as_somebody_waits_for_the_join(broker, send, enlist):
    parents = messages(2)
    join = a_join(*parents)
    body = waits(join)
    send(*parents, join, body)
    worker = enlist()
    [task] = worker.trip(*map(succeeded, worker.claim_all()), want=9).claims

    assert broker.forget(ids((*parents, join))) == 0
    worker.settles(succeeded(task))

    assert broker.forget(ids((*parents, join, body))) == 4


def _let_retention_pass(store, broker, clock, finished):
    """Wait until records that ended when *finished* did are dropped."""
    if not store.expires_by_itself:
        clock.advance(2)
        broker.tend(clock.now())
    wait_until(lambda: broker.get([finished]) == [None], what="the end of a record's retention")


def test_a_result_outlives_its_retention_while_it_is_needed(store, clock):
    broker = store.connect(retention=1.0)
    first, plain = messages(2)
    second = waits(first)
    broker.send([first, second, plain], clock.now())
    worker = Courier(broker, clock)
    [held] = worker.trip(*(succeeded(task, b'"kept"') for task in worker.claim_all()), want=9).claims

    _let_retention_pass(store, broker, clock, plain.id)
    assert record_of(broker, first).result == b'"kept"'
    worker.settles(succeeded(held))

    _let_retention_pass(store, broker, clock, first.id)
    _let_retention_pass(store, broker, clock, second.id)


def test_a_result_that_was_there_before_is_kept_for_who_comes_later(store, clock):
    broker = store.connect(retention=1.0)
    first, plain = messages(2)
    broker.send([first, plain], clock.now())
    worker = Courier(broker, clock)
    worker.settles(*map(succeeded, worker.claim_all()))
    second = waits(first)
    broker.send([second], clock.now())
    [held] = worker.claim_all()

    _let_retention_pass(store, broker, clock, plain.id)
    assert state_of(broker, first) is State.SUCCEEDED
    worker.settles(succeeded(held))

    _let_retention_pass(store, broker, clock, first.id)


def test_an_id_that_is_used_again_hears_nothing_meant_for_the_task_before(broker, clock, send, enlist):
    parent, other = messages(2)
    child = waits(parent)
    send(parent, other, child)
    broker.cancel([child.id], clock.now())
    assert broker.forget([child.id]) == 1
    again = waits(other, id=child.id, created=child.created + 1)
    send(again)
    worker = enlist()
    first, _ = worker.claim_all()

    assert not worker.trip(failed(first, BOOM), want=9).claims

    assert state_of(broker, again) is State.WAITING


def test_waiting_tasks_are_counted(broker, chain, enlist):
    [queue] = broker.queues()
    assert (queue.queued, queue.waiting) == (1, 2)
    worker = enlist()
    [task] = worker.claim_all()
    worker.trip(succeeded(task), want=9)

    [queue] = broker.queues()

    assert (queue.running, queue.waiting) == (1, 1)
    assert counts_of(broker) == (0, 0, 1, 0)


def test_a_listener_hears_of_what_waits_when_it_fails(broker, chain, enlist):
    listener = broker.listener()
    assert [record.state for record in listener.watch([chain[2].id])] == [State.WAITING]
    worker = enlist()

    worker.settles(failed(worker.claim_all()[0], BOOM))

    assert hears(listener, chain[2])
    listener.close()


# --- many -----------------------------------------------------------------------------------------------


def test_a_step_tells_a_thousand_and_leaves_the_others_to_the_next(broker, clock, send, enlist):
    parent = a_message()
    others = [waits(parent) for _ in range(2_500)]
    send(parent, *others)
    worker = enlist()
    [task] = worker.claim_all()

    seen = []
    answer = worker.trip(succeeded(task), want=5_000)
    while answer.claims:
        seen.append(len(answer.claims))
        answer = worker.trip(*map(succeeded, answer.claims), want=5_000)

    assert seen == [1_000, 1_000, 500]


def test_tending_tells_the_others_when_no_worker_comes(broker, clock, send, enlist):
    first = a_message()
    line = [first]
    for _ in range(1_500):
        line.append(waits(line[-1]))
    send(*line)
    broker.cancel([first.id], clock.now())

    while broker.tend(clock.now()).more:
        pass

    assert set(states_of(broker, line)) == {State.CANCELLED}


def test_a_body_may_wait_for_many_thousand(broker, send, enlist):
    parents = messages(3_000)
    body = waits(*parents)
    send(body, *parents)
    worker = enlist()

    claims = worker.claim(1_000)
    for left in (1_000, 1_000, 1):
        claims = worker.trip(*map(succeeded, claims), want=1_000).claims
        assert len(claims) == left

    [last] = claims
    assert last.id == body.id
    assert broker.parents(body.id, 2_500, 1_000) == ids(parents[2_500:])
    assert worker.has(last)
