"""The store goes away and comes back; workers wait for it, keep what they have, and go on by themselves."""

from __future__ import annotations

import time

import pytest

from celeriac.errors import BrokerUnavailable
from tests.faults import shop as tasks
from tests.faults.workers import WorkerCommand, marks, until_marked, until_workers
from tests.waiting import wait_until

pytestmark = pytest.mark.serial


@pytest.fixture
def server(start_redis):
    return start_redis("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def store_url(server):
    return server.url


def test_a_result_that_could_not_be_stored_is_stored_when_the_store_is_back(
    shop, start_worker, server, tmp_path
):
    worker = start_worker("--processes", "1")
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")

    server.kill()
    (tmp_path / "go").touch()
    until_marked(tmp_path, "end")
    wait_until(lambda: "store is away" in worker.log, what="the worker to notice")
    server.start()

    assert result.get(30) == "go"
    assert len([line for line in marks(tmp_path) if line.startswith("start")]) == 1
    assert tasks.add.delay(1, 2).get(20) == 3


def test_a_worker_starts_before_its_store(shop, server, tmp_path):
    server.kill()
    worker = WorkerCommand(server.url, tmp_path, "--processes", "1")
    try:
        wait_until(lambda: "store is away" in worker.log, 20, what="the worker to wait")
        server.start()
        until_workers(shop, 1)
        assert tasks.add.delay(1, 2).get(20) == 3
    finally:
        worker.kill()


def test_a_call_to_a_store_that_is_away_raises_within_its_deadline(shop, server):
    server.kill()

    began = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        tasks.add.delay(1, 2)

    assert time.monotonic() - began < 5.0  # the deadline is 2 s
