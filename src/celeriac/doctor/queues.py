"""The queues: does somebody listen where tasks wait? Judged purely."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from celeriac.broker import QueueInfo
from celeriac.findings import Finding, Severity, ok

if TYPE_CHECKING:
    from celeriac.app import Celeriac


def examine(app: Celeriac) -> Iterator[Finding]:
    """Look at all queues, and at who serves them."""
    served = {name for worker in app.broker.workers(app.clock.now()) for name in worker.queues}
    yield from judged(app.broker.queues(), served)


def judged(queues: Sequence[QueueInfo], served: Collection[str]) -> Iterator[Finding]:
    """Say what it means that only the queues *served* have workers."""
    found = [finding for queue in queues for finding in _of(queue, queue.name in served)]
    yield from found
    if not found:
        waits = sum(queue.queued + queue.scheduled for queue in queues)
        yield ok("queues", f"Somebody listens wherever a task waits ({waits:,} in {len(queues)} queues).")


def _of(queue: QueueInfo, served: bool) -> Iterator[Finding]:
    name, waits = queue.name, queue.queued + queue.scheduled
    if queue.paused:
        if waits:
            text = f"The queue {name} is paused, and {_tasks(waits)} in it."
            yield Finding("queues.paused", Severity.NOTE, text, "Resume it in time.", ("resume", name))
        return
    if served or not waits:
        return
    if queue.queued:
        text = f"No worker serves the queue {name}, where {_tasks(queue.queued)}."
        yield Finding(
            "queues.unserved", Severity.WARNING, text, "Start a worker for it.", ("worker", "-Q", name)
        )
    else:
        text = f"No worker serves the queue {name}, where {_tasks(waits)} for a later moment."
        yield Finding(
            "queues.unserved", Severity.NOTE, text, "Start a worker for it by then.", ("worker", "-Q", name)
        )


def _tasks(number: int) -> str:
    return f"{number:,} {'task waits' if number == 1 else 'tasks wait'}"
