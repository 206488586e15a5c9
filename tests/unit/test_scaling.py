"""How many processes a worker should have."""

import pytest

from celeriac.broker import QueueInfo, WorkerInfo
from celeriac.worker.scaling import PATIENCE, STEP, Scaler, load_of, processes_for


def a_scaler(most=8, least=2):
    return Scaler(most, least, slots=10, queues=("default", "mail"))


def change(scaler, count, queued, *, now=0.0, running=0, workers=()):
    return scaler.change(
        now, count, ("ours",), [QueueInfo("default", queued=queued, running=running)], workers
    )


@pytest.mark.parametrize(
    ("queue", "load"),
    [
        (QueueInfo("q", queued=5, running=3), 8),
        (QueueInfo("q", queued=5, held=2, parked=1), 2),
        (QueueInfo("q", queued=5, running=3, paused=True), 3),
        (QueueInfo("q", scheduled=5, waiting=7), 0),
    ],
)
def test_what_may_start_and_what_runs_is_load_and_what_waits_for_something_is_not(queue, load):
    assert load_of([queue]) == load
    assert load_of([queue], ("other",)) == 0


@pytest.mark.parametrize(("load", "processes"), [(0, 0), (1, 1), (10, 1), (11, 2), (1000, 100)])
def test_processes_are_counted_by_their_slots(load, processes):
    assert processes_for(load, 10) == processes


@pytest.mark.parametrize(("queued", "expected"), [(0, 0), (20, 0), (21, 1), (45, 3), (10_000, 6)])
def test_as_many_are_started_at_once_as_there_is_work_for_within_the_bounds(queued, expected):
    assert change(a_scaler(), 2, queued) == expected


def test_fewer_are_wanted_only_after_a_while_and_then_one_by_one():
    scaler, stopped, count = a_scaler(), [], 6
    for second in range(60):
        step = change(scaler, count, 0, now=float(second))
        assert step in (0, -1)
        if step:
            stopped.append(second)
            count += step

    assert stopped == [PATIENCE + STEP * number for number in range(4)]
    assert count == 2


def test_work_that_comes_meanwhile_begins_the_wait_anew():
    scaler = a_scaler()
    assert change(scaler, 6, 0, now=0.0) == 0
    assert change(scaler, 6, 60, now=20.0) == 0
    assert change(scaler, 6, 0, now=31.0) == 0

    assert change(scaler, 6, 0, now=31.0 + PATIENCE) == -1


def test_what_others_can_do_is_not_done_here():
    others = [
        WorkerInfo("theirs", "w", queues=("mail", "default"), slots=30),
        WorkerInfo("elsewhere", "w", queues=("video",), slots=500),
        WorkerInfo("ours", "w", queues=("default",), slots=10),
    ]

    assert change(a_scaler(), 2, 60, workers=others) == 1
