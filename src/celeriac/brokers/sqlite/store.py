"""Transactions on the file: begun fairly, ended whole, with bells rung after the commit. Knows no verb."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from celeriac import codec
from celeriac.brokers.sqlite import faults
from celeriac.brokers.sqlite.address import Address
from celeriac.brokers.sqlite.bell import NEWS, WORK, Ringer
from celeriac.brokers.sqlite.connection import Connection, Pool, patiently
from celeriac.brokers.sqlite.place import Place, Turnstile
from celeriac.brokers.sqlite.statements import sql
from celeriac.clock import SystemClock

T = TypeVar("T")
P = ParamSpec("P")
Row = tuple[Any, ...]


class Transaction:
    """What a verb does to the file, in one step; statements go by the names of their files.

    Attributes:
        queued: how many tasks became ready, by queue: as many idle workers will be rung.
        rings: whom to ring after the commit, and what for.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.queued: Counter[str] = Counter()
        self.rings: list[tuple[str, bytes]] = []

    def all(self, name: str, *values: Any) -> list[Row]:
        """Return all rows."""
        return self.connection.execute(sql(name), values).fetchall()

    def one(self, name: str, *values: Any) -> Row | None:
        """Return the only row, or None."""
        return self.connection.execute(sql(name), values).fetchone()  # type: ignore[no-any-return]

    def value(self, name: str, *values: Any) -> Any:
        """Return the first column of the first row, None where there is none."""
        row = self.one(name, *values)
        return row[0] if row else None

    def column(self, name: str, *values: Any) -> list[Any]:
        """Return the first column of all rows."""
        return [row[0] for row in self.all(name, *values)]

    def run(self, name: str, *values: Any) -> int:
        """Change rows; return how many."""
        return self.connection.execute(sql(name), values).rowcount

    def many(self, name: str, rows: Iterable[Sequence[Any]]) -> int:
        """Change rows once for each of *rows*; return how many."""
        return self.connection.executemany(sql(name), rows).rowcount


class Store:
    """The file, as the verbs use it."""

    def __init__(self, address: Address, deadline: float) -> None:
        self.path = address.path
        self.place = Place(address.path)
        self.pool = Pool(address, deadline)
        self._deadline = deadline
        self._turnstile = Turnstile(self.place)
        self._ringer = Ringer(self.place)
        self._waiting = threading.Lock()  # the turnstile among the threads of this process
        self._writing = threading.Lock()
        self._news = 0

    def open(self) -> None:
        """Make sure that the file is there and has its layout."""
        self.read(Transaction.value, "news_dropped")

    def close(self) -> None:
        """Let go of everything; the next verb opens again."""
        self.pool.forget_all()
        self._turnstile.close()
        self._ringer.close()
        self.place.tidy()

    def read(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what *work* found in one snapshot of the file."""
        with self._translated(), self._taken() as connection:
            connection.execute("begin")
            answer = work(Transaction(connection), *args, **kwargs)
            connection.execute("commit")
            return answer

    def write(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what *work* answered once all that it changed is durable; an error undoes everything."""
        with self._translated(), self._turn() as until, self._taken() as connection:
            self._begin(connection, until)
            transaction = Transaction(connection)
            answer = work(transaction, *args, **kwargs)
            self._choose_whom_to_ring(transaction)
            connection.execute("commit")
        for address, what in transaction.rings:
            self._ringer.ring(address, what)
        return answer

    # --- turns ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _turn(self) -> Iterator[float]:
        """Let one thread of this process write, in turn; give the moment at which to give up."""
        until = SystemClock.monotonic() + self._deadline
        if not self._waiting.acquire(timeout=self._deadline):
            raise faults.busy(self.path)
        try:
            entered = self._writing.acquire(timeout=self._deadline)
        finally:
            self._waiting.release()
        if not entered:
            raise faults.busy(self.path)
        try:
            yield until
        finally:
            self._writing.release()

    def _begin(self, connection: Connection, until: float) -> None:
        if not self._turnstile.enter():
            patiently(lambda: self._turnstile.enter() or None, until, self.path)
        try:
            patiently(lambda: connection.execute("begin immediate"), until, self.path)
        finally:
            self._turnstile.leave()

    @contextlib.contextmanager
    def _taken(self) -> Iterator[Connection]:
        connection = self.pool.take()
        try:
            yield connection
        except BaseException as error:
            self._recover(connection, error)
            raise
        self.pool.give(connection)

    def _recover(self, connection: Connection, error: BaseException) -> None:
        try:
            if connection.in_transaction:
                connection.execute("rollback")
        except sqlite3.Error:
            connection.close()
            return
        if isinstance(error, sqlite3.Error) and faults.breaks_connection(error):
            connection.close()
            self.pool.forget_all()
            return
        self.pool.give(connection)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise faults.translated(error, self.path) from error

    # --- bells ------------------------------------------------------------------------------------

    def _choose_whom_to_ring(self, transaction: Transaction) -> None:
        wanted = +transaction.queued
        if wanted:
            for worker, queues, address in transaction.all("bell_hungry"):
                queue = next((queue for queue in _queues(queues) if wanted[queue] > 0), None)
                if queue is not None:
                    wanted[queue] -= 1
                    transaction.run("bell_rung", worker)
                    transaction.rings.append((address, WORK))
        listeners = transaction.all("listeners")
        if listeners and (newest := listeners[0][1] or 0) > self._news:
            self._news = newest
            transaction.rings.extend((address, NEWS) for address, _ in listeners)


def _queues(text: str) -> list[str]:
    return codec.decode(text.encode(), list[str])  # type: ignore[no-any-return]
