"""What a browser is told about a task: numbers for programs, and words for people. Pure."""

from __future__ import annotations

from typing import Any, Final

from celeriac import codec, states
from celeriac.errors import CeleriacError
from celeriac.outlook import View
from celeriac.updates import Update

Facts = dict[str, Any]

MOST_WORDS: Final = 2_000  # characters of anything that is shown
MOST_RESULT: Final = 16_384  # bytes of a result that is passed on as it is
FINAL: Final = (states.SUCCESS, states.FAILURE, states.REVOKED, states.UNKNOWN)
TUTORIAL: Final = {"current", "total", "status", "result"}  # what a task returns in the best known tutorial

_NOTHING: Final[Facts] = {
    "current": None,
    "total": None,
    "status": "",
    "rate": None,
    "left": None,
    "stalled": None,
    "share": None,
    "amount": "",
    "note": "",
    "outcome": "",
}
REFUSED: Final[Facts] = {
    **_NOTHING,
    "id": None,  # of a token that is too old as well, so that it looks like a forged one
    "state": "REFUSED",
    "word": "This can no longer be shown. Reload the page.",
    "ready": True,
}


def facts_of(view: View, *, outcome: bool) -> Facts:
    """Write down what is to be seen.

    The state is PENDING or PROGRESS until the end, whatever the task calls it: pages that poll take every
    other one as the end. Before the first report it is at 0 of 1.

    Args:
        outcome: whether the result, or the error, is told too.
    """
    update = view.update
    reported = isinstance(update.meta, dict)
    told: Facts = {
        "id": update.id,
        "state": simple_state(update.state),
        "current": view.current if reported else 0,
        "total": view.total if reported else 1,
        "status": "" if update.ready else cut(update.status),
        "rate": view.rate,
        "left": view.left,
        "stalled": view.stalled or None,
        "share": view.share,
        "word": view.word,
        "amount": view.amount,
        "note": view.note,
        "outcome": "",
        "ready": update.ready,
    }
    return told | _outcome(update) if outcome and update.ready else told


def simple_state(state: str) -> str:
    """Return one of six states for any."""
    if state in FINAL:
        return state
    return states.PENDING if state in (states.PENDING, states.RETRY) else states.PROGRESS


def _outcome(update: Update) -> Facts:
    if update.state != states.SUCCESS:
        kind = (update.error_type or "").rpartition(".")[2]
        error = cut(f"{kind}: {update.error}" if update.error else kind)
        return {"error": error, "outcome": error}
    result, more = _plain(update.result), Facts()
    if isinstance(result, dict) and result.keys() >= TUTORIAL:
        more, result = {"status": cut(str(result["status"]))}, result["result"]
    body = codec.encode(result)
    text = "" if result is None else result if isinstance(result, str) else body.decode()
    small = len(body) <= MOST_RESULT
    return more | {"result": result if small else cut(text), "outcome": cut(text)}


def _plain(result: Any) -> Any:
    """Return *result* in JSON's own types."""
    try:
        return codec.decode(codec.encode(result))
    except CeleriacError:  # of a type that this process knows how to make, and not how to write
        return repr(result)


def line_of(told: Facts) -> str:
    """Write facts on one line, for a page without scripts."""
    parts = [told[name] for name in ("word", "amount", "status", "note", "outcome")]
    return " · ".join(" ".join(part.split()) for part in parts if part)


def cut(text: str) -> str:
    """Return the beginning of a long *text*."""
    return text if len(text) <= MOST_WORDS else f"{text[:MOST_WORDS]}…"
