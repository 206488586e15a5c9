"""Workers are killed while their tasks hold places of a lane: no place is lost, none is given twice."""

from __future__ import annotations

import os
import random
import signal

from tests.faults import shop as tasks
from tests.faults.workers import until_marked, until_workers
from tests.waiting import wait_until


def test_after_many_deaths_a_lane_has_as_many_places_as_before(shop, start_worker, tmp_path):
    chance = random.Random(5)
    running = [start_worker("--processes", "1") for _ in range(3)]
    until_workers(shop, 3)
    results = tasks.in_two_places.delay_many([(f"n{number}",) for number in range(60)])
    for name in (f"n{number}" for number in range(60)):
        (tmp_path / name).touch()  # none of them waits

    for _ in range(6):
        victim = running.pop(chance.randrange(len(running)))
        os.killpg(victim.process.pid, signal.SIGKILL)
        victim.process.wait()
        running.append(start_worker("--processes", "1"))
        left = sum(not result.ready() for result in results)
        wait_until(lambda left=left: sum(not r.ready() for r in results) < max(1, left), 30, what="progress")
    assert {result.get(60) for result in results} == {f"n{number}" for number in range(60)}

    last = [tasks.in_two_places.delay("go") for _ in range(3)]
    begun = until_marked(tmp_path, "place go", count=2)
    wait_until(lambda: {q.name: q.held for q in shop.broker.queues()} == {"default": 1}, 10, what="one held")
    assert len(begun) == 2
    (tmp_path / "go").touch()
    assert [result.get(30) for result in last] == ["go"] * 3
