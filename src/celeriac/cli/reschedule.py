"""`celeriac reschedule`: have tasks that wait for a moment start at another one."""

from __future__ import annotations

from datetime import datetime

import click

from celeriac.cli.forget import tell
from celeriac.cli.options import MOMENT, SECONDS
from celeriac.cli.options import command as make_command
from celeriac.cli.session import Session, check_ids


@make_command("reschedule")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--countdown", type=SECONDS, help="In so many seconds from now.")
@click.option("--eta", type=MOMENT, help="At this moment.")
@click.option("--now", is_flag=True, help="At once.")
def command(
    session: Session, /, *, ids: tuple[str, ...], countdown: float | None, eta: datetime | None, now: bool
) -> int:
    """Have tasks that wait for their moment, or for their next retry, start at another one.

    `-` reads ids from standard input.
    """
    if (countdown is not None) + (eta is not None) + now != 1:
        raise click.UsageError("say when: --countdown, --eta or --now")
    given = check_ids(ids)
    app = session.look()
    known = dict(zip(given, app.broker.get(given), strict=True))
    moved = {task_id: app.reschedule(task_id, countdown=countdown, eta=eta) for task_id in given}
    answers = {
        task_id: "rescheduled" if moved[task_id] else "unknown" if known[task_id] is None else "not scheduled"
        for task_id in given
    }
    return tell(session, answers, too_early_or_late="not scheduled")
