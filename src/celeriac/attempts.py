"""The runs of a task before its last one: what is kept of them, and how a store may write that down."""

from __future__ import annotations

from typing import Final

import msgspec

from celeriac.states import Verdict

MOST: Final = 20  # of a task that are kept, the latest
LONGEST: Final = 16_384  # bytes of an attempt's error


class Attempt(msgspec.Struct, frozen=True):
    """A run of a task that was not its last one.

    Attributes:
        fence: which one; those that are left out were given back by a worker that stopped.
        started, ended: seconds since 1970 UTC.
        verdict: RETRY, CRASHED, or FAILED where the task was requeued after it.
        error: JSON, empty for none, and for one of more than `LONGEST` bytes.
    """

    fence: int
    started: float
    ended: float
    worker: str
    verdict: Verdict
    error: bytes = b""


def added(attempts: tuple[Attempt, ...], newest: Attempt) -> tuple[Attempt, ...]:
    """Return *attempts* and the *newest*, of all that is kept."""
    if len(newest.error) > LONGEST:
        newest = msgspec.structs.replace(newest, error=b"")
    return (*attempts, newest)[-MOST:]


def written(attempts: tuple[Attempt, ...]) -> bytes:
    """Write *attempts* as JSON; `b""` for none."""
    return msgspec.json.encode(attempts) if attempts else b""


def read(data: bytes) -> tuple[Attempt, ...]:
    """Read what `written` wrote.

    Raises:
        ValueError: the bytes are something else.
    """
    try:
        return msgspec.json.decode(data, type=tuple[Attempt, ...]) if data else ()
    except RecursionError as error:
        raise ValueError("the attempts are nested too deeply") from error
