"""The SQL, read from the files in `sql/` when first needed; no statement stands anywhere else."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

_ONE_ROW = re.compile(r"values (\((?:\?|nullif\(\?, ''\)|, )+\))")
_COMMENT = re.compile(r"^\s*--.*$\n?", re.MULTILINE)


def _directory() -> Traversable:
    return resources.files(__package__) / "sql"


@cache
def sql(name: str) -> str:
    """Return the statement in `sql/<name>.sql` without its comments."""
    return _COMMENT.sub("", (_directory() / f"{name}.sql").read_text("utf-8")).strip()


@cache
def sql_with_rows(name: str, count: int) -> str:
    """Return the statement with *count* rows behind `values`, where the file has one."""
    before, row, after = _ONE_ROW.split(sql(name), maxsplit=1)
    return f"{before}values {', '.join([row] * count)}{after}"


def names() -> list[str]:
    """Return the names of all files, the schema's steps too."""
    return sorted(
        file.name.removesuffix(".sql") for file in _directory().iterdir() if file.name.endswith(".sql")
    )


def script(name: str) -> Iterator[str]:
    """Give the statements of `sql/<name>.sql` one by one."""
    statement = ""
    for line in sql(name).splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
