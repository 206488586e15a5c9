"""What a log line of a task's code carries: the task's id and name; and lines as JSON.

Nothing here sets up logging. A worker process marks the lines of all handlers that it finds, so that any
format can have `%(task_id)s` and `%(task_name)s`; elsewhere a `TaskFilter` or a `TaskFormatter` does.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, Literal

from celeriac.context import current_run

NO_TASK: Final = "???"  # as in Celery: what a line that belongs to no task has for both
OWN: Final = "celeriac"  # the logger of the worker's own lines, which have the fields `task` and `id`

LogFormat = Literal["text", "json"]

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    *("message", "asctime", "taskName", "task_id", "task_name")
}
_KEYS: Final = frozenset({"time", "level", "logger", "message", "worker", "exception", "stack"})
_PLAIN: Final = (str, int, bool, type(None))

_worker: str | None = None  # the name of the worker whose process this is


def mark(record: logging.LogRecord) -> None:
    """Give *record* `task_id` and `task_name`, those of the run in whose code this is called.

    Of a batch they are those of its first call. What the record has already, stays.
    """
    fields = record.__dict__
    if "task_id" in fields and "task_name" in fields:
        return
    run = current_run()
    fields.setdefault("task_id", NO_TASK if run is None else run.id)
    fields.setdefault("task_name", NO_TASK if run is None else run.delivery.name)


class TaskFilter(logging.Filter):
    """Marks every record that it sees, and lets all of them pass. Put it on a handler, or on a logger."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mark *record*."""
        mark(record)
        return True


class TaskFormatter(logging.Formatter):
    """A formatter whose format can have `%(task_id)s` and `%(task_name)s` wherever it is used."""

    def format(self, record: logging.LogRecord) -> str:
        """Write *record*, marked."""
        mark(record)
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """Writes a line of JSON: `time`, `level`, `logger`, `message`; of a task's code `task_id`, `task_name`.

    In a worker there is its name as `worker`; of an error the traceback as `exception`. Whatever else the
    record has been given with `extra` follows; what has no JSON form, as its `repr`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write *record*."""
        mark(record)
        line = {name: value for name, value in self._parts(record) if value is not None}
        try:
            return json.dumps(line, default=_text, allow_nan=False)
        except (ValueError, TypeError, RecursionError):  # NaN, a circle, keys that are no text
            plain = {
                name: value if isinstance(value, _PLAIN) else _text(value) for name, value in line.items()
            }
            return json.dumps(plain)

    def _parts(self, record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
        fields = extra_of(record)
        run = current_run()
        moment = datetime.fromtimestamp(record.created, UTC)
        yield "time", moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        yield "level", record.levelname
        yield "logger", record.name
        yield "message", record.getMessage()
        task_id, task_name = task_of(record, fields)
        yield "task_id", task_id
        yield "task_name", task_name
        yield "worker", _worker if run is None else run.hostname
        trace = fields.pop("traceback", None) if record.name == OWN else None
        yield "exception", self.formatException(record.exc_info) if record.exc_info else trace or None
        yield "stack", record.stack_info
        for name, value in fields.items():
            yield f"{name}_" if name in _KEYS else name, value


def extra_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what *record* was given beside what every record has."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def task_of(record: logging.LogRecord, fields: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return id and name of the task that *record*, which is marked, is about; take ours out of *fields*."""
    if record.name == OWN and "id" in fields and "task" in fields:
        return fields.pop("id"), fields.pop("task")
    task_id, task_name = vars(record)["task_id"], vars(record)["task_name"]
    return None if task_id == NO_TASK else task_id, None if task_name == NO_TASK else task_name


def _text(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - user code: a __repr__ may raise anything
        return f"<its __repr__ raised {type(error).__name__}>"


def get_task_logger(name: str) -> logging.Logger:
    """Return the logger *name*, whose lines are marked whichever handler writes them."""
    logger = logging.getLogger(name)
    _add_filter(logger)
    return logger


def install(worker: str | None = None) -> None:
    """Mark what any handler writes that there is by now; more often does no harm.

    Args:
        worker: the name that this process's lines of JSON shall have.
    """
    global _worker
    _worker = worker or _worker
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    for logger in loggers:
        for handler in logger.handlers if isinstance(logger, logging.Logger) else ():
            _add_filter(handler)


def _add_filter(place: logging.Filterer) -> None:
    if not any(isinstance(each, TaskFilter) for each in place.filters):
        place.addFilter(TaskFilter())
