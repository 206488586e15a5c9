"""`celeriac export`: tasks that fit a filter, as CSV or as one JSON object per line."""

from __future__ import annotations

from typing import Any

import click

from celeriac.cli.codes import Exit
from celeriac.cli.filtering import FilterCommand, joined
from celeriac.cli.options import ParamType
from celeriac.cli.options import command as make_command
from celeriac.cli.session import Session
from celeriac.exporting import COLUMNS, KINDS, VIEW_KEYS, Kind, lines


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
@click.option("--format", "kind", type=click.Choice(KINDS), help="csv; with --json ndjson.")
@click.option("--columns", type=_Columns(), help=f"Which, and in which order ({','.join(COLUMNS)}).")
def command(
    session: Session, /, *, words: tuple[str, ...], kind: Kind | None, columns: tuple[str, ...] | None
) -> int:
    """Write all tasks that fit a filter to standard output, one a line; values that are secret are hidden.

    Goes on in pages, so that any number takes little memory.
    """
    app = session.look()
    form: Kind = kind or ("ndjson" if session.json else "csv")
    for line in lines(app, joined(words), form, columns=columns or COLUMNS, hidden=app.conf.redact_keys):
        session.raw(line)
    return Exit.OK
