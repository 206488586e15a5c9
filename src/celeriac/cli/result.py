"""`celeriac result`: what became of a task."""

from __future__ import annotations

import click

from celeriac.cli.call import tell_outcome, unknown
from celeriac.cli.codes import Exit
from celeriac.cli.following import code_of, follow, line_of
from celeriac.cli.options import SECONDS
from celeriac.cli.options import command as make_command
from celeriac.cli.output import visible
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session, check_ids
from celeriac.cli.views import of_record, of_unknown
from celeriac.message import Record
from celeriac.outcome import decode_error
from celeriac.updates import update_of


@make_command("result")
@click.argument("task_id", metavar="ID")
@click.option("--traceback", is_flag=True, help="Print the traceback in the worker instead.")
@click.option("--wait", is_flag=True, help="Wait until the task has ended.")
@click.option("--timeout", type=SECONDS, help="With --wait: for so many seconds at most.")
def command(session: Session, /, *, task_id: str, traceback: bool, wait: bool, timeout: float | None) -> int:
    """Print the result of the task ID. With --json: all that is known of the task, ended or not."""
    if timeout is not None and not wait:
        raise click.UsageError("--timeout says how long to --wait")
    [task_id] = check_ids((task_id,))
    app = session.look()
    if wait:
        follow(session, [task_id], timeout=timeout, silent=True)
    record = app.broker.get([task_id])[0]
    if session.json:
        return _tell_all(session, task_id, record)
    if record is None:
        raise unknown(session, task_id)
    if traceback:
        return _tell_traceback(session, record)
    update = update_of(app, task_id, record)
    if not update.ready:
        raise Problem(
            f"the task {task_id} ({record.message.name}) has not ended: {line_of(update)}",
            code=Exit.STATE,
            attempt=("watch", task_id),
        )
    return tell_outcome(session, update)


def _tell_all(session: Session, task_id: str, record: Record | None) -> int:
    if record is None:
        session.emit(of_unknown(task_id))
        return Exit.UNKNOWN
    shown = of_record(record)  # the result is what was asked for; what was sent and reported is not
    session.emit(shown | {name: session.hidden(shown[name]) for name in ("args", "kwargs", "meta")})
    return code_of([update_of(session.app, task_id, record)]) if record.state.final else Exit.STATE


def _tell_traceback(session: Session, record: Record) -> int:
    text = decode_error(record.error).traceback if record.error else ""
    if text:
        session.out(visible(text.rstrip(), lines=True))
        return code_of([update_of(session.app, record.id, record)]) if record.state.final else Exit.OK
    raise Problem(
        f"the task {record.id} has no traceback: it is {record.outside}",
        code=Exit.STATE,
        attempt=("result", record.id),
    )
