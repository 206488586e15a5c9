"""Every error that Celeriac raises, in one tree. A leaf: it imports nothing of the package.

CeleriacError
├── ConfigurationError          a setting, URL or option is wrong
│   └── MissingExtra            an optional dependency is not installed
├── InvalidMessage              the caller handed over something that cannot become a task
│   ├── InvalidName             a task name, queue name or id that no store may see
│   ├── InvalidArguments        the call does not fit the function's signature (also a TypeError)
│   ├── EncodeError             a value cannot be written as JSON (also a TypeError)
│   ├── DecodeError             stored bytes are broken, or not of the type expected (also a ValueError)
│   │   └── SecurityError       stored bytes are not signed, or were changed, moved, replayed
│   ├── PayloadTooLarge         a value is larger than the configured limit
│   └── DuplicateTask           there is a task already that stands for this call
├── InvalidFilter               a filter of tasks cannot be read (also a ValueError)
├── NotRegistered               no task has this name (also a KeyError)
├── UnknownTask                 the store has no record of this id
├── UnknownSchedule             the store has no schedule of this name
├── UnknownWorker               no live worker is called so
├── NotRunning                  a task does not run now
├── OperationalError            the store cannot do it now
│   ├── BrokerUnavailable       it cannot be reached, or did not answer within the deadline
│   ├── AccessDenied            it refuses the credentials (also a ConfigurationError)
│   ├── StoreFull               no room left (disk, maxmemory)
│   ├── StoreReadOnly           it refuses writes
│   ├── StoreCorrupt            its bytes are broken
│   └── SchemaError             its layout is from another version
├── TimeoutError                nothing happened within the caller's time-out (also a builtin TimeoutError)
├── WouldDeadlock               waiting here could never end
├── IncompleteStream            not all that came of a task is known yet
├── TaskError                   what became of a task, raised by ``get()``
│   ├── TaskFailed              it raised an error whose own type cannot be rebuilt here
│   ├── TaskRevokedError        it was cancelled
│   │   └── TaskExpired         it expired before it could start
│   ├── WorkerLostError         the workers that ran it died, once too often
│   ├── ChordError              a task that it waited for has failed
│   ├── MaxRetriesExceededError it asked for one retry too many
│   ├── TimeLimitExceeded       it ran into its hard limit
│   └── Rejected                it was rejected by its own code
├── SoftTimeLimitExceeded       raised inside a task at its soft limit
└── TaskControl                 raised inside a task to say what shall become of it
    ├── Retry
    ├── Ignore
    ├── Reject
    └── Replaced
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any


class CeleriacError(Exception):
    """The root of the tree: catch it to catch whatever Celeriac raises."""


class ConfigurationError(CeleriacError):
    """A setting, URL or option is wrong; the message says which and what would be right."""


class MissingExtra(ConfigurationError, ImportError):
    """An optional dependency is not installed; the message has the command that installs it."""


class InvalidMessage(CeleriacError):
    """What was handed over cannot become a task."""


class InvalidName(InvalidMessage, ValueError):
    """A task name, queue name or id holds characters, or has a length, that no store may see."""


class InvalidArguments(InvalidMessage, TypeError):
    """The call does not fit the signature of the task's function."""


class EncodeError(InvalidMessage, TypeError):
    """A value cannot be written as JSON without losing something."""


class DecodeError(InvalidMessage, ValueError):
    """Stored bytes are broken, or a stored value cannot become the annotated type."""


class SecurityError(DecodeError):
    """Stored bytes cannot be trusted: not signed, changed, moved from elsewhere, or replayed too late."""


class PayloadTooLarge(InvalidMessage, ValueError):
    """An encoded value is larger than the limit that the configuration sets."""


class DuplicateTask(InvalidMessage):
    """There is a task already that stands for this call; `id` is its id.

    Attributes:
        id: after `delay_many` the first such task's.
        sent: the ids of those calls of a `delay_many` that have been sent.
    """

    def __init__(self, message: str = "", id: str = "", sent: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.id = id
        self.sent = tuple(sent)


class InvalidFilter(CeleriacError, ValueError):
    """A filter of tasks cannot be read; the message says where, and what was expected there.

    Attributes:
        text: the filter. position: the number of the character, from 0. expected: what should stand there.
    """

    def __init__(self, text: str = "", position: int = 0, expected: str = "") -> None:
        super().__init__(text, position, expected)
        self.text = text
        self.position = position
        self.expected = expected

    def __str__(self) -> str:
        """Show the filter with a mark at the place."""
        before, behind = self.text[: self.position], self.text[self.position :]
        return f"cannot read the filter at {before}»{behind}: expected {self.expected}"


class NotRegistered(CeleriacError, KeyError):
    """No task has this name in the application."""

    def __str__(self) -> str:
        """Show the sentence itself (KeyError would show its repr)."""
        return str(self.args[0]) if self.args else ""


class UnknownTask(CeleriacError, LookupError):
    """The store has no record of this id: never sent, forgotten, or past ``result_expires``."""


class UnknownSchedule(CeleriacError, LookupError):
    """The store has no schedule of this name."""


class UnknownWorker(CeleriacError, LookupError):
    """No live worker is called so.

    Args:
        others: the names of those that are alive.
    """

    def __init__(self, message: str = "", others: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.others = tuple(others)


class NotRunning(CeleriacError):
    """A task was asked for something that only a running one can do."""


class OperationalError(CeleriacError):
    """The store cannot do it now; nothing was half done."""


class BrokerUnavailable(OperationalError):
    """The store cannot be reached, or did not answer within the deadline."""


class AccessDenied(OperationalError, ConfigurationError):
    """The store refuses the credentials, or its rules let them do too little; trying again does not help."""


class StoreFull(OperationalError):
    """The store has no room left."""


class StoreReadOnly(OperationalError):
    """The store refuses writes."""


class StoreCorrupt(OperationalError):
    """The store's bytes are broken; the message says how to recover."""


class SchemaError(OperationalError):
    """The store's layout belongs to another version of Celeriac."""


class TimeoutError(CeleriacError, builtins.TimeoutError):  # noqa: A001 - Celery's name for it
    """Nothing happened within the caller's time-out."""


class WouldDeadlock(CeleriacError, RuntimeError):
    """Waiting for this result in this place could never end."""


class IncompleteStream(CeleriacError):
    """Not all that came of a task is known yet."""


class TaskError(CeleriacError):
    """What became of a task; raised by ``AsyncResult.get``."""


class TaskFailed(TaskError):
    """A task raised an error whose own type cannot be rebuilt here.

    Attributes:
        type_name: the dotted name of the original type, such as ``"shop.errors.CardDeclined"``.
        message: what ``str()`` of the original error gave.
        traceback: the traceback as text; empty when there is none.
    """

    def __init__(self, message: str = "", type_name: str = "", traceback: str = "") -> None:
        super().__init__(message, type_name, traceback)
        self.message = message
        self.type_name = type_name
        self.traceback = traceback

    def __str__(self) -> str:
        """Name the original type before its message."""
        return f"{self.type_name}: {self.message}" if self.type_name else self.message


class TaskRevokedError(TaskError):
    """The task was cancelled."""


class TaskExpired(TaskRevokedError):
    """The task expired before it could start."""


class WorkerLostError(TaskError):
    """Each worker that ran the task died, once more often than ``crash_limit`` allows."""


class ChordError(TaskError):
    """A task that this one waited for has failed, so it will never run; the message says which and why."""


class MaxRetriesExceededError(TaskError):
    """The task asked for one retry more than ``max_retries`` allows."""


class TimeLimitExceeded(TaskError):
    """The task ran into its hard time limit."""


class Rejected(TaskError):
    """The task's own code raised ``Reject(requeue=False)``."""


class SoftTimeLimitExceeded(CeleriacError):
    """Raised inside a task when its soft time limit is over: clean up and return, or fail."""

    def __init__(self, message: str = "the soft time limit is over") -> None:
        super().__init__(message)


class TaskControl(CeleriacError):
    """Raised inside a task to say what shall become of it; not an error of the task."""


class Retry(TaskControl):
    """Run the task again later.

    Args:
        message: why, for people.
        exc: the error behind it; raised to the caller when no retry is left.
        when: seconds from now, or the moment; None takes the task's own delay.
        max_retries: overrides the task's limit for this decision; None keeps it.
    """

    def __init__(
        self,
        message: str = "",
        exc: BaseException | None = None,
        when: float | datetime | None = None,
        *,
        max_retries: int | None = None,
    ) -> None:
        super().__init__(message or (f"retry after {exc!r}" if exc is not None else "retry"))
        self.exc = exc
        self.when = when
        self.max_retries = max_retries


class Ignore(TaskControl):
    """Finish the task now and keep no result (state SUCCESS, result None)."""


class Replaced(TaskControl):
    """Let other tasks take this one's place; raised by ``self.replace()``."""

    def __init__(self, message: str = "", graph: Any = (), end: str = "", value: Any = None) -> None:
        super().__init__(message)
        self.graph = graph
        self.end = end
        self.value = value  # what they came to, where they were run here and now


class Reject(TaskControl):
    """Refuse the task: fail it, or with ``requeue=True`` put it back uncounted, a second later."""

    def __init__(self, reason: object = "", requeue: bool = False) -> None:
        super().__init__(str(reason))
        self.reason = str(reason)
        self.requeue = requeue
