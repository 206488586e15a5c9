"""`celeriac forget`: delete what is kept of tasks that have ended."""

from __future__ import annotations

from collections.abc import Mapping

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.session import Session, check_ids


@make_command("forget")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def command(session: Session, /, *, ids: tuple[str, ...]) -> int:
    """Delete the records of tasks that have ended, results too. `-` reads ids from standard input."""
    given = check_ids(ids)
    app = session.look()
    records = app.broker.get(given)
    ended = [record.id for record in records if record is not None and record.state.final]
    app.acted("forget", " ".join(ended), app.broker.forget(ended))
    answers = {
        task_id: "unknown" if record is None else "forgotten" if task_id in ended else "unfinished"
        for task_id, record in zip(given, records, strict=True)
    }
    return tell(session, answers, too_early_or_late="unfinished")


def tell(session: Session, answers: Mapping[str, str], *, too_early_or_late: str) -> Exit:
    """Tell what was done with each task; return the exit code."""
    for task_id, answer in answers.items():
        if session.json:
            session.emit({"id": task_id, "answer": answer})
        else:
            session.out(f"{task_id}  {answer}")
    if "unknown" in answers.values():
        return Exit.UNKNOWN
    return Exit.STATE if too_early_or_late in answers.values() else Exit.OK
