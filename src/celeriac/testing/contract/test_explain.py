"""`explain`: what decides whether a task may be claimed; and its sentence never disagrees with the claim."""

import random

import pytest

from celeriac.broker import WorkerInfo
from celeriac.brokers.memory import MemoryBroker
from celeriac.explaining import CODES, MAY_START, reason_of
from celeriac.lanes import Limit
from celeriac.message import After
from celeriac.testing.contract import lockstep
from celeriac.testing.contract.given import (
    NAME,
    a_message,
    given_finished,
    given_held,
    given_running,
    ids,
    messages,
    retry,
)


def why(broker, clock, task):
    reason = reason_of(task.id, broker.explain(task.id, clock.now()), clock.now())
    assert reason.code in CODES
    assert reason.text.endswith(".")
    return reason


def sent(broker, clock, **fields):
    message = a_message(**fields)
    broker.send([message], clock.now())
    return message


def test_of_a_task_that_there_is_not_that_is_said(broker, clock):
    assert broker.explain("nobody", clock.now()) is None
    assert why(broker, clock, a_message()).code == "unknown"


def test_what_runs_or_has_ended_is_said(broker, clock):
    running, ended = given_running(broker, clock), given_finished(broker, clock, "worker-b")
    clock.advance(65)

    assert "worker-a" in why(broker, clock, running).text
    assert "(1 min 5 s ago)" in why(broker, clock, running).text
    assert why(broker, clock, ended).text == "It has ended: SUCCESS, 1 min 5 s ago."


def test_a_task_waits_for_its_moment_or_its_retry(broker, clock):
    scheduled = sent(broker, clock, eta=clock.now() + 3700)
    worker, task = given_held(broker, clock)
    worker.settles(retry(task, clock.now() + 30, b'{"type":"builtins.ValueError","message":"no\\u0000pe"}'))

    assert "(in 1 h 1 min)" in why(broker, clock, scheduled).text
    reason = why(broker, clock, task)
    assert reason.code == "retry"
    assert reason.text.startswith("Retry 1 is due at ")
    assert "ValueError" in reason.text


def test_a_task_waits_for_others_some_of_which_are_named(broker, clock):
    parents = messages(12)
    waiting = a_message(after=After(tuple(ids(parents))))
    broker.send([*parents, waiting], clock.now())

    situation = broker.explain(waiting.id, clock.now())

    assert (situation.parents, situation.open) == (tuple(ids(parents)[:10]), 12)
    assert f"{parents[2].id} and 9 more" in why(broker, clock, waiting).text


def test_an_expired_one_is_told_before_anybody_has_noticed(broker, clock):
    task = sent(broker, clock, expires=clock.now() + 5)
    clock.advance(10)

    assert why(broker, clock, task).code == "expired"


def test_a_queue_without_workers_paused_or_where_nobody_knows_the_name(broker, clock, enlist):
    task = sent(broker, clock)
    assert why(broker, clock, task).text == "No live worker serves the queue default."

    stranger = enlist("worker-a", names=("other",))
    assert why(broker, clock, task).code == "unknown_name"
    stranger.claim()
    assert broker.explain(task.id, clock.now()).parked
    assert (
        why(broker, clock, task).text == f"None of 1 live worker of the queue default knows the name {NAME}."
    )

    broker.pause("default", clock.now())
    assert why(broker, clock, task).text == "The queue default is paused."


def test_a_worker_whose_lease_has_run_out_does_not_count(broker, clock, enlist):
    task = sent(broker, clock)
    enlist(lease=10)
    clock.advance(11)

    assert why(broker, clock, task).code == "no_worker"


def test_how_many_go_first_and_whether_a_slot_is_free(broker, clock, enlist):
    worker = enlist(slots=2)
    low = sent(broker, clock, priority=1)
    broker.send([*messages(3, priority=1), *messages(2, priority=5)], clock.now())
    last = sent(broker, clock, priority=1)

    assert broker.explain(last.id, clock.now()).before == 6
    assert (
        why(broker, clock, low).text
        == "2 tasks go first in the queue default, and 2 slots of 1 worker are free."
    )
    worker.claim(2)
    assert why(broker, clock, low).text == "It is next in the queue default, and no slot of 1 worker is free."


def test_places_and_tokens_of_a_lane(broker, clock, enlist):
    worker = enlist()
    limited = messages(3, limit=Limit("two", concurrency=2))
    slow = messages(2, limit=Limit("slow", rate=0.1))
    fair = messages(3, limit=Limit("fair"))
    broker.send([*limited, *slow, *fair], clock.now())
    [first, second, *_] = sorted(ids(limited[:2]))
    assert why(broker, clock, fair[2]).code == "turn"
    worker.claim(5)

    assert (
        why(broker, clock, limited[2]).text
        == f"2 of 2 places of the lane two are held by tasks {first}, {second}."
    )
    assert why(broker, clock, slow[1]).code == "rate"
    assert "(in 10 s)" in why(broker, clock, slow[1]).text


@pytest.mark.parametrize("seed", range(8))
def test_the_sentence_and_the_claim_never_disagree(broker, clock, seed):
    chance = random.Random(seed)
    life = lockstep.Lockstep(MemoryBroker(), broker)
    for _ in range(40):
        life.do(lockstep.an_operation(chance))
    now = life.clock.now()
    for queue in lockstep.QUEUES:
        info = WorkerInfo(
            f"judge-{queue}", "judge", queues=(queue,), names=frozenset(lockstep.NAMES), slots=100
        )
        broker.enlist(info, now)
    said = {each: reason_of(each, broker.explain(each, now), now) for each in lockstep.IDS}

    claimed = set()
    for queue in lockstep.QUEUES:
        claimed |= set(ids(broker.exchange(f"judge-{queue}", trip=1, want=100, now=now).claims))

    for each, reason in said.items():
        if each in claimed:
            assert reason.code in MAY_START, f"{each} was claimed, though {reason}"
        if reason.code == "next" and each not in claimed:  # its lane had a token for another one
            record = broker.get([each])[0]
            assert record.message.limit is not None, f"{each} was not claimed, though {reason}"
