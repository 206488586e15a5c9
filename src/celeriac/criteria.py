"""What a store can look for by itself, without reading opaque bytes. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from celeriac.message import Record
from celeriac.states import State

ENDED: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
UNENDED: Final = frozenset({State.WAITING, State.SCHEDULED, State.QUEUED, State.RUNNING})


class Criteria(msgspec.Struct, frozen=True):
    """Which records are meant: those that fit each part; an empty part, or None, fits all.

    Attributes:
        states: one of these.
        queues: one of these.
        names, workers: like one of these, in which `*` stands for any text, also none; a worker by its id.
        ids: begins with one of these.
        since, until: last changed (see `changed`) at this moment or later, before this one.
        sent_before: sent before this moment.
    """

    states: frozenset[State] = frozenset()
    queues: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    sent_before: float | None = None

    def wants(self, state: State) -> bool:
        """Say whether tasks in *state* may be meant."""
        return not self.states or state in self.states

    def any_of(self, *states: State) -> bool:
        """Say whether tasks in one of *states* may be meant."""
        return any(map(self.wants, states))

    def matches(self, record: Record) -> bool:
        """Say whether *record* is one of those."""
        sent, moment = record.message, changed(record)
        return (
            self.wants(record.state)
            and (not self.queues or sent.queue in self.queues)
            and (not self.workers or any(is_like(record.worker, pattern) for pattern in self.workers))
            and (not self.names or any(is_like(sent.name, pattern) for pattern in self.names))
            and (not self.ids or sent.id.startswith(self.ids))
            and (self.since is None or moment >= self.since)
            and (self.until is None or moment < self.until)
            and (self.sent_before is None or sent.created < self.sent_before)
        )


def changed(record: Record) -> float:
    """Return when a task last changed: when it ended, else was last started, else was sent."""
    if record.finished is not None:
        return record.finished
    return record.message.created if record.started is None else record.started


def is_like(text: str, pattern: str) -> bool:
    """Say whether *text* is *pattern*, in which `*` stands for any text; takes time as both are long."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, last = rest
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


ANY: Final = Criteria()
