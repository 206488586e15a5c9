"""What a schedule is: its rule, what it sends, and what beat remembers of it. Bytes to a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from celeriac import codec
from celeriac.beat.rules import LONGEST, Rule, check_rule
from celeriac.errors import ConfigurationError, DecodeError, InvalidMessage, InvalidName
from celeriac.message import (
    Message,
    check_names,
    decode_options,
    encode_options,
)

GRACE: Final = 30.0
LONGEST_GRACE: Final = LONGEST
LONGEST_JITTER: Final = 86_400.0

_FOREVER: Final = 1e11  # seconds since 1970: some three thousand years

Missed = Literal["once", "skip", "all"]
Overlap = Literal["allow", "skip", "queue"]


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a schedule does.

    Attributes:
        rule: when. task: what it calls, for people.
        messages: what is sent, with small numbers as ids, and times that count from the sending.
        end: the id of the message with whose end the run is over.
        missed: what becomes of due times that passed while nobody was there. See `plan`.
        grace: seconds after a due time until which it does not count as missed.
        max_jitter: the task starts up to so many seconds later, by chance.
        overlap: what happens when it is due and the run before is not over.
        app: the application in whose code it stands; "" for one that was added at run time.
    """

    rule: Rule
    task: str
    messages: tuple[Message, ...]
    end: str
    missed: Missed = "once"
    grace: float = GRACE
    max_jitter: float = 0.0
    overlap: Overlap = "allow"
    app: str = ""


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What beat remembers of a schedule between two looks at it.

    Attributes:
        next: the next due time, in seconds since 1970 UTC; None for never.
        due: the due time that was sent last, and `sent`, when that was.
        ids: what was sent then that waits for nothing. end: the task with whose end that run is over.
        runs: how many due times were sent. missed: how many passed unused. overlapped: how many came while
            the run before was not over, and were dropped.
        held: a due time that waits for the run before to be over.
    """

    next: float | None = None
    due: float | None = None
    sent: float | None = None
    ids: tuple[str, ...] = ()
    end: str = ""
    runs: int = 0
    missed: int = 0
    overlapped: int = 0
    held: float | None = None


def due_of(memory: Memory, now: float) -> float | None:
    """Return when a schedule is to be looked at next: at once while a due time waits for the run before."""
    return now if memory.held is not None else memory.next


def check_jitter(entry: Entry) -> None:
    """Return if nothing of *entry* may expire while chance keeps it waiting.

    Raises:
        ConfigurationError: something may.
    """
    for message in entry.messages:
        latest = (message.eta or 0.0) + entry.max_jitter
        if entry.max_jitter and message.expires is not None and message.expires <= latest:
            raise ConfigurationError(
                f"{message.name} expires {message.expires:g} s after it is sent, and may start {latest:g} s "
                f"after that by its max_jitter: let it expire later, or take less jitter"
            )


def check_schedule_name(name: str) -> str:
    """Return *name* if it may be a schedule's: 1 to 200 printable characters.

    Raises:
        InvalidName: it may not.
    """
    if isinstance(name, str) and 1 <= len(name) <= 200 and name.isprintable() and name.strip() == name:
        return name
    raise InvalidName(f"{name!r:.80} cannot be the name of a schedule: use 1 to 200 printable characters")


def encode(value: Entry | Memory) -> bytes:
    """Write an entry, or what is remembered of it."""
    return codec.encode(value, what="a schedule")


def decode_entry(data: bytes, name: str) -> Entry:
    """Read an entry.

    Raises:
        DecodeError: the bytes are something else, or of a newer version.
    """
    entry: Entry | None = codec.decode(data, Entry, what=f"the schedule {name!r}")
    if entry is None:
        raise DecodeError(f"the schedule {name!r} cannot be read: it is empty")
    try:
        _check(entry)
    except (ConfigurationError, InvalidMessage, ValueError) as error:
        raise DecodeError(f"the schedule {name!r} cannot be read: {error}") from error
    return entry


def _check(entry: Entry) -> None:
    """Return if beat can work with *entry*; it may have been written by somebody else.

    Raises:
        ConfigurationError, InvalidMessage, ValueError: it cannot.
    """
    check_rule(entry.rule)
    if not (0 <= entry.grace <= _FOREVER and 0 <= entry.max_jitter <= LONGEST_JITTER):
        raise ValueError("its grace, or its jitter, is out of range")
    if entry.end not in names_in(entry.messages):
        raise ValueError("what it ends with is not among what it sends")
    for message in entry.messages:
        check_names(message)
        moments = (message.created, message.eta or 0.0, message.expires or 0.0)
        if not 0 <= message.priority <= 9 or not all(abs(moment) <= _FOREVER for moment in moments):
            raise ValueError("a priority, or a time, is out of range")


def decode_memory(data: bytes, name: str) -> Memory:
    """Read what is remembered.

    Raises:
        DecodeError: the bytes are something else.
    """
    what = f"what is remembered of the schedule {name!r}"
    memory = codec.decode(data, Memory, what=what) if data else Memory()
    moments = (memory.next, memory.due, memory.sent, memory.held)
    if not all(moment is None or 0 <= moment <= _FOREVER for moment in moments):
        raise DecodeError(f"{what} cannot be read: a time is out of range")
    return memory


# --- what is sent, as a pattern and for real --------------------------------------------------------


def pattern_of(messages: Sequence[Message], now: float) -> tuple[Message, ...]:
    """Make a pattern of *messages*, made at *now*: the same call always gives the same one."""
    numbers = {name: str(number) for number, name in enumerate(names_in(messages))}
    return tuple(_moved(message, numbers.get, -now) for message in messages)


def names_in(messages: Sequence[Message]) -> list[str]:
    """Return the ids of *messages*, and then those of the groups that are no task of theirs."""
    groups = (decode_options(message.options).group_id for message in messages)
    return list(dict.fromkeys([*(message.id for message in messages), *filter(None, groups)]))


def messages_of(
    entry: Entry, name: str, due: float, now: float, delay: float, ids: Sequence[str]
) -> list[Message]:
    """Make what is sent for one due time.

    Args:
        delay: seconds for which nothing of it starts. ids: new ones, as many as `names_in` has.
    """
    new = dict(zip(names_in(entry.messages), ids, strict=True))
    made = []
    for message in entry.messages:
        if delay and message.after is None:
            message = replace(message, eta=(message.eta or 0.0) + delay)
        moved = _moved(message, new.get, now)
        options = replace(
            decode_options(moved.options), schedule=name, due=due, eta=moved.eta, expires=moved.expires
        )
        made.append(replace(moved, options=encode_options(options)))
    return made


def _moved(message: Message, ids: Callable[[str], str | None], seconds: float) -> Message:
    """Return *message* under another id, its times moved by so many *seconds*."""
    options = decode_options(message.options)
    renamed = {
        field: value if value is None else ids(value)
        for field, value in (
            ("root_id", options.root_id),
            ("parent_id", options.parent_id),
            ("input", options.input),
            ("failure_of", options.failure_of),
            ("group_id", options.group_id),
        )
    }
    after = message.after
    eta, expires = (None if at is None else round(at + seconds, 3) for at in (message.eta, message.expires))
    if after is not None:
        after = replace(after, parents=tuple(ids(parent) or parent for parent in after.parents))
    return replace(
        message,
        id=ids(message.id) or message.id,
        created=max(0.0, round(message.created + seconds, 3)),
        eta=eta,
        expires=expires,
        options=encode_options(replace(options, **renamed, eta=None, expires=None)),
        after=after,
    )
