"""What a run came to, and what becomes of the task then. Pure: `decide` takes facts, changes nothing."""

from __future__ import annotations

import builtins
import sys
import traceback as tracebacks
from typing import Any, Final

import msgspec

from celeriac import codec
from celeriac.errors import (
    CeleriacError,
    ChordError,
    MaxRetriesExceededError,
    Rejected,
    Retry,
    TaskExpired,
    TaskFailed,
    TaskRevokedError,
    TimeLimitExceeded,
    WorkerLostError,
)
from celeriac.message import Delivery, Message
from celeriac.retry import RetryPolicy
from celeriac.states import Verdict

TRACEBACK_LIMIT: Final = 64 * 1024
MESSAGE_LIMIT: Final = 16 * 1024
REJECT_PAUSE: Final = 1.0
_RETRY: Final = f"{Retry.__module__}.{Retry.__qualname__}"
_CHORD_ERROR: Final = f"{ChordError.__module__}.{ChordError.__qualname__}"
_MUTE: Final = "<its __str__ raised"
_PLAIN: Final = (str, int, float, bool, type(None))


# --- errors as data -----------------------------------------------------------------------------


class ErrorInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as data.

    Attributes:
        type: its dotted name, such as `builtins.ValueError`.
        message: what `str()` gave, at most 16 KiB.
        traceback: text, at most 64 KiB (the last part of it); "" for none.
        args: the arguments that rebuild it, when all of them are plain values; else None.
        origin: the id of the task that failed first, where it is another one.
    """

    type: str
    message: str = ""
    traceback: str = ""
    args: list[Any] | None = None
    origin: str | None = None

    @classmethod
    def of(cls, error: BaseException) -> ErrorInfo:
        """Describe *error*; never raises, whatever its `__str__` does."""
        kind = type(error)
        return cls(
            type=_storable(f"{kind.__module__}.{kind.__qualname__}")[:512],
            message=_text_of(error),
            traceback=_traceback_of(error),
            args=_plain_args(error),
        )

    @property
    def kind(self) -> builtins.type[BaseException] | None:
        """The type itself where it is imported here; nothing is imported to find it."""
        module, _, name = self.type.rpartition(".")
        found: Any = getattr(sys.modules.get(module), "__dict__", {}).get(
            name
        )  # no module's __getattr__ is asked
        return found if isinstance(found, type) and issubclass(found, BaseException) else None

    def rebuild(self) -> BaseException:
        """Make an exception to raise: of the original type where that is safe, else `TaskFailed`.

        Safe is a builtin, or an exception class that is already imported here; nothing is imported,
        and no constructor but a builtin's is called.
        """
        error = _rebuilt(self)
        if error is None or _text_of(error) != self.message or self.message.startswith(_MUTE):
            error = TaskFailed(self.message, self.type, self.traceback)
        if self.traceback:
            error.add_note(f"\nThe traceback in the worker:\n{self.traceback.rstrip()}")
        return error


def _text_of(error: BaseException) -> str:
    try:
        return _storable(str(error)[:MESSAGE_LIMIT], most=MESSAGE_LIMIT)
    except BaseException as failure:  # noqa: BLE001 - user code: a __str__ may raise anything
        return f"{_MUTE} {type(failure).__name__}>"


def _storable(text: str, most: int | None = None) -> str:
    """Replace lone surrogates, which have no UTF-8 form; keep the first *most* bytes."""
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")


def _traceback_of(error: BaseException) -> str:
    if error.__traceback__ is None and error.__cause__ is None:
        return ""
    try:
        lines = tracebacks.TracebackException.from_exception(error, limit=-50, compact=True).format()
        text = "".join(lines)[-TRACEBACK_LIMIT:].encode("utf-8", "replace")
        return text[-TRACEBACK_LIMIT:].decode("utf-8", "ignore")
    except BaseException as failure:  # noqa: BLE001 - user code again, through __str__ of a cause
        return f"<the traceback could not be written: {type(failure).__name__}>"


def _plain_args(error: BaseException) -> list[Any] | None:
    try:
        args = error.__reduce__()[1] if type(error).__reduce__ is OSError.__reduce__ else error.args
    except Exception:  # noqa: BLE001 - user code: `args` may be a property
        return None
    if not isinstance(args, tuple) or len(args) > 16:
        return None
    plain = all(type(arg) in _PLAIN for arg in args)
    if not plain or sum(len(arg) for arg in args if isinstance(arg, str)) > MESSAGE_LIMIT:
        return None
    return [_storable(arg) if isinstance(arg, str) else arg for arg in args]


def _rebuilt(info: ErrorInfo) -> BaseException | None:
    kind = info.kind
    if info.args is None or kind is None or not issubclass(kind, Exception):
        return None
    try:
        if kind.__module__ in (builtins.__name__, CeleriacError.__module__):
            return kind(*info.args)
        error: Exception = _builtin_base(kind).__new__(kind, *info.args)
        error.args = error.args or tuple(info.args)
    except Exception:  # noqa: BLE001 - the arguments may not fit the type
        return None
    return error


def _builtin_base(kind: type) -> type:
    """Return the builtin that *kind* extends: its `__new__` makes a *kind* and runs no foreign code."""
    return next(filter(_is_builtin, kind.__mro__))


def _is_builtin(kind: type) -> bool:
    return vars(builtins).get(kind.__name__) is kind


def encode_error(info: ErrorInfo) -> bytes:
    """Write *info* as the stores keep it."""
    try:
        return codec.encode(info, what="error")
    except CeleriacError:  # an argument such as NaN
        return codec.encode(ErrorInfo(info.type, info.message, info.traceback), what="error")


def decode_error(data: bytes) -> ErrorInfo:
    """Read what `encode_error` wrote.

    Raises:
        DecodeError: the bytes are something else.
    """
    return codec.decode(data, ErrorInfo, what="error") if data else ErrorInfo("builtins.Exception")


def stored(error: BaseException) -> bytes:
    """Describe and write *error* in one step."""
    return encode_error(ErrorInfo.of(error))


# Bodies that the stores write on their own account.
EXPIRED: Final = stored(TaskExpired("it expired before it could start"))
REVOKED: Final = stored(TaskRevokedError("it was revoked"))
SUPERSEDED: Final = stored(TaskRevokedError("a newer call took its place"))
PURGED: Final = stored(TaskRevokedError("its queue was purged"))
PARENT_REVOKED: Final = stored(TaskRevokedError("a task that it waited for was revoked"))
NOT_NEEDED: Final = stored(TaskRevokedError("it would have run if the task that it waited for had failed"))
LEASE_LOST: Final = stored(
    WorkerLostError(
        "the worker that ran it stopped renewing its lease, once more often than crash_limit allows"
    )
)


def parent_failed(parent: str, error: bytes) -> bytes:
    """Write the error of a task that waited for *parent*, which has failed with *error*.

    It names the task that failed first, however many stand between. The Redis scripts do the same.
    """
    try:
        cause = decode_error(error)
    except CeleriacError:  # something else has written it
        cause = ErrorInfo("")
    if cause.origin is not None:
        return error
    said = f"{cause.type.rpartition('.')[2]}: {cause.message}" if cause.type else "for an unknown reason"
    text = f"task {parent}, which it waited for, has failed: {said}"
    return encode_error(ErrorInfo(_CHORD_ERROR, text, args=[text], origin=parent))


# --- outcomes -----------------------------------------------------------------------------------


class Success(msgspec.Struct, frozen=True):
    """It returned; *result* is JSON, empty when it is not kept."""

    result: bytes


class Failure(msgspec.Struct, frozen=True):
    """It raised. *retryable*: its policy wants that error retried. *expected*: it is in `throws`."""

    error: ErrorInfo
    retryable: bool = False
    expected: bool = False


class RetryAsked(msgspec.Struct, frozen=True):
    """It asked to be run again *after* so many seconds, or *at* a moment; neither takes the task's delay."""

    error: ErrorInfo
    after: float | None = None
    at: float | None = None
    max_retries: int | None = None


class RejectAsked(msgspec.Struct, frozen=True):
    """It refused to run."""

    reason: str
    requeue: bool


class Stopped(msgspec.Struct, frozen=True):
    """The worker gave it back: it has no room, or is shutting down. *began*: whether its code had."""

    began: bool = True


class Revoked(msgspec.Struct, frozen=True):
    """It was terminated because somebody revoked it."""


class TimedOut(msgspec.Struct, frozen=True):
    """It ran into its hard limit of so many *seconds*."""

    seconds: float


class ChildLost(msgspec.Struct, frozen=True):
    """The isolated process that ran it died; *reason* says how."""

    reason: str


class ReplacedBy(msgspec.Struct, frozen=True):
    """Other tasks take its place: *graph*, of which *end* is what it then stands for."""

    graph: tuple[Message, ...]
    end: str


Outcome = ReplacedBy | Success | Failure | RetryAsked | RejectAsked | Stopped | Revoked | TimedOut | ChildLost


class Settlement(msgspec.Struct, frozen=True):
    """What a worker asks the store to make of a task that it holds.

    Attributes:
        body: the result (SUCCEEDED) or the error (all others), as JSON.
        due: for RETRY, when it becomes due; for RELEASE, 0.0 for the head of its queue at once,
            else when it becomes due again.
        graph, end: for REPLACED, the tasks that take its place, and the id of the one whose end is its own.
    """

    id: str
    fence: int
    verdict: Verdict
    body: bytes = b""
    due: float = 0.0
    graph: tuple[Message, ...] = ()
    end: str = ""


def decide(  # noqa: C901 - one row per outcome
    delivery: Delivery,
    outcome: Outcome,
    *,
    policy: RetryPolicy,
    now: float,
    chance: float,
    limit: int | None = None,
) -> Settlement:
    """Say what becomes of *delivery*; change nothing.

    Args:
        policy: the task's rules for retries; *limit* is the message's own `max_retries`, None for none.
        now: seconds since 1970 UTC. *chance*: 0 to 1, for jitter.
    """

    def settle(verdict: Verdict, body: bytes = b"", due: float = 0.0) -> Settlement:
        return Settlement(delivery.id, delivery.fence, verdict, body, due)

    match outcome:
        case Success(result):
            return settle(Verdict.SUCCEEDED, result)
        case Failure(error, retryable=True) if policy.allows(delivery.retries, limit):
            return settle(Verdict.RETRY, encode_error(error), now + policy.seconds(delivery.retries, chance))
        case Failure(error):
            return settle(Verdict.FAILED, encode_error(error))
        case RetryAsked():
            return _decide_retry(delivery, outcome, policy=policy, now=now, chance=chance, limit=limit)
        case RejectAsked(reason, requeue=True):
            return settle(Verdict.RELEASE, stored(Rejected(reason)), now + REJECT_PAUSE)
        case RejectAsked(reason):
            return settle(Verdict.FAILED, stored(Rejected(reason or "it rejected itself")))
        case Stopped(began):
            return settle(Verdict.RELEASE if began else Verdict.RETURNED)
        case Revoked():
            return settle(Verdict.CANCELLED, REVOKED)
        case TimedOut(seconds):
            return settle(
                Verdict.FAILED, stored(TimeLimitExceeded(f"it ran longer than its limit of {seconds:g} s"))
            )
        case ReplacedBy(graph, end):
            return Settlement(delivery.id, delivery.fence, Verdict.REPLACED, graph=graph, end=end)
        case ChildLost(reason):
            return settle(Verdict.CRASHED, stored(WorkerLostError(reason)))


def _decide_retry(
    delivery: Delivery,
    asked: RetryAsked,
    *,
    policy: RetryPolicy,
    now: float,
    chance: float,
    limit: int | None,
) -> Settlement:
    most = limit if asked.max_retries is None else asked.max_retries
    if not policy.allows(delivery.retries, most):
        error = asked.error
        if error.type == _RETRY:  # it gave no error of its own
            error = ErrorInfo.of(
                MaxRetriesExceededError(f"no retry left after {delivery.retries}: {error.message}")
            )
        return Settlement(delivery.id, delivery.fence, Verdict.FAILED, encode_error(error))
    if asked.at is not None:
        due = asked.at
    else:
        due = now + (
            policy.seconds(delivery.retries, chance) if asked.after is None else max(0.0, asked.after)
        )
    return Settlement(delivery.id, delivery.fence, Verdict.RETRY, encode_error(asked.error), due)
