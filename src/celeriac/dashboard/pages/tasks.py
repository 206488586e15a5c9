"""Tasks: those that a filter means, page by page."""

from __future__ import annotations

from typing import Final

import msgspec

from celeriac.dashboard.facts import ProgressFacts, progress_of
from celeriac.dashboard.shown import call
from celeriac.dashboard.visit import Page, Visit
from celeriac.errors import InvalidFilter
from celeriac.search import TaskView

COUNTS: Final = (25, 50, 100, 200)
TABS: Final = ("running", "queued", "scheduled", "waiting", "failed", "succeeded", "cancelled")


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
    tabs = [
        Tab(state.name.lower(), str(total))
        for state, total in visit.site.remembered.of("totals", visit.app.totals).items()
    ]
    tabs.sort(key=lambda tab: TABS.index(tab.state))
    try:
        page = visit.app.search(visit.site.meant(query), after=after, count=count)
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


PAGES: Final = (Page("/tasks", "tasks.html", look, "tasks"),)
ACTIONS: Final = ()
