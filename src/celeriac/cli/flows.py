"""`celeriac flows`: chains, groups and chords as trees, with how far they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click
import msgspec

from celeriac import graphs
from celeriac.cli.call import unknown
from celeriac.cli.codes import Exit
from celeriac.cli.following import share_of
from celeriac.cli.options import command as make_command
from celeriac.cli.output import count as counted
from celeriac.cli.output import table, visible
from celeriac.cli.session import Session
from celeriac.dashboard import flows
from celeriac.dashboard.flows import ENDED, Twig
from celeriac.filters import Filter, Term
from celeriac.message import check_id
from celeriac.updates import Update, update_of

if TYPE_CHECKING:
    from celeriac.app import Celeriac

WIDTH: Final = 20  # of a bar
COLORS: Final = {"SUCCESS": "green", "FAILURE": "red", "REVOKED": "yellow", "PENDING": "bright_black"}
ASKED: Final = 200  # running tasks whose progress is asked for

Counts = Iterable[tuple[str, int]]


@make_command("flows")
@click.argument("task_id", default="", metavar="[ID]")
def command(session: Session, /, *, task_id: str) -> int:
    """Show chains, groups and chords: those in which tasks wait; or with an id, of a task or group, a tree.

    Groups of more than 12 tasks of one name are one line. The exit code is 4 for an unknown task.
    """
    if task_id:
        return _show(session, check_id(task_id))
    rows, more = flows.waiting(session.look().broker)
    if session.json:
        for row in rows:
            session.emit({"kind": "flow", "id": row.id, "name": row.name, "waiting": row.waiting})
        session.emit({"kind": "page", "more": more})
        return Exit.OK
    for line in (
        table(("id", "task", "waiting"), [(row.id, row.name, row.waiting) for row in rows]) if rows else ()
    ):
        session.out(line)
    if more:
        session.note("there may be more")
    elif not rows:
        session.note("no task waits for another one")
    return Exit.OK


def _show(session: Session, task_id: str) -> int:
    app = session.look()
    graph = graphs.read(app.broker, [task_id], flows.MOST)
    if not graph.nodes:  # the id of a group is one of no task, unless it was saved
        members = app.search(Filter((Term("group", (task_id,)),)), count=flows.MOST).tasks
        graph = graphs.read(app.broker, [member.id for member in members], flows.MOST)
    if not graph.nodes:
        raise unknown(session, task_id)
    counts, twigs = flows.states_of(graph), flows.outline(graph)
    total, done, name = counts.total(), flows.done_of(counts), flows.name_of(graph)
    if session.json:
        session.emit(
            {
                "kind": "flow",
                "id": task_id,
                "name": name,
                "total": total,
                "done": done,
                "counts": dict(sorted(counts.items())),
                "complete": graph.complete,
                "tree": [_of_twig(twig) for twig in twigs],
            }
        )
        return Exit.OK
    session.out(f"{visible(name)}  {_far(done, total, sorted(counts.items()))}")
    running = _running(app, twigs)
    for line in _tree(twigs, running):
        session.out(line)
    if not graph.complete:
        session.note(f"only {counted(len(graph.nodes), 'task')} of it were read, there are more")
    return Exit.OK


def _of_twig(twig: Twig) -> dict[str, object]:
    shown: dict[str, object] = msgspec.structs.asdict(twig)
    shown["id"] = shown.pop("key")
    shown["counts"] = dict(twig.counts)
    shown["children"] = [_of_twig(child) for child in twig.children]
    return shown


def _running(app: Celeriac, twigs: Sequence[Twig]) -> dict[str, Update]:
    """Ask how far those are that stand alone and run."""
    ids = [
        twig.key
        for twig in _all(twigs)
        if twig.count == 1 and not twig.join and twig.state not in (*ENDED, "PENDING", "RETRY")
    ]
    ids = list(dict.fromkeys(ids))[:ASKED]
    return {
        task_id: update_of(app, task_id, record)
        for task_id, record in zip(ids, app.broker.get(ids), strict=True)
    }


def _all(twigs: Iterable[Twig]) -> Iterator[Twig]:
    for twig in twigs:
        yield twig
        yield from _all(twig.children)


# --- drawing ------------------------------------------------------------------------------------------


def _tree(twigs: Sequence[Twig], running: dict[str, Update], before: str = "") -> Iterator[str]:
    """Draw *twigs* and what hangs below them; a chain is drawn below its first task, not beside it."""
    for number, twig in enumerate(twigs):
        is_last = number == len(twigs) - 1
        yield f"{before}{'└─' if is_last else '├─'} {_line(twig, running.get(twig.key))}"
        yield from _tree(twig.children, running, f"{before}{'   ' if is_last else '│  '}")


def _line(twig: Twig, update: Update | None) -> str:
    name = "join" if twig.join else visible(twig.name)
    if twig.count > 1:
        done = sum(number for state, number in twig.counts if state in ENDED)
        line = f"{name} × {twig.count}  {_far(done, twig.count, twig.counts)}"
    else:
        line = f"{name}  {_styled(twig.state)}  {visible(twig.key)}"
    if update is not None and isinstance(update.meta, dict) and "current" in update.meta:
        line += f"  {_bar(share_of(update))} {update.current:g}/{update.total:g} {visible(update.status)}"
    return f"{line}  (its rest stands above)" if twig.seen else line.rstrip()


def _far(done: int, total: int, counts: Counts) -> str:
    told = ", ".join(f"{number} {_styled(state)}" for state, number in counts)
    return f"{_bar(done / total if total else 0)} {done} of {total} have ended: {told}"


def _styled(state: str) -> str:
    return click.style(visible(state), fg=COLORS.get(state, "blue"))


def _bar(share: float) -> str:
    full = int(share * WIDTH)
    return "█" * full + "░" * (WIDTH - full)
