"""Why a task has not run: one sentence from what a store knows. Pure; in the order in which a claim asks."""

from __future__ import annotations

from typing import Final, NamedTuple

from celeriac.broker import MOST_BEFORE, Situation, WorkerInfo
from celeriac.clock import as_datetime
from celeriac.errors import DecodeError
from celeriac.message import Record
from celeriac.outcome import decode_error
from celeriac.pace import span
from celeriac.states import State


class Reason(NamedTuple):
    """Why a task has not run, or what it does instead.

    Attributes:
        code: one word for programs; `CODES` has them all. text: a sentence for people.
    """

    code: str
    text: str

    def __str__(self) -> str:
        """Show the sentence."""
        return self.text


CODES: Final = {
    "unknown": "there is no such task",
    "ended": "it has ended",
    "running": "a worker runs it",
    "lost": "the worker that ran it is silent for longer than its lease",
    "expired": "it is too late for it",
    "waits": "it waits for other tasks",
    "scheduled": "it waits for its eta or countdown",
    "retry": "it waits for its retry",
    "paused": "its queue is paused",
    "no_worker": "no live worker serves its queue",
    "drained": "all live workers that serve its queue were told to claim nothing",
    "unknown_name": "no live worker that serves its queue knows its name",
    "limit": "as many of its lane run as may",
    "rate": "its lane has no token",
    "turn": "others of its lane go first",
    "busy": "workers have no free slot",
    "next": "nothing hinders it",
}

MAY_START: Final = frozenset({"turn", "busy", "next"})  # a worker with room for all would take it at once


def reason_of(
    id: str,
    situation: Situation | None,
    now: float,
    *,
    ageing: bool = False,
    drained: bool = False,
    holder: WorkerInfo | None = None,
) -> Reason:
    """Say why task *id* has not run at *now*.

    Args:
        ageing: its priority rises while it waits.
        drained: all workers that serve its queue were told to claim nothing.
        holder: the worker that runs it, if known.
    """
    if situation is None:
        return Reason(
            "unknown", f"No task has the id {id}: it was never sent, is forgotten, or was kept long enough."
        )
    record = situation.record
    if record.state.final:
        return Reason("ended", f"It has ended: {record.outside}, {_ago(record.finished, now)}.")
    if record.state is State.RUNNING:
        return _running(record, holder, now)
    expires = record.message.expires
    if expires is not None and expires <= now:
        return Reason("expired", f"It expired at {_when(expires, now)}, and is cancelled at the next look.")
    if record.state is State.WAITING:
        return Reason("waits", f"It waits for {_named(situation.parents, situation.open, 'task')} to end.")
    if record.state is State.SCHEDULED and record.due is not None and record.due > now:
        return _scheduled(situation, now)
    return _drained(situation, drained) or _queued(situation, now, ageing)


def _running(record: Record, holder: WorkerInfo | None, now: float) -> Reason:
    worker, since = record.worker, _when(record.started, now)
    if holder is not None and holder.seen + holder.lease <= now:
        then = "is cancelled" if record.cancelled else "is run again"
        silence = f"has not been heard of for {span(now - holder.seen)}, which is longer than its lease"
        return Reason(
            "lost", f"Worker {worker} {silence}: the task {then} when another worker, or beat, looks."
        )
    revoked = "; it was revoked, and will not be run again" if record.cancelled else ""
    return Reason("running", f"Worker {worker} has run it since {since}{revoked}.")


def _scheduled(situation: Situation, now: float) -> Reason:
    record = situation.record
    due = _when(record.due, now)
    if record.retries:
        return Reason("retry", f"Retry {record.retries} is due at {due}{_because(situation)}.")
    return Reason("scheduled", f"It is due at {due}.")


def _because(situation: Situation) -> str:
    try:
        error = decode_error(situation.record.error) if situation.record.error else None
    except DecodeError:
        return ""
    return f", after {error.type.rpartition('.')[2]}: {error.message:.200}" if error is not None else ""


def _drained(situation: Situation, drained: bool) -> Reason | None:
    if not drained or situation.paused or not situation.listening:
        return None
    workers, queue = _count(situation.listening, "live worker"), situation.record.message.queue
    return Reason("drained", f"All of {workers} of the queue {queue} drain, and claim nothing until resumed.")


def _queued(situation: Situation, now: float, ageing: bool) -> Reason:
    message = situation.record.message
    if situation.paused:
        return Reason("paused", f"The queue {message.queue} is paused.")
    if not situation.listening:
        return Reason("no_worker", f"No live worker serves the queue {message.queue}.")
    if not situation.knowing:
        workers = _count(situation.listening, "live worker")
        return Reason(
            "unknown_name", f"None of {workers} of the queue {message.queue} knows the name {message.name}."
        )
    return _limited(situation, now) or _ready(situation, ageing)


def _limited(situation: Situation, now: float) -> Reason | None:
    limit = situation.record.message.limit
    if limit is None:
        return None
    concurrency = limit.concurrency
    if concurrency is not None and situation.running >= concurrency:
        held = _named(situation.holders, situation.running, "task")
        return Reason(
            "limit",
            f"{situation.running} of {concurrency} places of the lane {limit.lane} are held by {held}.",
        )
    if situation.wakes is not None and situation.wakes > now:
        return Reason("rate", f"The lane {limit.lane} has no token until {_when(situation.wakes, now)}.")
    if situation.held:
        return Reason("turn", f"Others of the lane {limit.lane} go first.")
    return None


def _ready(situation: Situation, ageing: bool) -> Reason:
    queue, before = situation.record.message.queue, situation.before
    some = f"{before:,}" if before < MOST_BEFORE else f"{before:,} or more"
    ahead = f"{some} {'task goes' if before == 1 else 'tasks go'} first in the queue {queue}"
    if ageing and before:
        ahead += ", unless its age passes them"
    workers = _count(situation.knowing, "worker")
    place = ahead if before else f"It is next in the queue {queue}"
    if situation.free:
        return Reason(
            "next", f"{place}, and {_count(situation.free, 'slot')} of {workers} {_is(situation)} free."
        )
    return Reason("busy", f"{place}, and no slot of {workers} is free.")


def _is(situation: Situation) -> str:
    return "is" if situation.free == 1 else "are"


# --- words ------------------------------------------------------------------------------------------


def _count(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def _named(ids: tuple[str, ...], count: int, one: str) -> str:
    shown = ", ".join(ids[:3])
    more = count - min(3, len(ids))
    if not shown:
        return _count(count, one)
    return f"{one if count == 1 else one + 's'} {shown}" + (f" and {more:,} more" if more > 0 else "")


def _when(moment: float | None, now: float) -> str:
    if moment is None:
        return "an unknown moment"
    shown = as_datetime(moment).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{shown} (in {span(moment - now)})" if moment > now else f"{shown} ({span(now - moment)} ago)"


def _ago(moment: float | None, now: float) -> str:
    return "at an unknown moment" if moment is None else f"{span(now - moment)} ago"
