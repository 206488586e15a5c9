"""Data into fields and back. No I/O.

A record is a hash whose fields have one letter; a field that has its default is absent. State absent is
QUEUED, `p` is QUEUED but parked, other states have the number of `states.State`.

| | | | | | |
|---|---|---|---|---|---|
| n | name | s | state | v | result |
| q | queue and priority | u | custom state | t | error |
| c | created | d | due | i | meta |
| a | eta | e | finished | h | checkpoint |
| x | expires | j | last claim: fence, when | l | who listens |
| p | payload | g | retries, crashes, crash limit | z | cancelled |
| o | options | w | worker | | |

Times are decimal text that gives the very same float back; scripts never write a time that they computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, repeat
from operator import attrgetter
from typing import Any, Final

from celeriac.broker import Exchanged, Report
from celeriac.errors import StoreCorrupt
from celeriac.message import DEFAULT_CRASH_LIMIT, Delivery, Message, Record
from celeriac.outcome import Settlement, stored
from celeriac.states import State, Verdict

DEFAULT_QUEUE: Final = "default"
LONGEST_RUN: Final = 5_000  # Lua can pass on some 8,000 arguments at once

FOREIGN: Final = (b"s", b"foreign")  # for a record that is no hash
BROKEN: Final = stored(
    StoreCorrupt("its record in the store is broken: something else has written to it; send the task again")
)

Argument = str | bytes | int | float


def grouped(messages: Sequence[Message]) -> list[Argument]:
    """Write *messages* for `send.lua`: grouped by queue and priority, the first of each id only."""
    groups: dict[tuple[str, int], list[Argument]] = {}
    counts: dict[tuple[str, int], int] = {}
    seen: set[str] = set()
    for message in messages:
        if message.id not in seen:
            seen.add(message.id)
            place = (message.queue, message.priority)
            groups.setdefault(place, []).extend(_fields(message))
            counts[place] = counts.get(place, 0) + 1
    written: list[Argument] = []
    for (queue, priority), fields in groups.items():
        written += (queue, priority, counts[queue, priority])
        written += fields
    return written


def _fields(message: Message) -> list[Argument]:
    fields: list[Argument] = ["n", message.name, "c", message.created]
    if message.payload:
        fields += ("p", message.payload)
    if message.priority:
        fields += ("q", f"{message.queue} {message.priority}")
    elif message.queue != DEFAULT_QUEUE:
        fields += ("q", message.queue)
    if message.options:
        fields += ("o", message.options)
    if message.eta is not None:
        fields += ("a", message.eta)
    if message.expires is not None:
        fields += ("x", message.expires)
    if message.crash_limit != DEFAULT_CRASH_LIMIT:
        fields += ("g", f"0 0 {message.crash_limit}")
    eta = "" if message.eta is None else message.eta
    expires = "" if message.expires is None else message.expires
    return [message.id, eta, expires, len(fields), *fields]


def settlements(finished: Iterable[Settlement]) -> list[Argument]:
    """Write what `exchange.lua` shall settle: runs of one verdict, by columns."""
    written: list[Argument] = []
    for verdict, run in groupby(finished, attrgetter("verdict")):
        some = list(run)
        for start in range(0, len(some), LONGEST_RUN):
            written += _run(int(verdict), some[start : start + LONGEST_RUN])
    return written


def _run(verdict: int, run: list[Settlement]) -> list[Argument]:
    written: list[Argument] = [verdict, len(run)]
    written += [one.id for one in run]
    written += [one.fence for one in run]
    written += [one.body for one in run]
    if verdict not in _FINAL:
        written += [one.due for one in run]
    return written


_FINAL: Final = (Verdict.SUCCEEDED, Verdict.FAILED, Verdict.CANCELLED)


def exchanged(reply: list[Any]) -> Exchanged:
    """Read the reply of `exchange.lua`."""
    if not reply:
        return Exchanged(lost=True)
    due, refused, stops, groups, ids, names, fences, payloads, extras = reply
    return Exchanged(
        _claims(groups, ids, names, fences, payloads, extras) if groups else (),
        _words(refused),
        _words(stops),
        float(due) if due else None,
    )


def _words(joined: bytes) -> list[str]:
    return joined.decode().split(" ") if joined else []


def _claims(
    groups: bytes, ids: bytes, names: bytes, fences: bytes, payloads: list[bytes], extras: list[Any]
) -> list[Delivery]:
    queues: list[str] = []
    priorities: list[int] = []
    described = _words(groups)
    for queue, priority, count in zip(described[::3], described[1::3], described[2::3], strict=True):
        queues += [queue] * int(count)
        priorities += [int(priority)] * int(count)
    columns: Iterable[Iterable[Any]] = _PLAIN
    if extras:
        columns = _extras(extras, len(payloads))
    options, retries, crashes, limits, checkpoints = columns
    return list(
        map(
            Delivery,
            _words(ids),
            _words(names),
            queues,
            priorities,
            payloads,
            options,
            map(int, fences.split()),
            retries,
            crashes,
            limits,
            checkpoints,
        )
    )


_PLAIN: Final = (repeat(b""), repeat(0), repeat(0), repeat(DEFAULT_CRASH_LIMIT), repeat(b""))


def _extras(extras: list[Any], claims: int) -> Iterable[Iterable[Any]]:
    """Make columns of what only some of the claims have."""
    rows: list[tuple[Any, ...]] = [(b"", 0, 0, DEFAULT_CRASH_LIMIT, b"")] * claims
    for position, options, tally, checkpoint in extras:
        rows[position] = (options, *_tally(tally), checkpoint)
    return zip(*rows, strict=True)


def _tally(field: bytes) -> tuple[int, int, int]:
    """Read retries, crashes and crash limit."""
    if not field:
        return 0, 0, DEFAULT_CRASH_LIMIT
    retries, crashes, limit = field.split(b" ")
    return int(retries), int(crashes), int(limit)


def reports(given: Iterable[Report]) -> list[Argument]:
    """Write progress for `report.lua`."""
    written: list[Argument] = []
    for report in given:
        values: list[Argument] = []
        for field, value in (("u", report.state), ("i", report.meta), ("h", report.checkpoint)):
            if value is not None:
                values += (field, value)
        written += (report.id, report.fence, len(values), *values)
    return written


def record(task_id: str, flat: Sequence[Any]) -> Record | None:
    """Read a record from alternating fields and values; None when there are none.

    A broken one becomes FAILED, its error saying so.
    """
    if not flat:
        return None
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    try:
        return _record(task_id, fields)
    except (ValueError, KeyError):  # UnicodeDecodeError is a ValueError
        return _broken(task_id, fields)


def _record(task_id: str, fields: dict[bytes, bytes]) -> Record:
    take = fields.get
    state = take(b"s", b"2")
    queue, _, priority = take(b"q", DEFAULT_QUEUE.encode()).decode().partition(" ")
    retries, crashes, crash_limit = _tally(take(b"g", b""))
    fence, _, started = take(b"j", b"0").decode().partition(" ")
    return Record(
        Message(
            id=task_id,
            name=fields[b"n"].decode(),
            queue=queue,
            priority=int(priority or 0),
            created=float(fields[b"c"]),
            payload=take(b"p", b""),
            eta=_time(take(b"a")),
            expires=_time(take(b"x")),
            crash_limit=crash_limit,
            options=take(b"o", b""),
        ),
        State.QUEUED if state == b"p" else State(int(state)),
        custom=take(b"u", b"").decode(),
        due=_time(take(b"d")),
        started=float(started) if started else None,
        finished=_time(take(b"e")),
        worker=take(b"w", b"").decode(),
        fence=int(fence),
        retries=retries,
        crashes=crashes,
        cancelled=b"z" in fields,
        meta=take(b"i", b""),
        result=take(b"v", b""),
        error=take(b"t", b""),
        checkpoint=take(b"h", b""),
    )


def _time(value: bytes | None) -> float | None:
    return None if value is None else float(value)


def _broken(task_id: str, fields: dict[bytes, bytes]) -> Record:
    name = fields.get(b"n", b"").decode(errors="replace")
    queue = fields.get(b"q", b"default").decode(errors="replace")
    return Record(Message(task_id, name, queue), State.FAILED, error=BROKEN)
