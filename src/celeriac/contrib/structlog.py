"""structlog: the task's id and name in every event of its code. Needs nothing; structlog calls it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from celeriac.context import current_run


def add_task(
    logger: object,  # noqa: ARG001 - structlog's signature
    method_name: str,  # noqa: ARG001
    event_dict: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Add `task_id` and `task_name` while a task runs: a processor, before the one that writes.

    What the event has already under these names, stays. Of a batch they are those of its first call.
    """
    run = current_run()
    if run is not None:
        event_dict.setdefault("task_id", run.id)
        event_dict.setdefault("task_name", run.job.name)
    return event_dict
