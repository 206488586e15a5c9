"""One connection to the file: how it is opened, and how the file comes to be."""

from __future__ import annotations

import ctypes
import errno
import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from celeriac.brokers.sqlite import faults, schema
from celeriac.brokers.sqlite.address import Address, check_place
from celeriac.brokers.sqlite.patience import patiently
from celeriac.errors import BrokerUnavailable, CeleriacError

_PAGE_BYTES: Final = 2_048  # a commit writes whole pages: small ones make single sends a third faster
_CACHE_KIB: Final = 16 * 1024
_CHECKPOINT_PAGES: Final = 8_000
_KEEP_WAL_BYTES: Final = 16 * 1024 * 1024
_STATEMENTS: Final = 256


class Connection(sqlite3.Connection):
    """One of SQLite's.

    Attributes:
        quick: its one cursor, for all statements, as they never overlap.
        generation: counts how often the pool began anew.
    """

    quick: sqlite3.Cursor
    generation = 0

    def leave_for_ever(self) -> None:
        """Never close it, not even when nobody refers to it any more."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))


def open_connection(address: Address, until: float, *, lenient: bool = False) -> Connection:
    """Open the file, which must be there; give up at *until* (of the monotonic clock).

    Args:
        lenient: read texts that are not UTF-8 with replacement characters, more slowly.
    """
    connection = sqlite3.connect(
        address.path,
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
        factory=Connection,
    )
    connection.quick = connection.cursor()
    if lenient:
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    for setting in (
        f"page_size = {_PAGE_BYTES}",
        f"synchronous = {address.synchronous}",
        f"cache_size = -{_CACHE_KIB}",
        "temp_store = memory",
        f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
        f"journal_size_limit = {_KEEP_WAL_BYTES}",
    ):
        patiently(_pragma(connection, setting), until, address.path)
    return connection


def _pragma(connection: Connection, setting: str) -> Callable[[], list[Any]]:
    return lambda: connection.execute(f"pragma {setting}").fetchall()


def prepare(address: Address, until: float) -> None:
    """Create the file and its layout where they are missing.

    Raises:
        OperationalError: it cannot be; the reason is in the message.
    """
    schema.check_library()
    check_place(address.path)
    _create(address.path)
    connection = open_connection(address, until)
    try:
        current, mode = patiently(lambda: _look(connection, address.path), until, address.path)
        if mode != "wal":  # quite new, or recovered from a dump
            patiently(_pragma(connection, "journal_mode = wal"), until, address.path)
        if not current:
            _migrate(connection, address.path, until)
    finally:
        connection.close()


def _look(connection: Connection, path: Path) -> tuple[bool, str]:
    """Return whether the layout is current, and the journal's mode: both as they are at one moment."""
    connection.execute("begin")  # else another process could make the layout while we look
    try:
        current = schema.is_current(connection, path)
        return current, connection.execute("pragma journal_mode").fetchone()[0]
    finally:
        if connection.in_transaction:
            connection.execute("rollback")


def _create(path: Path) -> None:
    """Make an empty file that only this user may read; SQLite gives its companions the same rights."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)  # an odd umask may have taken the owner's own rights
        os.close(descriptor)
    except FileExistsError:
        if path.is_dir():
            raise BrokerUnavailable(f"{path} is a directory; name a file for the store") from None
    except OSError as error:
        raise _cannot_create(path, error) from error


def _cannot_create(path: Path, error: OSError) -> CeleriacError:
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return faults.read_only(path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return faults.full(path, str(error))
    return BrokerUnavailable(f"{path} cannot be created: {error.strerror}")


def _migrate(connection: Connection, path: Path, until: float) -> None:
    patiently(lambda: connection.execute("begin immediate"), until, path)
    try:
        schema.migrate(connection, path)
        connection.execute("commit")
    finally:
        if connection.in_transaction:
            connection.execute("rollback")
