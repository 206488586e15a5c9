"""`celeriac explain`: say why tasks have not run."""

from __future__ import annotations

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.output import visible
from celeriac.cli.session import Session, check_ids


@make_command("explain")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def command(session: Session, /, *, ids: tuple[str, ...]) -> int:
    """Say in one sentence each why tasks have not run, or what they do instead.

    `-` reads ids from standard input.
    """
    given = check_ids(ids)
    app = session.look()
    code = Exit.OK
    for task_id in given:
        reason = app.explain(task_id)
        if reason.code == "unknown":
            code = Exit.UNKNOWN
        if session.json:
            session.emit({"id": task_id, "code": reason.code, "reason": reason.text})
        else:
            session.out(f"{task_id}  {visible(reason.text)}")
    return code
