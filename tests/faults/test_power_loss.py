"""The power fails while the store writes: what is on the disk opens whole, with a whole number of commits.

What a disk holds after a power cut is made here of the files of a writer that stands still in the middle of
its work, or is dead. Of SQLite's write-ahead log, which is on the disk for certain only when a checkpoint
begins, the end may be missing from any byte on, or be noise; of Redis's append-only file it may be missing.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from celeriac.brokers.redis import RedisBroker
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.message import Message
from tests.waiting import wait_until

NOW = 1_700_000_000.0
OFTEN, NEVER = 60, 1_000_000  # pages of the log after which it is moved into the file

WRITE = """
import sys
from celeriac.brokers.sqlite import SqliteBroker, connection
from celeriac.message import Message

connection._CHECKPOINT_PAGES = int(sys.argv[2])
broker = SqliteBroker(sys.argv[1], deadline=30.0)
number = 0
while True:
    broker.send([Message(f"{number}-{each}", "shop.add", payload=b"x" * 700) for each in "ab"], 1.7e9)
    number += 1
    print(number, flush=True)
"""


class Writer:
    """A process that sends tasks in pairs, and says after each how many pairs it was told are stored."""

    def __init__(self, path: Path, checkpoint: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITE, f"sqlite:///{path}", str(checkpoint)], stdout=subprocess.PIPE
        )
        os.set_blocking(self._process.stdout.fileno(), False)
        self._said = b""

    def accepted(self) -> int:
        """Return how many pairs it has said by now."""
        self._said += self._process.stdout.read() or b""
        whole = self._said.rpartition(b"\n")[0]
        return int(whole.rpartition(b"\n")[2] or 0)

    @contextmanager
    def standing_still(self):
        """Stop it wherever it is, in the middle of a write too."""
        state = Path(f"/proc/{self._process.pid}/stat")
        self._process.send_signal(signal.SIGSTOP)
        wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", what="it to stand still")
        yield
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shop.db"


@pytest.fixture
def start(path):
    started: list[Writer] = []

    def start(checkpoint: int) -> Writer:
        started.append(Writer(path, checkpoint))
        return started[-1]

    yield start
    for writer in started:
        writer.end()


def copy_of(path: Path, folder: Path) -> Path:
    """Copy what a power cut leaves: the file and its log; the index in shared memory is gone."""
    folder.mkdir()
    for name in (path.name, f"{path.name}-wal"):
        shutil.copy(path.with_name(name), folder / name)
    return folder / path.name


def pairs_in(broker) -> int:
    """Return how many pairs are there, one after the other and each of them whole."""
    pairs = next(n for n in itertools.count() if broker.get([f"{n}-a", f"{n}-b"]) == [None, None])
    assert sum(queue.queued for queue in broker.queues()) == 2 * pairs
    return pairs


def survivors(path: Path) -> int:
    """Return how many pairs are in the copy at *path*, which must be whole, without a gap, and usable."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    with closing(SqliteBroker(f"sqlite:///{path}", deadline=10.0)) as broker:
        pairs = pairs_in(broker)
        assert broker.send([Message("after", "shop.add")], NOW) == 1
    return pairs


def test_a_copy_of_file_and_log_in_the_middle_of_a_write_opens_whole_with_all_that_was_accepted(
    path, start, tmp_path
):
    writer = start(OFTEN)

    for number in range(8):
        so_far = writer.accepted()
        wait_until(lambda so_far=so_far: writer.accepted() > so_far + 7, what="more pairs")
        with writer.standing_still():
            copy = copy_of(path, tmp_path / f"copy-{number}")
            accepted = writer.accepted()

        assert survivors(copy) - accepted in (0, 1)  # one may be stored that nobody was told of yet


def test_a_log_that_ends_at_any_byte_or_in_noise_costs_its_last_commits_and_never_half_of_one(
    path, start, tmp_path
):
    chance = random.Random(2026)
    writer = start(NEVER)
    wait_until(lambda: writer.accepted() > 100, 20, what="a hundred pairs")
    with writer.standing_still():
        whole = copy_of(path, tmp_path / "whole")
        accepted = writer.accepted()
    log = whole.with_name("shop.db-wal").read_bytes()
    before = -1

    for number, kept in enumerate(sorted(chance.sample(range(len(log)), k=15))):
        cut = copy_of(whole, tmp_path / f"cut-{number}")
        noise = os.urandom(4_096) if number % 2 else b""
        cut.with_name("shop.db-wal").write_bytes(log[:kept] + noise)
        left = survivors_or_none(cut)
        assert before <= left <= accepted + 1
        before = left
    assert before > 0
    assert survivors(whole) - accepted in (0, 1)


def survivors_or_none(path: Path) -> int:
    """As `survivors`; -1 where not even the layout was stored yet, so that the store is made anew."""
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("pragma user_version").fetchone()[0]:
            with closing(SqliteBroker(f"sqlite:///{path}", deadline=10.0)) as broker:
                assert broker.send([Message("after", "shop.add")], NOW) == 1
            return -1
    return survivors(path)


# --- Redis ----------------------------------------------------------------------------------------


def test_an_append_only_file_that_ends_at_any_byte_costs_its_last_sends_and_never_half_of_one(start_redis):
    chance = random.Random(2026)
    server = start_redis("--appendonly", "yes", "--appendfsync", "everysec")
    broker = RedisBroker(server.url, deadline=10.0)
    for number in range(60):
        broker.send([Message(f"{number}-{each}", "shop.add") for each in "ab"], NOW)
    [file] = (server.dir / "appendonlydir").glob("*.incr.aof")
    before = pairs_in(broker)
    assert before == 60

    for _ in range(8):
        server.kill()
        os.truncate(file, file.stat().st_size - chance.randrange(1, 1_000))
        server.start()
        left = pairs_in(broker)
        assert before - 10 < left <= before
        before = left
    assert broker.send([Message("after", "shop.add")], NOW) == 1
    broker.close()
