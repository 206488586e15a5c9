"""Queues: how many tasks are in each, and who serves it; pause, resume, purge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from celeriac.broker import TEND_LIMIT, QueueInfo, WorkerInfo
from celeriac.dashboard import figures
from celeriac.dashboard.charts import Chart
from celeriac.dashboard.figures import SPANS, Drain, span_of
from celeriac.dashboard.roles import Role
from celeriac.dashboard.visit import Action, Done, Page, Question, Visit
from celeriac.message import check_queue_name


class QueueRow(msgspec.Struct, frozen=True):
    """A queue as it is shown.

    Attributes:
        oldest: when the first in line was sent.
        workers: how many live ones serve it. unserved: whether tasks wait that nobody takes.
    """

    name: str
    queued: int
    running: int
    scheduled: int
    waiting: int
    held: int
    parked: int
    paused: bool
    workers: int
    unserved: bool
    oldest: float | None = None


class QueuesView(msgspec.Struct, frozen=True):
    """All queues."""

    queues: list[QueueRow]


class Listener(msgspec.Struct, frozen=True):
    """A worker that serves a queue."""

    id: str
    name: str


class QueueView(msgspec.Struct, frozen=True):
    """One queue. *known*: whether the store has anything of it. *drain*: when it will be empty."""

    queue: QueueRow
    known: bool
    listeners: list[Listener]
    drain: Drain
    span: str
    charts: tuple[Chart, ...]


def queues_of(visit: Visit) -> list[QueueInfo]:
    """Return all queues; of a large store as they were just now."""
    return visit.site.remembered.of("queues", visit.app.broker.queues)


def rows_of(queues: Sequence[QueueInfo], workers: Sequence[WorkerInfo]) -> list[QueueRow]:
    """Put together what is known of queues and of workers; also queues that are served and empty."""
    served = Counter(name for worker in workers for name in set(worker.queues))
    known = {queue.name: queue for queue in queues}
    return [_row(known.get(name, QueueInfo(name)), served[name]) for name in sorted({*known, *served})]


def _row(queue: QueueInfo, workers: int) -> QueueRow:
    return QueueRow(
        name=queue.name,
        queued=queue.queued,
        running=queue.running,
        scheduled=queue.scheduled,
        waiting=queue.waiting,
        held=queue.held,
        parked=queue.parked,
        paused=queue.paused,
        workers=workers,
        unserved=not workers and queue.queued > 0,
        oldest=queue.oldest,
    )


def look(visit: Visit) -> QueuesView:
    """Look at all queues."""
    broker = visit.app.broker
    return QueuesView(rows_of(queues_of(visit), broker.workers(visit.now)))


def look_at_one(visit: Visit) -> QueueView:
    """Look at the queue that the address names."""
    name = check_queue_name(visit.named(visit.query))
    broker = visit.app.broker
    queues, workers = queues_of(visit), broker.workers(visit.now)
    found = {row.name: row for row in rows_of(queues, workers)}
    listeners = [Listener(worker.id, worker.name) for worker in workers if name in worker.queues]
    queue = found.get(name) or _row(QueueInfo(name), 0)
    span, say = span_of(visit.query.get("span", "")), visit.site.say
    hour = visit.site.figures.of(visit.app, SPANS["hour"], queue=name).total
    series = visit.site.figures.of(visit.app, span, queue=name).total
    return QueueView(
        queue=queue,
        known=name in found,
        listeners=listeners,
        drain=figures.drain(hour.points, queue.queued, paused=queue.paused, now=visit.now),
        span=span.key,
        charts=tuple(make(say, span, series) for make in (figures.depth, figures.ended, figures.waits)),
    )


# --- actions --------------------------------------------------------------------------------------------


def pause(visit: Visit) -> Done:
    """Have nothing taken from a queue."""
    name = check_queue_name(visit.named(visit.form))
    was = visit.app.pause(name)
    return Done(
        visit.site.say("queue.was_paused" if was else "queue.is_paused", name=name),
        "/queues",
        data={"changed": was},
    )


def resume(visit: Visit) -> Done:
    """Have a queue served again."""
    name = check_queue_name(visit.named(visit.form))
    was = visit.app.resume(name)
    key = "queue.was_resumed" if was else "queue.not_paused"
    return Done(visit.site.say(key, name=name), "/queues", data={"changed": was})


def ask_purge(visit: Visit) -> Question:
    """Say how much would be cancelled; the name has to be typed when it is much."""
    name, say = check_queue_name(visit.named(visit.form)), visit.site.say
    found = {queue.name: queue for queue in visit.app.broker.queues()}.get(name, QueueInfo(name))
    waits = found.queued + found.scheduled
    return Question(
        title=say("queue.purge.title", name=name),
        facts=(
            say("queue.purge.queued", n=f"{found.queued:,}", m=f"{found.scheduled:,}"),
            say("queue.purge.kept"),
            say("queue.purge.for_ever"),
        ),
        verb=say("queue.purge"),
        back="/queues",
        typed=name if waits > SOME else "",
    )


def purge(visit: Visit) -> Done:
    """Cancel all that waits in a queue."""
    name, count = check_queue_name(visit.named(visit.form)), 0
    broker, now = visit.app.broker, visit.now
    while some := broker.purge(name, now, TEND_LIMIT):
        count += some
        if some < TEND_LIMIT:
            break
    visit.app.acted("purge", name, count)
    return Done(
        visit.site.say("queue.purged", n=f"{count:,}", name=name), "/queues", data={"cancelled": count}
    )


SOME: Final = 100  # tasks; for more, a name has to be typed

PAGES: Final = (
    Page("/queues", "queues.html", look, "queues"),
    Page("/queue", "queue.html", look_at_one, "queues"),
)
ACTIONS: Final = (
    Action("/queue/pause", Role.OPERATOR, pause),
    Action("/queue/resume", Role.OPERATOR, resume),
    Action("/queue/purge", Role.ADMIN, purge, ask_purge),
)
