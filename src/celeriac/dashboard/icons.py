"""The small pictures, drawn for this page; and which of them stands for which state."""

from __future__ import annotations

from typing import Final

from celeriac.states import PENDING

# Each in a square of 16, in strokes of 1.5; what is filled says so itself.
_DRAWN: Final = {
    "overview": "M2 9l4-4 3 3 5-5M2 13h12",
    "tasks": "M5.5 4H14M5.5 8H14M5.5 12H14M2 4h.5M2 8h.5M2 12h.5",
    "queues": "M2 3h12v3H2zM2 8h9v2H2zM2 12.5h6",
    "workers": "M3 3h10v7H3zM6 13h4M8 10v3",
    "schedules": "M8 2a6 6 0 1 0 .01 0zM8 5v3l2 2",
    "dead": "M8 2l6.5 11.5h-13zM8 6.5v3M8 11.5v.2",
    "flows": "M2 2.5h4v3H2zM10 6.5h4v3h-4zM2 10.5h4v3H2zM6 4h2v8H6M8 8h2",
    "names": "M5 2.5C2.5 2.5 4.5 8 2 8c2.5 0 .5 5.5 3 5.5"
    "M11 2.5c2.5 0 .5 5.5 3 5.5-2.5 0-.5 5.5-3 5.5M8 5v.2M8 8v.2M8 11v.2",
    "download": "M8 2v8M4.5 6.5L8 10l3.5-3.5M2.5 13.5h11",
    "activity": "M1.5 8H5l2-5 3 10 1.5-5h3",
    "done": "M8 1.75a6.25 6.25 0 1 0 .01 0zM5 8.2l2 2 4-4.2",
    "failed": "M8 1.75a6.25 6.25 0 1 0 .01 0zM5.7 5.7l4.6 4.6M10.3 5.7l-4.6 4.6",
    "cancelled": "M8 1.75a6.25 6.25 0 1 0 .01 0zM3.8 12.2l8.4-8.4",
    "running": "M8 1.75a6.25 6.25 0 1 0 .01 0zM6.5 5.2l4 2.8-4 2.8z",
    "waiting": "M4 2h8M4 14h8M5 2c0 4 6 6 6 12M11 2c0 4-6 6-6 12",
    "retry": "M13 3v3.5H9.5M12.6 6.3A5.2 5.2 0 1 0 13.2 9",
    "scheduled": "M2.5 3.5h11v10h-11zM2.5 6.5h11M5.5 2v2.5M10.5 2v2.5",
    "unknown": "M8 1.75a6.25 6.25 0 1 0 .01 0zM6 6.2c.2-2.6 4.2-2.3 3.8.2C9.5 7.7 8 7.6 8 9.3M8 11.5v.2",
    "pause": "M5.5 3.5v9M10.5 3.5v9",
    "play": "M5 3l8 5-8 5z",
    "trash": "M2.5 4.5h11M6 4.5V2.5h4v2M4 4.5l.7 9h6.6l.7-9M6.8 7v4M9.2 7v4",
    "stop": "M4 4h8v8H4z",
    "copy": "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
    "search": "M7 2.5a4.5 4.5 0 1 0 .01 0zM10.3 10.3l3.7 3.7",
    "sun": "M8 5a3 3 0 1 0 .01 0zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
    "info": "M8 1.75a6.25 6.25 0 1 0 .01 0zM8 7.2v4M8 4.8v.2",
    "warning": "M8 2l6.5 11.5h-13zM8 6.5v3M8 11.5v.2",
    "next": "M6 3l5 5-5 5",
    "out": "M9 2.5h4.5V7M13.5 2.5L7 9M11.5 9v4.5h-9v-9H7",
    "keyboard": "M1.5 4h13v8h-13zM4 7h.2M7 7h.2M10 7h.2M12 7h.2M5 9.7h6",
}

STATES: Final = {  # a task's state in Celery's words -> picture and colour
    "PENDING": ("waiting", "quiet"),
    "WAITING": ("waiting", "quiet"),
    "SCHEDULED": ("scheduled", "quiet"),
    "STARTED": ("running", "active"),
    "PROGRESS": ("running", "active"),
    "RETRY": ("retry", "warn"),
    "SUCCESS": ("done", "good"),
    "FAILURE": ("failed", "bad"),
    "REVOKED": ("cancelled", "off"),
    "UNKNOWN": ("unknown", "off"),
}


def sprite() -> str:
    """Write all of them as one SVG file; a page refers to each by its name."""
    drawn = "\n".join(
        f'<symbol id="{name}" viewBox="0 0 16 16"><path d="{path}"/></symbol>'
        for name, path in _DRAWN.items()
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n{drawn}\n</svg>\n'


def state(word: str, inside: str = "") -> tuple[str, str]:
    """Return picture and colour of a task's state; what a task calls its own state is like running.

    Args:
        inside: the store's word, which tells apart what Celery's PENDING does not.
    """
    if word == PENDING and inside == "scheduled":
        word = "SCHEDULED"
    return STATES.get(word, ("running", "active"))
