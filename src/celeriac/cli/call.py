"""`celeriac call`: send one task."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

import click

from celeriac import states
from celeriac.cli.codes import Exit
from celeriac.cli.following import code_of, error_of, follow
from celeriac.cli.options import (
    JSON_LIST,
    JSON_OBJECT,
    KEY_VALUE,
    MOMENT,
    SECONDS,
    SECONDS_OR_MOMENT,
    json_or_text,
)
from celeriac.cli.options import command as make_command
from celeriac.cli.output import short, visible
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session
from celeriac.result import EagerResult
from celeriac.updates import Update, update_of


@make_command("call")
@click.argument("name")
@click.argument("values", nargs=-1, metavar="[ARGS]...")
@click.option("--args", "listed", type=JSON_LIST, help="All positional arguments, as one JSON array.")
@click.option("--kwargs", type=JSON_OBJECT, help="Keyword arguments, as one JSON object.")
@click.option("-k", "--keyword", "keywords", type=KEY_VALUE, multiple=True, help="One keyword argument.")
@click.option("--queue", help="Where to, instead of the task's own queue.")
@click.option("--countdown", type=SECONDS, help="Not to be started before so many seconds.")
@click.option("--eta", type=MOMENT, help="Not to be started before this moment.")
@click.option("--expires", type=SECONDS_OR_MOMENT, help="Not to be started later.")
@click.option("--priority", type=click.IntRange(0, 9), help="0 to 9, larger first.")
@click.option("--id", "task_id", help="An id of your own; sending it again changes nothing.")
@click.option("--wait", is_flag=True, help="Show the progress, then the result.")
@click.option("--timeout", type=SECONDS, help="With --wait: for so many seconds at most.")
def command(
    session: Session,
    /,
    *,
    name: str,
    values: tuple[str, ...],
    listed: list[Any] | None,
    kwargs: dict[str, Any] | None,
    keywords: tuple[tuple[str, Any], ...],
    wait: bool,
    timeout: float | None,
    **options: float | datetime | str | None,
) -> int:
    """Send the task NAME; print its id.

    Each of ARGS, and the value of each -k, is read as JSON, and as text if it is none: `celeriac call
    mail.send ann@example.org 3 -k urgent=true`. Put `--` before arguments that begin with a dash.

    With -A the call is checked against the task's signature, and an unknown name is refused; without
    it the name is sent as it stands.
    """
    if values and listed is not None:
        raise click.UsageError("positional arguments are given one by one or in --args, not both")
    if timeout is not None and not wait:
        raise click.UsageError("--timeout says how long to --wait")
    args = [json_or_text(value) for value in values] if listed is None else listed
    app = session.send()
    if session.reference is not None:
        app.find_task(name)
    given = {key: value for key, value in options.items() if value is not None}
    result = app.send_task(name, args, {**(kwargs or {}), **dict(keywords)}, **given)
    if isinstance(result, EagerResult):
        session.note("task_always_eager is set: the task ran here, no worker has seen it")
        return tell_outcome(session, update_of(app, result.id, result._record()))  # noqa: SLF001
    if not wait:
        _tell_sent(session, result.id, name)
        return Exit.OK
    session.note(f"sent {result.id}")
    last = follow(session, [result.id], timeout=timeout, stream=sys.stderr)[result.id]
    return code_of([last]) if session.json else tell_outcome(session, last)


def _tell_sent(session: Session, task_id: str, name: str) -> None:
    if session.json:
        session.emit({"id": task_id, "name": name})
    else:
        session.out(task_id)


def tell_outcome(session: Session, update: Update) -> int:
    """Print the result of a task that has ended; return the exit code, or raise for one without a result."""
    code = code_of([update])
    if session.json:
        from celeriac.cli.views import of_update

        session.emit({**of_update(update), "meta": session.hidden(update.meta)})
        return code
    if code is Exit.OK:
        session.out(visible(short(update.result), lines=True))
        return code
    if update.state == states.UNKNOWN:
        raise unknown(session, update.id)
    verb = "failed" if code is Exit.FAILED else "was revoked"
    raise Problem(
        f"the task {update.id} {verb}: {error_of(update)}",
        code=code,
        attempt=("result", update.id, "--traceback")
        if code is Exit.FAILED
        else ("result", update.id, "--json"),
    )


def unknown(session: Session, *ids: str) -> Problem:
    """Say that there are no such tasks."""
    which = f"the id {ids[0]}" if len(ids) == 1 else f"the ids {', '.join(ids)}"
    return Problem(
        f"no task has {which} in {session.where}: never sent, forgotten, or past result_expires",
        code=Exit.UNKNOWN,
        attempt=("status",),
    )
