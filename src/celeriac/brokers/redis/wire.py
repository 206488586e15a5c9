"""Data into fields and back. No I/O.

A record is a hash whose fields have one letter; a field that has its default is absent. State absent is
QUEUED, `p` is QUEUED but parked, other states have the number of `states.State`.

| | | | | | |
|---|---|---|---|---|---|
| n | name | s | state | v | result |
| q | queue | u | custom state | t | error |
| y | priority | d | due | i | meta |
| c | created | b | started | h | checkpoint |
| a | eta | e | finished | r | retries |
| x | expires | w | worker | k | crashes |
| m | crash limit | f | fence | z | cancelled |
| p | payload | o | options | l | who listens |

Times are decimal text that gives the very same float back; scripts never write a time that they computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from celeriac.broker import Exchanged, Report
from celeriac.errors import StoreCorrupt
from celeriac.message import DEFAULT_CRASH_LIMIT, Delivery, Message, Record
from celeriac.outcome import Settlement, stored
from celeriac.states import State

DEFAULT_QUEUE: Final = "default"

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
    written: list[Argument] = [len(groups)]
    for (queue, priority), fields in groups.items():
        written += (queue, priority, counts[queue, priority])
        written += fields
    return written


def _fields(message: Message) -> list[Argument]:
    fields: list[Argument] = ["n", message.name, "c", message.created]
    if message.payload:
        fields += ("p", message.payload)
    if message.queue != DEFAULT_QUEUE:
        fields += ("q", message.queue)
    if message.priority:
        fields += ("y", message.priority)
    if message.options:
        fields += ("o", message.options)
    if message.eta is not None:
        fields += ("a", message.eta)
    if message.expires is not None:
        fields += ("x", message.expires)
    if message.crash_limit != DEFAULT_CRASH_LIMIT:
        fields += ("m", message.crash_limit)
    eta = "" if message.eta is None else message.eta
    expires = "" if message.expires is None else message.expires
    return [message.id, eta, expires, len(fields), *fields]


def settlements(finished: Iterable[Settlement]) -> list[Argument]:
    """Write what `exchange.lua` shall settle."""
    written: list[Argument] = []
    for one in finished:
        written += (one.id, one.fence, int(one.verdict), one.due, one.body)
    return written


def exchanged(reply: list[Any]) -> Exchanged:
    """Read the reply of `exchange.lua`."""
    if not reply:
        return Exchanged(lost=True)
    due, refused, stops, groups = reply[:4]
    return Exchanged(
        claims=_claims(groups.decode().split(), reply),
        refused=refused.decode().split(),
        stops=stops.decode().split(),
        due=float(due) if due else None,
    )


def _claims(groups: list[str], reply: list[Any]) -> list[Delivery]:
    claims: list[Delivery] = []
    at = 4
    for queue, priority, count in zip(groups[::3], groups[1::3], groups[2::3], strict=True):
        for _ in range(int(count)):
            task_id, name, payload, fence, extras = reply[at : at + 5]
            options, retries, crashes, limit, checkpoint = extras or _PLAIN
            claims.append(
                Delivery(
                    task_id.decode(),
                    name.decode(),
                    queue,
                    int(priority),
                    payload,
                    options,
                    fence,
                    int(retries),
                    int(crashes),
                    int(limit),
                    checkpoint,
                )
            )
            at += 5
    return claims


_PLAIN: Final = (b"", 0, 0, DEFAULT_CRASH_LIMIT, b"")


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
    return Record(
        Message(
            id=task_id,
            name=fields[b"n"].decode(),
            queue=take(b"q", b"default").decode(),
            priority=int(take(b"y", 0)),
            created=float(fields[b"c"]),
            payload=take(b"p", b""),
            eta=_time(take(b"a")),
            expires=_time(take(b"x")),
            crash_limit=int(take(b"m", DEFAULT_CRASH_LIMIT)),
            options=take(b"o", b""),
        ),
        State.QUEUED if state == b"p" else State(int(state)),
        take(b"u", b"").decode(),
        _time(take(b"d")),
        _time(take(b"b")),
        _time(take(b"e")),
        take(b"w", b"").decode(),
        int(take(b"f", 0)),
        int(take(b"r", 0)),
        int(take(b"k", 0)),
        b"z" in fields,
        take(b"i", b""),
        take(b"v", b""),
        take(b"t", b""),
        take(b"h", b""),
    )


def _time(value: bytes | None) -> float | None:
    return None if value is None else float(value)


def _broken(task_id: str, fields: dict[bytes, bytes]) -> Record:
    name = fields.get(b"n", b"").decode(errors="replace")
    queue = fields.get(b"q", b"default").decode(errors="replace")
    return Record(Message(task_id, name, queue), State.FAILED, error=BROKEN)
