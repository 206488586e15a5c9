"""Tasks: those that a filter means, page by page; and the same done with all that it means."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

import msgspec

from celeriac.bulk import ACTIONS as BULK_ACTIONS
from celeriac.bulk import Action as BulkAction
from celeriac.bulk import Bulk
from celeriac.dashboard.facts import ProgressFacts, progress_of
from celeriac.dashboard.pages.dead import latest
from celeriac.dashboard.roles import Role
from celeriac.dashboard.shown import call
from celeriac.dashboard.visit import Action, Done, Page, Question, Refused, Visit
from celeriac.errors import InvalidFilter
from celeriac.search import TaskView

COUNTS: Final = (25, 50, 100, 200)
TABS: Final = ("running", "queued", "scheduled", "waiting", "failed", "succeeded", "cancelled")
TYPED_ABOVE: Final = 100


class TaskRow(msgspec.Struct, frozen=True):
    """A task in a list. *changed*: when it came into its state, as far as that is known."""

    id: str
    name: str
    state: str
    inside: str
    queue: str
    call: str
    attempts: int
    changed: float
    seconds: float | None
    progress: ProgressFacts | None
    error: str


class Tab(msgspec.Struct, frozen=True):
    """A state, and how many tasks are in it, as exactly as that is known."""

    state: str
    count: str


class TasksView(msgspec.Struct, frozen=True):
    """Some of the tasks that a filter means.

    Attributes:
        query: the filter. wrong: what cannot be read in it.
        after: where to go on; "" at the end. searched: how many tasks were looked at.
        first: whether these are the newest.
    """

    query: str
    tasks: list[TaskRow]
    after: str
    searched: int
    more: bool
    first: bool
    count: int
    tabs: list[Tab]
    wrong: str = ""


def look(visit: Visit) -> TasksView:
    """Look for tasks.

    Raises:
        InvalidFilter: a program has sent a filter that cannot be read; people are told on the page.
    """
    query, after = visit.query.get("q", "").strip(), visit.query.get("after", "")
    count = _count(visit.query.get("count", ""))
    tabs = [Tab(state.name.lower(), str(total)) for state, total in visit.app.totals().items()]
    tabs.sort(key=lambda tab: TABS.index(tab.state))
    try:
        page = visit.app.search(query, after=after, count=count)
    except InvalidFilter as error:
        if visit.api:
            raise
        return TasksView(query, [], "", 0, False, True, count, tabs, str(error))
    rows = [row_of(task.redacted(visit.site.hiding.keys), visit.now) for task in page.tasks]
    return TasksView(query, rows, page.after, page.searched, page.more, not after, count, tabs)


def _count(text: str) -> int:
    return int(text) if text.isdecimal() and int(text[:4]) in COUNTS else 50


def row_of(task: TaskView, now: float) -> TaskRow:
    """Make a row of a task whose secrets are hidden."""
    began, ended = task.started, task.finished
    ran = None if began is None else (ended if ended is not None else now) - began
    unreadable = task.unreadable.get("args", "")
    return TaskRow(
        id=task.id,
        name=task.name,
        state=task.state,
        inside=task.inside,
        queue=task.queue,
        call=unreadable or call(task.args or [], task.kwargs or {}),
        attempts=task.attempts,
        changed=ended or began or task.created,
        seconds=ran if task.has_ended and ran is not None else None,
        progress=progress_of(task.meta) if task.inside == "running" else None,
        error=task.error or "",
    )


# --- bulk -----------------------------------------------------------------------------------------------


def _asked(visit: Visit) -> tuple[str, BulkAction, float]:
    """Return the filter, the action, and before which moment tasks were sent that are meant.

    Raises:
        Refused: there is no such action.
    """
    verb = visit.form.get("action", "")
    for known in BULK_ACTIONS:
        if known == verb:
            return visit.form.get("q", "").strip(), known, latest(visit)
    raise Refused(visit.site.say("bulk.unknown", actions=", ".join(BULK_ACTIONS)))


def needed(visit: Visit) -> Role:
    """Say who may: deleting is for administrators, also when it is only counted what would be."""
    return Role.ADMIN if visit.form.get("action") == "delete" else Role.OPERATOR


def _back(query: str) -> str:
    return f"/tasks?{urlencode({'q': query})}"


def ask_bulk(visit: Visit) -> Question:
    """Count first: how many are meant, with how many it can be done, why not with the others."""
    say, (query, verb, until) = visit.site.say, _asked(visit)
    would = visit.app.bulk(query, verb, until=until)
    facts = (
        say("bulk.matched", n=f"{would.matched:,}", query=query),
        say(f"bulk.{verb}.would", n=f"{would.eligible:,}"),
        *_why_not(visit, would),
        say("bulk.until"),
    )
    needs = verb == "delete" and would.eligible > TYPED_ABOVE
    typed = str(would.eligible) if needs else ""
    return Question(
        say(f"bulk.{verb}.title", n=f"{would.eligible:,}"), facts, say(f"bulk.{verb}"), _back(query), typed
    )


def _why_not(visit: Visit, result: Bulk) -> list[str]:
    return [visit.site.say("bulk.left", n=f"{count:,}", why=why) for why, count in result.left.items()]


def bulk(visit: Visit) -> Done:
    """Do the same with all tasks that a filter means; programs may ask for a dry run."""
    query, verb, until = _asked(visit)
    dry_run = visit.form.get("dry_run") == "yes"
    result = visit.app.bulk(query, verb, dry_run=dry_run, until=until)
    text = visit.site.say("bulk.done", n=f"{result.done:,}", m=f"{result.matched:,}")
    if dry_run:
        text = visit.site.say(f"bulk.{verb}.would", n=f"{result.eligible:,}")
    text = " ".join((text, *_why_not(visit, result)))
    data = {"matched": result.matched, "eligible": result.eligible, "done": result.done}
    return Done(
        text,
        _back(query),
        ok=dry_run or result.done > 0,
        data={**data, "left": result.left, "dry_run": dry_run},
    )


PAGES: Final = (Page("/tasks", "tasks.html", look, "tasks"),)
ACTIONS: Final = (Action("/bulk", Role.OPERATOR, bulk, ask_bulk, needed),)
