"""`celeriac revoke`: cancel tasks."""

from __future__ import annotations

from typing import Final

import click

from celeriac.broker import Cancelled
from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.session import Session, check_ids

MEANINGS: Final[dict[Cancelled, str]] = {
    "cancelled": "cancelled: it will never start",
    "stopping": "stopping: it runs, and its worker was told to end it",
    "noted": "noted: it runs on, but will not be run again (--terminate ends it)",
    "final": "too late: it has ended",
    "unknown": "there is no such task",
}


@make_command("revoke")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--terminate", is_flag=True, help="Also end what is running.")
def command(session: Session, /, *, ids: tuple[str, ...], terminate: bool) -> int:
    """Cancel tasks, for good: no restart forgets it. `-` reads ids from standard input."""
    given = check_ids(ids)
    app = session.look()
    answers = app.broker.cancel(given, app.clock.now(), terminate=terminate)
    revoked = [
        each for each, answer in zip(given, answers, strict=True) if answer not in ("final", "unknown")
    ]
    app.acted("revoke --terminate" if terminate else "revoke", " ".join(revoked), len(revoked))
    for task_id, answer in zip(given, answers, strict=True):
        if session.json:
            session.emit({"id": task_id, "answer": answer})
        else:
            session.out(f"{task_id}  {MEANINGS[answer]}")
    if "unknown" in answers:
        return Exit.UNKNOWN
    return Exit.STATE if "final" in answers else Exit.OK
