"""Who did what, by this page or in a terminal."""

from __future__ import annotations

from typing import Final

import msgspec

from celeriac.dashboard.visit import Page, Unclear, Visit
from celeriac.steering import Activity

A_PAGE: Final = 100


class ActivityView(msgspec.Struct, frozen=True):
    """What was done, the newest first.

    Attributes:
        after: the number of the last entry, to go on behind it; 0 where there is none behind.
        first: whether these are the newest.
    """

    entries: list[Activity]
    after: int
    first: bool


def look(visit: Visit) -> ActivityView:
    """Look at what people have done.

    Raises:
        Unclear: the number to go on after is none.
    """
    given = visit.query.get("after", "") or "0"
    if not (given.isascii() and given.isdecimal() and len(given) < 19):
        raise Unclear(visit.site.say("activity.number", given=given))
    found = visit.app.activity(int(given), A_PAGE + 1)
    entries = found[:A_PAGE]
    return ActivityView(entries, entries[-1].number if len(found) > A_PAGE else 0, given == "0")


PAGES: Final = (Page("/activity", "activity.html", look, "activity", every=2.0),)
ACTIONS: Final = ()
