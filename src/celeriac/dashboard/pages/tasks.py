"""The way to a task: by its id."""

from __future__ import annotations

from typing import Final

import msgspec

from celeriac.dashboard.visit import Page, Visit
from celeriac.errors import InvalidName
from celeriac.message import check_id


class Waiting(msgspec.Struct, frozen=True):
    """How many tasks of all queues are in a state."""

    key: str
    count: int


class TasksView(msgspec.Struct, frozen=True):
    """What can be said of all tasks.

    Attributes:
        id: what was looked for. found: whether there is such a task; None when nothing was looked for.
    """

    id: str
    found: bool | None
    counts: list[Waiting]


def look(visit: Visit) -> TasksView:
    """Look for a task by its id, and count what has not ended."""
    wanted = visit.query.get("id", "").strip()
    queues = visit.app.broker.queues()
    keys = ("queued", "running", "scheduled", "waiting")
    counts = [Waiting(key, sum(getattr(queue, key) for queue in queues)) for key in keys]
    return TasksView(wanted, _is_there(visit, wanted) if wanted else None, counts)


def _is_there(visit: Visit, wanted: str) -> bool:
    try:
        return visit.app.broker.get([check_id(wanted)])[0] is not None
    except InvalidName:
        return False


PAGES: Final = (Page("/tasks", "tasks.html", look, "tasks"),)
ACTIONS: Final = ()
