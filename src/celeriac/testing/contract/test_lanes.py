"""Limited tasks: so many starts in a time, so many at once, in turn; and those who wait hold up nobody."""

import pytest

from celeriac.lanes import Limit
from celeriac.message import After
from celeriac.outcome import Settlement
from celeriac.states import State, Verdict
from celeriac.testing.contract.given import (
    NAME,
    a_message,
    crashed,
    failed,
    ids,
    is_silent,
    messages,
    release,
    retry,
    returned,
    rings,
    state_of,
    succeeded,
)

ONE = Limit("one", concurrency=1)
SLOW = Limit("slow", rate=0.5)


def held(broker, queue="default"):
    """How many tasks wait in lanes, how many stand where workers look, how many run."""
    found = {info.name: info for info in broker.queues()}.get(queue)
    return (found.held, found.queued - found.held, found.running) if found else (0, 0, 0)


def send(broker, clock, count, limit, **fields):
    sent = messages(count, limit=limit, **fields)
    broker.send(sent, clock.now())
    return sent


def test_no_more_run_at_once_than_the_concurrency_allows_whoever_asks(broker, clock, enlist, other):
    workers = [enlist("worker-a"), enlist("worker-b", on=other)]
    sent = send(broker, clock, 5, Limit("two", concurrency=2))

    claims = workers[0].claim(1) + workers[1].claim(10) + workers[0].claim(10)

    assert ids(claims) == ids(sent[:2])
    assert held(broker) == (3, 0, 2)


@pytest.mark.parametrize("end", [succeeded, failed, retry, release, returned, crashed])
def test_however_a_run_ends_its_place_is_free_for_the_next_one(broker, clock, enlist, end):
    worker = enlist()
    sent = send(broker, clock, 2, ONE)
    [task] = worker.claim(10)

    settlement = end(task, clock.now() + 60) if end is retry else end(task)
    claims = worker.trip(settlement, want=10).claims

    expected = sent[0] if end in (release, returned, crashed) else sent[1]  # those go back to the head
    assert ids(claims) == [expected.id]


def test_the_death_of_a_worker_frees_the_places_of_what_it_ran(broker, clock, enlist):
    enlist("worker-a").claim()
    sent = send(broker, clock, 2, ONE)
    dead, alive = enlist("worker-b"), enlist("worker-c")
    [lost] = dead.claim(10)

    broker.retire([dead.id], clock.now())

    assert ids(alive.claim(10)) == [lost.id] == [sent[0].id]


def test_a_run_that_is_replaced_gives_its_place_to_the_next_one(broker, clock, enlist):
    worker = enlist()
    sent = send(broker, clock, 2, ONE)
    [task] = worker.claim(10)
    end = a_message()

    assert broker.replace(worker.id, task.id, task.fence, [end], end.id, clock.now())

    assert sorted(ids(worker.claim_all())) == sorted([sent[1].id, end.id])


def test_tokens_come_one_by_one_and_no_start_comes_before_its_token(broker, clock, enlist):
    worker = enlist()
    sent = send(broker, clock, 4, SLOW)
    started = []
    for _ in range(13):
        started += [(clock.now(), task.id) for task in worker.claim(10)]
        clock.advance(0.5)

    begin = started[0][0]
    assert [(moment - begin, task) for moment, task in started] == [
        (2.0 * number, message.id) for number, message in enumerate(sent)
    ]


def test_one_whose_code_has_not_begun_gives_its_token_back(broker, clock, enlist):
    worker = enlist()
    sent = send(broker, clock, 2, Limit("rare", rate=1 / 3600, burst=1.0))
    [task] = worker.claim(10)

    answer = worker.trip(returned(task), want=1)

    assert ids(answer.claims) == [sent[0].id]
    assert ids(worker.claim(10)) == []


def test_a_token_that_comes_back_makes_the_bucket_no_larger(broker, clock, enlist):
    worker = enlist()
    sent = send(broker, clock, 3, Limit("slow", rate=0.5, burst=2.0))
    [task] = worker.claim(1)
    clock.advance(60)

    worker.trip(returned(task))

    assert set(ids(worker.claim(10))) == set(ids(sent[:2]))


def test_one_that_is_revoked_before_it_has_begun_gives_its_token_to_the_next_one(broker, clock, enlist):
    worker = enlist()
    sent = send(broker, clock, 2, Limit("rare", rate=1 / 3600, burst=1.0))
    [task] = worker.claim(10)
    broker.cancel([task.id], clock.now())

    answer = worker.trip(returned(task), want=10)

    assert ids(answer.claims) == [sent[1].id]
    assert state_of(broker, task) is State.CANCELLED


@pytest.mark.parametrize("end", [release, crashed])
def test_one_that_was_interrupted_has_spent_its_token(broker, clock, enlist, end):
    worker = enlist()
    send(broker, clock, 1, Limit("rare", rate=1 / 3600, burst=1.0))
    [task] = worker.claim(10)

    assert ids(worker.trip(end(task), want=10).claims) == []


def test_after_a_pause_a_burst_may_start_at_once(broker, clock, enlist):
    worker = enlist()
    sent = send(broker, clock, 10, Limit("bursts", rate=1.0, burst=3.0))

    first = worker.claim(10)
    clock.advance(2)
    second = worker.claim(10)
    clock.advance(60)
    third = worker.claim(10)

    assert [ids(claims) for claims in (first, second, third)] == [
        ids(sent[:3]),
        ids(sent[3:5]),
        ids(sent[5:8]),
    ]


def test_a_trip_tells_when_the_next_token_comes(broker, clock, enlist):
    worker = enlist()
    send(broker, clock, 2, SLOW)

    due = worker.trip(want=10).due

    assert abs(due - clock.now() - 2.0) < 0.1


def test_an_idle_worker_is_rung_to_learn_of_the_next_token_once(broker, clock, enlist, hang):
    busy, idle = enlist("worker-a"), enlist("worker-b")
    send(broker, clock, 1, SLOW)
    busy.claim(1)
    bell = hang(idle)
    idle.claim(10)
    bell.arm(hungry=True)

    send(broker, clock, 1, SLOW)
    assert rings(bell)
    assert idle.trip(want=10).due is not None


def test_nobody_is_rung_for_what_only_waits_behind_others(broker, clock, enlist, hang):
    busy, idle = enlist("worker-a"), enlist("worker-b")
    send(broker, clock, 1, ONE)
    busy.claim(1)
    bell = hang(idle)
    idle.claim(10)
    bell.arm(hungry=True)

    send(broker, clock, 3, ONE)

    assert is_silent(bell)


def test_a_place_that_gets_free_rings_an_idle_worker(broker, clock, enlist, hang):
    busy, idle = enlist("worker-a"), enlist("worker-b")
    sent = send(broker, clock, 2, ONE)
    [task] = busy.claim(10)
    bell = hang(idle)
    idle.claim(10)
    bell.arm(hungry=True)

    busy.trip(succeeded(task), want=0)

    assert rings(bell)
    assert ids(idle.claim(10)) == [sent[1].id]


# --- in turn --------------------------------------------------------------------------------------


def test_lanes_take_turns_so_that_many_tasks_of_one_key_do_not_hold_up_one_of_another(broker, clock, enlist):
    worker = enlist()
    many = send(broker, clock, 50, Limit("customer#a"))
    few = send(broker, clock, 2, Limit("customer#b"))

    order = [task.id for _ in range(6) for task in worker.claim(1)]

    assert order == [many[0].id, few[0].id, many[1].id, few[1].id, many[2].id, many[3].id]


def test_in_one_trip_lanes_take_turns_too(broker, clock, enlist):
    worker = enlist()
    sent = [send(broker, clock, 3, Limit(f"customer#{key}")) for key in "abc"]

    claims = worker.claim(10)

    assert ids(claims) == [lane[number].id for number in range(3) for lane in sent]


def test_within_a_lane_the_higher_priority_goes_first(broker, clock, enlist):
    worker = enlist()
    [low] = send(broker, clock, 1, ONE, priority=0)
    [high] = send(broker, clock, 1, ONE, priority=9)

    [first] = worker.claim(10)
    [second] = worker.trip(succeeded(first), want=10).claims

    assert [first.id, second.id] == [high.id, low.id]


def test_what_is_not_limited_passes_those_that_wait(broker, clock, enlist):
    worker = enlist()
    send(broker, clock, 100, ONE)
    worker.claim(1)
    [free] = messages(1)
    broker.send([free], clock.now())

    assert ids(worker.claim(1)) == [free.id]


# --- whatever becomes of them ---------------------------------------------------------------------


def test_those_that_wait_are_queued_to_everybody(broker, clock, enlist):
    sent = send(broker, clock, 3, ONE)

    assert [state_of(broker, task) for task in sent] == [State.QUEUED] * 3
    assert [record.message.limit for record in broker.get(ids(sent))] == [ONE] * 3


@pytest.mark.parametrize("which", [0, 1, 2])
def test_one_that_is_cancelled_leaves_its_lane_to_the_others(broker, clock, enlist, which):
    worker = enlist()
    sent = send(broker, clock, 3, ONE)

    assert broker.cancel([sent[which].id], clock.now()) == ["cancelled"]

    left = [task for task in sent if task is not sent[which]]
    [first] = worker.claim(10)
    [second] = worker.trip(succeeded(first), want=10).claims
    assert [first.id, second.id] == ids(left)


def test_all_can_be_purged_and_the_lane_is_as_new(broker, clock, enlist):
    worker = enlist()
    send(broker, clock, 5, ONE)

    assert broker.purge("default", clock.now()) == 5

    assert held(broker) == (0, 0, 0)
    [later] = send(broker, clock, 1, ONE)
    assert ids(worker.claim(10)) == [later.id]


def test_one_that_expires_at_the_head_lets_the_next_one_go(broker, clock, enlist):
    worker = enlist()
    [doomed] = send(broker, clock, 1, ONE, expires=clock.now() + 5)
    [after] = send(broker, clock, 1, ONE)
    clock.advance(10)

    assert ids(worker.claim(10)) == [after.id]
    assert state_of(broker, doomed) is State.CANCELLED


def test_one_that_nobody_knows_is_parked_and_comes_back_as_the_first(broker, clock, enlist):
    stranger = enlist("worker-a", names=())
    sent = send(broker, clock, 2, ONE)
    stranger.claim(10)
    assert held(broker) == (1, 1, 0)

    worker = enlist("worker-b")

    assert ids(worker.claim(10)) == [sent[0].id]


def test_a_scheduled_or_waiting_task_joins_its_lane_when_its_time_comes(broker, clock, enlist):
    worker = enlist()
    [first] = send(broker, clock, 1, ONE)
    [scheduled] = send(broker, clock, 1, ONE, eta=clock.now() + 5)
    [waiting] = send(broker, clock, 1, ONE, after=After((first.id,)))
    [task] = worker.claim(10)
    clock.advance(10)
    worker.claim(10)

    [second] = worker.trip(succeeded(task), want=10).claims
    [third] = worker.trip(succeeded(second), want=10).claims

    assert {second.id, third.id} == {scheduled.id, waiting.id}


def test_a_paused_queue_keeps_its_lanes_as_they_are(broker, clock, enlist):
    worker = enlist()
    sent = send(broker, clock, 2, ONE)
    broker.pause("default", clock.now())
    assert worker.claim(10) == []

    broker.resume("default", clock.now())

    assert ids(worker.claim(10)) == [sent[0].id]


def test_tasks_of_one_lane_in_two_queues_share_its_limit(broker, clock, enlist):
    worker = enlist(queues=("a", "b"))
    send(broker, clock, 2, ONE, queue="a")
    send(broker, clock, 2, ONE, queue="b")

    claims = worker.claim(10)

    assert len(claims) == 1
    assert len(worker.trip(succeeded(claims[0]), want=10).claims) == 1


def test_of_several_limits_of_one_lane_the_one_that_was_sent_last_counts(broker, clock, enlist):
    worker = enlist()
    send(broker, clock, 5, Limit("changed", concurrency=1))
    assert len(worker.claim(10)) == 1

    send(broker, clock, 1, Limit("changed", concurrency=3))

    assert len(worker.claim(10)) == 2


def test_a_trip_that_is_repeated_takes_no_second_token(broker, clock, enlist):
    worker = enlist()
    sent = send(broker, clock, 3, SLOW)
    [task] = worker.claim(10)

    assert ids(worker.repeat().claims) == [task.id]

    clock.advance(2)
    assert ids(worker.claim(10)) == [sent[1].id]


def test_a_settlement_that_comes_too_late_frees_no_place(broker, clock, enlist):
    worker = enlist()
    send(broker, clock, 3, ONE)
    [task] = worker.claim(10)
    late = Settlement(task.id, task.fence + 1, Verdict.SUCCEEDED, b"1")

    answer = worker.trip(late, want=10)

    assert (answer.refused, ids(answer.claims)) == ([task.id], [])


def test_tending_lets_go_who_got_a_token(broker, clock, enlist):
    worker = enlist()
    send(broker, clock, 2, SLOW)
    worker.claim(10)
    clock.advance(5)

    broker.tend(clock.now())

    assert held(broker) == (0, 1, 1)


@pytest.mark.parametrize("lanes", [1, 100])
def test_many_are_run_to_the_end_and_nothing_is_left(broker, clock, enlist, lanes):
    worker = enlist()
    sent = [
        message
        for number in range(lanes)
        for message in send(broker, clock, 300 // lanes, Limit(f"l{number}", concurrency=7))
    ]
    done, claims = [], worker.claim(50)
    while claims:
        done += ids(claims)
        claims = worker.trip(*map(succeeded, claims), want=50).claims

    assert sorted(done) == sorted(ids(sent))
    assert broker.queues() == []


def test_names_of_lanes_may_hold_anything_that_is_printed_without_blanks(broker, clock, enlist):
    worker = enlist()
    limit = Limit(f"{NAME}#%C3%A9{{x}}@~", concurrency=1)
    sent = send(broker, clock, 2, limit)

    [task] = worker.claim(10)

    assert ids(worker.trip(succeeded(task), want=10).claims) == [sent[1].id]
