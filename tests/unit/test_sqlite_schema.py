"""The layout of the file: made once, checked at each opening, and pleasant to read by hand."""

import sqlite3
import stat
from contextlib import closing

import pytest

from celeriac.broker import WorkerInfo
from celeriac.brokers.sqlite import SqliteBroker, schema
from celeriac.errors import SchemaError
from celeriac.message import Message
from celeriac.outcome import Settlement
from celeriac.states import Verdict

NOW = 1_700_000_000.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shop.db"


@pytest.fixture
def broker(path):
    broker = SqliteBroker(f"sqlite:///{path}")
    yield broker
    broker.close()


def by_hand(path, *statements):
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
        connection.commit()
        return rows


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_says_whose_it_is(path, broker):
    broker.open()

    assert by_hand(path, "pragma application_id") == [(schema.APPLICATION_ID,)]
    assert by_hand(path, "pragma user_version") == [(schema.VERSION,)]
    assert by_hand(path, "pragma journal_mode") == [("wal",)]


def test_a_new_file_whose_layout_another_process_makes_meanwhile_is_no_strangers(path, broker, monkeypatch):
    by_hand(path, "pragma journal_mode = wal")
    look = schema._has_tables

    def look_after_another_was_faster(connection):
        monkeypatch.setattr(schema, "_has_tables", look)
        with closing(SqliteBroker(f"sqlite:///{path}")) as faster:
            faster.open()
        return look(connection)

    monkeypatch.setattr(schema, "_has_tables", look_after_another_was_faster)

    broker.open()

    assert broker.send([Message("a", "shop.add")], NOW) == 1


def test_the_file_and_its_companions_are_for_this_user_only(path, broker):
    broker.send([Message("a", "shop.add")], NOW)

    assert mode(path) == mode(path.with_name("shop.db-wal")) == mode(path.with_name("shop.db-shm")) == 0o600
    assert mode(path.with_name("shop.db-run")) == 0o700


def test_opening_again_changes_nothing(path, broker):
    broker.send([Message("a", "shop.add")], NOW)

    with closing(SqliteBroker(f"sqlite:///{path}")) as second:
        second.open()
    broker.open()

    assert broker.get(["a"])[0] is not None


def test_closing_leaves_only_the_file(path, broker):
    broker.send([Message("a", "shop.add")], NOW)

    broker.close()

    assert [file.name for file in path.parent.iterdir()] == ["shop.db"]


def test_an_empty_file_becomes_a_store(path, broker):
    path.touch()

    broker.open()

    assert broker.queues() == []


def test_a_layout_from_the_future_is_refused_with_both_versions(path, broker):
    broker.open()
    broker.close()
    by_hand(path, "pragma user_version = 7")

    with pytest.raises(SchemaError, match=f"layout 7.*up to {schema.VERSION}"):
        broker.open()


def test_another_programs_database_is_refused_and_not_touched(path, broker):
    by_hand(path, "create table customers (name)")
    before = path.read_bytes()

    with pytest.raises(SchemaError, match=r"something else.*a file of its own"):
        broker.open()

    assert path.read_bytes() == before


def test_another_programs_empty_database_is_refused_too(path, broker):
    by_hand(path, "pragma application_id = 12", "create table t (a)", "drop table t")

    with pytest.raises(SchemaError, match="something else"):
        broker.send([Message("a", "shop.add")], NOW)


def test_a_sqlite_that_is_too_old_is_named():
    with pytest.raises(SchemaError, match=r"SQLite 3\.31\.1.*3\.37"):
        schema.check_library((3, 31, 1))


# --- for people -----------------------------------------------------------------------------------


def test_the_views_show_what_waits_runs_and_has_finished(path, broker):
    broker.enlist(WorkerInfo("w", "w@host", names=frozenset({"shop.add"})), NOW)
    broker.send([Message(str(n), "shop.add", created=NOW) for n in range(3)], NOW)
    broker.send([Message("later", "shop.add", created=NOW, eta=NOW + 60)], NOW)
    first, _ = broker.exchange("w", trip=1, want=2, now=NOW + 1).claims
    done = Settlement(first.id, first.fence, Verdict.SUCCEEDED, b"42")
    broker.exchange("w", trip=2, finished=[done], now=NOW + 3.5)

    assert by_hand(path, "select id, queue, worker, started_utc from running") == [
        ("1", "default", "w", "2023-11-14 22:13:21.000")
    ]
    assert by_hand(path, "select id, state, due_utc from waiting") == [
        ("2", "queued", None),
        ("later", "scheduled", "2023-11-14 22:14:20.000"),
    ]
    assert by_hand(path, "select id, state, outcome, seconds from finished") == [
        ("0", "succeeded", "42", 2.5)
    ]


def test_a_parked_task_says_why_it_waits(path, broker):
    broker.enlist(WorkerInfo("w", "w@host"), NOW)
    broker.send([Message("a", "shop.strange")], NOW)

    broker.exchange("w", trip=1, want=1, now=NOW)

    assert by_hand(path, "select state from waiting") == [("parked: no worker knows it",)]
