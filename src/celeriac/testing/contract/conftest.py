"""The stores that every test of the contract runs over, a movable clock, and what belongs to them."""

import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest

from celeriac.broker import Bell, Broker, Listener
from celeriac.clock import ManualClock
from celeriac.keyring import Security
from celeriac.sealing import sealed
from celeriac.testing.contract.given import Courier
from celeriac.testing.contract.kinds import Connect, StoreKind, kinds_of


def pytest_configure(config: pytest.Config) -> None:
    """Make the suite's own mark known."""
    config.addinivalue_line(
        "markers", "stores_that(fact): run on those kinds of stores only of which this is said"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that needs a store once on every kind."""
    if "new_store" in metafunc.fixturenames:
        facts = [mark.args[0] for mark in metafunc.definition.iter_markers("stores_that")]
        kinds = [kind for kind in kinds_of(metafunc.config) if all(getattr(kind, fact) for fact in facts)]
        metafunc.parametrize("new_store", [_as_parameter(kind) for kind in kinds], indirect=True)


def _as_parameter(kind: StoreKind) -> Any:
    return pytest.param(kind, id=kind.name, marks=[getattr(pytest.mark, mark) for mark in kind.marks])


class Store:
    """One empty store. `connect` gives broker objects on it; several are as good as several processes."""

    def __init__(self, kind: StoreKind, new_broker: Connect) -> None:
        self.kind = kind
        self.expires_by_itself = kind.expires_by_itself  # finished records, by the server's own clock
        self.new_broker = new_broker
        self.opened: list[Broker] = []

    def connect(self, *, security: Security | None = None, **options: Any) -> Broker:
        """A broker object on this store; where a store has one only, it is made by the first call."""
        if self.opened and not self.kind.between_processes:
            return self.opened[0]
        broker = sealed(self.new_broker(**options), security or self.kind.security)
        self.opened.append(broker)
        return broker

    def close(self) -> None:
        for broker in self.opened:
            broker.close()

    def pickled(self) -> bytes:
        """What makes a broker object on this store in another process."""
        try:
            return pickle.dumps(self.new_broker)
        except Exception as error:  # noqa: BLE001 - pickle raises whatever the object's own methods do
            pytest.fail(
                f"{self.kind.name}: what makes its brokers cannot be taken to another process ({error}). "
                "Give functools.partial(MyBroker, url), or say proves_deaths=False",
                pytrace=False,
            )


@contextmanager
def _opened(kind: StoreKind) -> Iterator[Connect]:
    """Make an empty store; say so where that is not what *kind* does."""
    made: object = kind.new()
    if not isinstance(made, AbstractContextManager):
        pytest.fail(f"{kind.name}: {made!r} is no context manager; write @contextmanager", pytrace=False)
    with made as new_broker:
        if isinstance(new_broker, Broker) or not callable(new_broker):
            advice = "give what makes broker objects, such as functools.partial(MyBroker, url)"
            pytest.fail(f"{kind.name}: its value is {new_broker!r}; {advice}", pytrace=False)
        yield new_broker


@pytest.fixture
def new_store(request: pytest.FixtureRequest) -> Iterator[Callable[[], Store]]:
    """Make empty stores of one kind."""
    kind: StoreKind = request.param
    with ExitStack() as stack:

        def make() -> Store:
            store = Store(kind, stack.enter_context(_opened(kind)))
            stack.callback(store.close)
            return store

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
