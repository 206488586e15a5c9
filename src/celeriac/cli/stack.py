"""`celeriac stack`: where running tasks are now."""

from __future__ import annotations

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import SECONDS
from celeriac.cli.options import command as make_command
from celeriac.cli.output import moment, visible
from celeriac.cli.session import Session
from celeriac.control import STACK_TIMEOUT
from celeriac.message import check_id


@make_command("stack")
@click.argument("task_id", metavar="ID")
@click.option("--timeout", type=SECONDS, default=STACK_TIMEOUT, help="Seconds to wait for its worker: 5.")
def command(session: Session, /, *, task_id: str, timeout: float) -> int:
    """Show where a running task is now: its calls with file, line and source, the innermost last.

    The exit code is 4 for an unknown task, 7 for one that does not run, 124 when its worker does not answer.
    """
    stack = session.look().control.stack(check_id(task_id), timeout)
    if session.json:
        calls = [
            {"file": each.file, "line": each.line, "function": each.function, "source": each.source}
            for each in stack.frames
        ]
        session.emit({"id": task_id, "at": moment(stack.at), "text": stack.text, "frames": calls})
    else:
        session.out(visible(stack.text.rstrip(), lines=True))
    return Exit.OK
