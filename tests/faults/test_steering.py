"""What people tell workers and what tasks say, under kill -9."""

import os
import signal
import subprocess
import sys

import pytest

from tests.faults import shop as tasks
from tests.faults.workers import freeze, until_marked, until_workers
from tests.waiting import wait_until

pytestmark = pytest.mark.serial

SOON = 30.0
LONG = "60"  # seconds: to freeze a worker between two writes may take several attempts


def test_what_a_task_said_before_its_worker_was_killed_stays_and_its_next_run_adds_to_it(
    shop, start_worker, tmp_path
):
    worker = start_worker("--processes", "1")
    result = tasks.say.delay("go")
    wait_until(result.log, SOON, what="the line of the first run")

    [child] = worker.children()
    worker.kill_child(child.pid)
    until_marked(tmp_path, f"said {result.id}", count=2)
    (tmp_path / "go").touch()

    assert result.get(SOON) == "go"
    assert [(line.attempt, line.text) for line in result.log()] == [(1, "run 1"), (2, "run 2")]


def test_a_command_waits_for_a_worker_that_stands_still(shop, start_worker):
    worker = start_worker("--processes", "1", SHOP_LEASE=LONG)
    [known] = until_workers(shop, 1)

    freeze(worker, shop)
    shop.control.drain(known.id)
    worker.signal_all(signal.SIGCONT)

    wait_until(lambda: shop.control.workers(known.id)[0].draining, SOON, what="the worker to drain")


def test_a_command_dies_with_the_worker_that_did_not_hear_it(shop, start_worker):
    worker = start_worker("--processes", "1", SHOP_LEASE=LONG)
    [known] = until_workers(shop, 1)
    freeze(worker, shop)
    shop.control.drain(known.id)

    worker.kill()
    start_worker("--processes", "1")

    assert tasks.add.delay(1, 2).get(SOON) == 3


TELL = """
import sys
from tests.faults.shop import app

app.conf.broker_url = sys.argv[1]
with app.acting("ana"):
    for number in range(10_000):
        app.pause(f"q{number}")
        print(number, flush=True)
"""


def test_of_what_a_killed_process_has_done_all_is_noted_but_the_last(shop, store_url):
    words = [sys.executable, "-c", TELL, store_url]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as teller:
        done = [int(teller.stdout.readline()) for _ in range(20)]
        os.kill(teller.pid, signal.SIGKILL)

    noted = {entry.target for entry in shop.activity(count=10_000)}
    paused = {queue.name for queue in shop.queues() if queue.paused}
    assert {f"q{number}" for number in done} <= noted
    assert noted <= paused
    assert len(paused - noted) <= 1
