"""Connections to the file: opened, checked, handed out, and abandoned after a fork. Knows no verb."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import uniform
from typing import Final, TypeVar

from celeriac.brokers.sqlite import faults, schema
from celeriac.brokers.sqlite.address import Address, check_place
from celeriac.clock import SystemClock
from celeriac.errors import BrokerUnavailable, CeleriacError

T = TypeVar("T")

_CHECK_EVERY: Final = 1.0
_CACHE_KIB: Final = 16 * 1024
_PAGE_BYTES: Final = 2_048  # a commit writes whole pages: small ones make single sends a third faster
_CHECKPOINT_PAGES: Final = 8_000
_KEEP_WAL_BYTES: Final = 16 * 1024 * 1024
_FIRST_PAUSE: Final = 0.0001
_LONGEST_PAUSE: Final = 0.001
_STATEMENTS: Final = 256

_log = logging.getLogger("celeriac.sqlite")
_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def patiently(attempt: Callable[[], T | None], until: float, path: Path) -> T:
    """Return *attempt*'s answer once it has one; None, or a busy database, means to try again.

    SQLite's own waiting sleeps for up to 100 ms at a time; this one for 0.1 ms, growing to 1 ms.

    Raises:
        BrokerUnavailable: there was none by *until* (of the monotonic clock).
    """
    pause = _FIRST_PAUSE
    while True:
        with contextlib.suppress(_Busy):
            answer = _unless_busy(attempt)
            if answer is not None:
                return answer
        if SystemClock.monotonic() >= until:
            raise faults.busy(path)
        time.sleep(pause * uniform(0.5, 1.0))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


class _Busy(Exception):
    """Another connection is in the way."""


def _unless_busy(attempt: Callable[[], T]) -> T:
    try:
        return attempt()
    except sqlite3.Error as error:
        if faults.is_busy(error):
            raise _Busy from error
        raise


class Connection(sqlite3.Connection):
    """One of SQLite's, with the generation of files that it belongs to."""

    generation = 0
    quick: sqlite3.Cursor  # one for all statements, as they never overlap


class Pool:
    """The connections of one process to one file; any thread may take one, each is used by one at a time.

    After a fork the child forgets its parent's connections without touching them, as SQLite demands.
    """

    def __init__(self, address: Address, deadline: float) -> None:
        self.path = address.path
        self._synchronous = address.synchronous
        self._deadline = deadline
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._generation = 0
        self._all: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._file: tuple[int, int] | None = None
        self._checked = 0.0
        self._ready = False
        _pools.add(self)

    def take(self, moment: float) -> Connection:
        """Return a connection that nobody uses, at *moment* of the monotonic clock; `give` or `undo` it."""
        if moment - self._checked > _CHECK_EVERY:
            self._check_file(moment)
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def give(self, connection: Connection) -> None:
        """Take back what `take` returned."""
        if connection.generation == self._generation:
            self._idle.append(connection)
        else:
            connection.close()

    def undo(self, connection: Connection, error: BaseException) -> None:
        """Take back what `take` returned and *error* interrupted; nothing of its transaction remains."""
        try:
            if connection.in_transaction:
                connection.execute("rollback")
        except sqlite3.Error:
            connection.close()
            return
        if isinstance(error, sqlite3.Error) and faults.breaks_connection(error):
            connection.close()
            self.forget_all()
            return
        self.give(connection)

    def forget_all(self) -> None:
        """Close what is idle; what is in use is closed when it comes back."""
        with self._lock:
            self._generation += 1
            self._file = None
            self._ready = False
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def abandon(self) -> None:
        """In a forked child: forget everything, close nothing."""
        for connection in list(self._all):
            _keep_for_ever(connection)
        self._lock = threading.Lock()
        self._idle, self._all = [], weakref.WeakSet()
        self._generation += 1

    # --- opening ----------------------------------------------------------------------------------

    def _connect(self) -> Connection:
        with self._lock:
            if not self._ready:
                self._prepare()
            generation = self._generation
        connection = self._open()
        connection.generation = generation
        return connection

    def _prepare(self) -> None:
        """Create the file and its layout where they are missing."""
        schema.check_library()
        check_place(self.path)
        self._create()
        connection = self._open()
        try:
            until = SystemClock.monotonic() + self._deadline
            if not patiently(lambda: (schema.is_current(connection, self.path),), until, self.path)[0]:
                self._migrate(connection, until)
        finally:
            connection.close()
        self._file = self._identity()
        self._ready = True

    def _create(self) -> None:
        """Make an empty file that only this user may read; SQLite gives its companions the same rights."""
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            if self.path.is_dir():
                raise BrokerUnavailable(f"{self.path} is a directory; name a file for the store") from None
        except PermissionError as error:
            raise faults.read_only(self.path) from error
        except OSError as error:
            raise _cannot_create(self.path, error) from error

    def _migrate(self, connection: Connection, until: float) -> None:
        patiently(lambda: connection.execute("pragma journal_mode = wal").fetchall(), until, self.path)
        patiently(lambda: connection.execute("begin immediate"), until, self.path)
        try:
            schema.migrate(connection, self.path)
            connection.execute("commit")
        finally:
            if connection.in_transaction:
                connection.execute("rollback")

    def _open(self) -> Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS,
            factory=Connection,
        )
        connection.quick = connection.cursor()
        self._all.add(connection)
        until = SystemClock.monotonic() + self._deadline
        for setting in (
            f"page_size = {_PAGE_BYTES}",
            f"synchronous = {self._synchronous}",
            f"cache_size = -{_CACHE_KIB}",
            "temp_store = memory",
            f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
            f"journal_size_limit = {_KEEP_WAL_BYTES}",
        ):
            pragma = partial(connection.execute, f"pragma {setting}")
            patiently(lambda pragma=pragma: pragma().fetchall(), until, self.path)  # type: ignore[misc]
        return connection

    # --- is it still the same file? ---------------------------------------------------------------

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _check_file(self, moment: float) -> None:
        self._checked = moment
        if self._file is not None and self._identity() != self._file:
            _log.warning(
                "store file was deleted or replaced; opening what is there now",
                extra={"path": str(self.path)},
            )
            self.forget_all()


def _cannot_create(path: Path, error: OSError) -> CeleriacError:
    if error.errno == errno.EROFS:
        return faults.read_only(path)
    return BrokerUnavailable(f"{path} cannot be created: {error.strerror}")


def _keep_for_ever(connection: Connection) -> None:
    """Never let the garbage collector close a connection that belongs to the parent process."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _abandon_all() -> None:
    for pool in list(_pools):
        pool.abandon()


os.register_at_fork(after_in_child=_abandon_all)
