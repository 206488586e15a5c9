"""Log lines are events: a fixed phrase and fields. One logger, `celeriac`, for all of the worker."""

from __future__ import annotations

import logging
from typing import Any, Final

log: Final = logging.getLogger("celeriac")
log.addHandler(logging.NullHandler())

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up_logging(level: str | int) -> None:
    """Send the log to standard error as events, unless the root logger has a handler already."""
    log.setLevel(level)
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(EventFormatter())
        root.addHandler(handler)
        root.setLevel(level)


class EventFormatter(logging.Formatter):
    """Writes `time level phrase key=value …`, and the traceback below when there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's name
        """Append the record's fields to its phrase."""
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        traceback = fields.pop("traceback", "")
        text = super().formatMessage(record)
        if fields:
            text = f"{text}  {' '.join(f'{name}={_shown(value)}' for name, value in fields.items())}"
        return f"{text}\n{_harmless(traceback.rstrip())}" if traceback else text


def _harmless(text: str) -> str:
    """Write control characters as escapes: a task's error must not steer the operator's terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def _shown(value: Any) -> str:
    """Write *value* on one line; quoted when it has blanks, shortened when it is long."""
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    plain = text.isprintable() and " " not in text and text
    return text if plain and len(text) <= 120 else repr(text[:120])
