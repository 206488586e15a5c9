"""What SQLite's errors mean to a user. The one place where they are named; nothing of sqlite3 gets out."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Final

from celeriac.errors import (
    BrokerUnavailable,
    CeleriacError,
    PayloadTooLarge,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
)

_PRIMARY: Final = 0xFF
BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_READ_ONLY: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH})
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PROBE_BYTES: Final = 64 * 1024
_CORRUPT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})


def code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code, 0 where the error is Python's own."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY


def is_busy(error: sqlite3.Error) -> bool:
    """Say whether another connection is in the way, so that trying again helps."""
    return code(error) in BUSY


def is_undecodable(error: sqlite3.Error) -> bool:
    """Say whether a text in the file is not UTF-8 (Python raises this one, without a code)."""
    return "decode to UTF-8" in str(error)


def breaks_connection(error: sqlite3.Error) -> bool:
    """Say whether the connection should not be used again."""
    return code(error) not in BUSY | {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_FULL}


def translated(error: sqlite3.Error, path: Path) -> CeleriacError:
    """Return the error to raise from *error*."""
    primary = code(error)
    if primary in BUSY:
        return busy(path)
    if primary in _READ_ONLY:
        return read_only(path)
    if primary in _CORRUPT:
        return corrupt(path, str(error))
    if primary == sqlite3.SQLITE_FULL:
        return full(path, str(error))
    if primary == sqlite3.SQLITE_CANTOPEN and not _is_writable(path):
        return read_only(path)
    if primary == sqlite3.SQLITE_IOERR and _is_full(path):
        return full(path, str(error))
    if primary == sqlite3.SQLITE_TOOBIG:
        return PayloadTooLarge(f"SQLite cannot keep a value this large ({error})")
    if primary == sqlite3.SQLITE_ERROR and "no such" in str(error):
        return StoreCorrupt(
            f"the layout of {path} is damaged ({error}); move the file away or restore a backup"
        )
    return BrokerUnavailable(f"{path} could not be used: {error}")


def busy(path: Path) -> BrokerUnavailable:
    """Say that *path* stayed locked until the deadline."""
    return BrokerUnavailable(
        f"{path} stayed locked by another process; wait, or close what holds it (a database browser?)"
    )


def read_only(path: Path) -> StoreReadOnly:
    """Say that *path* cannot be written."""
    return StoreReadOnly(
        f"{path} or its directory is read-only for this user; SQLite must write the file and beside it"
    )


def full(path: Path, why: str) -> StoreFull:
    """Say that there is no room for *path* to grow."""
    return StoreFull(f"no room left on the disk of {path}; free some space there ({why})")


def _is_writable(path: Path) -> bool:
    return os.access(path.parent, os.W_OK | os.X_OK) and (not path.exists() or os.access(path, os.W_OK))


def _is_full(path: Path) -> bool:
    """Try whether a file beside *path* may grow as long: only so a quota or a limit of size can be seen."""
    longest = 0
    for name in (path.name, f"{path.name}-wal"):
        with contextlib.suppress(OSError):
            longest = max(longest, path.with_name(name).stat().st_size)
    try:
        with tempfile.TemporaryFile(dir=path.parent) as probe:
            os.pwrite(probe.fileno(), bytes(_PROBE_BYTES), longest)
            os.fsync(probe.fileno())
    except OSError as error:
        return error.errno in _NO_ROOM
    return False


def corrupt(path: Path, why: str) -> StoreCorrupt:
    """Say that *path* is damaged, and what saves what can be saved."""
    return StoreCorrupt(
        f"{path} is damaged or not a SQLite database ({why}). Stop all that uses it, then save what"
        f" can be read: sqlite3 {path} .recover | sqlite3 {path}.recovered (or .dump, if it has no .recover)"
    )
