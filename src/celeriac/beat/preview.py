"""The next moments of a rule, those marked that a change of the clocks has moved or doubled. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cronsim import CronSim

from celeriac.beat.rules import Cron, Rule, zone_of


class Run(NamedTuple):
    """One moment.

    Attributes:
        due: seconds since 1970 UTC. local: the same in the schedule's zone.
        note: what a change of the clocks has to do with it; "" for nothing.
    """

    due: float
    local: datetime
    note: str


def preview(rule: Rule, first: float | None, until: float) -> Iterator[Run]:
    """Iterate over the moments of *rule* from *first*, which is one, to *until*."""
    due, before = first, None
    while due is not None and due <= until:
        local = datetime.fromtimestamp(due, zone_of(rule.timezone) if isinstance(rule, Cron) else UTC)
        yield Run(due, local, _note(rule, local, before) if isinstance(rule, Cron) else "")
        due, before = rule.after(due, first), local


def _note(rule: Cron, local: datetime, before: datetime | None) -> str:
    if rule.is_fixed and _stands_for_another(rule, local):
        fields = CronSim(rule.text, datetime(2000, 1, 1, tzinfo=UTC))
        if local.minute in fields.minutes and local.hour in fields.hours:
            return "two fall together: the clocks go forward, and the time of the earlier one is left out"
        return "moved: the clocks go forward, and its own time is left out"
    if _comes_twice(local):
        again = "comes again" if local.fold == 0 else "for the second time"
        return f"this hour comes twice: {'only the first time' if rule.is_fixed else again}"
    if before is not None and before.utcoffset() != local.utcoffset():
        return (
            f"the clocks have changed by {_hours((local.utcoffset() or ZERO) - (before.utcoffset() or ZERO))}"
        )
    return ""


ZERO = timedelta()


def _stands_for_another(rule: Cron, local: datetime) -> bool:
    """Say whether *local* is the first moment after a gap, and a time of *rule* is in that gap."""
    earlier = datetime.fromtimestamp(local.timestamp() - 1, local.tzinfo)
    gap = (local.utcoffset() or ZERO) - (earlier.utcoffset() or ZERO)
    here = local.replace(tzinfo=UTC)  # on clocks that are not changed
    return gap > ZERO and next(rule.times(here - gap - timedelta(seconds=1)), here) < here


def _comes_twice(local: datetime) -> bool:
    first, second = local.replace(fold=0), local.replace(fold=1)
    return (first.utcoffset() or ZERO) > (second.utcoffset() or ZERO)


def _hours(change: timedelta) -> str:
    return f"{change.total_seconds() / 3600:+g} h"
