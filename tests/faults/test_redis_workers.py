"""Real workers while their Redis is cut off, slow, demoted, full, forgetful or forbidding."""

from __future__ import annotations

import time

import pytest

from celeriac import Celeriac
from celeriac.errors import StoreFull
from tests.faults import shop as tasks
from tests.faults.test_redis_doors import Watched
from tests.faults.workers import WorkerCommand, marks, until_marked, until_workers
from tests.proxy import proxy_to
from tests.servers import free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.serial

SOON = 20.0
IMPATIENT = {"CELERIAC_BROKER_CONNECTION_TIMEOUT": "0.5"}  # for workers: the tests need not wait as long


@pytest.fixture
def server(start_redis):
    return start_redis("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def store_url(server):
    return server.url


@pytest.fixture
def proxy(server):
    with proxy_to(server.port) as proxy:
        yield proxy


@pytest.fixture
def start_behind(start_worker, proxy):
    """Start a worker that reaches the server through the proxy: to the others it is on another host."""
    return lambda **env: start_worker("--processes", "1", CELERIAC_BROKER_URL=proxy.url, **env)


def starts(folder) -> int:
    return len([line for line in marks(folder) if line.startswith("start")])


def until_away(worker: WorkerCommand, count: int = 1) -> None:
    wait_until(lambda: worker.log.count("store is away") >= count, SOON, what="the worker to notice")


def pass_time(seconds: float, what: str) -> None:
    """Let real time pass where that is the fault."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end, seconds + 5, what=what)


# --- the connection -------------------------------------------------------------------------------


def test_a_connection_that_is_cut_for_a_second_costs_nothing(shop, start_behind, proxy, tmp_path):
    worker = start_behind(**IMPATIENT)
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")

    proxy.refuse()
    (tmp_path / "go").touch()
    until_away(worker)
    pass_time(1.0, "the cut to last")
    proxy.resume()

    assert result.get(SOON) == "go"
    assert starts(tmp_path) == 1
    assert tasks.add.delay(1, 2).get(SOON) == 3


def test_a_worker_cut_off_for_longer_than_its_lease_loses_its_tasks_to_others_and_goes_on(
    shop, start_behind, start_worker, proxy, tmp_path
):
    cut_off = start_behind(SHOP_LEASE="1", **IMPATIENT)
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")
    [old] = until_workers(shop, 1)

    proxy.refuse()
    start_worker("--processes", "1", SHOP_LEASE="1")
    until_marked(tmp_path, "start", count=2)
    proxy.resume()

    wait_until(lambda: "lease lost" in cut_off.log, SOON, what="it to learn that its lease is lost")
    until_marked(tmp_path, "interrupted")
    (tmp_path / "go").touch()
    assert result.get(SOON) == "go"
    record = shop.broker.get([result.id])[0]
    assert (record.fence, record.crashes) == (2, 1)
    assert old.id not in {worker.id for worker in until_workers(shop, 2)}


def test_half_open_connections_are_replaced_and_the_dead_bell_delays_one_task_only(
    shop, start_behind, proxy, tmp_path
):
    start_behind()
    assert tasks.add.delay(1, 2).get(SOON) == 3

    proxy.strand()

    assert tasks.add.delay(2, 2).get(10) == 4  # found by looking: the bell is dead
    began = time.monotonic()
    assert [tasks.add.delay(n, 2).get(10) for n in range(5)] == [2, 3, 4, 5, 6]
    assert time.monotonic() - began < 4.0  # with a dead bell two seconds each


def test_a_server_that_stops_answering_for_a_while_costs_nothing(shop, start_behind, proxy, tmp_path):
    worker = start_behind(**IMPATIENT)
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")

    proxy.stall()
    (tmp_path / "go").touch()
    until_away(worker)
    proxy.resume()

    assert result.get(SOON) == "go"
    assert starts(tmp_path) == 1


def test_two_hundred_milliseconds_on_the_way_cost_time_and_nothing_else(shop, start_behind, proxy, tmp_path):
    start_behind(SHOP_LEASE="2")
    until_workers(shop, 1)

    proxy.latency = 0.2
    results = tasks.add.delay_many((n, 1) for n in range(20))

    assert [result.get(SOON) for result in results] == [n + 1 for n in range(20)]
    records = shop.broker.get([result.id for result in results])
    assert {(record.fence, record.crashes) for record in records} == {(1, 0)}


def test_the_tasks_of_a_worker_killed_on_another_host_run_again_when_its_lease_ends(
    shop, start_behind, start_worker, tmp_path
):
    doomed = start_behind(SHOP_LEASE="1")
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")
    start_worker("--processes", "1", SHOP_LEASE="1")
    until_workers(shop, 2)

    killed = time.monotonic()
    doomed.kill()
    [_, again] = until_marked(tmp_path, "start", count=2)

    assert time.monotonic() - killed < 5.0  # the lease, and the two seconds within which it is looked for
    assert "crashes=1 retries=0" in again
    (tmp_path / "go").touch()
    assert result.get(SOON) == "go"


# --- the server -----------------------------------------------------------------------------------


def test_scripts_and_connections_that_vanish_under_load_are_not_noticed(shop, start_worker, server):
    worker = start_worker("--processes", "2")
    until_workers(shop, 2)
    results = []

    for _ in range(10):
        results += tasks.add.delay_many((n, 1) for n in range(50))
        server.cli("SCRIPT", "FLUSH")
        server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    wait_until(lambda: not shop.broker.queues(), SOON, what="everything to be done")
    records = shop.broker.get([result.id for result in results])
    assert {(record.state.name, record.fence, record.crashes) for record in records} == {("SUCCEEDED", 1, 0)}
    assert worker.process.poll() is None


def test_a_primary_that_becomes_a_replica_is_waited_for(shop, start_worker, server, tmp_path):
    worker = start_worker("--processes", "1", **IMPATIENT)
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")

    server.cli("REPLICAOF", "127.0.0.1", free_port())
    (tmp_path / "go").touch()
    until_away(worker)
    server.cli("REPLICAOF", "NO", "ONE")

    assert result.get(SOON) == "go"
    assert starts(tmp_path) == 1
    assert tasks.add.delay(1, 2).get(SOON) == 3


def test_a_full_server_takes_results_but_no_tasks(shop, start_worker, server, tmp_path):
    start_worker("--processes", "1")
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")

    server.cli("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.cli("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreFull, match="maxmemory"):
        tasks.add.delay(1, 2)
    (tmp_path / "go").touch()
    assert result.get(SOON) == "go"
    server.cli("CONFIG", "SET", "maxmemory", "0")

    assert tasks.add.delay(1, 2).get(SOON) == 3


@pytest.mark.parametrize(
    ("forbid", "allow"),
    [
        (("CONFIG", "SET", "requirepass", "secret"), ("CONFIG", "SET", "requirepass", "")),
        (("ACL", "SETUSER", "default", "-hset"), ("ACL", "SETUSER", "default", "+hset")),
    ],
    ids=["another password", "a command less"],
)
def test_a_worker_that_is_locked_out_waits_until_it_is_let_in(
    shop, start_worker, server, tmp_path, forbid, allow
):
    worker = start_worker("--processes", "1", **IMPATIENT)
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")

    server.cli(*forbid)
    server.password = "secret" if "secret" in forbid else None
    server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    (tmp_path / "go").touch()
    until_away(worker)
    server.cli(*allow)
    server.password = None

    assert result.get(SOON) == "go"
    assert starts(tmp_path) == 1


def test_a_worker_with_a_wrong_password_ends_and_says_so(start_redis, tmp_path):
    server = start_redis("--requirepass", "secret")

    worker = WorkerCommand(f"redis://:wr0ng@127.0.0.1:{server.port}/0", tmp_path, "--processes", "1")

    try:
        assert worker.process.wait(SOON) == 5
        assert "refuses" in worker.log
        assert "wr0ng" not in worker.log
    finally:
        worker.kill()


def test_a_worker_goes_on_after_a_failover(start_redis, tmp_path):
    watched = Watched(start_redis)
    url = f"redis+sentinel://{watched.hosts}/shop"
    worker = WorkerCommand(url, tmp_path, "--processes", "1")
    try:
        with Celeriac("shop", broker=url, set_as_current=False) as sender:
            running = sender.send_task(tasks.wait_for.name, ("go",))
            until_marked(tmp_path, "start")
            assert watched.primary.cli("WAIT", 1, 5000) == 1

            watched.primary.kill()
            (tmp_path / "go").touch()

            assert running.get(60) == "go"
            assert sender.send_task(tasks.add.name, (1, 2)).get(SOON) == 3
            assert starts(tmp_path) == 1
    finally:
        worker.kill()
