"""What befalls a file: locked, full, read-only, damaged, deleted, replaced. No error of sqlite3 gets out."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from celeriac.broker import WorkerInfo
from celeriac.brokers.sqlite import SqliteBroker, faults
from celeriac.errors import BrokerUnavailable, OperationalError, SchemaError, StoreCorrupt, StoreFull
from celeriac.message import Message
from tests.waiting import wait_until

NOW = 1_700_000_000.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shop.db"


@pytest.fixture
def broker(path):
    broker = SqliteBroker(f"sqlite:///{path}", deadline=0.2)
    broker.send([Message("first", "shop.add")], NOW)
    yield broker
    broker.close()


def send(broker, *ids):
    return broker.send([Message(each, "shop.add") for each in ids], NOW)


# --- locked ---------------------------------------------------------------------------------------


@contextmanager
def locked(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        yield other
        if other.in_transaction:
            other.execute("rollback")


def test_a_file_that_stays_locked_is_given_up_at_the_deadline(path, broker):
    with locked(path):
        began = time.monotonic()
        with pytest.raises(BrokerUnavailable, match="locked by another process") as caught:
            send(broker, "late")

    assert 0.2 <= time.monotonic() - began < 2.0
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)


def test_a_file_can_be_read_while_it_is_locked(path, broker):
    with locked(path):
        assert broker.get(["first"])[0] is not None


def test_nothing_is_half_done_after_giving_up(path, broker):
    with locked(path), pytest.raises(BrokerUnavailable):
        send(broker, "late")

    assert broker.get(["late"]) == [None]
    assert send(broker, "late") == 1


def test_a_verb_goes_on_as_soon_as_the_file_is_free(path):
    broker = SqliteBroker(f"sqlite:///{path}", deadline=30.0)
    broker.open()
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('begin immediate'); print('locked', flush=True); sys.stdin.readline(); c.execute('commit')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "locked\n"
        other.stdin.write("go\n")
        other.stdin.close()

        assert send(broker, "patient") == 1
    broker.close()


def test_opening_waits_for_whoever_is_making_the_file(path):
    with locked(path) as other:
        other.execute("create table half (a)")
        broker = SqliteBroker(f"sqlite:///{path}", deadline=0.1)

        with pytest.raises(OperationalError):
            broker.open()

    broker.open()
    broker.close()


# --- full and read-only ---------------------------------------------------------------------------


def shrink(broker):
    """Let the file grow no more, as a full disk would."""

    def limit(transaction):
        pages = transaction._cursor.execute("pragma page_count").fetchone()[0]
        transaction._cursor.execute(f"pragma max_page_count = {pages}").fetchone()

    broker._store.read(limit)


def test_a_full_disk_is_named_and_nothing_is_half_done(broker):
    shrink(broker)
    batch = [Message(f"m{n}", "shop.add", payload=b"x" * 1000) for n in range(100)]

    with pytest.raises(StoreFull, match="no room left"):
        broker.send(batch, NOW)

    assert broker.get([batch[0].id, "first"])[0] is None
    assert broker.get(["first"])[0] is not None


def test_work_goes_on_when_there_is_room_again(path, broker):
    shrink(broker)
    big = [Message("big", "shop.add", payload=b"x" * 100_000)]
    with pytest.raises(StoreFull):
        broker.send(big, NOW)

    broker.close()  # the limit was the connection's own

    assert broker.send(big, NOW) == 1


@pytest.fixture
def public_place():
    """A directory that everybody may look into."""
    place = Path(tempfile.mkdtemp(prefix="celeriac-test-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, to become nobody")
@pytest.mark.parametrize("verb", ["send", "open a new one"])
def test_a_directory_without_write_permission_is_named(public_place, verb):
    place = public_place
    if verb == "send":
        with closing(SqliteBroker(f"sqlite:///{place}/shop.db")) as broker:
            send(broker, "first")
        (place / "shop.db").chmod(0o444)
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.errors import StoreReadOnly
from celeriac.message import Message
try:
    SqliteBroker("sqlite:///{place}/shop.db").send([Message("a", "shop.add")], {NOW})
except StoreReadOnly as error:
    print(type(error).__name__, error)
"""

    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=60,
    )

    if "Permission denied" in done.stderr:
        pytest.skip("nobody may not run this interpreter")
    assert done.stdout.startswith(f"StoreReadOnly {place}/shop.db or its directory is read-only"), done.stderr


# --- damaged --------------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_named_with_the_way_to_recover(path):
    path.write_bytes(b"this is not a database, but it is long enough to look at" * 50)
    broker = SqliteBroker(f"sqlite:///{path}")

    with pytest.raises(StoreCorrupt, match=rf"{path}.*sqlite3 {path} \.recover") as caught:
        send(broker, "a")

    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)
    assert path.read_bytes().startswith(b"this is not")


def test_damaged_pages_are_named_with_the_way_to_recover(path, broker):
    for n in range(20):
        broker.send([Message(f"m{n}-{k}", "shop.add", payload=b"x" * 500) for k in range(50)], NOW)
    broker.close()
    with path.open("r+b") as file:
        file.seek(4 * 2048)
        file.write(os.urandom(path.stat().st_size - 8 * 2048))

    with pytest.raises(StoreCorrupt, match="recover"):
        broker.get([f"m{n}-{k}" for n in range(20) for k in range(50)])


def test_a_file_that_was_recovered_from_a_dump_works_once_it_says_whose_it_is(path, broker, tmp_path):
    copy = tmp_path / "recovered.db"
    with closing(sqlite3.connect(path)) as damaged, closing(sqlite3.connect(copy)) as whole:
        whole.executescript("\n".join(damaged.iterdump()))
    recovered = SqliteBroker(f"sqlite:///{copy}")
    with pytest.raises(SchemaError, match="pragma application_id") as caught:
        recovered.open()

    with closing(sqlite3.connect(copy)) as whole:
        whole.executescript(re.search(r"pragma .*;", str(caught.value)).group())

    assert recovered.get(["first"])[0] is not None
    assert send(recovered, "second") == 1
    recovered.close()


def test_a_layout_in_which_a_table_is_missing_is_named(path, broker):
    broker.close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("drop table stops")
        other.execute("drop table listeners")

    with pytest.raises(StoreCorrupt, match="layout"):
        broker.cancel(["first"], NOW)


def test_errors_that_have_no_name_of_their_own_are_still_ours(path):
    error = faults.translated(sqlite3.OperationalError("something quite new"), path)

    assert isinstance(error, BrokerUnavailable)
    assert "something quite new" in str(error)


# --- deleted and replaced -------------------------------------------------------------------------


def test_a_deleted_file_is_noticed_and_made_anew(path, broker, caplog):
    for name in ("shop.db", "shop.db-wal", "shop.db-shm"):
        path.with_name(name).unlink()

    wait_until(lambda: broker.get(["first"]) == [None], what="the new file")

    assert path.exists()
    assert "deleted or replaced" in caplog.text
    assert send(broker, "second") == 1


def test_a_replaced_file_is_noticed_and_keeps_what_it_holds(path, broker, tmp_path):
    with closing(SqliteBroker(f"sqlite:///{tmp_path}/other.db")) as other:
        send(other, "theirs")
    for name in ("shop.db-wal", "shop.db-shm"):
        path.with_name(name).unlink()
    (tmp_path / "other.db").replace(path)

    wait_until(lambda: broker.get(["theirs"])[0] is not None, what="the other file")

    assert send(broker, "ours") == 1
    broker.close()
    with closing(SqliteBroker(f"sqlite:///{path}")) as again:
        assert None not in again.get(["theirs", "ours"])


def test_a_worker_learns_that_its_file_was_replaced(path, broker):
    broker.enlist(WorkerInfo("w", "w", names=frozenset({"shop.add"})), NOW)
    for name in ("shop.db", "shop.db-wal", "shop.db-shm"):
        path.with_name(name).unlink()
    trips = iter(range(1, 100_000))

    wait_until(lambda: broker.exchange("w", trip=next(trips), want=1, now=NOW).lost, what="the news")


def test_a_listener_learns_that_its_file_was_replaced(path, broker):
    broker.enlist(WorkerInfo("w", "w", names=frozenset({"shop.add"})), NOW)
    listener = broker.listener()
    listener.watch(["first"])
    broker.exchange("w", trip=1, want=1, now=NOW)
    assert listener.wait(5) == {"first"}
    for name in ("shop.db", "shop.db-wal", "shop.db-shm"):
        path.with_name(name).unlink()

    wait_until(lambda: listener.wait(0.05) is None, what="the news")

    listener.close()
