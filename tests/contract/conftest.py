"""The stores that every test of the contract runs over, a movable clock, and what belongs to them."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from celeriac.broker import Bell, Broker, Listener
from celeriac.brokers import connect
from celeriac.clock import ManualClock
from celeriac.keyring import Security
from celeriac.sealing import sealed
from tests.conftest import redis_program_or_give_up
from tests.contract.given import Courier
from tests.servers import RedisServer

STORES = (
    "memory",
    "signed memory",
    "encrypted memory",
    "sqlite",
    pytest.param("redis", marks=pytest.mark.redis),
    pytest.param("valkey", marks=pytest.mark.redis),
)

BETWEEN_PROCESSES = STORES[3:]

SEALED_BETWEEN_PROCESSES = (
    "encrypted sqlite",
    pytest.param("signed redis", marks=pytest.mark.redis),
)

SEALS = {
    "signed": Security(("k" * 32,), max_age=None),
    "encrypted": Security(("k" * 32,), encrypt=True, max_age=None),
}

_numbers = itertools.count(1)


class Store:
    """One empty store. `connect` gives broker objects on it; several are as good as several processes."""

    def __init__(self, kind: str, url: str) -> None:
        *seal, self.kind = kind.split()
        self.security = SEALS[seal[0]] if seal else None
        self.url = url
        self.namespace = f"contract-{next(_numbers)}"
        self.expires_by_itself = self.kind in (
            "redis",
            "valkey",
        )  # finished records, by the server's own clock
        self.opened: list[Broker] = []

    def connect(self, **options) -> Broker:
        """A broker object on this store; the memory store has one only, made by the first call."""
        if self.kind == "memory" and self.opened:
            return self.opened[0]
        broker = sealed(connect(self.url, namespace=self.namespace, **options), self.security)
        self.opened.append(broker)
        return broker

    def close(self) -> None:
        for broker in self.opened:
            broker.close()


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RedisServer]]:
    """Return the run's own server of a kind, started when first asked for."""
    servers: dict[str, RedisServer] = {}

    def start(kind: str) -> RedisServer:
        if kind not in servers:
            program = redis_program_or_give_up(kind)
            server = RedisServer(kind, program, tmp_path_factory.mktemp(kind), args=(), config="")
            server.start()
            servers[kind] = server
        return servers[kind]

    yield start
    for server in servers.values():
        server.stop()


@pytest.fixture(params=STORES)
def new_store(
    request: pytest.FixtureRequest, tmp_path: Path, start_server: Callable[[str], RedisServer]
) -> Iterator[Callable[[], Store]]:
    """Make empty stores of one kind."""
    kind = request.param
    with ExitStack() as stack:

        def make() -> Store:
            store = Store(kind, url())
            stack.callback(store.close)
            return store

        def url() -> str:
            if kind.endswith("memory"):
                return "memory://"
            if kind.endswith("sqlite"):
                return f"sqlite:///{tmp_path}/{next(_numbers)}.db"
            return start_server(kind.split()[-1]).url

        yield make


@pytest.fixture
def store(new_store: Callable[[], Store]) -> Store:
    return new_store()


@pytest.fixture
def broker(store: Store) -> Broker:
    return store.connect()


@pytest.fixture
def other(store: Store, broker: Broker) -> Broker:
    """A second broker object on the same store, as another process would have."""
    return store.connect()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def enlist(broker: Broker, clock: ManualClock) -> Callable[..., Courier]:
    """Enlist a worker: `enlist("worker-a", queues=("mail",))`; by another broker object with `on=other`."""

    def enlist(id: str = "worker-a", *, on: Broker | None = None, **fields) -> Courier:
        return Courier(on or broker, clock, id, **fields)

    return enlist


@pytest.fixture
def listen(broker: Broker) -> Iterator[Callable[..., Listener]]:
    """Make listeners that are closed at the end."""
    with ExitStack() as stack:

        def listen(on: Broker | None = None) -> Listener:
            listener = (on or broker).listener()
            stack.callback(listener.close)
            return listener

        yield listen


@pytest.fixture
def hang(broker: Broker) -> Iterator[Callable[..., Bell]]:
    """Hang up a worker's bell; it is taken down at the end."""
    with ExitStack() as stack:

        def hang(worker: Courier, on: Broker | None = None) -> Bell:
            bell = (on or broker).bell(worker.id)
            stack.callback(bell.close)
            return bell

        yield hang
