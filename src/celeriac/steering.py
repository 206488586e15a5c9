"""What people tell workers, what workers tell of themselves and of their tasks, and who did what. No I/O.

A store keeps all of it and looks into none of it but times, numbers and sizes.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

LOG_RING: Final = 65_536  # bytes of log that are kept for each attempt of a task
LOG_LINE: Final = 4_096  # characters of one line; longer ones are cut
LINE_COSTS: Final = 64  # bytes that a line counts beside its text, so that empty ones are not free
LOG_ATTEMPTS: Final = 10  # of how many attempts, the latest, lines are kept
LOG_AT_ONCE: Final = 1_000
MOST_COMMANDS: Final = 100  # that wait for one worker; older ones go
ACTIVITY_KEPT: Final = 90 * 86_400.0  # seconds
MOST_ACTIVITY: Final = 10_000
ACTIVITY_AT_ONCE: Final = 100
PULSE_FIELDS: Final = ("memory", "cpu", "done", "lag", "draining")  # those that a `WorkerInfo` has too
STACK_LOGGER: Final = "celeriac.stack"  # the lines that hold a stack have this for their logger

Verb = Literal["drain", "resume", "stop", "stack"]


class Command(msgspec.Struct, frozen=True):
    """What a worker shall do.

    Attributes:
        verb: `drain`: claim nothing more. `resume`: claim again. `stop`: end in good order, as after SIGTERM.
            `stack`: write the stack of *task* to its log.
        number: given by the store; those of one worker rise.
    """

    verb: Verb
    task: str = ""
    number: int = 0


class Pulse(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a worker process tells of itself with its heartbeat.

    Attributes:
        memory: resident bytes. cpu: seconds of processor time since it started. None where nobody knows.
        done: how many tasks have ended there. draining: whether it claims nothing.
        lag: seconds after which its event loop answered last; None while nothing runs there.
        heard: the number of the last command that it has obeyed; those up to it are not told again.
    """

    memory: int | None = None
    cpu: float | None = None
    done: int = 0
    lag: float | None = None
    draining: bool = False
    heard: int = 0


class Line(msgspec.Struct, frozen=True):
    """One line of a task's log on its way to the store.

    Attributes:
        id, fence: the task, and which claim of it has said so: its attempt.
        time: seconds since 1970. level: as in `logging`. body: opaque bytes, see `body_of`.
    """

    id: str
    fence: int
    time: float
    level: int
    body: bytes


class Entry(msgspec.Struct, frozen=True):
    """One line of a task's log as the store has it; `number` rises by one with each line of the task."""

    number: int
    attempt: int
    time: float
    level: int
    body: bytes


class LogLine(msgspec.Struct, frozen=True):
    """One line of a task's log, to be read.

    Attributes:
        number: rises by one with each line; where some are missing, they were too many to be kept.
        attempt: the how-manieth claim of the task has said so, from 1.
        time: seconds since 1970. level: as in `logging`. logger: its name.
        text: what was said, control characters and all.
    """

    number: int
    attempt: int
    time: float
    level: int
    logger: str
    text: str


class Deed(msgspec.Struct, frozen=True):
    """Something that somebody has done to tasks, queues, schedules or workers; see `Activity`."""

    at: float
    body: bytes
    number: int = 0


class Activity(msgspec.Struct, frozen=True):
    """Who did what, to be read.

    Attributes:
        number: rises with each. at: seconds since 1970. who: such as `ana` or `root@web-1`.
        verb: such as `revoke`. target: the ids, queue, filter or workers. count: how many were concerned.
    """

    number: int
    at: float
    who: str
    verb: str
    target: str = ""
    count: int = 1


class Frame(msgspec.Struct, frozen=True):
    """One call on a stack: where it stands."""

    file: str
    line: int
    function: str
    source: str = ""


class Stack(msgspec.Struct, frozen=True):
    """Where a running task was at one moment.

    Attributes:
        at: when it was taken, in seconds since 1970. frames: the calls, the innermost last; empty where
            `text` says why there are none.
    """

    task: str
    at: float
    text: str

    @property
    def frames(self) -> list[Frame]:
        """The calls, the innermost last."""
        found = _FRAME.findall(self.text)
        return [Frame(file, int(line), function, source) for file, line, function, source in found]


_FRAME: Final = re.compile(r'^  File "(.*)", line (\d+), in (.*)\n(?:    (.*)\n?)?', re.MULTILINE)

_encode: Final = msgspec.json.Encoder().encode
_decode_said: Final = msgspec.json.Decoder(tuple[str, str]).decode
_decode_deed: Final = msgspec.json.Decoder(tuple[str, str, str, int]).decode
_decode_pulse: Final = msgspec.json.Decoder(Pulse).decode


def body_of(logger: str, text: str, *, most: int = LOG_LINE) -> bytes:
    """Write what a line says; text of more than *most* characters is cut, and says so."""
    if len(text) > most:
        text = f"{text[:most]}… ({len(text) - most:,} more characters)"
    try:
        return _encode((logger[:200], text))
    except UnicodeEncodeError:  # half of a pair of surrogates
        return _encode((_plain(logger[:200]), _plain(text)))


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def line_of(entry: Entry) -> LogLine:
    """Read a line; one that cannot be read says why."""
    try:
        logger, text = _decode_said(entry.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        logger, text = "celeriac", f"(this line cannot be read: {error})"
    return LogLine(entry.number, entry.attempt, entry.time, entry.level, logger, text)


def cost_of(body: bytes) -> int:
    """Return how many bytes of a ring a line takes."""
    return len(body) + LINE_COSTS


def deed_of(who: str, verb: str, target: str, count: int, at: float) -> Deed:
    """Write down who did what; a long target is cut."""
    return Deed(at, _encode((_plain(who)[:200], verb, _plain(target)[:500], count)))


def activity_of(deed: Deed) -> Activity:
    """Read who did what; what cannot be read says why."""
    try:
        who, verb, target, count = _decode_deed(deed.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        who, verb, target, count = "?", "?", f"(this entry cannot be read: {error})", 0
    return Activity(deed.number, deed.at, who, verb, target, count)


def encode_pulse(pulse: Pulse) -> bytes:
    """Write a pulse."""
    return _encode(pulse)


def decode_pulse(data: bytes | str) -> Pulse:
    """Read a pulse; what something else has written is an empty one."""
    try:
        return _decode_pulse(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
        return Pulse()


def pulse_fields(data: bytes | str) -> dict[str, Any]:
    """Return what a pulse says, as fields of a `WorkerInfo`."""
    pulse = decode_pulse(data) if data else Pulse()
    return {name: getattr(pulse, name) for name in PULSE_FIELDS}


__all__ = ["Activity", "Command", "Frame", "LogLine", "Stack"]
