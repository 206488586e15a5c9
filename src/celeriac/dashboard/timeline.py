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
    """Return the parts of a task's life, in order, on one scale.

    Of earlier attempts a record knows how many there were, not when.
    """
    end = task.finished if task.finished is not None else now
    spans: list[tuple[str, str, float]] = []
    if task.started is None:
        kind, key = ("bad", "timeline.never") if task.ended else ("wait", "timeline.waits")
        spans.append((kind, key, end - task.created))
    else:
        spans.append(("wait", "timeline.waited", task.started - task.created))
        if not task.ended and task.inside != "running":  # it waits again, for a retry or another worker
            spans.append(("wait", "timeline.waits_again", end - task.started))
        else:
            kind = {"SUCCESS": "good", "FAILURE": "bad", "REVOKED": "bad"}.get(task.state, "run")
            spans.append((kind, "timeline.ran" if task.ended else "timeline.runs", end - task.started))
    return _placed([(kind, key, max(0.0, seconds)) for kind, key, seconds in spans])


def _placed(spans: list[tuple[str, str, float]]) -> tuple[Part, ...]:
    whole = sum(seconds for _, _, seconds in spans)
    room = WIDTH - LEAST * len(spans)
    parts, x = list[Part](), 0.0
    for kind, key, seconds in spans:
        width = LEAST + (room * seconds / whole if whole else room / len(spans))
        parts.append(Part(kind, key, seconds, round(x, 2), round(width, 2)))
        x += width
    return tuple(parts)
