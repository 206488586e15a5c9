"""`celeriac tasks`: find tasks by a filter, look at one, or do something with all that fit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, cast

import click

from celeriac.cli.codes import Exit
from celeriac.cli.filtering import FilterCommand, joined
from celeriac.cli.options import command as make_command
from celeriac.cli.output import count as counted
from celeriac.cli.output import moment, short, span, table, visible
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session, check_ids
from celeriac.cli.views import of_bulk
from celeriac.exporting import of_view

if TYPE_CHECKING:
    from celeriac.bulk import Action, Bulk
    from celeriac.search import TaskView

ACTIONS: Final = {"revoke": "revoked", "retry": "queued again", "delete": "deleted", "run-now": "started now"}
WHAT: Final = ("list", "show", *ACTIONS)
COUNT: Final = 50
FOR_EVER: Final = frozenset({"delete", "revoke"})


@make_command("tasks", cls=FilterCommand)
@click.argument("words", nargs=-1, metavar="[list|show|revoke|retry|delete|run-now] [FILTER|ID]...")
@click.option("--count", type=click.IntRange(1, 10_000), default=COUNT, help=f"How many ({COUNT}).")
@click.option("--after", default="", metavar="PLACE", help="Go on behind where an earlier answer ended.")
@click.option("--terminate", is_flag=True, help="With revoke: also end what is running.")
@click.option("--dry-run", is_flag=True, help="Only tell with how many it would be done.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(
    session: Session,
    /,
    *,
    words: tuple[str, ...],
    count: int,
    after: str,
    terminate: bool,
    dry_run: bool,
    yes: bool,
) -> int:
    """Find tasks by a filter, whatever has become of them; look at one; or act on all that fit.

    A filter has terms such as state:failed, queue:mail, name:reports.*, since:2h, arg.user_id:42,
    error:"timed out"; a minus before a term excludes. No filter means all tasks.
    """
    what = words[0] if words and words[0] in WHAT else "list"
    terms = words[1:] if words and words[0] in WHAT else words
    if what not in ACTIONS and (terminate or dry_run or yes):
        raise click.UsageError(f"--terminate, --dry-run and --yes go with {', '.join(ACTIONS)}")
    if what != "list" and (count != COUNT or after):
        raise click.UsageError("--count and --after go with a list")
    if terminate and what != "revoke":
        raise click.UsageError("--terminate goes with revoke")
    if what in ("show", *ACTIONS) and not joined(terms):
        raise click.UsageError(f"say which: celeriac tasks {what} {'ID' if what == 'show' else 'FILTER'}")
    session.look()
    if what == "list":
        return _list(session, joined(terms), count, after)
    if what == "show":
        return _show(session, check_ids(terms))
    return _act(session, what, joined(terms), terminate=terminate, dry_run=dry_run, yes=yes)


# --- list, show -------------------------------------------------------------------------------------


def _list(session: Session, query: str, count: int, after: str) -> int:
    app = session.app
    page = app.search(query, after=after, count=count)
    tasks = [task.redacted(app.conf.redact_keys) for task in page.tasks]
    if session.json:
        for task in tasks:
            session.emit(of_view(task))
        answer = {"kind": "page", "after": page.after or None, "searched": page.searched, "more": page.more}
        session.emit(answer)
    else:
        now = app.clock.now()
        rows = [_row(task, now) for task in tasks]
        for line in table(("id", "state", "task", "queue", "changed", "arguments"), rows) if rows else ():
            session.out(line)
    if page.more:
        words = ("tasks", *([query] if query else []), *(("--count", str(count)) if count != COUNT else ()))
        session.note(
            f"{counted(page.searched, 'task')} searched, there may be more", *words, "--after", page.after
        )
    elif not tasks:
        session.note(f"no such task in {session.where}; {counted(page.searched, 'task')} searched")
    return Exit.OK


def _row(task: TaskView, now: float) -> tuple[str, ...]:
    changed = task.finished or task.started or task.created
    return task.id, task.state, task.name, task.queue, f"{span(now - changed)} ago", _call(task, most=60)


def _call(task: TaskView, *, most: int) -> str:
    """Write the arguments as in a call."""
    if "args" in task.unreadable:
        return task.unreadable["args"]
    parts = [short(value) for value in task.args or ()]
    parts += [f"{name}={short(value)}" for name, value in (task.kwargs or {}).items()]
    return short(", ".join(parts), most=most)


def _show(session: Session, ids: list[str]) -> int:
    app, code = session.app, Exit.OK
    for number, task_id in enumerate(ids):
        task = app.view(task_id)
        if task is None:
            session.note(f"{task_id}: there is no such task")
            code = Exit.UNKNOWN
            continue
        task = task.redacted(app.conf.redact_keys)
        if session.json:
            session.emit(of_view(task))
            continue
        if number:
            session.out("")
        _tell_one(session, task)
    return code


def _tell_one(session: Session, task: TaskView) -> None:
    now = session.app.clock.now()

    def when(seconds: float | None) -> str | None:
        if seconds is None:
            return None
        ago = f"{span(now - seconds)} ago" if seconds <= now else f"in {span(seconds - now)}"
        return f"{moment(seconds)}, {ago}"

    shown = {
        "id": task.id,
        "task": task.name,
        "state": f"{task.state} ({task.inside})",
        "queue": task.queue,
        "priority": task.priority,
        "arguments": _call(task, most=1_000) or "none",
        "sent": when(task.created),
        "due": when(task.due),
        "started": when(task.started),
        "ended": when(task.finished),
        "expires": when(task.expires),
        "worker": task.worker or None,
        "attempts": f"{task.attempts} ({counted(task.retries, 'retry', 'retries')}, "
        f"{counted(task.crashes, 'crash', 'crashes')})",
        "meta": None if task.meta is None else short(task.meta, most=1_000),
        "result": short(task.result, most=1_000) if task.inside == "succeeded" else None,
        "error": f"{task.error_type}: {task.error}" if task.error_type else None,
        "because of": task.origin,
        "root": task.root_id if task.root_id != task.id else None,
        "parent": task.parent_id,
        "group": task.group_id,
        "schedule": task.schedule,
        "limit": task.limit,
        **{f"no {part}": why for part, why in task.unreadable.items() if part != "args"},
    }
    for name, value in shown.items():
        if value is not None:
            session.out(f"{name:<10}  {visible(str(value))}")
    for each in task.earlier:
        error = f": {each.error_type}: {each.error}" if each.error_type else ""
        ran = f"{each.how} after {span(each.ended - each.started)} on {each.worker}{error}"
        session.out(f"{f'attempt {each.attempt}':<10}  {visible(f'{when(each.started)}, {ran}')}")
    if task.traceback:
        session.out("")
        session.out(visible(task.traceback.rstrip(), lines=True))


# --- revoke, retry, delete, run-now -----------------------------------------------------------------


def _act(session: Session, what: str, query: str, *, terminate: bool, dry_run: bool, yes: bool) -> int:
    app, action = session.app, cast("Action", what)
    would = app.bulk(query, action)
    if dry_run:
        _tell(session, would)
        return Exit.OK
    if not would.eligible:
        session.note(f"no task that can be {ACTIONS[what]} fits")
        _tell_left(session, would)
        return Exit.OK
    words = ("tasks", what, query, *(("--terminate",) if terminate else ()), "--yes")
    if not yes and not _confirmed(session, would, words):
        session.note(f"nothing was {ACTIONS[what]}")
        return Exit.OK
    _tell(session, app.bulk(query, action, dry_run=False, terminate=terminate, until=would.until))
    return Exit.OK


def _confirmed(session: Session, would: Bulk, words: tuple[str, ...]) -> bool:
    where = f"{counted(would.eligible, 'task')} of {session.where}"
    if not sys.stdin.isatty():
        raise Problem(
            f"without a terminal nobody can be asked whether to {would.action} {where}",
            code=Exit.USAGE,
            attempt=words,
        )
    for_ever = " for ever" if would.action in FOR_EVER else ""
    return click.confirm(visible(f"{would.action.capitalize()} {where}{for_ever}?"), err=True)


def _tell(session: Session, result: Bulk) -> None:
    if session.json:
        session.emit(of_bulk(result))
        return
    done: Any = result.eligible if result.dry_run else result.done
    would = "would be " if result.dry_run else ""
    session.out(f"{counted(done, 'task')} of {result.matched:,} {would}{ACTIONS[result.action]}")
    _tell_left(session, result)


def _tell_left(session: Session, result: Bulk) -> None:
    for why, number in result.left.items():
        session.note(f"{counted(number, 'task')} not: {why}")
