"""`report`: progress and checkpoints of whoever holds the task, and of nobody else."""

import pytest

from celeriac.broker import Report
from celeriac.states import State
from celeriac.testing.contract.given import (
    EVERY_BYTE,
    crashed,
    given_held,
    ids,
    messages,
    record_of,
    release,
    retry,
    succeeded,
)


def test_a_report_keeps_state_meta_and_checkpoint(broker, clock):
    worker, task = given_held(broker, clock)

    refused = broker.report(
        worker.id, [Report(task.id, task.fence, "PROGRESS", EVERY_BYTE, EVERY_BYTE[::-1])], clock.now()
    )

    assert list(refused) == []
    record = record_of(broker, task)
    assert (record.custom, record.outside, record.state) == ("PROGRESS", "PROGRESS", State.RUNNING)
    assert (record.meta, record.checkpoint) == (EVERY_BYTE, EVERY_BYTE[::-1])


def test_a_report_leaves_alone_what_it_does_not_name(broker, clock):
    worker, task = given_held(broker, clock)
    broker.report(worker.id, [Report(task.id, task.fence, "PROGRESS", b"1", b"2")], clock.now())

    broker.report(worker.id, [Report(task.id, task.fence, meta=b"3")], clock.now())
    broker.report(worker.id, [Report(task.id, task.fence, checkpoint=b"4")], clock.now())
    broker.report(worker.id, [Report(task.id, task.fence, state="HALFWAY")], clock.now())

    record = record_of(broker, task)
    assert (record.custom, record.meta, record.checkpoint) == ("HALFWAY", b"3", b"4")


def test_an_empty_part_replaces_what_was_there(broker, clock):
    worker, task = given_held(broker, clock)
    broker.report(worker.id, [Report(task.id, task.fence, "PROGRESS", b"1", b"2")], clock.now())

    broker.report(worker.id, [Report(task.id, task.fence, "", b"", b"")], clock.now())

    record = record_of(broker, task)
    assert (record.custom, record.meta, record.checkpoint) == ("", b"", b"")


def test_of_several_reports_of_one_task_the_later_wins_part_by_part(broker, clock):
    worker, task = given_held(broker, clock)

    broker.report(
        worker.id,
        [
            Report(task.id, task.fence, "FIRST", b"1", b"one"),
            Report(task.id, task.fence, None, b"2", None),
            Report(task.id, task.fence, "THIRD", None, None),
        ],
        clock.now(),
    )

    record = record_of(broker, task)
    assert (record.custom, record.meta, record.checkpoint) == ("THIRD", b"2", b"one")


def test_children_are_added_to_those_that_are_known(broker, clock):
    worker, task = given_held(broker, clock)
    broker.report(worker.id, [Report(task.id, task.fence, children=("b", "a"))], clock.now())

    reports = [Report(task.id, task.fence, "PROGRESS", children=("a", "c", "c")), Report(task.id, task.fence)]
    broker.report(worker.id, reports, clock.now())
    worker.settles(succeeded(task))

    record = record_of(broker, task)
    assert (record.children, record.custom) == (("b", "a", "c"), "PROGRESS")


def test_nobody_but_the_holder_adds_children(broker, clock):
    worker, task = given_held(broker, clock)

    refused = broker.report(worker.id, [Report(task.id, task.fence + 1, children=("a",))], clock.now())

    assert list(refused) == [task.id]
    assert record_of(broker, task).children == ()


def test_the_next_delivery_carries_the_checkpoint(broker, clock):
    worker, task = given_held(broker, clock)
    broker.report(worker.id, [Report(task.id, task.fence, checkpoint=EVERY_BYTE)], clock.now())

    [again] = worker.trip(crashed(task), want=1).claims

    assert again.checkpoint == EVERY_BYTE


@pytest.mark.parametrize("how", ["retry", "release", "crash", "retire"])
def test_progress_outlives_the_run(broker, clock, how):
    worker, task = given_held(broker, clock)
    broker.report(worker.id, [Report(task.id, task.fence, "PROGRESS", b"1", b"2")], clock.now())

    if how == "retire":
        broker.retire([worker.id], clock.now())
    else:
        ways = {"retry": retry(task, clock.now()), "release": release(task), "crash": crashed(task)}
        assert worker.settles(ways[how])

    record = record_of(broker, task)
    assert (record.custom, record.meta, record.checkpoint) == ("PROGRESS", b"1", b"2")


def test_progress_is_kept_when_the_task_has_finished(broker, clock):
    worker, task = given_held(broker, clock)
    broker.report(worker.id, [Report(task.id, task.fence, "PROGRESS", b"1", b"2")], clock.now())

    worker.settles(succeeded(task))

    record = record_of(broker, task)
    assert (record.outside, record.meta, record.checkpoint) == ("SUCCESS", b"1", b"2")


def test_only_the_worker_that_holds_a_task_may_report(broker, clock, enlist):
    _, task = given_held(broker, clock)
    enlist("worker-b")
    before = record_of(broker, task)

    for thief in ("worker-b", "never-seen"):
        assert broker.report(thief, [Report(task.id, task.fence, "MINE", b"1", b"2")], clock.now()) == [
            task.id
        ]

    assert record_of(broker, task) == before


def test_a_report_with_an_old_fence_is_refused(broker, clock):
    worker, old = given_held(broker, clock)
    [new] = worker.trip(release(old), want=1).claims
    before = record_of(broker, new)

    assert list(broker.report(worker.id, [Report(old.id, old.fence, "OLD", b"1", b"2")], clock.now())) == [
        old.id
    ]

    assert record_of(broker, new) == before


def test_a_report_after_the_end_is_refused(broker, clock):
    worker, task = given_held(broker, clock)
    worker.settles(succeeded(task))
    before = record_of(broker, task)

    assert list(broker.report(worker.id, [Report(task.id, task.fence, "LATE", b"1", b"2")], clock.now())) == [
        task.id
    ]

    assert record_of(broker, task) == before


def test_a_report_after_the_worker_was_retired_is_refused(broker, clock):
    worker, task = given_held(broker, clock)
    broker.retire([worker.id], clock.now())
    before = record_of(broker, task)

    assert list(broker.report(worker.id, [Report(task.id, task.fence, "LATE", b"1", b"2")], clock.now())) == [
        task.id
    ]

    assert record_of(broker, task) == before


def test_a_refused_report_does_not_hold_up_the_others(broker, clock, enlist):
    broker.send(messages(3), clock.now())
    worker = enlist()
    tasks = worker.claim(3)
    worker.settles(succeeded(tasks[1]))

    refused = broker.report(
        worker.id, [Report(task.id, task.fence, "PROGRESS", b"1") for task in tasks], clock.now()
    )

    assert list(refused) == [tasks[1].id]
    assert [record.custom for record in broker.get(ids(tasks))] == ["PROGRESS", "", "PROGRESS"]


def test_a_report_of_an_unknown_task_is_refused(broker, clock, enlist):
    enlist()

    assert list(broker.report("worker-a", [Report("no-such-task", 1, "X")], clock.now())) == ["no-such-task"]

    assert broker.get(["no-such-task"]) == [None]


def test_reporting_nothing_is_allowed(broker, clock, enlist):
    enlist()

    assert list(broker.report("worker-a", [], clock.now())) == []
