"""The server answers, but refuses: every answer becomes an error of Celeriac's that says what to do."""

import re
import socket
import threading
from pathlib import Path

import pytest

from celeriac.brokers.redis import RedisBroker
from celeriac.brokers.redis.keys import Keys
from celeriac.clock import ManualClock
from celeriac.errors import (
    AccessDenied,
    BrokerUnavailable,
    ConfigurationError,
    OperationalError,
    SchemaError,
    StoreCorrupt,
    StoreReadOnly,
)
from celeriac.outcome import decode_error
from celeriac.states import State
from celeriac.testing.contract.given import (
    Courier,
    a_message,
    counts_of,
    ids,
    messages,
    record_of,
    retry,
    state_of,
    succeeded,
)
from tests.waiting import wait_until

KEYS = Keys("celeriac")
HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "redis.md"


@pytest.fixture
def server(redis_server):
    redis_server.flush()
    return redis_server


@pytest.fixture
def broker(server):
    broker = RedisBroker(server.url, deadline=0.5)
    yield broker
    broker.close()


@pytest.fixture
def clock():
    return ManualClock()


# --- memory, passwords, replicas -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credentials", "reason"),
    [("", "wants a password|refuses"), (":wrong@", "refuses"), ("nobody:secret@", "refuses")],
)
def test_a_wrong_password_is_said_at_once_and_never_shown(start_redis, credentials, reason):
    server = start_redis("--requirepass", "secret")
    broker = RedisBroker(f"redis://{credentials}127.0.0.1:{server.port}/0", deadline=30.0)

    with pytest.raises(AccessDenied, match=reason) as caught:
        broker.open()

    assert isinstance(caught.value, OperationalError)
    assert isinstance(caught.value, ConfigurationError)
    assert "wrong@" not in str(caught.value)
    assert ":secret" not in str(caught.value)


def test_the_right_password_opens(start_redis, clock):
    server = start_redis("--requirepass", "s&c/r:t%")
    broker = RedisBroker(f"redis://:s%26c%2Fr%3At%25@127.0.0.1:{server.port}/0")

    assert broker.send(messages(1), clock.now()) == 1
    assert broker.url == f"redis://:***@127.0.0.1:{server.port}/0"
    broker.close()


def test_a_replica_is_read_only(start_redis, clock):
    primary = start_redis()
    replica = start_redis("--replicaof", f"127.0.0.1 {primary.port}")
    broker = RedisBroker(replica.url, deadline=0.3)

    with pytest.raises(StoreReadOnly, match=r"read-only replica \(tried for 0\.3 s\)"):
        broker.send(messages(1), clock.now())
    broker.close()


def test_a_replica_that_becomes_primary_within_the_deadline_is_taken(start_redis, clock):
    primary = start_redis()
    replica = start_redis("--replicaof", f"127.0.0.1 {primary.port}")
    wait_until(lambda: "role:master" not in str(replica.cli("ROLE")), what="the replica")
    broker = RedisBroker(replica.url, deadline=10.0)
    sent: list[int] = []
    sender = threading.Thread(target=lambda: sent.append(broker.send(messages(1), clock.now())))

    sender.start()
    replica.cli("REPLICAOF", "NO", "ONE")
    sender.join(10)

    assert sent == [1]
    broker.close()


# --- permissions -----------------------------------------------------------------------------------


@pytest.fixture
def permitted(server, broker):
    """A broker whose user may do what the how-to says, and no more."""
    [rule] = re.findall("^ACL SETUSER celeriac (.*)$", HOWTO.read_text(encoding="utf-8"), re.MULTILINE)
    server.cli("ACL", "SETUSER", "celeriac", "reset", *rule.split())
    server.cli("CONFIG", "RESETSTAT")
    with_rules = RedisBroker(f"redis://celeriac:secret@127.0.0.1:{server.port}/0")
    yield with_rules
    with_rules.close()
    server.cli("ACL", "DELUSER", "celeriac")


def test_the_least_privileges_are_enough_for_every_verb(permitted, server, clock):
    worker = Courier(permitted, clock)
    listener, bell = permitted.listener(), permitted.bell(worker.id)
    permitted.ping()
    permitted.send([*messages(6, expires=clock.now() + 50), a_message(eta=clock.now() + 1)], clock.now())
    permitted.send([a_message(name="shop.strange"), a_message(queue="other", priority=3)], clock.now())
    first, second, third = worker.claim(3)
    listener.watch([first.id])
    bell.arm(True)
    permitted.cancel([second.id], clock.now(), terminate=True)
    worker.trip(succeeded(first), retry(third, clock.now() + 1), want=10)
    assert listener.wait(5) == {first.id}
    assert not bell.heard()
    permitted.heartbeat([worker.id], clock.now())
    permitted.report(worker.id, [], clock.now())
    permitted.purge("other", clock.now())
    permitted.forget([first.id])
    Courier(permitted, clock, "knowing", names=("shop.strange",)).claim_all()
    clock.advance(100)
    assert permitted.workers(clock.now()) == []
    permitted.tend(clock.now())
    permitted.retire(["knowing"], clock.now())
    permitted.queues()
    permitted.pending()
    bell.pass_on()
    bell.close()
    listener.close()

    assert "errorstat_NOPERM" not in server.cli("INFO", "errorstats")


def test_a_missing_permission_is_said_at_once(server, clock, permitted):
    server.cli("ACL", "SETUSER", "celeriac", "-hset")

    with pytest.raises(AccessDenied, match="permit"):
        permitted.send(messages(1), clock.now())


# --- foreign and broken data ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "verb"),
    [
        (KEYS.counts, "send"),
        (KEYS.line("default", 0), "send"),
        (KEYS.line("default", 0), "exchange"),
        (KEYS.due, "tend"),
        (KEYS.workers, "enlist"),
        (KEYS.worker("worker-b"), "enlist"),
        (KEYS.running("worker-a"), "exchange"),
        (KEYS.counts, "queues"),
        (KEYS.schema, "open"),
    ],
)
def test_a_foreign_key_is_named(broker, server, clock, key, verb):
    broker.send(messages(1), clock.now())
    worker = Courier(broker, clock)
    server.cli("DEL", key)
    server.cli("SETBIT" if KEYS.kind(key) != "string" else "SADD", key, 7, *([1] * (key != KEYS.schema)))
    calls = {
        "send": lambda: broker.send(messages(1), clock.now()),
        "exchange": lambda: worker.claim(1),
        "tend": lambda: broker.tend(clock.now()),
        "enlist": lambda: Courier(broker, clock, "worker-b"),
        "queues": broker.queues,
        "open": broker.open,
    }

    with pytest.raises(StoreCorrupt) as caught:
        calls[verb]()

    assert key in str(caught.value) or key == KEYS.worker("worker-b")
    assert "namespace" in str(caught.value)


def test_a_queue_that_is_something_else_leaves_no_half_sent_task(broker, server, clock):
    server.cli("SET", KEYS.line("default", 0), "foreign")
    message = a_message()
    with pytest.raises(StoreCorrupt):
        broker.send([message], clock.now())

    server.cli("DEL", KEYS.line("default", 0))

    assert broker.get([message.id]) == [None]
    assert broker.send([message], clock.now()) == 1


@pytest.mark.parametrize(
    "harm", [("n", None), ("g", "many"), ("x", "soon"), ("j", "none"), ("n", "two words")]
)
def test_a_queued_task_whose_record_was_broken_is_failed_and_holds_up_nobody(broker, server, clock, harm):
    broken, whole = messages(2)
    broker.send([broken, whole], clock.now())
    worker = Courier(broker, clock)
    field, value = harm
    if value is None:
        server.cli("HDEL", KEYS.record(broken.id), field)
    else:
        server.cli("HSET", KEYS.record(broken.id), field, value)

    assert ids(worker.claim(2)) == [whole.id]

    record = record_of(broker, broken)
    assert record.state is State.FAILED
    assert "broken" in decode_error(record.error).message
    assert counts_of(broker) == (0, 0, 1, 0)
    assert server.cli("PTTL", KEYS.record(broken.id)) > 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("n", b"\xff"), ("s", b"nonsense"), ("c", b"yesterday"), ("q", b"\xfe"), ("g", b"1"), ("d", b"x")],
)
def test_a_broken_record_is_read_as_failed(broker, server, clock, field, value):
    message = a_message()
    broker.send([message], clock.now())

    server.cli("HSET", KEYS.record(message.id), field, value)

    record = record_of(broker, message)
    assert record.state is State.FAILED
    assert "broken" in decode_error(record.error).message


def test_a_record_that_is_something_else_is_read_as_failed_and_never_claimed(broker, server, clock):
    foreign, whole = messages(2)
    broker.send([foreign, whole], clock.now())
    server.cli("SET", KEYS.record(foreign.id), "foreign")

    assert ids(Courier(broker, clock).claim(2)) == [whole.id]

    assert state_of(broker, foreign) is State.FAILED
    assert server.cli("GET", KEYS.record(foreign.id)) == "foreign"
    assert broker.cancel([foreign.id], clock.now()) == ["unknown"]


def test_settling_a_task_whose_record_was_deleted_leaves_nothing(broker, server, clock):
    broker.send(messages(2), clock.now())
    worker = Courier(broker, clock)
    first, second = worker.claim(2)
    server.cli("DEL", KEYS.record(first.id), KEYS.record(second.id))

    worker.trip(succeeded(first), retry(second, clock.now()))

    assert broker.get([first.id, second.id]) == [None, None]
    assert server.cli("EXISTS", KEYS.record(first.id), KEYS.record(second.id)) == 0


def test_counts_are_right_again_after_records_were_deleted_by_hand(broker, server, clock):
    sent = messages(4)
    broker.send([*sent, a_message(expires=clock.now() + 1)], clock.now())
    worker = Courier(broker, clock)
    first, second = worker.claim(2)
    server.cli("DEL", *(KEYS.record(message.id) for message in sent))

    worker.trip(retry(first, clock.now()))
    assert len(worker.claim_all()) == 1
    broker.retire([worker.id], clock.now())
    assert [record for record in broker.get(ids(sent)) if record] == []
    clock.advance(5)
    broker.tend(clock.now())

    assert broker.queues() == []
    assert second.id in ids(sent)


def test_a_layout_of_another_version_is_refused(broker, server, clock):
    server.cli("SET", KEYS.schema, "999")

    with pytest.raises(SchemaError, match="999"):
        broker.send(messages(1), clock.now())


# --- something else listens on the port -------------------------------------------------------------


class Impostor:
    """A server that answers every read with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                while connection.recv(65_536):
                    connection.sendall(self._answer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


def test_what_is_no_redis_is_said_to_be_unavailable():
    impostor = Impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    broker = RedisBroker(f"redis://127.0.0.1:{impostor.port}/0", deadline=0.3)

    with pytest.raises(BrokerUnavailable, match=str(impostor.port)):
        broker.ping()
    impostor.close()


def test_a_server_that_is_too_old_is_refused():
    facts = b"redis_version:5.0.14\r\n"
    info = b"$%d\r\n%s\r\n" % (len(facts), facts)
    impostor = Impostor(info + info + b":0\r\n" + b"$1\r\n1\r\n")
    broker = RedisBroker(f"redis://127.0.0.1:{impostor.port}/0?clock=caller", deadline=0.3)

    with pytest.raises(OperationalError, match=r"runs Redis 5\.0\.14.*needs Redis 6\.2"):
        broker.open()
    broker.close()
    impostor.close()
