"""What is remembered of tasks that somebody looks at: how fast they go. A record says only where they are."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from celeriac.dashboard.facts import TaskFacts
from celeriac.message import Record
from celeriac.outlook import Outlook, lost_on
from celeriac.updates import update_of

if TYPE_CHECKING:
    from celeriac.app import Celeriac

MOST: Final = 1_000  # tasks; those that were looked at longest ago are forgotten


class Watching:
    """The outlooks of one dashboard; may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outlooks: OrderedDict[str, Outlook] = OrderedDict()

    def noted(self, app: Celeriac, record: Record, task: TaskFacts) -> TaskFacts:
        """Return the facts of a running task with what can be said of its speed, and of its silence."""
        if task.progress is None or task.inside != "running":
            return task
        update, now = update_of(app, record.id, record), app.clock.monotonic()
        with self._lock:
            outlook = self._outlooks.setdefault(record.id, Outlook())
            self._outlooks.move_to_end(record.id)
            while len(self._outlooks) > MOST:
                self._outlooks.popitem(last=False)
            outlook.see(update, now)
            view = outlook.view(now, lost_on(app.broker, app.clock.now))
        return replace(task, progress=replace(task.progress, note=view.note, stalled=view.stalled))
