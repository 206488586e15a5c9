"""Beats and workers that send for schedules are killed all the time: each due time is sent for once."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections import Counter

from celeriac.schedules import every
from tests.faults.workers import WorkerCommand, until_workers
from tests.waiting import wait_until

EVERY = 0.2


def ticks(folder):
    """Return (schedule, due, id) of each run that was begun, as often as it was."""
    lines = (folder / "marks").read_text().splitlines() if (folder / "marks").exists() else []
    return [tuple(line.split(" ")[1:]) for line in lines if line.startswith("tick ")]


def test_with_many_beats_and_workers_under_kill_9_each_due_time_is_sent_for_once(
    shop, start_worker, start_beat, tmp_path
):
    for number in range(5):
        shop.schedules.add(f"s{number}", every(EVERY), "tests.faults.shop.tick")
    chance = random.Random(2026)
    running = [start_worker("--processes", "1"), start_worker("--processes", "1"), start_beat(), start_beat()]
    until_workers(shop, 2)
    wait_until(lambda: len(ticks(tmp_path)) > 10, 20, what="the first ticks")

    for _ in range(8):
        victim = chance.choice(running)
        running.remove(victim)
        os.killpg(victim.process.pid, signal.SIGKILL)
        victim.process.wait()
        running.append(start_beat() if victim.is_beat else start_worker("--processes", "1"))
        count = len(ticks(tmp_path))
        wait_until(lambda count=count: len(ticks(tmp_path)) > count + 20, 20, what="more ticks")
    for number in range(5):
        shop.schedules.pause(f"s{number}")
    infos = {info.name: info for info in shop.schedules}
    wait_until(
        lambda: len({(name, due) for name, due, _ in ticks(tmp_path)}) >= sum(i.runs for i in infos.values()),
        20,
        what="the last ticks",
    )

    ids = {(name, due): set() for name, due, _ in ticks(tmp_path)}
    for name, due, task_id in ticks(tmp_path):
        ids[name, due].add(task_id)
    assert {len(found) for found in ids.values()} == {1}
    for name, info in infos.items():
        due = sorted(float(due) for each, due in ids if each == name)
        assert len(due) == info.runs
        steps = Counter(round(later - earlier, 3) for earlier, later in itertools.pairwise(due))
        assert set(steps) == {EVERY}, f"{name} has gaps: {steps}"


def test_a_beat_that_is_frozen_and_wakes_up_sends_nothing_again(shop, start_worker, start_beat, tmp_path):
    frozen = start_beat()
    shop.schedules.add("s", every(EVERY), "tests.faults.shop.tick")
    start_worker("--processes", "1")
    wait_until(lambda: len(ticks(tmp_path)) > 3, 20, what="the first ticks")
    until_frozen(frozen, shop)
    count = len(ticks(tmp_path))
    wait_until(lambda: len(ticks(tmp_path)) > count + 10, 20, what="ticks of others")

    os.killpg(frozen.process.pid, signal.SIGCONT)
    count = len(ticks(tmp_path))
    wait_until(lambda: len(ticks(tmp_path)) > count + 10, 20, what="more ticks")

    found = Counter(due for _, due, _ in ticks(tmp_path))
    assert set(found.values()) == {1}


def until_frozen(beat: WorkerCommand, app) -> None:
    """Stop it, but not in the middle of a write: on SQLite nobody else could write then."""
    from celeriac.errors import BrokerUnavailable

    for _ in range(20):
        os.killpg(beat.process.pid, signal.SIGSTOP)
        try:
            app.broker.purge("nothing", time.time())
        except BrokerUnavailable:
            os.killpg(beat.process.pid, signal.SIGCONT)
        else:
            return
    raise AssertionError("beat writes all the time")
