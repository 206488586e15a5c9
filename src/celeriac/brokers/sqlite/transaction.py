"""What a verb may do to the file within one transaction: statements by name, and notes on whom to ring."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from celeriac import codec
from celeriac.brokers.sqlite.statements import sql, sql_with_rows
from celeriac.errors import DecodeError, StoreCorrupt
from celeriac.lanes import Limit

Row = tuple[Any, ...]

_INSERTED_AT_ONCE: Final = 50
_UPDATED_AT_ONCE: Final = 256
_NOTHING: Final = bytearray()


class Ring(NamedTuple):
    """Whom to ring after a commit, and what for; *queue* is where the work is, *name* a parked task's."""

    address: str
    what: bytes
    queue: str = ""
    name: str | None = None


class Transaction:
    """What a verb does to the file, in one step; statements go by the names of their files.

    Attributes:
        queued: how many tasks became ready, by queue: as many idle workers will be rung.
        aside: how many tasks were parked, by queue and name: as many idle workers that know it will be rung.
        rings: whom to ring after the commit, and what for.
        ended: the seq of each task that became final, for whoever waits for it.
        lanes: those that the verb has touched; written down before the commit. See `lanes.lanes_of`.
        news: whether there may be any for somebody; a verb that knows better says so.
    """

    __slots__ = ("_cursor", "aside", "ended", "lanes", "news", "queued", "rings")

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self.queued: dict[str, int] = {}
        self.aside: dict[tuple[str, str], int] = {}
        self.rings: list[Ring] = []
        self.ended: list[int] = []
        self.lanes: Any = None
        self.news = True

    def ready(self, queue: str, count: int = 1) -> None:
        """Note that *count* tasks of *queue* became ready to be claimed; fewer than none when some were."""
        self.queued[queue] = self.queued.get(queue, 0) + count

    def parked(self, queue: str, name: str) -> None:
        """Note that a task of *queue* was parked, for others that know its *name*."""
        self.aside[queue, name] = self.aside.get((queue, name), 0) + 1

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

        The statement's other parameters stand *before* and *after* the values. Rows of zeros, which is no
        task's number, fill up to a power of two, so that few statements serve all sizes.
        """
        count = 0
        for start in range(0, len(values), _UPDATED_AT_ONCE * 3):
            part = values[start : start + _UPDATED_AT_ONCE * 3]
            rows = 1 << (len(part) // 3 - 1).bit_length()
            part += [0] * (rows * 3 - len(part))
            count += self._cursor.execute(sql_with_rows(name, rows), (*before, *part, *after)).rowcount
        return count


def blob(value: bytes) -> bytearray:
    """Return *value* in the form that `sqlite3` takes as it is.

    For each `bytes` and each None (but no bytearray, number or text) it first looks for an adapter, by
    attributes that are not there. On Python 3.11 that costs more than all else about a value.
    Source: `need_adapt` in CPython's Modules/_sqlite/statement.c and cursor.c.
    """
    return bytearray(value) if value else _NOTHING


def limit_of(text: str) -> Limit:
    """Read how a task is limited.

    Raises:
        StoreCorrupt: it is damaged.
    """
    try:
        return Limit.parse(text)
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreCorrupt(f"the limit {text!r:.80} of a task is damaged: send the task again") from error


def as_json(values: Iterable[str | int]) -> str:
    """Write a list for `json_each`."""
    return codec.encode(list(values)).decode()


def from_json(text: str) -> list[str]:
    """Read a list of names; damaged ones are none."""
    try:
        names: list[str] = codec.decode(text.encode(), list[str]) or []
    except (DecodeError, AttributeError, UnicodeError):  # no JSON, no text
        return []
    return names
