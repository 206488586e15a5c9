"""The connections of one process to one file: handed out, taken back, and abandoned after a fork."""

from __future__ import annotations

import logging
import sqlite3
import threading
import weakref
from typing import Final

from celeriac.brokers.sqlite import faults
from celeriac.brokers.sqlite.address import Address
from celeriac.brokers.sqlite.connection import Connection, open_connection, prepare
from celeriac.clock import SystemClock

_CHECK_EVERY: Final = 1.0
_MOST_IDLE: Final = 8

_log = logging.getLogger("celeriac.sqlite")


class Pool:
    """Any thread may take a connection; each is used by one at a time.

    Attributes:
        lenient: whether texts that are not UTF-8 are read all the same.
    """

    def __init__(self, address: Address, deadline: float) -> None:
        self._address = address
        self._deadline = deadline
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._all: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._generation = 0
        self._file: tuple[int, int] | None = None
        self._checked = 0.0
        self.lenient = False

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
        if connection.generation == self._generation and len(self._idle) < _MOST_IDLE:
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
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def abandon(self) -> None:
        """Forget all connections without closing one.

        For a forked child, because closing would touch its parent's locks, and for a file that was
        replaced, because SQLite would remove the new file's write-ahead log, which has the same name.
        """
        for connection in list(self._all):
            connection.leave_for_ever()
        self._all = weakref.WeakSet()
        self._idle = []
        self._generation += 1
        self._file = None

    def after_fork(self) -> None:
        """Begin anew in the child."""
        self._lock = threading.Lock()
        self.abandon()

    def _connect(self) -> Connection:
        until = SystemClock.monotonic() + self._deadline
        with self._lock:
            if self._file is None:
                prepare(self._address, until)
                self._file = self._identity()
            generation = self._generation
        connection = open_connection(self._address, until, lenient=self.lenient)
        connection.generation = generation
        self._all.add(connection)
        return connection

    # --- is it still the same file? ---------------------------------------------------------------

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = self._address.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _check_file(self, moment: float) -> None:
        self._checked = moment
        if self._file is not None and self._identity() != self._file:
            _log.warning("the file %s was deleted or replaced; opening what is there now", self._address.path)
            self.abandon()
