"""`celeriac check`: would what waits run with this code?"""

from __future__ import annotations

import contextlib
import sys
from typing import Final

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import QUEUE_NAMES, flattened
from celeriac.cli.options import command as make_command
from celeriac.cli.output import count, visible
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session
from celeriac.doctor.pending import Group, check
from celeriac.loading import guess, import_tasks

CODES: Final = {
    "unknown": "unknown name",
    "arguments": "arguments do not fit",
    "value": "value does not convert",
    "broken": "cannot be read",
}


@make_command("check")
@click.option("--pending", is_flag=True, help="Check the tasks that wait: the only check so far.")
@click.option("-Q", "--queues", type=QUEUE_NAMES, multiple=True, help="Only these queues: a,b.")
def command(session: Session, /, *, pending: bool, queues: tuple[tuple[str, ...], ...]) -> int:
    """Check whether what waits would run with the code that is here, before it is deployed. Runs nothing.

    --pending must be given: it is the only check so far. Each task that is queued, parked, held, scheduled or
    waits for others is bound to the function of its name. The exit code is 1 when one would fail.
    """
    if not pending:
        raise Problem(
            "say what to check: --pending, the only check so far",
            code=Exit.USAGE,
            attempt=("check", "--pending"),
        )
    app = session.look()
    app.broker.ping()
    if session.reference is None:
        raise Problem(
            "to check what waits needs an application: name its module with -A, or in CELERIAC_APP",
            code=Exit.USAGE,
            attempt=("-A", guess() or "tasks", "check", "--pending"),
        )
    with contextlib.redirect_stdout(sys.stderr):
        import_tasks(app)
    checked = check(app, flattened(queues))
    groups = sorted(checked.groups.values(), key=lambda each: (each.problem.task, -each.count))
    for group in groups:
        _tell(session, group)
    if session.json:
        session.emit({"kind": "checked", "tasks": checked.tasks, "failing": checked.failing})
    else:
        waits = count(checked.tasks, "task waits", "tasks wait")
        session.out(f"{waits}, {checked.failing:,} would fail" if groups else f"{waits}, none would fail")
    return Exit.FAILED if groups else Exit.OK


def _tell(session: Session, group: Group) -> None:
    problem, queues = group.problem, sorted(group.queues)
    if session.json:
        session.emit(
            {
                "kind": "problem",
                "task": problem.task,
                "code": problem.code,
                "text": problem.text,
                "count": group.count,
                "ids": group.ids,
                "queues": queues,
            }
        )
        return
    head = click.style(f"{problem.task}: {CODES[problem.code]}", fg="red")
    session.out(f"{head}, {count(group.count, 'task')} in {', '.join(queues)}")
    session.out(f"  {visible(problem.text)}")
    more = " …" if group.count > len(group.ids) else ""
    session.out(f"  {' '.join(group.ids)}{more}")
