"""The ends of the logs of tasks that somebody looks at: each look reads only what is new."""

from __future__ import annotations

import logging
import re
import threading
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final

import msgspec

from celeriac.steering import LOG_AT_ONCE, STACK_LOGGER, LogLine

if TYPE_CHECKING:
    from celeriac.app import Celeriac

MOST: Final = 64  # logs that are remembered; those that were looked at longest ago are forgotten
SHOWN: Final = 200  # lines
LEVELS: Final = ("debug", "info", "warning", "error")
_ANSI: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


class Said(msgspec.Struct, frozen=True):
    """One line as it is shown; *colour* tells how bad it is."""

    number: int
    attempt: int
    time: float
    level: str
    colour: str
    logger: str
    text: str


class StackSeen(msgspec.Struct, frozen=True):
    """Where a task was when somebody asked last."""

    at: float
    text: str


class Tail(msgspec.Struct, frozen=True):
    """The end of a log. *more*: whether lines came before. *stack*: the latest that was asked for."""

    lines: tuple[Said, ...]
    more: bool
    stack: StackSeen | None


class _Log:
    """What is remembered of one log at one level."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.last, self.seen = 0, 0
        self.lines: deque[Said] = deque(maxlen=SHOWN)
        self.stack: StackSeen | None = None

    def read(self, app: Celeriac, task_id: str, level: int) -> Tail:
        with self.lock:
            while entries := app.log(task_id, self.last, LOG_AT_ONCE):
                self.last = entries[-1].number
                for entry in entries:
                    self.take(entry, level)
                if len(entries) < LOG_AT_ONCE:
                    break
            return Tail(tuple(self.lines), self.seen > len(self.lines), self.stack)

    def take(self, entry: LogLine, level: int) -> None:
        if entry.logger == STACK_LOGGER:
            self.stack = StackSeen(entry.time, plain(entry.text))
        elif entry.level >= level:
            self.seen += 1
            self.lines.append(_said(entry))


class Tails:
    """The logs that one dashboard shows; may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._logs: OrderedDict[tuple[str, int], _Log] = OrderedDict()

    def of(self, app: Celeriac, task_id: str, level: str = "") -> Tail:
        """Return the end of a task's log, as far as its lines have *level* at least."""
        least = getattr(logging, level.upper()) if level in LEVELS else logging.NOTSET
        with self._lock:
            log = self._logs.setdefault((task_id, least), _Log())
            self._logs.move_to_end((task_id, least))
            while len(self._logs) > MOST:
                self._logs.popitem(last=False)
        return log.read(app, task_id, least)


def plain(text: str) -> str:
    """Return *text* without what colours a terminal."""
    return _ANSI.sub("", text)


def _said(entry: LogLine) -> Said:
    colour = "bad" if entry.level >= logging.ERROR else "warn" if entry.level >= logging.WARNING else "off"
    return Said(
        number=entry.number,
        attempt=entry.attempt,
        time=entry.time,
        level=logging.getLevelName(entry.level),
        colour=colour,
        logger=entry.logger,
        text=plain(entry.text),
    )
