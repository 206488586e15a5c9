"""`celeriac dead`: look at what has failed for good; run it again, or drop it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

import click
import msgspec

from celeriac.cli.codes import Exit
from celeriac.cli.forget import tell
from celeriac.cli.options import QUEUE_NAMES, SECONDS, flattened
from celeriac.cli.options import command as make_command
from celeriac.cli.output import count, moment, short, span, table, visible
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session, check_ids
from celeriac.dead import Acted, DeadTask
from celeriac.errors import DecodeError

WHAT: Final = ("list", "show", "requeue", "drop")
LIMIT: Final = 100
MOST_GROUPS: Final = 1_000  # that are told apart
DONE: Final = {"requeue": "requeued", "drop": "dropped"}
WHY_NOT: Final = {
    "requeue": "never run because another one failed, replaced by others, or their unique name is taken",
    "drop": "tasks that have not ended may need their results",
}


@make_command("dead")
@click.argument("what", required=False, type=click.Choice(WHAT), default="list")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--task", metavar="NAME", help="Only tasks of this name, or like this pattern: mail.*")
@click.option("-Q", "--queues", type=QUEUE_NAMES, multiple=True, help="Only these queues: a,b.")
@click.option("--error", metavar="TYPE", help="Only errors of this type: ValueError.")
@click.option("--older", type=SECONDS, help="Only what failed more than so many seconds ago.")
@click.option("--newer", type=SECONDS, help="Only what failed less than so many seconds ago.")
@click.option("--all", "everything", is_flag=True, help="With requeue and drop: all of them.")
@click.option("--group", is_flag=True, help="With list: count by task and error.")
@click.option("--limit", type=click.IntRange(1), default=LIMIT, help=f"With list: how many ({LIMIT}).")
@click.option("--dry-run", is_flag=True, help="With requeue and drop: only tell what would be done.")
@click.option("--yes", is_flag=True, help="With requeue and drop: do not ask.")
def command(session: Session, /, *, what: str, ids: tuple[str, ...], **given: Any) -> int:
    """Look at the tasks that have failed for good; run them again (requeue), or delete them (drop).

    Say which by id, by --task, -Q, --error, --older and --newer, or all of them with --all. `-` reads ids
    from standard input. Asks before it changes many.
    """
    asked = Asked(
        what,
        ids,
        **{name: value for name, value in given.items() if name not in ("queues", "older", "newer")},
        queues=tuple(flattened(given["queues"])),
        seconds=(given["older"], given["newer"]),
    )
    asked.check()
    session.look()
    match what:
        case "list":
            return _group(session, asked) if asked.group else _list(session, asked)
        case "show":
            return _show(session, check_ids(ids))
        case _:
            return _act_on_ids(session, asked) if ids else _act_on_many(session, asked)


class Asked(msgspec.Struct, frozen=True):
    """What was typed."""

    what: str
    ids: tuple[str, ...]
    task: str | None
    error: str | None
    everything: bool
    group: bool
    limit: int
    dry_run: bool
    yes: bool
    queues: tuple[str, ...]
    seconds: tuple[float | None, float | None]

    @property
    def is_filter(self) -> bool:
        """Whether anything says which tasks are meant, but ids."""
        return bool(self.task or self.queues or self.error) or self.seconds != (None, None)

    def check(self) -> None:
        """Return if it makes sense.

        Raises:
            UsageError: it does not.
        """
        acts = self.what in DONE
        if self.ids and self.what == "list":
            raise click.UsageError("a list takes no ids: celeriac dead show ID")
        if not self.ids and self.what == "show":
            raise click.UsageError("say which: celeriac dead show ID")
        if acts and bool(self.ids) + self.is_filter + self.everything != 1:
            raise click.UsageError(
                "say which: ids, or some of --task, -Q, --error, --older, --newer, or --all"
            )
        if not acts and (self.everything or self.dry_run or self.yes):
            raise click.UsageError("--all, --dry-run and --yes go with requeue and drop")
        if self.what != "list" and (self.group or self.limit != LIMIT):
            raise click.UsageError("--group and --limit go with list")

    def which(self, now: float) -> dict[str, Any]:
        """Return the filter for `DeadLetter.find`; nothing that fails from *now* on is meant."""
        older, newer = self.seconds
        return {
            "task": self.task,
            "queue": self.queues or None,
            "error": self.error,
            "since": None if newer is None else now - newer,
            "until": now - (older or 0.0),
        }

    @property
    def words(self) -> tuple[str, ...]:
        """The words of a command that means the same."""
        older, newer = self.seconds
        options = {
            "--task": self.task,
            "-Q": ",".join(self.queues) or None,
            "--error": self.error,
            "--older": None if older is None else f"{older:g}",
            "--newer": None if newer is None else f"{newer:g}",
        }
        given = [word for name, value in options.items() if value is not None for word in (name, value)]
        return ("dead", self.what, *given, *(("--all",) if self.everything else ()))


# --- list, show -------------------------------------------------------------------------------------


def _list(session: Session, asked: Asked) -> int:
    app = session.app
    now = app.clock.now()
    found = app.dead.find(**{**asked.which(now), "until": _until(asked, now)})
    some = islice(found, asked.limit)
    if session.json:
        for dead in some:
            session.emit(of_dead(dead))
    elif rows := [_row(dead, now) for dead in some]:
        for line in table(("id", "task", "queue", "failed", "error"), rows):
            session.out(line)
    else:
        session.note("no task that has failed is kept there")
        return Exit.OK
    if next(found, None) is not None:
        session.note(f"there are more than {asked.limit:,}", *asked.words, "--group")
    return Exit.OK


def _until(asked: Asked, now: float) -> float | None:
    return None if asked.seconds[0] is None else now - asked.seconds[0]


def _row(dead: DeadTask, now: float) -> tuple[str, ...]:
    ago = span(now - (dead.record.finished or now))
    return dead.id, dead.task, dead.queue, f"{ago} ago", short(_error_of(dead), most=80)


def _error_of(dead: DeadTask) -> str:
    kind, said = dead.error_type.rpartition(".")[2], dead.error
    return f"{kind}: {said}" if said else kind


class Group(msgspec.Struct):
    """Failed tasks of one name with errors of one type; `last` and `first` are when, `id` is of the last."""

    task: str
    error_type: str
    id: str
    last: float
    first: float
    count: int = 0


def _groups(found: Iterable[DeadTask]) -> list[Group]:
    """Count what has failed by task and error, the largest groups first."""
    groups: dict[tuple[str, str], Group] = {}
    for dead in found:
        key = dead.task, dead.error_type
        if key not in groups and len(groups) >= MOST_GROUPS:
            key = "(others)", "(others)"
        failed = dead.record.finished or 0.0
        group = groups.setdefault(key, Group(*key, dead.id, failed, failed))
        group.count += 1
        group.first = failed
    return sorted(groups.values(), key=lambda group: (-group.count, group.task, group.error_type))


def _group(session: Session, asked: Asked) -> int:
    app = session.app
    now = app.clock.now()
    groups = _groups(app.dead.find(**{**asked.which(now), "until": _until(asked, now)}))
    if not groups and not session.json:
        session.note("no task that has failed is kept there")
    _tell_groups(session, groups, now)
    return Exit.OK


def _tell_groups(session: Session, groups: Sequence[Group], now: float) -> None:
    if session.json:
        for group in groups:
            session.emit(
                {
                    "kind": "group",
                    "task": group.task,
                    "error_type": group.error_type,
                    "count": group.count,
                    "first": moment(group.first),
                    "last": moment(group.last),
                    "id": group.id,
                }
            )
    elif groups:
        rows = [
            (group.count, group.task, group.error_type, f"{span(now - group.last)} ago", group.id)
            for group in groups
        ]
        for line in table(("count", "task", "error", "last", "such as"), rows):
            session.out(line)


def _show(session: Session, ids: Sequence[str]) -> int:
    codes = [_show_one(session, task_id, is_first=number == 0) for number, task_id in enumerate(ids)]
    return next((code for code in (Exit.UNKNOWN, Exit.STATE) if code in codes), Exit.OK)


def _show_one(session: Session, task_id: str, *, is_first: bool) -> Exit:
    dead = session.app.dead.get(task_id)
    if dead is None:
        [record] = session.app.broker.get([task_id])
        if record is None:
            session.note(f"{task_id}: there is no such task")
            return Exit.UNKNOWN
        session.note(f"{task_id}: it has not failed: {record.outside}")
        return Exit.STATE
    if session.json:
        session.emit({**of_dead(dead), **_details(session, dead)})
        return Exit.OK
    if not is_first:
        session.out("")
    _tell_one(session, dead)
    return Exit.OK


def _tell_one(session: Session, dead: DeadTask) -> None:
    details, now = _details(session, dead), session.app.clock.now()
    shown = {
        "id": dead.id,
        "task": dead.task,
        "queue": dead.queue,
        "args": details["unreadable"] or short(details["args"], most=1_000),
        "kwargs": details["unreadable"] or short(details["kwargs"], most=1_000),
        "sent": moment(dead.record.message.created),
        "failed": f"{moment(dead.record.finished)}, {span(now - (dead.record.finished or now))} ago",
        "worker": dead.record.worker or "none: it has not run",
        "retries": dead.record.retries,
        "crashes": dead.record.crashes,
        "because of": dead.origin,
        "error": _error_of(dead),
    }
    for name, value in shown.items():
        if value is not None:
            session.out(f"{name:<10}  {visible(str(value))}")
    if details["traceback"]:
        session.out("")
        session.out(visible(details["traceback"].rstrip(), lines=True))


def _details(session: Session, dead: DeadTask) -> dict[str, Any]:
    """Return what is not in a list: it may be large, and the arguments may be what could not be read.

    Values under telling keys are hidden.
    """
    args = kwargs = unreadable = None
    try:
        args, kwargs = session.hidden(dead.args), session.hidden(dead.kwargs)
    except DecodeError as error:
        unreadable = str(error)
    return {"args": args, "kwargs": kwargs, "unreadable": unreadable, "traceback": dead.traceback}


def of_dead(dead: DeadTask) -> dict[str, Any]:
    """Describe a failed task, as docs/reference/cli.md does."""
    record = dead.record
    return {
        "kind": "dead",
        "id": dead.id,
        "task": dead.task,
        "queue": dead.queue,
        "created": moment(record.message.created),
        "failed": moment(record.finished),
        "error": dead.error,
        "error_type": dead.error_type,
        "origin": dead.origin,
        "can_be_requeued": dead.can_be_requeued,
        "retries": record.retries,
        "crashes": record.crashes,
        "worker": record.worker or None,
    }


# --- requeue, drop ----------------------------------------------------------------------------------


def _act_on_ids(session: Session, asked: Asked) -> int:
    given, app = check_ids(asked.ids), session.app
    known = dict(zip(given, app.broker.get(given), strict=True))
    act = app.dead.requeue if asked.what == "requeue" else app.dead.drop
    answers = {}
    for task_id in given:
        acted, record = act(task_id, dry_run=asked.dry_run), known[task_id]
        if acted.done:
            answers[task_id] = f"would be {DONE[asked.what]}" if asked.dry_run else DONE[asked.what]
        else:
            answers[task_id] = "unknown" if record is None else f"not {DONE[asked.what]}"
    return tell(session, answers, too_early_or_late=f"not {DONE[asked.what]}")


def _act_on_many(session: Session, asked: Asked) -> int:
    app = session.app
    now = app.clock.now()
    which = asked.which(now)
    act = app.dead.requeue if asked.what == "requeue" else app.dead.drop
    would = act(dry_run=True, **which)
    if asked.dry_run:
        _tell_groups(session, _groups(app.dead.find(**which)), now)
    if not would.done and not asked.dry_run:
        session.note(f"nothing that can be {DONE[asked.what]} has failed there")
    elif asked.dry_run or asked.yes or _confirmed(session, asked, would):
        _tell_acted(session, asked, would if asked.dry_run else act(**which))
        return Exit.OK
    else:
        session.note(f"nothing was {DONE[asked.what]}")
    return Exit.OK


def _confirmed(session: Session, asked: Asked, would: Acted) -> bool:
    where = f"{count(would.done, 'failed task')} of {session.where}"
    if not sys.stdin.isatty():
        raise Problem(
            f"without a terminal nobody can be asked whether to {asked.what} {where}",
            code=Exit.USAGE,
            attempt=(*asked.words, "--yes"),
        )
    for_ever = " for ever" if asked.what == "drop" else ""
    return click.confirm(visible(f"{asked.what.capitalize()} {where}{for_ever}?"), err=True)


def _tell_acted(session: Session, asked: Asked, acted: Acted) -> None:
    if session.json:
        answer = {"kind": "answer", "answer": DONE[asked.what], "dry_run": asked.dry_run}
        session.emit({**answer, "done": acted.done, "left": acted.left})
        return
    would = "would be " if asked.dry_run else ""
    session.out(f"{count(acted.done, 'task')} {would}{DONE[asked.what]}")
    if acted.left:
        session.note(f"{count(acted.left, 'task')} cannot be {DONE[asked.what]}: {WHY_NOT[asked.what]}")
