"""An outage of the store while limited tasks run: nobody dies of it, and what ended in time has succeeded."""

from __future__ import annotations

import time

import pytest

from celeriac.worker.supervisor import OVERDUE
from tests.faults import shop as tasks
from tests.faults.workers import marks, until_marked
from tests.waiting import wait_until


@pytest.fixture
def server(start_redis):
    return start_redis("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def store_url(server):
    return server.url


def test_a_task_that_ended_within_its_limit_succeeds_though_the_store_is_away_past_it(
    shop, start_worker, server, tmp_path
):
    worker = start_worker("--processes", "1")
    result = tasks.wait_for.apply_async(("go",), time_limit=2)
    until_marked(tmp_path, "start")

    server.kill()
    (tmp_path / "go").touch()
    until_marked(tmp_path, "end")
    ended = time.monotonic()
    wait_until(lambda: time.monotonic() - ended > 2 + OVERDUE + 4, what="the limit to be long over")
    server.start()

    assert result.get(20) == "go"
    assert worker.process.poll() is None
    assert len([line for line in marks(tmp_path) if line.startswith("process init")]) == 1
    assert tasks.add.delay(1, 2).get(20) == 3


def test_a_supervisor_outlives_an_outage_in_which_a_task_hangs_past_its_limit(shop, start_worker, server):
    worker = start_worker("--processes", "1")
    assert tasks.add.delay(1, 2).get(20) == 3
    hanging = tasks.hold_past_the_limit.delay()
    wait_until(lambda: hanging.state == "STARTED", what="the task to start")

    server.kill()
    away = time.monotonic()
    wait_until(lambda: time.monotonic() - away > OVERDUE + 6, what="the limit to be long over")
    server.start()

    assert type(hanging.get(20, propagate=False)).__name__ == "TimeLimitExceeded"
    assert worker.process.poll() is None
    assert tasks.add.delay(1, 2).get(20) == 3
