"""The element as a page holds it."""

from __future__ import annotations

from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING, Any

from celeriac.contrib.progress.desk import SCRIPT_NAME
from celeriac.result import AsyncResult

if TYPE_CHECKING:
    from celeriac.app import Celeriac


class Html(str):
    """Text that templates of Jinja and Django take as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        """Return itself: it is escaped already."""
        return str(self)


def element(
    app: Celeriac,
    result: str | AsyncResult[Any],
    *,
    at: str = "/progress",
    label: str = "Progress",
    expires: float | timedelta = 3_600,
    outcome: bool = False,
) -> Html:
    """Return what a page needs to show how far a task is: the script, the element, a link for those without.

    Args:
        result: the task, or its id.
        at: the address where the endpoints are mounted.
        label: what it is the progress of, for screen readers.
        expires, outcome: see `Celeriac.progress_token`.
    """
    at = escape(at.rstrip("/"))
    token = app.progress_token(result, expires, outcome=outcome)
    return Html(
        f'<script type="module" src="{at}/{SCRIPT_NAME}"></script>'
        f'<celeriac-progress src="{at}" token="{token}" label="{escape(label)}">'
        f'<a href="{at}/line?token={token}">{escape(label)}</a></celeriac-progress>'
    )
