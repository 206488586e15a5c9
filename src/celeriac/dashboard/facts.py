"""What a record says, made ready to be shown: decoded as far as that goes, secrets hidden. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, Final

import msgspec

from celeriac import codec, states
from celeriac.dashboard import shown
from celeriac.dashboard.hiding import Hiding
from celeriac.errors import DecodeError
from celeriac.message import Record
from celeriac.search import AttemptView, TaskView
from celeriac.states import State

MOST_REST: Final = 20  # of the other things that a task reports of itself
LONGEST_STATUS: Final = 500
_FRAME: Final = re.compile(r'^ *File "([^"\n]*)", line (\d+)(?:, in (.*))?$')
_LIBRARY: Final = re.compile(r"[/\\](?:site-packages|dist-packages|lib[/\\]python3)|^<frozen")
_OWN: Final = f"{Path(__file__).parents[1]}{os.sep}"  # not every `celeriac` in a path is ours


class Frame(msgspec.Struct, frozen=True):
    """One line of a traceback. *library*: it is nobody's own code."""

    file: str
    line: int
    function: str
    code: str
    library: bool


class ErrorFacts(msgspec.Struct, frozen=True):
    """An error.

    Attributes:
        kind: its type without the module. frames: the last traceback in the text. own: the innermost frame of
            somebody's own code, as `file.py in function`; "" without one.
        origin: the id of the task that failed first, where it is another one.
    """

    type: str
    kind: str
    message: str
    traceback: str
    frames: tuple[Frame, ...]
    own: str
    origin: str | None


class AttemptFacts(msgspec.Struct, frozen=True):
    """A run that was not the last one. *how*: retried, crashed or failed."""

    number: int
    how: str
    started: float
    seconds: float
    worker: str
    error: ErrorFacts | None


class ProgressFacts(msgspec.Struct, frozen=True):
    """How far a task says that it is.

    Attributes:
        current, total: as it has reported them. drawn, drawn_total: what a bar shows of them.
        words: both as text. status: what it says of itself. rest: all else that it has reported.
        note: the time that is left, or that it has fallen silent. stalled: whether that is so.
    """

    current: float | None
    total: float | None
    drawn: float
    drawn_total: float
    words: str
    status: str
    rest: dict[str, Any]
    note: str = ""
    stalled: str = ""


class TaskFacts(msgspec.Struct, frozen=True):
    """A task.

    Attributes:
        state: in Celery's words, or the task's own. inside: the store's word. ended: whether it has.
        unreadable: why the arguments cannot be read; "" if they can. call: them on one line.
    """

    id: str
    name: str
    state: str
    inside: str
    ended: bool
    queue: str
    priority: int
    created: float
    due: float | None
    started: float | None
    finished: float | None
    expires: float | None
    worker: str
    retries: int
    crashes: int
    cancelled: bool
    fence: int
    args: Any
    kwargs: Any
    call: str
    unreadable: str
    result: Any
    has_result: bool
    progress: ProgressFacts | None
    error: ErrorFacts | None
    root_id: str
    parent_id: str | None
    group_id: str | None
    schedule: str | None
    unique: str | None
    lane: str | None
    join: bool
    waits: bool
    checkpoint: Any
    children: tuple[str, ...]
    earlier: tuple[AttemptFacts, ...]


def facts_of(record: Record, hiding: Hiding) -> TaskFacts:
    """Describe a task; what cannot be read is told as such, and never raised."""
    message, view = record.message, hiding.view(record)
    args, kwargs = view.args or [], view.kwargs or {}
    unreadable, after = view.unreadable.get("args", ""), message.after
    return TaskFacts(
        id=record.id,
        name=view.name,
        state=view.state,
        inside=view.inside,
        ended=view.has_ended,
        queue=view.queue,
        priority=view.priority,
        created=view.created,
        due=view.due if record.state is State.SCHEDULED else None,
        started=view.started,
        finished=view.finished,
        expires=view.expires,
        worker=view.worker,
        retries=view.retries,
        crashes=view.crashes,
        cancelled=view.cancelled,
        fence=view.attempts,
        args=args,
        kwargs=kwargs,
        call=unreadable or shown.call(args, kwargs),
        unreadable=unreadable,
        result=_result(view) if record.state is State.SUCCEEDED else None,
        has_result=record.state is State.SUCCEEDED and bool(record.result),
        progress=None if view.has_ended else progress_of(view.meta),
        error=_error(view) if view.has_ended or view.state == states.RETRY else None,
        root_id=view.root_id,
        parent_id=view.parent_id,
        group_id=view.group_id,
        schedule=view.schedule,
        unique=None if message.unique is None else message.unique.name,
        lane=view.limit,
        join=after is not None and after.join,
        waits=after is not None,
        checkpoint=hiding.hide(_checkpoint(record)),
        children=view.children,
        earlier=tuple(map(_attempt, view.earlier)),
    )


def _attempt(view: AttemptView) -> AttemptFacts:
    error = None
    if view.error is not None:
        kind = view.error_type or f"{DecodeError.__module__}.{DecodeError.__qualname__}"
        error = _described(kind, view.error, view.traceback or "", None)
    seconds = max(0.0, view.ended - view.started)
    return AttemptFacts(view.attempt, view.how, view.started, seconds, view.worker, error)


def _result(view: TaskView) -> Any:
    why = view.unreadable.get("result")
    return f"({why})" if why else view.result


def _checkpoint(record: Record) -> Any:
    try:
        return codec.decode(record.checkpoint, what="the checkpoint")
    except DecodeError:
        return None


# --- progress -------------------------------------------------------------------------------------------


def progress_of(meta: Any) -> ProgressFacts | None:
    """Describe what a task reports of itself; None before its first report."""
    if meta is None:
        return None
    if not isinstance(meta, Mapping):
        return ProgressFacts(None, None, 0, 1, "", shown.short(meta, LONGEST_STATUS), {})
    current, total = _number(meta, "current"), _number(meta, "total")
    rest = {str(key): value for key, value in meta.items() if key not in ("current", "total", "status")}
    status = meta.get("status")
    drawn_total = total if total is not None and total > 0 else 1.0
    return ProgressFacts(
        current=current,
        total=total if total is not None and total > 0 else None,
        drawn=min(max(current or 0.0, 0.0), drawn_total),
        drawn_total=drawn_total,
        words=_words(current, total),
        status="" if status is None else shown.short(status, LONGEST_STATUS),
        rest=dict(list(rest.items())[:MOST_REST]),
    )


def _number(meta: Mapping[str, Any], key: str) -> float | None:
    value = meta.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _words(current: float | None, total: float | None) -> str:
    if current is None:
        return ""
    if total is None or total <= 0:
        return shown.number(current)
    share = int(100 * min(max(current / total, 0.0), 1.0))
    return f"{shown.number(current)} of {shown.number(total)} · {share} %"


# --- errors ---------------------------------------------------------------------------------------------


def _error(view: TaskView) -> ErrorFacts | None:
    """Describe what a task has failed of; None if it has of nothing."""
    kind, message = view.error_type, view.error or ""
    if why := view.unreadable.get("error"):
        kind, message = f"{DecodeError.__module__}.{DecodeError.__qualname__}", why
    if kind is None:
        return None
    return _described(kind, message, view.traceback or "", view.origin)


def _described(kind: str, message: str, traceback: str, origin: str | None) -> ErrorFacts:
    frames = frames_in(traceback)
    own = next((frame for frame in reversed(frames) if not frame.library), None)
    return ErrorFacts(
        type=kind,
        kind=kind.rpartition(".")[2],
        message=message,
        traceback=traceback,
        frames=frames,
        own="" if own is None else f"{PurePath(own.file).name} in {own.function}",
        origin=origin,
    )


def frames_in(traceback: str) -> tuple[Frame, ...]:
    """Return the frames of the last traceback in the text: that of the error itself, not of its causes."""
    last = traceback.rpartition("Traceback (most recent call last):")[2]
    lines, frames = last.splitlines(), list[Frame]()
    for at, line in enumerate(lines):
        found = _FRAME.match(line)
        if found is None:
            continue
        following = lines[at + 1].strip() if at + 1 < len(lines) else ""
        code = "" if _FRAME.match(lines[at + 1] if at + 1 < len(lines) else "") else following
        file, function = found[1], (found[3] or "").strip()
        library = file.startswith(_OWN) or _LIBRARY.search(file) is not None
        frames.append(Frame(file, int(found[2][:9]), function, code, library))
    return tuple(frames)


def fingerprint(facts: TaskFacts) -> tuple[str, str, str]:
    """Return what failures of the same kind have in common: task, type of the error, where it was raised."""
    error = facts.error
    return (facts.name, "", "") if error is None else (facts.name, error.type, error.own)
