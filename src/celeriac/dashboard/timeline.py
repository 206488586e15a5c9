"""A task's life as a picture of one line: how long it waited, how long it ran. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from celeriac.dashboard.facts import TaskFacts

WIDTH: Final = 1_000.0  # of the picture
LEAST: Final = 6.0  # of a part, so that it can be seen


class Part(msgspec.Struct, frozen=True):
    """One part: *kind* is wait, run, good or bad; *x* and *width* are where it is drawn."""

    kind: str
    key: str
    seconds: float
    x: float
    width: float


def parts_of(task: TaskFacts, now: float) -> tuple[Part, ...]:
    """Return the parts of a task's life, in order, on one scale: each attempt, and the waiting before it."""
    spans, at = list[tuple[str, str, float]](), task.created
    for attempt in task.earlier:
        spans.append(("wait", "timeline.waited", attempt.started - at))
        spans.append(("bad", f"timeline.{attempt.how}", attempt.seconds))
        at = attempt.started + attempt.seconds
    spans += _last(task, at, now)
    return _placed([(kind, key, max(0.0, seconds)) for kind, key, seconds in spans])


def _last(task: TaskFacts, at: float, now: float) -> list[tuple[str, str, float]]:
    """Return what came behind the earlier attempts, of which the last one ended at *at*."""
    end = task.finished if task.finished is not None else now
    if task.started is None:
        kind, key = ("bad", "timeline.never") if task.ended else ("wait", "timeline.waits")
        return [(kind, key, end - at)]
    if task.earlier and task.earlier[-1].number == task.fence:  # it was not started again
        return [("wait", "timeline.waited" if task.ended else "timeline.waits_again", end - at)]
    waited = ("wait", "timeline.waited", task.started - at)
    if not task.ended and task.inside != "running":  # it was given back
        return [waited, ("wait", "timeline.waits_again", end - task.started)]
    kind = {"SUCCESS": "good", "FAILURE": "bad", "REVOKED": "bad"}.get(task.state, "run")
    return [waited, (kind, "timeline.ran" if task.ended else "timeline.runs", end - task.started)]


def _placed(spans: list[tuple[str, str, float]]) -> tuple[Part, ...]:
    whole = sum(seconds for _, _, seconds in spans)
    room = WIDTH - LEAST * len(spans)
    parts, x = list[Part](), 0.0
    for kind, key, seconds in spans:
        width = LEAST + (room * seconds / whole if whole else room / len(spans))
        parts.append(Part(kind, key, seconds, round(x, 2), round(width, 2)))
        x += width
    return tuple(parts)
