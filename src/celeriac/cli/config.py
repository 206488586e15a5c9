"""`celeriac config`: every setting, and where its value came from."""

from __future__ import annotations

import difflib
from typing import Any, Final

import click

from celeriac.brokers import masked
from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.output import json_line, table
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session
from celeriac.config import DEFAULTS, describe

_URLS: Final = ("broker_url", "result_backend")
_OVERRIDDEN: Final = "command line"


@make_command("config")
@click.argument("names", nargs=-1, metavar="[show] [NAME]...")
@click.option("--changed", is_flag=True, help="Only what is not the default.")
@click.option("--origin", is_flag=True, help="Also which line, or which object, of the code has set it.")
def command(session: Session, /, *, names: tuple[str, ...], changed: bool, origin: bool) -> int:
    """Show settings with their origin: default, environment, code or command line. Passwords are hidden."""
    names = names[1:] if names[:1] == ("show",) else names
    for name in names:
        if name not in DEFAULTS:
            raise _unknown(name)
    rows = [
        row
        for row in _rows(session)
        if (not names or row["name"] in names) and (not changed or _differs(session, row))
    ]
    if session.json:
        for row in rows:
            session.emit(row)
    elif rows:
        head = ("name", "value", "origin", "where")[: 4 if origin else 3]
        cells = [
            (row["name"], json_line(row["value"]), row["origin"], row["where"] or "")[: len(head)]
            for row in rows
        ]
        for line in table(head, cells):
            session.out(line)
    return Exit.OK


def _rows(session: Session) -> list[dict[str, Any]]:
    conf = session.app.conf
    given = {name for name, value in session.settings.items() if value is not None}
    return [
        {
            "name": name,
            "value": _value(session, name),
            "default": default,
            "origin": _OVERRIDDEN if name in given else conf.origin(name),
            "where": None if name in given else conf.where(name),
            "type": kind,
            "meaning": meaning,
        }
        for name, kind, default, meaning in describe()
    ]


def _differs(session: Session, row: dict[str, Any]) -> bool:
    return bool(session.app.conf[row["name"]] != row["default"])


def _value(session: Session, name: str) -> Any:
    """Return a setting's value; the store's URL as it comes out, without the password."""
    app = session.app
    if name == "broker_url":
        return app.broker.url if app.conf.broker_url is not None else app.broker_url
    if name == "namespace":
        return app.store_options["namespace"]
    value = app.conf[name]
    if name == "security_keys":
        return ["***"] * len(value)
    return masked(value) if name in _URLS and isinstance(value, str) else value


def _unknown(name: str) -> Problem:
    near = difflib.get_close_matches(name, DEFAULTS, 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    return Problem(
        f"{name!r} is not a setting{meant}",
        code=Exit.UNKNOWN,
        attempt=("config", *near) if near else ("config",),
    )
