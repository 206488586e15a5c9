"""The other ways in: TLS, a Unix socket, another database, and Sentinel with a failover."""

import shutil
import subprocess
from pathlib import Path

import pytest

from celeriac.brokers import connect
from celeriac.brokers.redis import RedisBroker
from celeriac.clock import ManualClock
from celeriac.errors import BrokerUnavailable
from celeriac.testing.contract.given import Courier, counts_of, ids, messages, record_of, succeeded
from tests.servers import free_port
from tests.waiting import wait_until

SENTINEL = """
port {port}
sentinel monitor shop 127.0.0.1 {primary} {quorum}
sentinel down-after-milliseconds shop 300
sentinel failover-timeout shop 2000
sentinel parallel-syncs shop 1
"""


@pytest.fixture
def clock():
    return ManualClock()


def works(url: str, clock: ManualClock) -> bool:
    """Send, claim and settle through *url*; then be told by a bell and a listener."""
    broker = connect(url)
    worker = Courier(broker, clock, f"worker-{url}")
    bell, listener = broker.bell(worker.id), broker.listener()
    bell.arm(True)
    broker.send(sent := messages(3), clock.now())
    listener.watch([sent[0].id])
    done = worker.settles(*map(succeeded, worker.claim_all())) and listener.wait(5) == {sent[0].id}
    bell.close()
    listener.close()
    broker.close()
    return done


# --- sockets, databases, TLS -------------------------------------------------------------------------


def test_a_unix_socket_is_a_door(start_redis, clock, tmp_path):
    path = tmp_path / "redis.sock"
    start_redis("--unixsocket", str(path))

    assert works(f"unix://{path}?db=3", clock)


def test_each_database_is_a_store_of_its_own(start_redis, clock):
    server = start_redis()
    here, there = (RedisBroker(f"redis://127.0.0.1:{server.port}/{db}") for db in (0, 5))

    here.send(messages(2), clock.now())

    assert counts_of(here) == (2, 0, 0, 0)
    assert counts_of(there) == (0, 0, 0, 0)
    here.close()
    there.close()


def test_each_namespace_is_a_store_of_its_own(start_redis, clock):
    server = start_redis()
    here = RedisBroker(server.url, namespace="here")
    there = RedisBroker(f"{server.url}?namespace=there", namespace="here")

    here.send(sent := messages(2), clock.now())

    assert there.get(ids(sent)) == [None, None]
    assert {key.partition(":")[0] for key in server.cli("KEYS", "*")} == {"{here}", "{there}"}
    here.close()
    there.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem"
    )
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command.split(), *names], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def tls_port(start_redis, certificates) -> int:
    port = free_port()
    files = ("--tls-cert-file", certificates / "cert.pem", "--tls-key-file", certificates / "key.pem")
    trust = ("--tls-ca-cert-file", certificates / "cert.pem", "--tls-auth-clients", "no")
    try:
        start_redis("--tls-port", str(port), *map(str, files + trust), kind="redis")
    except AssertionError as error:
        pytest.skip(f"this server was built without TLS: {error}")
    return port


def test_tls_is_a_door(tls_port, certificates, clock):
    assert works(f"rediss://localhost:{tls_port}/0?ssl_ca_certs={certificates}/cert.pem", clock)
    assert works(f"rediss://localhost:{tls_port}/0?ssl_cert_reqs=none", clock)


def test_a_certificate_that_nobody_signed_is_refused(tls_port):
    broker = RedisBroker(f"rediss://localhost:{tls_port}/0", deadline=0.3)

    with pytest.raises(BrokerUnavailable, match="certificate"):
        broker.ping()


def test_a_plain_connection_to_a_tls_port_is_given_up_in_time(tls_port):
    broker = RedisBroker(f"redis://localhost:{tls_port}/0", deadline=0.3)

    with pytest.raises(BrokerUnavailable):
        broker.ping()


# --- Sentinel ------------------------------------------------------------------------------------------


class Watched:
    """A primary with a replica, and three sentinels that watch them."""

    def __init__(self, start_redis) -> None:
        self.primary = start_redis(kind="redis")
        self.replica = start_redis("--replicaof", f"127.0.0.1 {self.primary.port}", kind="redis")
        self.sentinels = [self._sentinel(start_redis) for _ in range(3)]
        self.hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        wait_until(self._is_whole, 20, what="the sentinels to know each other and the replica")

    def _sentinel(self, start_redis):
        config = SENTINEL.format(port=free_port(), primary=self.primary.port, quorum=2)
        return start_redis("--sentinel", kind="redis", config=config)

    def _is_whole(self) -> bool:
        known = all(
            len(sentinel.cli("SENTINEL", "SENTINELS", "shop")) == 2
            and len(sentinel.cli("SENTINEL", "REPLICAS", "shop")) == 1
            for sentinel in self.sentinels
        )
        return known and self.replica.cli("INFO", "replication")["master_link_status"] == "up"


@pytest.fixture
def watched(start_redis) -> Watched:
    return Watched(start_redis)


def test_sentinel_names_the_primary(watched, clock):
    assert works(f"redis+sentinel://{watched.hosts}/shop", clock)
    watched.sentinels[0].stop()
    assert works(f"redis+sentinel://{watched.hosts}/shop?db=1", clock)


def test_a_service_that_no_sentinel_knows_is_said_to_be_unavailable(watched):
    broker = RedisBroker(f"redis+sentinel://{watched.hosts}/nowhere", deadline=0.3)

    with pytest.raises(BrokerUnavailable, match="knows no 'nowhere'"):
        broker.ping()


def test_work_goes_on_through_a_failover(watched, clock):
    broker = RedisBroker(f"redis+sentinel://{watched.hosts}/shop", deadline=20.0)
    worker = Courier(broker, clock)
    broker.send(sent := messages(6), clock.now())
    first = worker.claim(2)
    assert watched.primary.cli("WAIT", 1, 5000) == 1

    watched.primary.kill()
    answer = worker.trip(*map(succeeded, first), want=2)

    assert not answer.refused
    assert ids(answer.claims) == ids(sent[2:4])
    assert broker.send(messages(1), clock.now()) == 1
    assert counts_of(broker) == (3, 0, 2, 0)
    assert [record_of(broker, task).fence for task in answer.claims] == [1, 1]
    assert str(watched.replica.cli("ROLE")).startswith("['master'")
    broker.close()
