"""Tasks as lines of CSV, or of JSON, of any number: for `celeriac export` and the dashboard."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal, get_args

import msgspec

from celeriac import codec
from celeriac.clock import as_datetime
from celeriac.filters import Filter
from celeriac.search import AttemptView, TaskView

COLUMNS: Final = (
    *("id", "name", "state", "queue", "priority", "created", "started", "finished", "worker", "attempts"),
    *("args", "kwargs", "result", "error_type", "error"),
)
VIEW_KEYS: Final = tuple(name for name in TaskView.__struct_fields__ if name != "parameters")
Kind = Literal["csv", "ndjson"]
KINDS: Final = get_args(Kind)

_TIMES: Final = ("created", "eta", "expires", "due", "started", "finished", "scheduled_for")
_AT_ONCE: Final = 500
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def of_view(task: TaskView) -> dict[str, Any]:
    """Describe a task that was found, as docs/reference/cli.md does."""
    values = {name: getattr(task, name) for name in VIEW_KEYS}
    values |= {name: _moment(values[name]) for name in _TIMES}
    earlier = [_attempt(each) for each in task.earlier]
    values |= {"worker": task.worker or None, "children": [*task.children], "earlier": earlier}
    return {"kind": "task", **values}


def _attempt(attempt: AttemptView) -> dict[str, Any]:
    values = msgspec.structs.asdict(attempt)
    return {**values, "started": _moment(attempt.started), "ended": _moment(attempt.ended)}


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else as_datetime(seconds).isoformat(timespec="milliseconds")


def lines(
    app: Any,
    query: str | Filter,
    kind: Kind,
    *,
    columns: Sequence[str] = COLUMNS,
    hidden: Iterable[str] = (),
    most: int | None = None,
) -> Iterator[str]:
    """Give a line for each task that *query* means, and first the head of CSV, without ends of lines.

    Goes on in pages, so that any number takes little memory.

    Args:
        hidden: keys whose values are shown as `•••`, besides the usual ones.
        most: how many tasks at most; None for all.

    Raises:
        InvalidFilter: the query cannot be read.
    """
    keys, left, after = tuple(hidden), most, ""
    while True:
        page = app.search(query, after=after, count=_AT_ONCE if left is None else min(_AT_ONCE, left))
        if kind == "csv" and not after:
            yield _csv(columns)
        for task in page.tasks:
            values = of_view(task.redacted(keys))
            yield _line([values[name] for name in columns], kind, columns)
        after, left = page.after, None if left is None else left - len(page.tasks)
        if not after or left == 0:
            return


def _line(values: Sequence[Any], kind: Kind, columns: Sequence[str]) -> str:
    if kind == "ndjson":
        return codec.readable(dict(zip(columns, values, strict=True)), what="a task")
    return _csv([_cell(value) for value in values])


def _cell(value: Any) -> str:
    """Write one value; a text that a spreadsheet would take for a formula gets a ' before it."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return codec.readable(value, what="a value")
    return f"'{value}" if value.startswith(_FORMULA) else value


def _csv(values: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)  # it quotes line breaks only if they are among those that end its lines
    return line.getvalue().removesuffix("\r\n")
