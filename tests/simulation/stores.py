"""The stores that a simulated cluster runs on: one store, and a broker object on it for each process."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celeriac.broker import Broker
from celeriac.brokers.memory import MemoryBroker
from celeriac.brokers.sqlite import SqliteBroker

STORES = ("memory", "sqlite")
RETENTION = 40.0  # seconds for which finished records are kept


class MemoryStore:
    """One object is the store, for all processes.

    Attributes:
        truth: a broker that nobody's faults touch, for those who check.
        keeps_requests: whether a request may arrive after the process that made it has died.
    """

    keeps_requests = True

    def __init__(self, kind: type[MemoryBroker] = MemoryBroker) -> None:
        self.truth: Broker = kind(retention=RETENTION)

    def connect(self) -> Broker:
        """Return what a new process has of the store."""
        return self.truth

    def kill(self, broker: Broker) -> None:
        """Let a process die: nothing of it is left."""

    def close(self) -> None:
        """Nothing to let go of."""


class SqliteStore:
    """One file; each process has an object of its own, with what that remembers."""

    keeps_requests = False

    def __init__(self, folder: Path, template: Path, kind: type[SqliteBroker] = SqliteBroker) -> None:
        self._path, self._kind = folder / "simulated.db", kind
        shutil.copyfile(template, self._path)
        self._opened: list[Broker] = []
        self.truth: Broker = self.connect()

    def connect(self) -> Broker:
        broker = self._kind(f"sqlite:///{self._path}", retention=RETENTION)
        self._opened.append(broker)
        return broker

    def kill(self, broker: Broker) -> None:
        """Let a process die: the kernel drops its locks, and their files stay behind."""
        broker._proofs.abandon()
        broker._store.close()

    def close(self) -> None:
        for broker in self._opened:
            broker.close()


Store = MemoryStore | SqliteStore


@contextmanager
def a_store(name: str, kind: type[Broker] | None = None) -> Iterator[Store]:
    """Make an empty store of the kind called *name*, of another class than usual if one is given."""
    if name == "memory":
        yield MemoryStore(kind or MemoryBroker)
        return
    with tempfile.TemporaryDirectory(dir=_quick_place()) as folder:
        store = SqliteStore(Path(folder), _template(), kind or SqliteBroker)
        try:
            yield store
        finally:
            store.close()


def _quick_place() -> str | None:
    """Return a directory in memory where there is one: no simulated power is ever cut."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


_made: list[tempfile.TemporaryDirectory] = []


def _template() -> Path:
    """Return an empty store to copy, made once in a process."""
    if not _made:
        _made.append(tempfile.TemporaryDirectory(dir=_quick_place()))
        broker = SqliteBroker(f"sqlite:///{_made[0].name}/empty.db")
        broker.open()
        broker.close()
    return Path(_made[0].name) / "empty.db"
