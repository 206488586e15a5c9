"""What a browser is told about a task that asks ``/status``, as in a well-known tutorial. Pure."""

import sys
from typing import Any

from celeriac import Update

FINAL = ("SUCCESS", "FAILURE", "REVOKED", "UNKNOWN")


def describe(update: Update) -> dict[str, Any]:
    """Return id, state, current, total, status, and the result or error when there is one.

    Until the end the state is PENDING or PROGRESS and nothing else: pages that poll take every other
    state as final.
    """
    facts = {"id": update.id, "state": simple_state(update.state), **measured(update.meta)}
    match update.state:
        case "SUCCESS":
            return facts | succeeded(update.result)
        case "FAILURE":
            kind = str(update.error_type).rpartition(".")[2]
            return facts | {"status": str(update.error), "error": f"{kind}: {update.error}"}
        case "REVOKED":
            return facts | {"status": "Cancelled", "error": str(update.error)}
        case "UNKNOWN":
            return facts | {"status": "Unknown", "error": f"No task has the id {update.id!r}."}
        case "PENDING":
            return facts | {"status": "Waiting for a worker"}
        case "RETRY":
            return facts | {"status": "Waiting to be tried again"}
        case _:
            return facts


def simple_state(state: str) -> str:
    if state in FINAL:
        return state
    return "PENDING" if state in ("PENDING", "RETRY") else "PROGRESS"


def measured(meta: Any) -> dict[str, Any]:
    """Return current, total and status from what a task reported; 0 of 1 before it has."""
    meta = meta if isinstance(meta, dict) else {}
    total = number(meta.get("total"))
    if total <= 0:
        return {"current": 0, "total": 1, "status": str(meta.get("status", "Started"))}
    return {"current": number(meta.get("current")), "total": total, "status": str(meta.get("status", ""))}


def succeeded(result: Any) -> dict[str, Any]:
    """A returned dictionary may name its own total, status and result; anything else is the result."""
    if not isinstance(result, dict) or "result" not in result:
        return {"current": 1, "total": 1, "status": "Done", "result": result}
    total = number(result.get("total")) or 1
    return {
        "current": total,
        "total": total,
        "status": str(result.get("status", "Done")),
        "result": result["result"],
    }


def number(value: Any) -> float:
    """Return *value* if it is a number that can be drawn, else 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return value if 0 < value <= sys.float_info.max else 0
