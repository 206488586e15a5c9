"""A thousand chords while workers are killed all the time: no body is lost, and none is released twice."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter

import psutil

from celeriac import chord
from celeriac.states import State
from tests.faults import shop as tasks
from tests.faults.workers import marks
from tests.waiting import wait_until

CHORDS = 1_000
KILLS = 5


def ended(app, ids):
    return [record for record in app.broker.get(ids) if record is not None and record.state.final]


def test_every_body_of_a_thousand_chords_runs_once_whatever_is_killed(shop, start_worker, tmp_path):
    results = [
        chord([tasks.part.s(n), tasks.part.s(1), tasks.part.s(2)], tasks.unite.s()).delay()
        for n in range(CHORDS)
    ]
    ids = [result.id for result in results]
    worker = start_worker("--processes", "2")

    for kill in range(1, KILLS + 1):
        wanted = CHORDS * kill // (KILLS + 1)
        wait_until(lambda wanted=wanted: len(ended(shop, ids)) >= wanted, 60, what=f"{wanted} bodies")
        _kill_one(worker)

    wait_until(lambda: len(ended(shop, ids)) == CHORDS, 60, what="all bodies")
    records = shop.broker.get(ids)
    assert {record.state for record in records} == {State.SUCCEEDED}
    assert [record.result for record in records] == [b"%d" % (n + 3) for n in range(CHORDS)]
    runs = Counter(line.split()[1] for line in marks(tmp_path) if line.startswith("unite "))
    again = {record.id: runs[record.id] for record in records if runs[record.id] != 1}
    crashed = {record.id for record in records if record.crashes}
    assert again.keys() <= crashed  # a second time only where its own worker was killed
    assert all(count <= 1 + record.crashes for record in records if (count := runs[record.id]))
    assert shop.broker.queues() == []


def _kill_one(worker) -> None:
    """Kill one of the worker processes that there are now."""

    def victims() -> list[psutil.Process]:
        return worker.children()

    victim = random.choice(wait_until(victims, 30, what="a worker process"))
    os.kill(victim.pid, signal.SIGKILL)
