"""Looks at the schedules of a store, and sends for those that are due.

Any number of tickers work on one store: each change of a schedule, and what is sent with it, is one step that
only one of them can make. None runs user code.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from typing import Final

from msgspec.structs import replace

from celeriac.beat.entry import (
    Entry,
    Memory,
    decode_entry,
    decode_memory,
    due_of,
    encode,
    messages_of,
    names_in,
)
from celeriac.beat.plan import delay_of, step
from celeriac.broker import Broker, Schedule, ScheduleChange
from celeriac.clock import Clock
from celeriac.errors import CeleriacError, OperationalError
from celeriac.message import Message, first_of, new_ids

AT_ONCE: Final = 100
AFTER_FAILURE: Final = 60.0  # seconds until a schedule that nobody understands is looked at again
ATTEMPTS: Final = 5
UNNAMED: Final = "celeriac"  # what an application is called that was given no name

_log: Final = logging.getLogger("celeriac.beat")


class Ticker:
    """Sends for what is due.

    Args:
        broker: the store. clock: where the time comes from; the store's own clock corrects it.
    """

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self._broker = broker
        self._clock = clock
        self._next: float | None = 0.0

    def look(self) -> None:
        """Look at the next tick, whatever is known."""
        self._next = 0.0

    def learn(self, moment: float | None) -> None:
        """Take note of when the next schedule is due, which the store told."""
        self._next = moment

    def pause(self) -> float | None:
        """Return how many seconds there is nothing to do, as far as is known; None for ever."""
        return None if self._next is None else max(0.0, self._next - self._now())

    def tick(self) -> int:
        """Send for what is due, a hundred schedules at most; return for how many that was.

        Raises:
            OperationalError: the store is away; call again later.
        """
        if self._next is None or self._next > self._now():
            return 0
        return self._send_due()

    def _now(self) -> float:
        return self._clock.now() + self._broker.ahead

    def _send_due(self) -> int:
        now = self._now()
        coming = self._broker.next_schedules(AT_ONCE)
        due = [schedule for schedule in coming if schedule.due is not None and schedule.due <= now]
        changes = [self._change(schedule, now) for schedule in due]
        done = self._advance(changes, now) if changes else []
        later = [each.due for each in (*coming[len(due) :], *(change.schedule for change in changes)) if each]
        self._next = now if len(due) == AT_ONCE else min(filter(None, later), default=None)
        sent = 0
        for change, is_ours in zip(changes, done, strict=True):
            if is_ours and change.messages:
                sent += 1
                _log.info("due", extra={"schedule": change.name, "id": change.messages[0].id})
        return sent

    def _advance(self, changes: Sequence[ScheduleChange], now: float) -> list[bool]:
        """Make *changes*; one whose messages no store will take is put off, and holds nobody else up."""
        try:
            return self._broker.advance(changes, now - self._broker.ahead)
        except OperationalError:
            raise
        except CeleriacError as error:
            if len(changes) > 1:
                return [done for change in changes for done in self._advance([change], now)]
            [change] = changes
            _log.error("schedule cannot be sent", extra={"schedule": change.name, "reason": str(error)})
            kept = self._broker.schedules([change.name])
            later = [_kept(each, now, due=now + AFTER_FAILURE) for each in kept]
            self._broker.advance(later, now - self._broker.ahead)
            return [False]

    def _change(self, schedule: Schedule, now: float) -> ScheduleChange:
        """Make the step that *schedule* needs now."""
        try:
            entry = decode_entry(schedule.entry, schedule.name)
            memory = decode_memory(schedule.memory, schedule.name)
        except CeleriacError as error:
            _log.error("schedule not understood", extra={"schedule": schedule.name, "reason": str(error)})
            return _kept(schedule, now, due=now + AFTER_FAILURE)
        planned = step(entry, memory, now, lambda: self._is_busy(memory))
        messages: list[Message] = []
        memory = planned.memory
        for due in planned.runs:
            messages += self._messages(entry, schedule.name, due, now)
            memory = remembered(memory, entry, due, now, messages[-len(entry.messages) :])
        return _kept(schedule, now, due=planned.due, memory=encode(memory), messages=messages)

    def _messages(self, entry: Entry, name: str, due: float, now: float) -> list[Message]:
        ids = new_ids(len(names_in(entry.messages)), now)
        ours = now - self._broker.ahead
        return messages_of(entry, name, due, ours, delay_of(entry, random.random), ids)

    def _is_busy(self, memory: Memory) -> bool:
        [record] = self._broker.get([memory.end]) if memory.end else [None]
        return record is not None and not record.state.final


def remembered(memory: Memory, entry: Entry, due: float, now: float, sent: list[Message]) -> Memory:
    """Return *memory* with what was *sent* for the moment *due*."""
    end = next(
        (new.id for old, new in zip(entry.messages, sent, strict=True) if old.id == entry.end), sent[-1].id
    )
    return replace(memory, due=due, sent=now, ids=tuple(first_of(sent)[:10]), end=end)


def _kept(
    schedule: Schedule,
    now: float,
    *,
    due: float | None,
    memory: bytes | None = None,
    messages: Iterable[Message] = (),
) -> ScheduleChange:
    kept = schedule.memory if memory is None else memory
    after = replace(schedule, due=due, memory=kept, token=new_ids(1, now)[0])
    return ScheduleChange(schedule.name, schedule.token, after, tuple(messages))


# --- what stands in code ----------------------------------------------------------------------------


def declare(broker: Broker, app: str, entries: Mapping[str, bytes], now: float) -> None:
    """Have the schedules that stand in the code of *app* be *entries*; what did not change goes on as it was.

    Those of a name that was added at run time, or by another application, stay as they are. Two applications
    of one name cannot be told apart, and remove each other's.
    """
    for _ in range(ATTEMPTS):
        kept = {schedule.name: schedule for schedule in broker.schedules()}
        changes = _changes_to_declare(app, entries, kept, now)
        done = broker.advance(changes, now - broker.ahead) if changes else []
        _tell_of_removed(app, compress(changes, done))
        if all(done):
            return
    raise OperationalError(f"the schedules of {app} were changed by others again and again; trying later")


def _changes_to_declare(
    app: str, entries: Mapping[str, bytes], kept: Mapping[str, Schedule], now: float
) -> list[ScheduleChange]:
    changes = []
    for name, entry in entries.items():
        old = kept.get(name)
        if old is None:
            changes.append(put(name, None, entry, now))
        elif old.entry != entry:
            if app_of(old) == app:
                changes.append(put(name, old, entry, now))
            else:
                _log.warning("schedule is somebody else's", extra={"schedule": name, "app": app})
    gone = [old for old in kept.values() if old.name not in entries and app_of(old) == app]
    return changes + [ScheduleChange(old.name, old.token, None) for old in gone]


def _tell_of_removed(app: str, changes: Iterable[ScheduleChange]) -> None:
    for name in (change.name for change in changes if change.schedule is None):
        if app == UNNAMED:
            reason = "not in this code; another application without a name may have it: give each one its own"
            _log.warning("schedule removed", extra={"schedule": name, "app": app, "reason": reason})
        else:
            _log.info("schedule removed", extra={"schedule": name, "app": app, "reason": "not in this code"})


def app_of(schedule: Schedule) -> str:
    """Return the application in whose code *schedule* stands; "" for none, and where it cannot be read."""
    try:
        return decode_entry(schedule.entry, schedule.name).app
    except CeleriacError:
        return ""


def _memory_of(schedule: Schedule) -> Memory:
    try:
        return decode_memory(schedule.memory, schedule.name)
    except CeleriacError:
        return Memory()


def put(name: str, old: Schedule | None, entry: bytes, now: float) -> ScheduleChange:
    """Make the step that adds a schedule, or gives *old* another entry: it begins anew, but stays paused."""
    memory = Memory() if old is None else _memory_of(old)
    memory = replace(memory, next=decode_entry(entry, name).rule.after(now), held=None)
    return _written(name, old, entry, memory, now)


def changed(old: Schedule, entry: Entry, now: float) -> ScheduleChange:
    """Make the step that gives *old* another rule or policy, but calls what it called.

    A rule that stays keeps its rhythm, and a run that waits for the one before goes on waiting.
    """
    memory = _memory_of(old)
    if decode_entry(old.entry, old.name).rule != entry.rule:
        memory = replace(memory, next=entry.rule.after(now))
    return _written(old.name, old, encode(entry), memory, now)


def _written(name: str, old: Schedule | None, entry: bytes, memory: Memory, now: float) -> ScheduleChange:
    new = Schedule(
        name,
        entry,
        due_of(memory, now),
        encode(memory),
        paused=old is not None and old.paused,
        token=new_ids(1, now)[0],
    )
    return ScheduleChange(name, "" if old is None else old.token, new)
