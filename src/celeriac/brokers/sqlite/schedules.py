"""advance, and what is asked of schedules."""

from __future__ import annotations

from collections.abc import Sequence

from celeriac.broker import Schedule, ScheduleChange
from celeriac.brokers.sqlite.following import follow
from celeriac.brokers.sqlite.sending import send
from celeriac.brokers.sqlite.transaction import Row, Transaction


def advance(transaction: Transaction, changes: Sequence[ScheduleChange], now: float) -> list[bool]:
    """Change schedules; see `Broker.advance`."""
    answers = [_is_to_be(transaction, change) for change in changes]
    messages = [
        message
        for change, answer in zip(changes, answers, strict=True)
        if answer == "new"
        for message in change.messages
    ]
    if messages:
        send(transaction, messages, now, careful=True)
        transaction.news = True
        follow(transaction, now)
    return [answer != "refused" for answer in answers]


def _is_to_be(transaction: Transaction, change: ScheduleChange) -> str:
    """Make one change: "new", "done" where it was made before, or "refused"."""
    row = transaction.one("schedule", change.name)
    kept = None if row is None else schedule_of(row)
    if kept == change.schedule:
        return "done"
    if (kept.token if kept is not None else "") != change.token:
        return "refused"
    new = change.schedule
    if new is None:
        transaction.run("schedule_drop", change.name)
    else:
        transaction.run("schedule_put", new.name, new.entry, new.due, new.memory, int(new.paused), new.token)
    return "new"


def schedules(transaction: Transaction, names: Sequence[str] | None) -> list[Schedule]:
    """Return all, or some; see `Backend.schedules`."""
    if names is None:
        return [schedule_of(row) for row in transaction.all("schedules")]
    rows = [transaction.one("schedule", name) for name in sorted(set(names))]
    return [schedule_of(row) for row in rows if row is not None]


def next_schedules(transaction: Transaction, count: int) -> list[Schedule]:
    """Return the first ones that are due; see `Backend.next_schedules`."""
    return [schedule_of(row) for row in transaction.all("schedules_next", count)]


def schedule_of(row: Row) -> Schedule:
    """Read a row as `sql/schedules.sql` gives it."""
    name, entry, due, memory, paused, token = row
    return Schedule(name, entry, due, memory, paused=bool(paused), token=token)
