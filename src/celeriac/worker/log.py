"""Log lines are events: a fixed phrase and fields. One logger, `celeriac`, for all of the worker."""

from __future__ import annotations

import logging
from typing import Any, Final

from celeriac.logs import OWN, JsonFormatter, LogFormat, extra_of, mark, task_of

log: Final = logging.getLogger(OWN)
log.addHandler(logging.NullHandler())

_LONGEST: Final = 120  # characters of a field

_handler: logging.Handler | None = None  # the one that was set up here
_set_up: tuple[str | int, LogFormat] | None = None


def set_up_logging(level: str | int, form: LogFormat = "text") -> None:
    """Send the log to standard error as events, unless the root logger has another handler already."""
    global _handler, _set_up
    _set_up = level, form
    log.setLevel(level)
    root = logging.getLogger()
    if not root.handlers:
        _handler = logging.StreamHandler()
        root.addHandler(_handler)
        root.setLevel(level)
    if _handler is not None:
        _handler.setFormatter(JsonFormatter() if form == "json" else EventFormatter())


def set_up_by() -> tuple[str | int, LogFormat] | None:
    """Return what `set_up_logging` was called with here, for a process that is started; None: it was not."""
    return _set_up


class EventFormatter(logging.Formatter):
    """Writes `time level phrase key=value …`, and the traceback below when there is one.

    Only what begins a line is an event: in all other lines, and only there, stands what a message or an error
    has after a line break, behind blanks; and no control character gets through.
    """

    def __init__(self) -> None:
        super().__init__(datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Write *record*."""
        mark(record)
        fields = self._fields(record)
        traceback = fields.pop("traceback", "") if record.name == OWN else ""
        head = f"{self.formatTime(record, self.datefmt)} {record.levelname:<7} {record.getMessage()}"
        told = " ".join(f"{_harmless(name)}={_shown(value)}" for name, value in fields.items())
        below = [str(traceback), self._trace(record), record.stack_info or ""]
        line = _below(head) + (f"  {told}" if told else "")
        return "\n".join([line, *(f"  {_below(text.rstrip())}" for text in below if text)])

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return the fields, with `task` and `id` of whose code it was at the end."""
        fields = extra_of(record)
        if record.name != OWN:
            task_id, task_name = task_of(record, fields)
            fields |= {} if task_id is None else {"task": task_name, "id": task_id}
        return fields

    def _trace(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info else ""


def _below(text: str) -> str:
    """Let what follows a line break begin with blanks: it cannot look like an event of its own."""
    return _harmless(text).replace("\n", "\n  ")


def _harmless(text: str) -> str:
    """Write control characters as escapes: a task's error must not steer the operator's terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def _shown(value: Any) -> str:
    """Write *value* on one line; quoted when it has blanks, shortened when it is long."""
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    plain = text.isprintable() and " " not in text and text
    return text if plain and len(text) <= _LONGEST else repr(text[:_LONGEST])
