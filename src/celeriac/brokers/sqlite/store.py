"""Transactions on the file: begun fairly, ended whole, with bells rung after the commit. Knows no verb."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from celeriac import codec
from celeriac.brokers.sqlite import faults
from celeriac.brokers.sqlite.address import Address
from celeriac.brokers.sqlite.bell import NEWS, WORK, Ringer
from celeriac.brokers.sqlite.connection import Pool, patiently
from celeriac.brokers.sqlite.place import Place, Turnstile
from celeriac.brokers.sqlite.statements import sql, sql_with_rows
from celeriac.clock import SystemClock

T = TypeVar("T")
P = ParamSpec("P")
Row = tuple[Any, ...]

_INSERTED_AT_ONCE: Final = 50
_UPDATED_AT_ONCE: Final = 256


class Transaction:
    """What a verb does to the file, in one step; statements go by the names of their files.

    Attributes:
        queued: how many tasks became ready, by queue: as many idle workers will be rung.
        rings: whom to ring after the commit, and what for.
        news: whether there may be any for somebody; a verb that knows better says so.
    """

    __slots__ = ("_cursor", "news", "queued", "rings")

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self.queued: dict[str, int] = {}
        self.rings: list[tuple[str, bytes]] = []
        self.news = True

    def ready(self, queue: str, count: int = 1) -> None:
        """Note that *count* tasks of *queue* became ready to be claimed; fewer than none when some were."""
        self.queued[queue] = self.queued.get(queue, 0) + count

    def all(self, name: str, *values: Any) -> list[Row]:
        """Return all rows."""
        return self._cursor.execute(sql(name), values).fetchall()

    def one(self, name: str, *values: Any) -> Row | None:
        """Return the only row, or None."""
        return self._cursor.execute(sql(name), values).fetchone()  # type: ignore[no-any-return]

    def value(self, name: str, *values: Any) -> Any:
        """Return the first column of the first row, None where there is none."""
        row = self.one(name, *values)
        return row[0] if row else None

    def column(self, name: str, *values: Any) -> list[Any]:
        """Return the first column of all rows."""
        return [row[0] for row in self.all(name, *values)]

    def run(self, name: str, *values: Any) -> int:
        """Change rows; return how many."""
        return self._cursor.execute(sql(name), values).rowcount

    def many(self, name: str, rows: Iterable[Sequence[Any]]) -> int:
        """Change rows once for each of *rows*; return how many."""
        return self._cursor.executemany(sql(name), rows).rowcount

    def insert(self, name: str, rows: Sequence[Row]) -> int:
        """Do as `many` does, faster: the statement inserts values, and takes many rows of them at once."""
        if len(rows) == 1:
            return self._cursor.execute(sql(name), rows[0]).rowcount
        whole = len(rows) - len(rows) % _INSERTED_AT_ONCE
        count = 0
        for start in range(0, whole, _INSERTED_AT_ONCE):
            values = [value for row in rows[start : start + _INSERTED_AT_ONCE] for value in row]
            count += self._cursor.execute(sql_with_rows(name, _INSERTED_AT_ONCE), values).rowcount
        return count + self.many(name, rows[whole:]) if whole < len(rows) else count

    def update(self, name: str, before: Row, values: list[Any], after: Row) -> int:
        """Change rows in one statement that joins *values*, rows of three laid end to end; return how many.

        The statement's other parameters stand *before* and *after* the values. Rows of nulls fill up to
        a power of two, so that few statements serve all sizes.
        """
        count = 0
        for start in range(0, len(values), _UPDATED_AT_ONCE * 3):
            part = values[start : start + _UPDATED_AT_ONCE * 3]
            rows = 1 << (len(part) // 3 - 1).bit_length()
            part += [None] * (rows * 3 - len(part))
            count += self._cursor.execute(sql_with_rows(name, rows), (*before, *part, *after)).rowcount
        return count


class Store:
    """The file, as the verbs use it."""

    def __init__(self, address: Address, deadline: float) -> None:
        self.path = address.path
        self.place = Place(address.path)
        self._pool = Pool(address, deadline)
        self._deadline = deadline
        self._turnstile = Turnstile(self.place)
        self._ringer = Ringer(self.place)
        self._waiting = threading.Lock()  # the turnstile among the threads of this process
        self._writing = threading.Lock()
        self._told = 0

    def open(self) -> None:
        """Make sure that the file is there and has its layout."""
        self.read(Transaction.value, "news_dropped")

    def close(self) -> None:
        """Let go of everything; the next verb opens again."""
        self._pool.forget_all()
        self._turnstile.close()
        self._ringer.close()
        self.place.tidy()

    def read(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what *work* found in one snapshot of the file."""
        try:
            connection = self._pool.take(SystemClock.monotonic())
            try:
                connection.quick.execute("begin")
                answer = work(Transaction(connection.quick), *args, **kwargs)
                connection.quick.execute("commit")
            except BaseException as error:
                self._pool.undo(connection, error)
                raise
            self._pool.give(connection)
        except sqlite3.Error as error:
            raise faults.translated(error, self.path) from error
        return answer

    def write(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what *work* answered once all that it changed is durable; an error undoes everything."""
        moment = SystemClock.monotonic()
        self._take_turn()
        try:
            connection = self._pool.take(moment)
            try:
                self._begin(connection.quick, moment + self._deadline)
                transaction = Transaction(connection.quick)
                answer = work(transaction, *args, **kwargs)
                self._choose_whom_to_ring(transaction)
                connection.quick.execute("commit")
            except BaseException as error:
                self._pool.undo(connection, error)
                raise
            self._pool.give(connection)
        except sqlite3.Error as error:
            raise faults.translated(error, self.path) from error
        finally:
            self._writing.release()
        for address, what in transaction.rings:
            self._ringer.ring(address, what)
        return answer

    # --- turns ------------------------------------------------------------------------------------

    def _take_turn(self) -> None:
        """Let one thread of this process write, in turn."""
        if not self._waiting.acquire(timeout=self._deadline):
            raise faults.busy(self.path)
        try:
            if not self._writing.acquire(timeout=self._deadline):
                raise faults.busy(self.path)
        finally:
            self._waiting.release()

    def _begin(self, cursor: sqlite3.Cursor, until: float) -> None:
        if not self._turnstile.enter():
            patiently(lambda: self._turnstile.enter() or None, until, self.path)
        try:
            cursor.execute("begin immediate")
        except sqlite3.OperationalError:
            patiently(lambda: cursor.execute("begin immediate"), until, self.path)
        finally:
            self._turnstile.leave()

    # --- bells ------------------------------------------------------------------------------------

    def _choose_whom_to_ring(self, transaction: Transaction) -> None:
        if transaction.queued:
            wanted = {queue: count for queue, count in transaction.queued.items() if count > 0}
            self._choose_workers(transaction, wanted)
        if transaction.news:
            listeners = transaction.all("listeners")
            if listeners and (newest := listeners[0][1] or 0) > self._told:
                self._told = newest
                transaction.rings.extend((address, NEWS) for address, _ in listeners)

    def _choose_workers(self, transaction: Transaction, wanted: dict[str, int]) -> None:
        for worker, queues, address in transaction.all("bell_hungry") if wanted else ():
            names: list[str] = codec.decode(queues.encode(), list[str])
            queue = next((name for name in names if wanted.get(name, 0) > 0), None)
            if queue is not None:
                wanted[queue] -= 1
                transaction.run("bell_rung", worker)
                transaction.rings.append((address, WORK))


def as_json(values: Iterable[str | int]) -> str:
    """Write a list for `json_each`."""
    return codec.encode(list(values)).decode()
