"""Real workers while their SQLite file is locked, full, deleted, damaged, or of another version."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults import shop as tasks
from tests.faults.workers import marks, until_marked, until_workers
from tests.waiting import wait_until

SOON = 20.0
IMPATIENT = {"CELERIAC_BROKER_CONNECTION_TIMEOUT": "0.5"}  # for workers: the tests need not wait as long
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "shop.db"


@pytest.fixture
def store_url(path):
    return f"sqlite:///{path}"


def starts(folder) -> int:
    return len([line for line in marks(folder) if line.startswith("start")])


def pass_time(seconds: float, what: str) -> None:
    """Let real time pass where that is the fault."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end, seconds + 5, what=what)


def files_of(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]


# --- locked ---------------------------------------------------------------------------------------


def test_a_file_that_is_locked_for_longer_than_the_lease_costs_nobody_his_lease(
    shop, start_worker, path, tmp_path
):
    workers = [start_worker("--processes", "1", SHOP_LEASE="1", **IMPATIENT) for _ in range(2)]
    until_workers(shop, 2)
    results = [tasks.wait_for.delay("go") for _ in range(4)]
    until_marked(tmp_path, "start", count=4)

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        pass_time(1.5, "all leases to run out")
        (tmp_path / "go").touch()
        wait_until(lambda: all("is away" in each.log for each in workers), SOON, what="both to notice")
        other.execute("rollback")

    assert [result.get(SOON) for result in results] == ["go"] * 4
    assert starts(tmp_path) == 4
    assert tasks.add.delay(1, 2).get(SOON) == 3


# --- full -----------------------------------------------------------------------------------------


def test_a_worker_whose_file_cannot_grow_keeps_its_results_until_it_can(shop, start_worker, path, tmp_path):
    worker = start_worker("--processes", "1", CELERIAC_WORKER_STATISTICS="0.2")
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")
    everybody = [worker.process.pid, *(child.pid for child in worker.children())]

    for pid in everybody:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
    (tmp_path / "go").touch()
    wait_until(lambda: "no room left" in worker.log, SOON, what="the worker to notice")
    for pid in everybody:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, UNLIMITED)

    assert result.get(SOON) == "go"
    assert starts(tmp_path) == 1
    assert worker.process.poll() is None
    assert tasks.add.delay(1, 2).get(SOON) == 3
    wait_until(lambda: shop.stats().total.total.succeeded == 2, SOON, what="what was counted to be stored")


FILL = """
import resource, sqlite3, sys
from pathlib import Path
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.errors import StoreFull
from celeriac.message import Message

disk, limit = Path(sys.argv[1]), int(sys.argv[2])
ballast = disk / "ballast"
ballast.write_bytes(bytes(500_000))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
broker = SqliteBroker(f"sqlite:///{disk}/shop.db")
accepted, number = [], 0
try:
    while True:
        number += 1
        broker.send([Message(f"t{number}", "shop.add", payload=b"x" * 2_000)], 1e9)
        accepted.append(f"t{number}")
except StoreFull as error:
    print(f"full after {number > 10}: {'no room left' in str(error)}")
assert broker.get([f"t{number}"]) == [None]
assert None not in broker.get(accepted)
ballast.unlink()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print("sent", broker.send([Message(f"t{number}", "shop.add")], 1e9))
broker.close()
with sqlite3.connect(disk / "shop.db") as connection:
    print(connection.execute("pragma integrity_check").fetchone()[0])
"""


FILLED = ["full after True: True", "sent 1", "ok"]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root, to mount a disk")
def test_a_small_file_system_that_fills_up_refuses_in_whole_and_takes_again(tmp_path):
    mount = f'mount -t tmpfs -o size=1m small {tmp_path} && exec "$0" "$@"'
    no_limit = str(resource.RLIM_INFINITY)

    done = run("unshare", "-m", "sh", "-c", mount, sys.executable, "-c", FILL, str(tmp_path), no_limit)

    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip("this machine does not let anybody mount")
    assert done.stdout.splitlines() == FILLED, done.stderr


def test_a_file_at_its_limit_of_size_refuses_in_whole_and_takes_again(tmp_path):
    done = run(sys.executable, "-c", FILL, str(tmp_path), "600000")

    assert done.stdout.splitlines() == FILLED, done.stderr


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


# --- deleted --------------------------------------------------------------------------------------


def test_a_worker_whose_file_is_deleted_goes_on_with_a_new_one(shop, start_worker, path, tmp_path):
    worker = start_worker("--processes", "1")
    lost = tasks.wait_for.delay("never")
    until_marked(tmp_path, "start")

    for file in files_of(path):
        file.unlink(missing_ok=True)

    wait_until(lambda: "lease lost" in worker.log, SOON, what="the worker to notice")
    until_marked(tmp_path, "interrupted")
    assert tasks.add.delay(1, 2).get(SOON) == 3
    assert shop.broker.get([lost.id]) == [None]


# --- damaged, or of another version -----------------------------------------------------------------


def damage(path: Path) -> None:
    """Overwrite the middle of the file with noise."""
    with path.open("r+b") as file:
        file.seek(2 * 2048)
        file.write(os.urandom(path.stat().st_size - 4 * 2048))


def test_a_worker_on_a_damaged_file_ends_says_what_saves_it_and_touches_nothing(shop, start_worker, path):
    tasks.add.delay_many((n, 1) for n in range(2_000))
    shop.close()
    damage(path)
    before = path.read_bytes()

    worker = start_worker("--processes", "1")

    assert worker.process.wait(SOON) == 3
    assert f"sqlite3 {path} .recover" in worker.log
    assert path.read_bytes() == before


def test_a_worker_whose_file_is_damaged_under_it_neither_dies_nor_falls_silent(shop, start_worker, path):
    worker = start_worker("--processes", "1")
    until_workers(shop, 1)
    tasks.add.delay_many(((n, 1) for n in range(2_000)), countdown=3_600)
    with closing(sqlite3.connect(path)) as other:
        other.execute("pragma wal_checkpoint(truncate)")

    damage(path)

    wait_until(lambda: "is damaged" in worker.log, SOON, what="the worker to say so")
    assert worker.process.poll() is None


def test_a_worker_older_than_the_file_says_so_and_ends(shop, start_worker, path):
    shop.broker.open()
    shop.close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("pragma user_version = 99")

    worker = start_worker("--processes", "1")

    assert worker.process.wait(SOON) == 3
    assert "layout 99" in worker.log
