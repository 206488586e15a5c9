"""Faults of real servers and real files, as `examine` of their stores finds them, which changes nothing."""

import os
import re
import sqlite3
from pathlib import Path

import pytest

from celeriac.brokers.redis import RedisBroker, rights
from celeriac.brokers.sqlite import SqliteBroker, address, examine
from celeriac.clock import ManualClock
from celeriac.findings import Severity
from celeriac.testing.contract.given import Courier, messages

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "redis.md"
NOW = 1_700_000_000.0


def found(broker):
    return {one.code: one for one in broker.examine(NOW).findings}


def bad(broker):
    """What is worse than a note."""
    return {code for code, one in found(broker).items() if one.severity > Severity.NOTE}


# --- Redis --------------------------------------------------------------------------------------------


@pytest.fixture
def server(redis_server):
    redis_server.flush()
    yield redis_server
    for name, value in {"maxmemory": "0", "maxmemory-policy": "noeviction", "appendonly": "no"}.items():
        redis_server.cli("CONFIG", "SET", name, value)


@pytest.fixture
def broker(server):
    broker = RedisBroker(server.url, deadline=1.0)
    broker.open()
    yield broker
    broker.close()


def test_a_server_without_an_append_only_file_is_warned_of_and_one_with_it_is_well(server, broker):
    assert bad(broker) == {"redis.persistence"}
    assert "appendonly yes" in found(broker)["redis.persistence"].command

    server.cli("CONFIG", "SET", "appendonly", "yes")

    assert bad(broker) == set()
    assert broker.examine(NOW).usable


def test_a_policy_that_deletes_tasks_is_an_error_only_with_a_limit(server, broker):
    server.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert found(broker)["redis.eviction"].severity is Severity.WARNING

    server.cli("CONFIG", "SET", "maxmemory", "1gb")
    assert found(broker)["redis.eviction"].severity is Severity.ERROR

    server.cli("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
    assert found(broker)["redis.eviction"].severity is Severity.NOTE


def test_memory_that_is_nearly_full_is_found(server, broker):
    server.cli("CONFIG", "SET", "maxmemory", "1")

    memory = found(broker)["redis.memory"]

    assert memory.severity is Severity.ERROR
    assert "no task is accepted" in memory.text


def test_a_user_who_lacks_commands_is_told_which(server, broker):
    [rule] = re.findall("^ACL SETUSER celeriac (.*)$", HOWTO.read_text(encoding="utf-8"), re.MULTILINE)
    server.cli("ACL", "SETUSER", "celeriac", "reset", *rule.split())
    user = RedisBroker(f"redis://celeriac:secret@127.0.0.1:{server.port}/0", deadline=1.0)
    assert found(user)["redis.acl"].severity is Severity.OK

    server.cli("ACL", "SETUSER", "celeriac", "-hset", "-lpop", "resetchannels")
    acl = found(user)["redis.acl"]
    server.cli("ACL", "SETUSER", "celeriac", "-evalsha")
    scriptless = found(user)["redis.acl"]
    server.cli("ACL", "DELUSER", "celeriac")
    user.close()

    assert acl.severity is Severity.ERROR
    assert acl.command.endswith("ACL SETUSER celeriac +subscribe +publish +lpop +hset")
    assert "secret" not in acl.command
    assert "evalsha" in scriptless.text


def test_the_commands_that_are_asked_for_are_those_of_the_how_to():
    [rule] = re.findall("^ACL SETUSER celeriac (.*)$", HOWTO.read_text(encoding="utf-8"), re.MULTILINE)

    assert set(rights.NEEDED) == {word[1:] for word in rule.split() if word.startswith("+")}


def test_a_layout_of_another_release_is_found_and_the_store_is_not_asked_further(server, broker):
    server.cli("SET", "{celeriac}:schema", "99")

    assert found(broker)["redis.schema"].severity is Severity.ERROR
    assert not broker.examine(NOW).usable


def test_looking_at_an_empty_namespace_writes_nothing(server):
    broker = RedisBroker(server.url, namespace="nobody")

    examined = broker.examine(NOW)
    broker.close()

    assert "Nothing was ever sent" in {one.code: one for one in examined.findings}["redis.schema"].text
    assert not examined.usable
    assert server.cli("KEYS", "*") == []


def test_a_replica_is_found(start_redis):
    primary = start_redis()
    replica = start_redis("--replicaof", f"127.0.0.1 {primary.port}")
    broker = RedisBroker(replica.url, deadline=1.0)

    assert "replica" in found(broker)["redis.role"].text
    broker.close()


def test_a_server_that_hangs_is_a_finding_within_the_deadline(start_redis):
    server = start_redis()
    broker = RedisBroker(server.url, deadline=0.5)
    broker.open()
    server.pause()

    examined = broker.examine(NOW)
    server.resume()
    broker.close()

    assert [one.code for one in examined.findings] == ["store"]
    assert not examined.usable


@pytest.mark.parametrize(("corrected", "severity"), [(True, Severity.WARNING), (False, Severity.ERROR)])
def test_clocks_that_differ_are_found(server, corrected, severity, monkeypatch):
    from celeriac.clock import SystemClock

    real = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", staticmethod(lambda: real() - 30))
    broker = RedisBroker(server.url, clock="server" if corrected else "caller")

    clock = found(broker)["clock"]
    broker.close()

    assert clock.severity is severity
    assert "30.0 s ahead of this machine's" in clock.text


# --- SQLite -------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


@pytest.fixture
def file(path):
    clock = ManualClock()
    broker = SqliteBroker(f"sqlite:///{path}", deadline=0.3)
    broker.send(messages(300, payload=b'[["' + b"x" * 900 + b'"],{}]'), clock.now())
    Courier(broker, clock).claim(10)
    yield broker
    broker.close()


@pytest.fixture(autouse=True)
def on_a_disk(monkeypatch):
    monkeypatch.setattr(examine, "file_system", lambda folder: "ext4")


def test_a_file_in_its_place_is_well(file):
    assert bad(file) == set()
    assert file.examine(NOW).usable


@pytest.mark.parametrize("kind", sorted({"nfs4", "cifs", "fuse.sshfs"} & address.NETWORK))
def test_a_network_file_system_is_an_error(file, kind, monkeypatch):
    monkeypatch.setattr(examine, "file_system", lambda folder: kind)

    assert found(file)["sqlite.place"].severity is Severity.ERROR
    assert not file.examine(NOW).usable


@pytest.mark.parametrize(("kind", "word"), [("tmpfs", "restarts"), ("overlay", "container")])
def test_a_place_that_does_not_last_is_warned_of(file, kind, word, monkeypatch):
    monkeypatch.setattr(examine, "file_system", lambda folder: kind)

    place = found(file)["sqlite.place"]

    assert place.severity is Severity.WARNING
    assert word in place.text


def test_a_file_that_this_user_may_not_write_is_an_error(file, path, monkeypatch):
    real = os.access
    monkeypatch.setattr(os, "access", lambda where, how: not how & os.W_OK and real(where, how))

    assert found(file)["sqlite.rights"].severity is Severity.ERROR


def test_a_file_that_others_may_read_is_a_note(file, path):
    path.chmod(0o644)

    rights_ = found(file)["sqlite.rights"]

    assert rights_.severity is Severity.NOTE
    assert rights_.command.startswith("chmod 600 ")


def test_little_room_is_found(file, monkeypatch):
    real = os.statvfs(".")
    little = os.statvfs_result((*real[:4], 100 * examine.MIB // real.f_frsize, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda where: little)

    assert found(file)["sqlite.space"].severity is Severity.WARNING


def test_a_long_write_ahead_log_is_found(file, monkeypatch):
    monkeypatch.setattr(examine, "LONG_LOG", 1_000)

    assert found(file)["sqlite.wal"].severity is Severity.WARNING


def test_a_corrupted_page_is_an_error_with_the_command_that_saves_what_can_be_read(file, path):
    file.close()
    with sqlite3.connect(path) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
        [size] = connection.execute("pragma page_size").fetchone()
    connection.close()
    content = bytearray(path.read_bytes())
    for page in range(8, len(content) // size):
        content[page * size : page * size + 16] = b"\xff" * 16
    path.write_bytes(content)

    damage = found(file)["store"]

    assert damage.severity is Severity.ERROR
    assert ".recover" in damage.text


def test_something_that_is_no_database_is_an_error(path):
    path.write_bytes(b"no database at all" * 1000)
    broker = SqliteBroker(f"sqlite:///{path}")

    assert found(broker)["store"].severity is Severity.ERROR
    assert not broker.examine(NOW).usable


@pytest.mark.parametrize(("version", "severity"), [(99, Severity.ERROR), (0, Severity.NOTE)])
def test_a_layout_of_another_release_is_found_and_left_as_it_is(file, path, version, severity):
    file.close()
    connection = sqlite3.connect(path)
    connection.execute(f"pragma user_version = {version}")
    connection.close()

    examined = file.examine(NOW)

    assert {one.code: one.severity for one in examined.findings}["sqlite.schema"] is severity
    assert not examined.usable
    connection = sqlite3.connect(path)
    assert connection.execute("pragma user_version").fetchone() == (version,)
    connection.close()


def test_another_journal_mode_is_warned_of(file, path):
    file.close()
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode = delete")
    connection.close()

    assert found(file)["sqlite.journal"].severity is Severity.WARNING


def test_a_file_that_others_keep_locked_is_an_error_within_the_deadline(file, path):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("begin immediate")

    locked = found(file)["store"]
    connection.close()

    assert "stayed locked" in locked.text


def test_a_check_for_damage_that_takes_too_long_is_given_up(file, monkeypatch):
    monkeypatch.setattr(examine, "CHECK_FOR", -1.0)
    monkeypatch.setattr(examine, "STEPS", 1)

    assert found(file)["sqlite.damage"].severity is Severity.NOTE


def test_a_directory_is_no_store(tmp_path):
    broker = SqliteBroker(f"sqlite:///{tmp_path}")

    assert found(broker)["store"].severity is Severity.ERROR
