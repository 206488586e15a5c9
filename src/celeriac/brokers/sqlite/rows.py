"""From rows to records. A row whose values are impossible becomes a FAILED record, never an exception."""

from __future__ import annotations

from typing import Any, Final

from celeriac import attempts
from celeriac.brokers.sqlite.following import FAILURE, JOIN
from celeriac.brokers.sqlite.transaction import from_json
from celeriac.errors import StoreCorrupt
from celeriac.lanes import Limit
from celeriac.message import After, Message, Record
from celeriac.outcome import stored
from celeriac.states import State

_STATE: Final = 10
_CANCELLED: Final = 19
_REPLACED: Final = "\ufffd"  # stands for bytes that were no text; no name may have it
_KINDS: Final[tuple[type | tuple[type, ...], ...]] = (
    *(str, str, str, int, float, bytes, (float, type(None)), (float, type(None)), int, bytes),
    *(int, str, (float, type(None)), (float, type(None)), (float, type(None)), str, int, int, int, int),
    *(bytes, bytes, bytes, bytes, str, bytes),
    *(int, (float, type(None)), (str, type(None))),
)


def record(row: tuple[Any, ...]) -> Record:
    """Make a record of a row of `sql/get.sql`."""
    try:
        state = State(row[_STATE])
        limit = None if row[-1] is None else Limit.parse(row[-1])
    except (ValueError, TypeError, AttributeError):
        return _broken(row)
    if not all(map(isinstance, row, _KINDS)) or _REPLACED in f"{row[0]}{row[1]}{row[2]}":
        return _broken(row)
    *blobs, children, earlier, kind, countdown, _ = row[_CANCELLED + 1 :]
    try:
        ran = attempts.read(earlier)
    except ValueError:
        return _broken(row)
    values: Any = (
        *row[_STATE + 1 : _CANCELLED],
        bool(row[_CANCELLED]),
        *blobs,
        tuple(from_json(children)),
        ran,
    )
    sent: Any = (*row[:_STATE], _after(kind, countdown), limit)
    return Record(Message(*sent), state, *values)


def _after(kind: int, countdown: float | None) -> After | None:
    """Make what a record tells of its waiting: all but for whom."""
    if not kind:
        return None
    return After(on="failure" if kind == FAILURE else "success", join=kind == JOIN, countdown=countdown)


def _broken(row: tuple[Any, ...]) -> Record:
    plain: list[Any] = [
        value if isinstance(value, kind) else None for value, kind in zip(row, _KINDS, strict=True)
    ]
    message = Message(id=str(row[0]), name=plain[1] or "", queue=plain[2] or "", created=plain[4] or 0.0)
    why = StoreCorrupt(f"the stored record of task {row[0]} is damaged")
    return Record(message, State.FAILED, finished=plain[14] or message.created, error=stored(why))
