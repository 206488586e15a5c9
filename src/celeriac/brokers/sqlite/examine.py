"""What can be wrong with the file and its place before any task is. Opens it read-only; changes nothing."""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from celeriac.brokers.sqlite import faults, schema
from celeriac.brokers.sqlite.address import NETWORK, file_system
from celeriac.clock import SystemClock
from celeriac.errors import CeleriacError
from celeriac.findings import Examination, Finding, Severity, ok, size

MIB: Final = 1024 * 1024
LITTLE_ROOM: Final = 512 * MIB
NO_ROOM: Final = 64 * MIB  # the write-ahead log alone may need that
LONG_LOG: Final = 128 * MIB  # twice the length at which writers shorten it
MUCH_AIR: Final = 256 * MIB
CHECK_FOR: Final = 5.0  # seconds
STEPS: Final = 50_000  # of SQLite's machine between two looks at the clock

_VOLATILE: Final = {
    "tmpfs": "in memory (tmpfs): the tasks are lost when the machine restarts",
    "ramfs": "in memory (ramfs): the tasks are lost when the machine restarts",
    "overlay": "in a container's own layer (overlay): the tasks are lost with the container",
}


def examine(path: Path, deadline: float) -> Examination:
    """Examine the file; see `Broker.examine`."""
    found = [*_place(path)]
    if not path.exists() or not path.is_file() or any(one.severity is Severity.ERROR for one in found):
        return Examination((*found, *_missing(path)), usable=False)
    found += [*_rights(path), _space(path), _log(path)]
    usable = False
    try:
        with contextlib.closing(_opened(path, deadline)) as connection:
            layout = _layout(connection, path)
            usable = layout.severity is Severity.OK
            found += [layout, _size(connection, path), _journal(connection, path), _check(connection, path)]
    except sqlite3.Error as error:
        found.append(_broken(faults.translated(error, path)))
    return Examination(tuple(found), usable)


def _opened(path: Path, deadline: float) -> sqlite3.Connection:
    where = f"file:{quote(str(path))}?mode=ro"
    return sqlite3.connect(where, uri=True, timeout=deadline, isolation_level=None)


def _broken(error: CeleriacError) -> Finding:
    """The sentence says what to do, as everywhere."""
    return Finding("store", Severity.ERROR, f"The store cannot be used: {error}.")


# --- the place --------------------------------------------------------------------------------------


def _place(path: Path) -> Iterator[Finding]:
    folder, code = path.parent, "sqlite.place"
    if not folder.is_dir():
        text = f"The directory {folder} does not exist."
        yield Finding(
            "store", Severity.ERROR, text, "Create it, or correct the URL.", ("config", "broker_url")
        )
        return
    kind = file_system(folder)
    if kind in NETWORK:
        text = f"{path} is on a network file system ({kind}), where SQLite's write-ahead log loses data."
        yield Finding(code, Severity.ERROR, text, "Put the file on a local disk, or use redis://.")
    elif kind in _VOLATILE:
        text = f"{path} is {_VOLATILE[kind]}."
        yield Finding(code, Severity.WARNING, text, "Put the file on a disk, or on a volume.")
    else:
        yield ok(code, f"{path} is on a local file system ({kind or 'of unknown kind'}).")


def _missing(path: Path) -> Iterator[Finding]:
    if path.is_dir():
        text = f"{path} is a directory."
        yield Finding("store", Severity.ERROR, text, "Name a file in the URL.", ("config", "broker_url"))
    elif path.parent.is_dir() and not path.exists():
        text = f"There is no file {path} yet; the first task or worker makes it."
        remedy = "If you expected tasks here, name the right file."
        yield Finding("sqlite.schema", Severity.NOTE, text, remedy, ("config", "broker_url"))


def _rights(path: Path) -> Iterator[Finding]:
    """Look at the file, its companions and their directory."""
    code, quoted = "sqlite.rights", shlex.quote(str(path))
    if not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK | os.X_OK):
        text = (
            f"{path} or its directory is read-only for this user; SQLite must write the file and beside it."
        )
        yield Finding(
            code, Severity.ERROR, text, "Run as the owner, or correct the rights.", command=f"ls -ld {quoted}"
        )
        return
    status = path.stat()
    owners = {each.stat().st_uid for each in _companions(path)} - {status.st_uid}
    if owners:
        text = f"{path} and the files beside it belong to different users, who will lock each other out."
        remedy = "Run all processes as one user, and give him all of these files."
        yield Finding(code, Severity.WARNING, text, remedy, command=f"ls -l {quoted} {quoted}-wal")
    elif status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        text = f"Others than its owner may read or write {path}, in which all arguments and results are."
        command = f"chmod 600 {' '.join(shlex.quote(str(each)) for each in (path, *_companions(path)))}"
        yield Finding(
            code, Severity.NOTE, text, "Take their rights away, unless they need them.", (), command
        )
    else:
        yield ok(code, "Only its owner may read and write the file.")


def _companions(path: Path) -> list[Path]:
    return [each for end in ("-wal", "-shm") if (each := path.with_name(path.name + end)).exists()]


def _space(path: Path) -> Finding:
    there = os.statvfs(path.parent)
    free, code = there.f_bavail * there.f_frsize, "sqlite.space"
    if free >= LITTLE_ROOM:
        return ok(code, f"{size(free)} are free on its disk.")
    severity = Severity.ERROR if free < NO_ROOM else Severity.WARNING
    text = f"Only {size(free)} are free on the disk of {path}; without room no task is accepted."
    remedy = "Free some space there, or keep results for a shorter time (result_expires)."
    return Finding(code, severity, text, remedy, command=f"df -h {shlex.quote(str(path.parent))}")


def _log(path: Path) -> Finding:
    log = path.with_name(path.name + "-wal")
    length = log.stat().st_size if log.exists() else 0
    if length <= LONG_LOG:
        return ok("sqlite.wal", f"The write-ahead log has {size(length)}.")
    text = (
        f"The write-ahead log has grown to {size(length)}: a reader that never ends keeps it from shrinking."
    )
    remedy = "Find who has the file open, a database browser or a backup perhaps, and close it."
    return Finding("sqlite.wal", Severity.WARNING, text, remedy, (), f"fuser -v {shlex.quote(str(path))}")


# --- the file ---------------------------------------------------------------------------------------


def _layout(connection: sqlite3.Connection, path: Path) -> Finding:
    try:
        schema.check_library()
        current = schema.is_current(connection, path)
    except CeleriacError as error:
        return Finding("sqlite.schema", Severity.ERROR, f"The file cannot be used: {error}.")
    if current:
        return ok("sqlite.schema", f"The layout is that of this release ({schema.VERSION}).")
    text = f"The layout of {path} is older than this release's ({schema.VERSION})."
    remedy = "Nothing: the next process that uses the file updates it, and older releases refuse it then."
    return Finding("sqlite.schema", Severity.NOTE, text, remedy)


def _size(connection: sqlite3.Connection, path: Path) -> Finding:
    (page,), (pages,), (free,) = (
        connection.execute(f"pragma {name}").fetchone()
        for name in ("page_size", "page_count", "freelist_count")
    )
    whole, air = page * pages, page * free
    text = f"The file has {size(whole)}, of which {size(air)} are free for new tasks."
    if air < MUCH_AIR or air * 2 < whole:
        return ok("sqlite.size", text)
    remedy = "That is used again; to give it back to the disk, stop all processes and compact the file."
    command = f"sqlite3 {shlex.quote(str(path))} vacuum"
    return Finding("sqlite.size", Severity.NOTE, text, remedy, (), command)


def _journal(connection: sqlite3.Connection, path: Path) -> Finding:
    (mode,) = connection.execute("pragma journal_mode").fetchone()
    if mode == "wal":
        return ok("sqlite.journal", "Changes go through a write-ahead log.")
    text = f"The journal mode of {path} is {mode}, so that readers and writers wait for each other."
    remedy = "Another program has changed it: set it back."
    command = f"sqlite3 {shlex.quote(str(path))} 'pragma journal_mode = wal'"
    return Finding("sqlite.journal", Severity.WARNING, text, remedy, (), command)


def _check(connection: sqlite3.Connection, path: Path) -> Finding:
    """Let SQLite look for damage, for a few seconds at most."""
    until = SystemClock.monotonic() + CHECK_FOR
    connection.set_progress_handler(lambda: SystemClock.monotonic() > until, STEPS)
    try:
        found = [row[0] for row in connection.execute("pragma quick_check(3)")]
    except sqlite3.OperationalError as error:
        if faults.code(error) != sqlite3.SQLITE_INTERRUPT:
            raise
        text = f"The file is too large to be checked for damage within {CHECK_FOR:g} s."
        remedy = "Check it when there is time."
        command = f"sqlite3 {shlex.quote(str(path))} 'pragma quick_check'"
        return Finding("sqlite.damage", Severity.NOTE, text, remedy, (), command)
    finally:
        connection.set_progress_handler(None, 0)
    if found == ["ok"]:
        return ok("sqlite.damage", "SQLite finds no damage in the file.")
    return _broken(faults.corrupt(path, "; ".join(" ".join(line.split()) for line in found)))
