"""`celeriac export`: tasks that fit a filter, as CSV or as one JSON object per line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from celeriac.cli.codes import Exit
from celeriac.cli.filtering import FilterCommand, joined
from celeriac.cli.options import ParamType
from celeriac.cli.options import command as make_command
from celeriac.cli.output import json_line
from celeriac.cli.session import Session
from celeriac.cli.views import VIEW_KEYS, of_view

if TYPE_CHECKING:
    from celeriac.search import TaskView

COLUMNS: Final = (
    *("id", "name", "state", "queue", "priority", "created", "started", "finished", "worker", "attempts"),
    *("args", "kwargs", "result", "error_type", "error"),
)
_AT_ONCE: Final = 500
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class _Columns(ParamType):
    name = "name,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        names = value if isinstance(value, tuple) else tuple(name.strip() for name in value.split(","))
        for name in names:
            if name not in VIEW_KEYS:
                self.fail(f"{name!r} is none of the columns {', '.join(VIEW_KEYS)}", param, ctx)
        return names


@make_command("export", cls=FilterCommand)
@click.argument("words", nargs=-1, metavar="[FILTER]...")
@click.option("--format", "kind", type=click.Choice(("csv", "ndjson")), default="csv", help="(csv)")
@click.option("--columns", type=_Columns(), help=f"Which, and in which order ({','.join(COLUMNS)}).")
def command(
    session: Session, /, *, words: tuple[str, ...], kind: str, columns: tuple[str, ...] | None
) -> int:
    """Write all tasks that fit a filter to standard output, one a line; values that are secret are hidden.

    Goes on in pages, so that any number takes little memory.
    """
    session.look()
    names = columns or COLUMNS
    for number, tasks in enumerate(_pages(session, joined(words))):
        if kind == "csv" and not number:
            session.out(_csv(names))
        for task in tasks:
            values = of_view(task)
            if kind == "csv":
                session.out(_csv([_cell(values[name]) for name in names]))
            else:
                session.out(json_line({name: values[name] for name in names}))
    return Exit.OK


def _pages(session: Session, query: str) -> Iterator[list[TaskView]]:
    app, after = session.app, ""
    while True:
        page = app.search(query, after=after, count=_AT_ONCE)
        yield [task.redacted(app.conf.redact_keys) for task in page.tasks]
        if not (after := page.after):
            return


def _cell(value: Any) -> str:
    """Write one value; a text that a spreadsheet would take for a formula gets a ' before it."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return json_line(value)
    return f"'{value}" if value.startswith(_FORMULA) else value


def _csv(values: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()
