"""The pages of the dashboard, one module each: what is looked at there, and what can be done.

A page module has `PAGES` and `ACTIONS`; its templates are called like it. Whoever adds one names it here.
"""

from __future__ import annotations

from typing import Final

from celeriac.dashboard.pages import (
    activity,
    bulk,
    dead,
    flows,
    names,
    overview,
    queues,
    schedules,
    task,
    tasks,
    workers,
)
from celeriac.dashboard.visit import Action, Page

_MODULES: Final = (overview, tasks, bulk, task, queues, workers, schedules, dead, flows, names, activity)

PAGES: Final[tuple[Page, ...]] = tuple(page for module in _MODULES for page in module.PAGES)
ACTIONS: Final[tuple[Action, ...]] = tuple(action for module in _MODULES for action in module.ACTIONS)

__all__ = ["ACTIONS", "PAGES"]
