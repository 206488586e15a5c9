"""`celeriac watch`: look on until tasks have ended."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from celeriac.cli.call import unknown
from celeriac.cli.codes import Exit
from celeriac.cli.filtering import FilterCommand, is_term, joined, meant_field
from celeriac.cli.following import code_of, follow
from celeriac.cli.options import SECONDS
from celeriac.cli.options import command as make_command
from celeriac.cli.output import count as counted
from celeriac.cli.session import Session, check_ids
from celeriac.filters import Filter, Term
from celeriac.states import UNKNOWN
from celeriac.updates import members

if TYPE_CHECKING:
    from celeriac.message import Record

MOST: Final = 1_000  # tasks of a filter, or a group, that are watched


@make_command("watch", cls=FilterCommand)
@click.argument("words", nargs=-1, required=True, metavar="ID|FILTER...")
@click.option("--timeout", type=SECONDS, help="For so many seconds at most.")
def command(session: Session, /, *, words: tuple[str, ...], timeout: float | None) -> int:
    """Show the progress of tasks until all have ended: bars in a terminal, lines elsewhere.

    The id of a group means its members. A filter, such as `state:running queue:mail`, means the tasks that
    fit it now. `-` reads ids from standard input. Ctrl-C ends the watching, not the tasks.
    """
    terms = [word for word in words if is_term(word)]
    ids = tuple(word for word in words if not is_term(word))
    for word in ids:
        if (field := meant_field(word)) is not None:
            raise click.UsageError(
                f"{word!r} looks like a filter, but there is no such field: is it {field}:?"
            )
    given = check_ids(ids) if ids else []
    session.look()
    wanted = [*_with_members(session, given), *(_that_fit(session, joined(terms)) if terms else ())]
    if not wanted:
        session.note("no such task")
        return Exit.OK
    last = follow(session, list(dict.fromkeys(wanted)), timeout=timeout, hide=("meta", "result"))
    missing = [task_id for task_id, update in last.items() if update.state == UNKNOWN]
    if missing and not session.json:
        raise unknown(session, *missing)
    return code_of(last.values())


def _with_members(session: Session, ids: Sequence[str]) -> list[str]:
    """Return *ids*, and in place of groups their members, behind their join if there is one."""
    found: list[str] = []
    for task_id, record in zip(ids, session.app.broker.get(ids) if ids else (), strict=True):
        if record is None:
            found += _that_fit(session, Filter((Term("group", (task_id,)),))) or [task_id]
        else:
            found += [task_id, *(_members(session, task_id) if _is_join(record) else ())]
    return found


def _is_join(record: Record) -> bool:
    after = record.message.after
    return after is not None and after.join


def _members(session: Session, join: str) -> list[str]:
    every = itertools.chain.from_iterable(members(session.app.broker, join))
    return list(itertools.islice(every, MOST))


def _that_fit(session: Session, query: str | Filter) -> list[str]:
    page = session.app.search(query, count=MOST)
    if page.more and page.tasks:
        session.note(f"only {counted(len(page.tasks), 'task is', 'tasks are')} watched, more may fit")
    return [task.id for task in page.tasks]
