"""What a task says through `logging` while it runs: caught in its process, gathered for the courier."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final

from celeriac.context import current_run
from celeriac.outcome import Settlement
from celeriac.steering import LOG_RING, Line, body_of, cost_of

LINES_AT_ONCE: Final = 1_000
BYTES_AT_ONCE: Final = 1 << 20


class TaskLogHandler(logging.Handler):
    """Hands what is said in the code of a task to its run; what others say is none of its business."""

    def createLock(self) -> None:  # noqa: N802 - the base class's name
        """Make no lock: nothing here needs one, and tasks in threads would wait for each other."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> Any:
        """Do as the base class does, without its lock, which it takes unasked from Python 3.13 on."""
        passed: Any = self.filter(record)  # from Python 3.12 on a filter may return another record
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        """Keep *record* if a task has said it."""
        run = current_run()
        if run is None:
            return
        try:
            run.log(record.levelno, record.created, body_of(record.name, self.format(record)))
        except Exception:  # noqa: BLE001 - arguments that do not fit the message; what logging does then
            self.handleError(record)


def catch_logs(level: int | None) -> None:
    """Have what tasks say from *level* up caught; None for nothing. May be repeated, and is cheap then.

    The root logger lets through what is caught; its other handlers show no more than before.
    """
    root = logging.getLogger()
    if level is None or any(type(handler) is TaskLogHandler for handler in root.handlers):
        return
    if not root.handlers and logging.lastResort is not None:  # what Python does where there are none
        root.addHandler(logging.lastResort)
    if root.level > level:
        for handler in root.handlers:
            handler.setLevel(max(handler.level, root.level))
        root.setLevel(level)
    root.addHandler(TaskLogHandler(level))


class Basket:
    """Lines on their way to the store: of each attempt no more than that would keep. For any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._lines: dict[tuple[str, int], deque[Line]] = {}
        self._sizes: dict[tuple[str, int], int] = {}

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, line: Line) -> bool:
        """Take a line; say whether it is the first."""
        with self._guard:
            was_empty = not self._lines
            self._add(line)
            return was_empty

    def _add(self, line: Line) -> None:
        key = line.id, line.fence
        lines = self._lines.setdefault(key, deque())
        lines.append(line)
        size = self._sizes.get(key, 0) + cost_of(line.body)
        while size > LOG_RING and len(lines) > 1:
            size -= cost_of(lines.popleft().body)
        self._sizes[key] = size

    def take(self) -> list[Line]:
        """Give all lines away, those of one attempt in their order."""
        with self._guard:
            lines, self._lines, self._sizes = self._lines, {}, {}
        return [line for some in lines.values() for line in some]

    def put_back(self, lines: Iterable[Line]) -> None:
        """Take lines that could not be carried back, before those that came meanwhile."""
        with self._guard:
            newer, self._lines, self._sizes = self._lines, {}, {}
            for line in (*lines, *(line for some in newer.values() for line in some)):
                self._add(line)

    def has_of(self, settlements: Iterable[Settlement]) -> bool:
        """Say whether there are lines of a task that is settled."""
        lines = self._lines
        return bool(lines) and any((each.id, each.fence) in lines for each in settlements)


def in_parts(lines: list[Line]) -> Iterator[list[Line]]:
    """Cut *lines* into parts that a store takes at once."""
    part, size = list[Line](), 0
    for line in lines:
        if part and (len(part) >= LINES_AT_ONCE or size + len(line.body) > BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line.body)
    if part:
        yield part
