"""Where a task is now: the calls of the thread, or of the coroutine, that runs it. Values are never shown.

Taken from outside, by another thread: the task need not do anything, and is not stopped for it.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

MOST_CALLS: Final = 60  # the innermost ones are shown
_OURS: Final = frozenset({"celeriac.worker.runner", "celeriac.worker.batches"})  # call the task's code
_SPANS: Final = "steered"  # the coroutine that drives the next one by hand


def of_thread(ident: int | None) -> str | None:
    """Return the calls of the task in a thread; None when there is no such thread."""
    frame = sys._current_frames().get(ident or 0)  # noqa: SLF001 - documented, for debuggers
    return None if frame is None else _text(list(_outwards(frame))[::-1])


def of_coroutine(task: asyncio.Task[Any], loop_thread: int | None) -> str | None:
    """Return the calls of the task on an event loop; None when it has ended.

    Args:
        loop_thread: the thread of the loop: where a coroutine computes, its calls are those of the thread.
    """
    coroutines = list(_awaits(task.get_coro()))
    if any(getattr(each, "cr_running", False) or getattr(each, "gi_running", False) for each in coroutines):
        return of_thread(loop_thread)
    frames = [frame for each in coroutines if (frame := _frame_of(each)) is not None]
    return _text(frames) if frames else None


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _awaits(coroutine: Any) -> Iterator[Any]:
    """Walk from a coroutine to the innermost one that it waits for."""
    while _frame_of(coroutine) is not None:
        yield coroutine
        coroutine = _awaited_by(coroutine)


def _frame_of(coroutine: Any) -> FrameType | None:
    for name in ("cr_frame", "gi_frame", "ag_frame"):
        frame = getattr(coroutine, name, None)
        if isinstance(frame, FrameType):
            return frame
    return None


def _awaited_by(coroutine: Any) -> Any:
    frame = _frame_of(coroutine)
    if frame is not None and frame.f_code.co_name == _SPANS and _is_ours(frame):
        return frame.f_locals.get("call")
    for name in ("cr_await", "gi_yieldfrom", "ag_await"):
        if (found := getattr(coroutine, name, None)) is not None:
            return found
    return None


def _is_ours(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") in _OURS


def _text(frames: list[FrameType]) -> str:
    """Write *frames*, the outermost first, from where the task's own code begins."""
    own = _own(frames)
    shown = own[-MOST_CALLS:]
    calls = traceback.StackSummary.extract(((frame, frame.f_lineno) for frame in shown), capture_locals=False)
    lines = [
        f'  File "{_on_one_line(call.filename)}", line {call.lineno}, in {_on_one_line(call.name)}\n'
        + (f"    {_on_one_line(call.line)}\n" if call.line else "")
        for call in calls
    ]
    left = len(own) - len(shown)
    return (f"  ({left:,} calls before these)\n" if left else "") + "".join(lines)


def _own(frames: list[FrameType]) -> list[FrameType]:
    start = next((number for number, frame in enumerate(frames) if _is_ours(frame)), -1) + 1
    while start < len(frames) and _is_ours(frames[start]):
        start += 1
    return frames[start:] or frames


def _on_one_line(text: str | None) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text or "")
