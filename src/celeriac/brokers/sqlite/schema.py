"""The layout of the file and its versions: each step is a file `sql/schema_<number>.sql`."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from celeriac.brokers.sqlite import faults
from celeriac.brokers.sqlite.statements import script
from celeriac.errors import SchemaError

VERSION: Final = 1
APPLICATION_ID: Final = 0x43656C72  # "Celr", for file(1) and against other programs' files
_OLDEST_SQLITE: Final = (3, 37, 0)  # strict tables


def check_library(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> None:
    """Return if the SQLite in this Python is new enough.

    Raises:
        SchemaError: it is not.
    """
    if version < _OLDEST_SQLITE:
        raise SchemaError(
            f"this Python has SQLite {'.'.join(map(str, version))}, Celeriac needs 3.37 or newer;"
            " use a newer Python or redis://"
        )


def is_current(connection: sqlite3.Connection, path: Path) -> bool:
    """Say whether the file has this version's layout; False asks for `migrate`.

    Raises:
        SchemaError: it belongs to a newer Celeriac, or to something else.
    """
    version = _pragma(connection, "user_version")
    owner = _pragma(connection, "application_id")
    if owner == APPLICATION_ID and version > VERSION:
        raise SchemaError(
            f"{path} has layout {version}, this Celeriac knows layouts up to {VERSION}: install the newer"
            " release that wrote it, or use another file"
        )
    if owner != APPLICATION_ID and (owner or version or _has_tables(connection)):
        raise SchemaError(
            f"{path} is a SQLite database of something else; give Celeriac a file of its own. If it was"
            f" recovered: pragma application_id = {APPLICATION_ID}; pragma user_version = {VERSION};"
        )
    return owner == APPLICATION_ID and version == VERSION


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the layout up to date; the caller holds the write lock and commits."""
    if is_current(connection, path):  # another process was faster
        return
    for version in range(_pragma(connection, "user_version") + 1, VERSION + 1):
        for statement in script(f"schema_{version}"):
            connection.execute(statement)
        connection.execute(f"pragma user_version = {version}")
    connection.execute(f"pragma application_id = {APPLICATION_ID}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    row = connection.execute(f"pragma {name}").fetchone()
    if not row or not isinstance(row[0], int):
        raise faults.corrupt(Path(name), f"pragma {name} gave {row!r}")
    return row[0]


def _has_tables(connection: sqlite3.Connection) -> bool:
    (found,) = connection.execute("select exists (select 1 from sqlite_schema)").fetchone()
    return bool(found)
