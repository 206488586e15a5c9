"""`celeriac schedules`: show the schedules of the store, and pause, resume, run or remove some."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.output import moment, span, table
from celeriac.cli.session import Session
from celeriac.errors import ConfigurationError, UnknownSchedule
from celeriac.schedules import ScheduleInfo, Schedules

WHAT: Final = ("list", "pause", "resume", "run", "remove")


@make_command("schedules")
@click.argument("what", required=False, type=click.Choice(WHAT), default="list")
@click.argument("names", nargs=-1, metavar="NAME...")
def command(session: Session, /, *, what: str, names: tuple[str, ...]) -> int:
    """Show the schedules of the store; pause, resume, run or remove those that are named.

    A run that is asked for comes in addition: the due times stay as they are.
    """
    if what == "list":
        return _list(session, names)
    if not names:
        raise click.UsageError(f"say which: celeriac schedules {what} NAME")
    schedules = session.look().schedules
    codes = set[Exit]()
    for name in dict.fromkeys(names):
        answer, code = _do(schedules, what, name)
        codes.add(code)
        if session.json:
            session.emit({"schedule": name, **answer})
        else:
            session.out(f"{name}  {answer['answer']}" + (f"  {answer['id']}" if "id" in answer else ""))
    return next((code for code in (Exit.UNKNOWN, Exit.STATE) if code in codes), Exit.OK)


def _do(schedules: Schedules, what: str, name: str) -> tuple[dict[str, Any], Exit]:
    """Do *what* with the schedule, and return what to tell."""
    try:
        return _ACTIONS[what](schedules, name), Exit.OK
    except UnknownSchedule:
        return {"answer": "unknown"}, Exit.UNKNOWN
    except ConfigurationError as error:
        return {"answer": f"refused: {error}"}, Exit.STATE


def _run(schedules: Schedules, name: str) -> dict[str, Any]:
    return {"answer": "sent", "id": schedules.run(name).id}


def _remove(schedules: Schedules, name: str) -> dict[str, Any]:
    schedules.remove(name)
    return {"answer": "removed"}


_ACTIONS: Final[dict[str, Callable[[Schedules, str], dict[str, Any]]]] = {
    "pause": lambda schedules, name: {"answer": "paused" if schedules.pause(name) else "paused already"},
    "resume": lambda schedules, name: {"answer": "resumed" if schedules.resume(name) else "was not paused"},
    "run": _run,
    "remove": _remove,
}


def _list(session: Session, names: tuple[str, ...]) -> int:
    app = session.look()
    known = app.schedules.list()
    found = [one for one in known if not names or one.name in names]
    if session.json:
        for one in found:
            session.emit(of_schedule(one))
    elif found:
        now = app.clock.now()
        rows = [
            (
                one.name,
                one.rule,
                one.task,
                _when(one, now),
                _ago(one.last, now),
                one.runs,
                one.app or "(run time)",
            )
            for one in found
        ]
        for line in table(("name", "rule", "task", "next", "last", "runs", "from"), rows):
            session.out(line)
    else:
        session.note("there are no schedules in the store")
    return Exit.OK if {one.name for one in known} >= set(names) else Exit.UNKNOWN


def _when(one: ScheduleInfo, now: float) -> str:
    if one.paused:
        return "paused"
    return "never" if one.next is None else f"in {span(one.next.timestamp() - now)}"


def _ago(last: datetime | None, now: float) -> str:
    return "" if last is None else f"{span(now - last.timestamp())} ago"


def of_schedule(one: ScheduleInfo) -> dict[str, Any]:
    """Describe a schedule, as docs/reference/cli.md does."""
    return {
        "kind": "schedule",
        "name": one.name,
        "rule": one.rule,
        "explained": one.explained,
        "timezone": one.timezone,
        "task": one.task,
        "next": moment(one.next.timestamp()) if one.next else None,
        "last": moment(one.last.timestamp()) if one.last else None,
        "ids": list(one.ids),
        "runs": one.runs,
        "missed": one.missed,
        "overlapped": one.overlapped,
        "paused": one.paused,
        "app": one.app or None,
    }
