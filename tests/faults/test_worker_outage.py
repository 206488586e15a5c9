"""The store goes away and comes back; workers wait for it, keep what they have, and go on by themselves."""

from __future__ import annotations

import time

import pytest

from celeriac.errors import BrokerUnavailable
from tests.faults import shop as tasks
from tests.faults.workers import WorkerCommand, marks, until_marked, until_workers
from tests.waiting import wait_until


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
        wait_until(lambda: "store is back" in worker.log, what="the worker to say so")
        assert tasks.add.delay(1, 2).get(20) == 3
    finally:
        worker.kill()


def test_an_outage_longer_than_the_lease_costs_nobody_his_lease(shop, start_worker, server, tmp_path):
    workers = [start_worker("--processes", "1", SHOP_LEASE="1") for _ in range(2)]
    until_workers(shop, 2)
    results = [tasks.wait_for.delay("go") for _ in range(8)]
    until_marked(tmp_path, "start", count=8)

    server.kill()
    wait_until(
        lambda: all("store is away" in worker.log for worker in workers), what="both to notice the outage"
    )
    away = time.monotonic()
    wait_until(lambda: time.monotonic() - away > 3.0, what="all leases to run out")
    server.start()

    until_workers(shop, 2)
    (tmp_path / "go").touch()
    assert [result.get(30) for result in results] == ["go"] * 8
    assert len([line for line in marks(tmp_path) if line.startswith("start")]) == 8


@pytest.mark.serial
def test_a_worker_stops_though_its_store_is_away(shop, start_worker, server):
    worker = start_worker("--processes", "1", CELERIAC_WORKER_SOFT_SHUTDOWN_TIMEOUT="1")
    until_workers(shop, 1)
    server.kill()

    began = time.monotonic()
    worker.terminate()

    assert worker.process.wait(30) == 0
    assert time.monotonic() - began < 12.0


@pytest.mark.serial
def test_a_call_to_a_store_that_is_away_raises_within_its_deadline(shop, server):
    server.kill()

    began = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        tasks.add.delay(1, 2)

    assert time.monotonic() - began < 5.0  # the deadline is 2 s
