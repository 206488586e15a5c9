"""Proof of death on Redis: only a free lock file of this kernel's, and no command while there is none."""

import logging

import pytest

from celeriac.broker import WorkerInfo
from celeriac.brokers.redis import RedisBroker
from celeriac.brokers.redis.keys import Keys
from celeriac.errors import BrokerUnavailable

NOW = 1_700_000_000.0
NOBODY = "redis://127.0.0.1:1/0"  # no server is there


@pytest.fixture(autouse=True)
def temporary(monkeypatch, tmp_path):
    """A temporary directory of the test's own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def connect(redis_server):
    """Make broker objects on an empty server, which are closed at the end."""
    redis_server.flush()
    made = []

    def connect(url=redis_server.url, **options):
        made.append(RedisBroker(url, **options))
        return made[-1]

    yield connect
    for broker in made:
        broker.close()


def lock_files(folder):
    return [path.stem for path in folder.rglob("*.lock")]


def a_dead(worker, broker, *, enlisted=True):
    """Leave a worker whose process has ended without a word."""
    broker.hold_alive(worker)
    if enlisted:
        broker.enlist(WorkerInfo(worker, worker), NOW)
    broker._proofs.abandon()


def test_while_no_lock_is_free_the_server_is_not_asked(temporary):
    broker = RedisBroker(NOBODY, deadline=0.05)
    broker.hold_alive("alive")

    assert broker.locally_dead() == RedisBroker(NOBODY, deadline=0.05).locally_dead() == ()

    a_dead("dead", broker, enlisted=False)
    with pytest.raises(BrokerUnavailable):
        broker.locally_dead()
    broker.close()


def test_a_worker_under_another_temporary_directory_is_not_taken_for_dead(connect, monkeypatch, temporary):
    a_dead("there", connect())
    (temporary / "here").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary / "here"))

    assert list(connect().locally_dead()) == []
    assert lock_files(temporary) == ["there"]


def test_a_worker_of_another_kernel_that_shares_the_directory_is_not_taken_for_dead(
    connect, redis_server, temporary
):
    broker = connect()
    a_dead("there", broker)
    redis_server.cli("HSET", Keys("celeriac").worker("there"), "k", "another kernel")

    assert list(broker.locally_dead()) == []
    assert lock_files(temporary) == ["there"]


def test_the_lock_of_a_worker_that_another_host_has_retired_is_tidied(connect, monkeypatch, temporary):
    broker = connect()
    a_dead("dead", broker)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("tempfile.tempdir", str(temporary / "elsewhere"))
        connect().retire(["dead"], NOW)
    assert lock_files(temporary) == ["dead"]

    assert list(broker.locally_dead()) == []
    assert lock_files(temporary) == []


def test_the_lock_of_a_worker_that_retires_goes_with_it(connect, temporary):
    broker = connect()
    broker.hold_alive("worker")
    broker.enlist(WorkerInfo("worker", "worker"), NOW)
    assert lock_files(temporary) == ["worker"]

    broker.retire(["worker"], NOW)

    assert lock_files(temporary) == []


def test_the_lock_of_a_worker_whose_lease_ran_out_goes_with_it(connect, temporary):
    broker = connect()
    a_dead("dead", broker)

    assert broker.tend(NOW + 3600).buried == ["dead"]
    assert lock_files(temporary) == []


def test_each_server_database_and_namespace_has_its_own_locks_whatever_the_password(temporary):
    urls = [
        "redis://127.0.0.1:1/0",
        "redis://127.0.0.1:2/0",
        "redis://127.0.0.1:1/1",
        "redis://127.0.0.1:1/0?namespace=other",
        "unix:///run/redis.sock",
    ]
    places = [RedisBroker(url)._locks.locks for url in urls]

    assert len(set(places)) == len(urls)
    assert RedisBroker("redis://user:secret@127.0.0.1:1/0")._locks.locks == places[0]


def test_closing_leaves_nothing_behind(temporary):
    broker = RedisBroker(NOBODY)
    broker.hold_alive("worker")

    broker.close()

    assert list(temporary.iterdir()) == []


def test_a_worker_works_without_a_lock_file_and_says_so(temporary, caplog):
    broker = RedisBroker(NOBODY)
    broker._locks.locks.mkdir(mode=0o755)

    with caplog.at_level(logging.WARNING, "celeriac.redis"):
        broker.hold_alive("worker")

    assert "if worker worker is killed" in caplog.text
    assert "only this user may use" in caplog.text
