"""Who blocks the event loop: names the task, and the line that it stands at, while it does so.

One thread asks the loop for a sign of life while coroutines run on it. None in time means that somebody
computes, or waits, without `await`; the loop's own stack says who. Idle, it costs nothing.
"""

from __future__ import annotations

import asyncio
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Final

from celeriac.context import Run
from celeriac.worker.log import log

_NOT_THEIRS: Final = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)


class LoopWatch:
    """Watches one event loop.

    Args:
        loop: it. after: seconds without a sign of life after which somebody is to blame.
        is_busy: whether anything runs on the loop; while nothing does, nothing is asked.
        runners: the code of the coroutines that run tasks; each has its task in `run` or `batch`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        after: float,
        is_busy: Callable[[], bool],
        runners: frozenset[CodeType],
        now: Callable[[], float],
    ) -> None:
        self._loop, self._after, self._is_busy = loop, after, is_busy
        self._runners, self._now = runners, now
        self._wanted, self._answered, self._closed = threading.Event(), threading.Event(), threading.Event()
        self.lag: float | None = None  # after so many seconds it answered last; None while nothing runs there
        self._loop_thread = 0
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Watch from now on, until nothing runs on the loop any more; called on the loop."""
        if self._wanted.is_set():
            return
        self._wanted.set()
        if self._thread is None:
            self._loop_thread = threading.get_ident()
            self._thread = threading.Thread(target=self._watch, name="celeriac-loopwatch", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._answered.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(1.0)

    # --- the thread ---------------------------------------------------------------------------------

    def _watch(self) -> None:
        while self._wanted.wait() and not self._closed.is_set():
            if not self._is_busy():
                self._wanted.clear()
                self.lag = None
                if not self._is_busy():  # else somebody came in between
                    continue
                self._wanted.set()
            try:
                self._ask()
            except RuntimeError:  # the loop is closed
                return
            self._closed.wait(self._after / 2)

    def _ask(self) -> None:
        asked = self._now()
        self._answered.clear()
        self._loop.call_soon_threadsafe(self._answered.set)
        answered = self._answered.wait(self._after)
        self.lag = self._now() - asked
        if answered or self._closed.is_set():
            return
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 - documented, for debuggers
        found = None if frame is None or self._answered.is_set() else self._blame(frame)
        del frame
        if found is None:
            return
        run, where = found
        fields: dict[str, object] = {"task": run.delivery.name, "id": run.id}
        log.warning("task blocks the event loop", extra=fields | {"at": where})
        self._answered.wait()
        self.lag = self._now() - asked
        if not self._closed.is_set():
            log.warning("event loop goes on", extra=fields | {"blocked": self._now() - asked})

    def _blame(self, frame: FrameType) -> tuple[Run, str] | None:
        """Say whose coroutine the loop is in, and where; None if it is in none of a task."""
        stack: list[FrameType] = []
        for each in _outwards(frame):
            if each.f_code in self._runners:
                run = each.f_locals.get("run") or each.f_locals.get("batch")
                return (run, _place(stack)) if isinstance(run, Run) else None
            stack.append(each)
        return None


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _place(stack: list[FrameType]) -> str:
    """Name the innermost line of the task's own code; the innermost of all where there is none."""
    own = [frame for frame in stack if not frame.f_code.co_filename.startswith(_NOT_THEIRS)]
    frame = (own or stack)[0] if stack else None
    if frame is None:
        return "before its code"
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
