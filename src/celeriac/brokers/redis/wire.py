"""Data into fields and back. No I/O.

A record is a hash whose fields have one letter; a field that has its default is absent. State absent is
QUEUED, `p` is QUEUED but parked, `h` QUEUED but held in its lane, other states have the number of
`states.State`.

| | | | | | |
|---|---|---|---|---|---|
| m | what it waits for, countdown | k | open parents | b | dependants that may need it |
| f | the task that it was replaced by | y | children | r | a join that has let its parents go |
| n | name | s | state | v | result |
| q | queue and priority | u | custom state | t | error |
| c | created | d | due | i | meta |
| a | eta | e | finished | h | checkpoint |
| x | expires | j | last claim: fence, when | l | who listens |
| p | payload | g | retries, crashes, crash limit | z | cancelled |
| o | options | w | worker | L | lane, and how it is limited |
| X | its unique name | D | a failed task was given its result | R | when it was requeued |
| O | its log: last number, attempt, size | A | the runs before its last one | | |

Times are decimal text that gives the very same float back; scripts never write a time that they computed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, repeat
from operator import attrgetter
from typing import Any, Final, TypeVar

import msgspec

from celeriac.attempts import Attempt
from celeriac.broker import Exchanged, Report, Schedule, ScheduleChange, WorkerInfo
from celeriac.errors import StoreCorrupt
from celeriac.lanes import Limit
from celeriac.message import DEFAULT_CRASH_LIMIT, After, Delivery, Message, Record
from celeriac.outcome import Settlement, stored
from celeriac.states import State, Verdict
from celeriac.steering import Command, Deed, Entry, Line, Pulse, encode_pulse, pulse_fields
from celeriac.tally import EVER, MINUTE, Tally, read, written

T = TypeVar("T")

DEFAULT_QUEUE: Final = "default"
WAITS: Final = "w"  # where a run of messages has its eta: they wait for others
LONGEST_RUN: Final = 5_000  # Lua can pass on some 8,000 arguments at once

FOREIGN: Final = (b"s", b"foreign")  # for a record that is no hash
BROKEN: Final = stored(
    StoreCorrupt("its record in the store is broken: something else has written to it; send the task again")
)

Argument = str | bytes | int | float


_SHARED: Final = attrgetter("queue", "priority", "eta", "expires", "name", "crash_limit", "options", "limit")


def _common(message: Message) -> tuple[Any, ...]:
    after = message.after
    kind = None if after is None else _waiting(after)
    return (*_SHARED(message), not message.payload, kind)


def grouped(messages: Sequence[Message]) -> list[Argument]:
    """Write *messages* for `send.lua`: what many have in common once, the first of each id only."""
    if len(messages) == 1:
        return _group(messages)
    first = _first_of_each(messages)
    return [argument for _, run in groupby(first, _common) for argument in _group(list(run))]


def _first_of_each(messages: Sequence[Message]) -> Iterable[Message]:
    first: dict[str, Message] = {}
    for message in messages:
        first.setdefault(message.id, message)
    return first.values()


def _group(messages: Sequence[Message]) -> list[Argument]:
    """Write messages that differ in id, payload and creation only, and all have a payload or none has."""
    first = messages[0]
    at_once = all(message.created == first.created for message in messages)
    columns: list[Sequence[Argument]] = [[message.id for message in messages]]
    if not at_once:
        columns.append([message.created for message in messages])
    if first.payload:
        columns.append([message.payload for message in messages])
    fields = _fields(first) if at_once else _fields(first)[2:]
    eta = "" if first.eta is None else first.eta
    if first.after is not None:
        eta = WAITS
    expires = "" if first.expires is None else first.expires
    return [
        *(first.queue, first.priority, len(messages), eta, expires),
        "" if first.limit is None else str(first.limit),
        *(int(not at_once), int(bool(first.payload)), len(fields)),
        *fields,
        *(columns[0] if len(columns) == 1 else chain.from_iterable(zip(*columns, strict=True))),
    ]


def _fields(message: Message) -> list[Argument]:
    fields: list[Argument] = ["c", message.created, "n", message.name]
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
    if message.limit is not None:
        fields += ("L", str(message.limit))
    if message.unique is not None:
        fields += ("X", message.unique.name)
    if message.after is not None:
        fields += ("s", int(State.WAITING), "m", _waiting(message.after))
    return fields


def _waiting(after: After) -> str:
    kind = "j" if after.join else after.on[0]
    return kind if after.countdown is None else f"{kind} {after.countdown!r}"


def graph(messages: Sequence[Message], begin: int = 5) -> list[Argument]:
    """Write *messages*, of which some wait for others, for `send_graph.lua`; *begin* is where in ARGV."""
    ids = {message.id for message in messages}
    older: dict[str, None] = {}
    links: list[Argument] = []
    for message in messages:
        if message.after is not None:
            parents = message.after.parents
            older.update(dict.fromkeys(parent for parent in parents if parent not in ids))
            links += (message.id, len(parents), *parents)
    return [len(older), begin + 2 + len(older) + len(links), *older, *links, *grouped(messages)]


def uniques(given: Iterable[Message]) -> list[Argument]:
    """Write messages for `send_unique.lua`."""
    written: list[Argument] = []
    for message in given:
        unique, sent = message.unique, grouped([message])
        if unique is None:
            written += (message.id, "", "", 0, 0)
        else:
            seconds = "" if unique.seconds is None else unique.seconds
            written += (
                message.id,
                unique.name,
                seconds,
                int(unique.until == "forgotten"),
                int(unique.replace),
            )
        written += (len(sent), *sent)
    return written


def changes(given: Iterable[ScheduleChange]) -> list[Argument]:
    """Write changes of schedules for `advance.lua`."""
    written: list[Argument] = []
    for change in given:
        new = change.schedule or Schedule(change.name, b"")
        waits = any(message.after is not None for message in change.messages)
        begin = 5 + len(written) + 10
        messages = list(_first_of_each(change.messages))
        sent = graph(messages, begin) if waits else grouped(messages)
        written += (change.name, change.token, int(change.schedule is not None), new.entry)
        written += ("" if new.due is None else new.due, new.memory, int(new.paused), new.token)
        written += (len(sent), int(waits), *sent)
    return written


def schedule(fields: Sequence[Any]) -> Schedule:
    """Read one schedule of the reply of `schedules.lua`; what is broken in it is never due."""
    name, entry, due, memory, paused, token = fields
    try:
        moment = _time(due or None)
    except ValueError:
        moment = None
    return Schedule(_text(name), entry, moment, memory, paused=paused == b"1", token=_text(token))


def worker(described: bytes, started: bytes, seen: bytes, running: int, pulse: bytes) -> WorkerInfo | None:
    """Read one worker of the reply of `workers.lua`; None for what something else has written."""
    try:
        info = msgspec.json.decode(described, type=WorkerInfo)
        moments = {"started": float(started), "seen": float(seen)}
        return msgspec.structs.replace(info, running=running, **moments, **pulse_fields(pulse))
    except (ValueError, RecursionError):
        return None


def pulse(worker: str, told: Pulse | None) -> tuple[str, bytes | str, int]:
    """Write what a worker tells of itself for `heartbeat.lua`."""
    return (worker, "", 0) if told is None else (worker, encode_pulse(told), told.heard)


def commands(entries: Iterable[bytes]) -> list[Command]:
    """Read what a worker is told to do, of the reply of `heartbeat.lua`; what is broken is nothing."""
    found: list[Command] = []
    for entry in entries:
        number, _, rest = _text(entry).partition(" ")
        verb, _, task = rest.partition(" ")
        with contextlib.suppress(ValueError, msgspec.ValidationError):
            found.append(msgspec.convert({"verb": verb, "task": task, "number": int(number)}, Command))
    return found


def log_lines(lines: Iterable[Line], ahead: float) -> list[Argument]:
    """Write lines for `write_log.lua`."""
    return [
        value for line in lines for value in (line.id, line.fence, line.time + ahead, line.level, line.body)
    ]


def log_entries(flat: Sequence[Any], ahead: float) -> list[Entry]:
    """Read the reply of `read_log.lua`; what is broken is left out."""
    found: list[Entry] = []
    for attempt, entry in zip(flat[::2], flat[1::2], strict=True):
        head, _, body = entry.partition(b"\n")
        with contextlib.suppress(ValueError):
            number, time, level = head.split(b" ")
            found.append(Entry(int(number), attempt, float(time) - ahead, int(level), body))
    return found


def deeds(entries: Iterable[bytes], ahead: float) -> list[Deed]:
    """Read the reply of `activity.lua`; what is broken is left out."""
    found: list[Deed] = []
    for entry in entries:
        head, _, body = entry.partition(b"\n")
        with contextlib.suppress(ValueError):
            number, at = head.split(b" ")
            found.append(Deed(float(at) - ahead, body, int(number)))
    return found


def counted(flat: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, str, int]]:
    """Read how many tasks there are: of which kind, in which queue, how many; what is broken is none."""
    for field, value in flat:
        kind, _, queue = _text(field).partition(":")
        with contextlib.suppress(ValueError):
            yield kind, queue, max(0, int(value))


def oldest(firsts: Iterable[tuple[bytes, bytes]], ahead: float) -> dict[str, float]:
    """Read when the oldest of the first ones of each queue's lines was sent; what is broken is none."""
    found: dict[str, float] = {}
    for name, sent in firsts:
        with contextlib.suppress(ValueError):
            queue, moment = _text(name), float(sent) - ahead
            found[queue] = min(moment, found.get(queue, moment))
    return found


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def settlements(finished: Iterable[Settlement]) -> list[Argument]:
    """Write what `exchange.lua` shall settle: runs of one verdict, by columns."""
    written: list[Argument] = []
    for verdict, run in groupby(finished, attrgetter("verdict")):
        some = list(run)
        for start in range(0, len(some), LONGEST_RUN):
            written += _run(int(verdict), some[start : start + LONGEST_RUN])
    return written


def _run(verdict: int, run: list[Settlement]) -> list[Argument]:
    fences = [one.fence for one in run]
    bodies = any(one.body for one in run)
    same = fences.count(fences[0]) == len(fences)
    written: list[Argument] = [
        verdict,
        len(run),
        fences[0] if same else " ".join(map(str, fences)),
        int(bodies),
    ]
    written += [one.id for one in run]
    if bodies:
        written += [one.body for one in run]
    if verdict not in _FINAL:
        written += [one.due for one in run]
    return written


_FINAL: Final = (Verdict.SUCCEEDED, Verdict.FAILED, Verdict.CANCELLED)


def exchanged(reply: list[Any]) -> Exchanged:
    """Read the reply of `exchange.lua`.

    Raises:
        StoreCorrupt: something else has written to the records that it tells of.
    """
    if not reply:
        return Exchanged(lost=True)
    try:
        return _exchanged(reply)
    except (ValueError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise corrupt(error) from error


def corrupt(error: Exception) -> StoreCorrupt:
    """Make the error for a reply that cannot be read."""
    return StoreCorrupt(
        f"what the store has kept cannot be read, something else has written to it: {error!s:.200}"
    )


def _exchanged(reply: list[Any]) -> Exchanged:
    due, refused, stops, groups, ids, payloads, extras, options = reply
    return Exchanged(
        _claims(groups, ids, payloads, extras, options) if groups else (),
        _words(refused),
        _words(stops),
        float(due) if due else None,
    )


def _words(joined: bytes) -> list[str]:
    return joined.decode().split(" ") if joined else []


def _claims(
    groups: bytes, joined: bytes, payloads: list[bytes], extras: list[Any], options: list[bytes]
) -> list[Delivery]:
    """Make deliveries of what the claims have in common, run by run, and of what each has for itself."""
    ids = _words(joined)
    described = _words(groups)
    runs = [(int(count), *common) for *common, count in zip(*[iter(described)] * 5, strict=True)]
    columns: Iterable[Iterable[Any]] = _PLAIN
    if extras:
        columns = _extras(extras, len(ids))
    retries, crashes, limits, checkpoints = columns
    return list(
        map(
            Delivery,
            ids,
            _spread((count, name) for count, name, *_ in runs),
            _spread((count, queue) for count, _, queue, *_ in runs),
            _spread((count, int(priority)) for count, _, _, priority, _ in runs),
            payloads or repeat(b""),
            _spread(zip((run[0] for run in runs), options, strict=True)) if options else repeat(b""),
            _spread((count, int(fence)) for count, *_, fence in runs),
            retries,
            crashes,
            limits,
            checkpoints,
        )
    )


def _spread(runs: Iterable[tuple[int, T]]) -> Iterator[T]:
    """Repeat each value as often as its run is long."""
    return chain.from_iterable(repeat(value, count) for count, value in runs)


_PLAIN: Final = (repeat(0), repeat(0), repeat(DEFAULT_CRASH_LIMIT), repeat(b""))


def _extras(extras: list[Any], claims: int) -> Iterable[Iterable[Any]]:
    """Make columns of what only some of the claims have."""
    rows: list[tuple[Any, ...]] = [(0, 0, DEFAULT_CRASH_LIMIT, b"")] * claims
    for position, tally, checkpoint in extras:
        rows[position] = (*_tally_or_none(tally), checkpoint)
    return zip(*rows, strict=True)


def _tally(field: bytes) -> tuple[int, int, int]:
    """Read retries, crashes and crash limit."""
    if not field:
        return 0, 0, DEFAULT_CRASH_LIMIT
    retries, crashes, limit = field.split(b" ")
    return int(retries), int(crashes), int(limit)


def _tally_or_none(field: bytes) -> tuple[int, int, int]:
    """Do as `_tally`; a broken one must not keep a worker from its other claims."""
    try:
        return _tally(field)
    except ValueError:
        return _tally(b"")


def reports(given: Iterable[Report]) -> list[Argument]:
    """Write progress for `report.lua`."""
    written: list[Argument] = []
    for report in given:
        values: list[Argument] = []
        for field, value in (("u", report.state), ("i", report.meta), ("h", report.checkpoint)):
            if value is not None:
                values += (field, value)
        written += (report.id, report.fence, " ".join(report.children), len(values), *values)
    return written


def tallies(given: Iterable[Tally], ahead: float) -> list[Argument]:
    """Write what was counted for `count.lua`, at the minutes of a clock that is so many seconds *ahead*."""
    rows: list[Argument] = []
    for tally in given:
        rows += (_minute(tally.moment + ahead), tally.queue, tally.name, written(tally.numbers))
    return rows


def bucket(step: int, moment: int, flat: Sequence[bytes], ahead: float) -> list[Tally]:
    """Read what was counted in a bucket, at a clock that is so many seconds behind the store's."""
    if step != EVER:
        moment = _minute(moment - ahead)
    rows = sorted(
        (key.decode(errors="replace"), value) for key, value in zip(flat[::2], flat[1::2], strict=True)
    )
    named = ((*row.partition(" "), value) for row, value in rows)
    return [
        Tally(moment, queue, name, read(value.decode(errors="replace")), step)
        for queue, _, name, value in named
    ]


def _minute(moment: float) -> int:
    """Return the minute that begins nearest to *moment*."""
    return int((moment + MINUTE / 2) // MINUTE) * MINUTE


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
            after=_after(take(b"m")),
            limit=Limit.parse(take(b"L", b"").decode()) if b"L" in fields else None,
        ),
        State.QUEUED if state in (b"p", b"h") else State(int(state)),
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
        children=tuple(take(b"y", b"").decode().split()),
        attempts=tuple(_attempts(take(b"A", b""))),
    )


def _attempts(field: bytes) -> Iterator[Attempt]:
    """Read runs: of each a line (fence, started, ended, verdict, worker, bytes of error), and the error."""
    while field:
        line, _, rest = field.partition(b"\n")
        fence, started, ended, verdict, *worker, size = line.decode().split(" ")
        end = int(size)
        if not 0 <= end <= len(rest):
            raise ValueError("an attempt's error has another length than is said")
        who, how = " ".join(worker), Verdict(int(verdict))
        yield Attempt(int(fence), float(started), float(ended), who, how, rest[:end])
        field = rest[end:]


def _after(field: bytes | None) -> After | None:
    """Read what a record tells of its waiting: all but for whom."""
    if field is None:
        return None
    kind, _, countdown = field.partition(b" ")
    on: Any = "failure" if kind == b"f" else "success"
    return After(on=on, join=kind == b"j", countdown=float(countdown) if countdown else None)


def own_result(fields: Any) -> bytes | None:
    """Read the result out of state, result and kind of waiting; None for a join, or when there is none."""
    if isinstance(fields, Exception) or fields[0] != _SUCCEEDED or (fields[2] or b"").startswith(b"j"):
        return None
    return fields[1] or b""


_SUCCEEDED: Final = b"%d" % State.SUCCEEDED


def _time(value: bytes | None) -> float | None:
    return None if value is None else float(value)


def _broken(task_id: str, fields: dict[bytes, bytes]) -> Record:
    name = fields.get(b"n", b"").decode(errors="replace")
    queue = fields.get(b"q", b"default").decode(errors="replace")
    return Record(Message(task_id, name, queue), State.FAILED, error=BROKEN)
