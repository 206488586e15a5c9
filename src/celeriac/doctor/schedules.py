"""The schedules of the store: can they be read, are they sent in time, and does the code know their tasks?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from celeriac.beat.entry import Entry, decode_entry
from celeriac.broker import Schedule
from celeriac.errors import DecodeError
from celeriac.findings import Finding, Severity, ok

if TYPE_CHECKING:
    from celeriac.app import Celeriac

LATE: Final = 60.0  # seconds


def examine(app: Celeriac, *, named: bool) -> Iterator[Finding]:
    """Look at all schedules that the store keeps; at their tasks only if the application was *named*."""
    kept = app.broker.schedules()
    found = [finding for one in kept for finding in _of(app, one, named)]
    yield from found
    if kept and not found:
        yield ok("schedules", f"The schedules of the store can be sent ({len(kept)}).")


def _of(app: Celeriac, kept: Schedule, named: bool) -> Iterator[Finding]:
    try:
        entry = decode_entry(kept.entry, kept.name)
    except DecodeError as error:
        text = f"Nobody of this release can send the schedule {kept.name!r}: {error}."
        remedy = "Use the release that wrote it, or remove it."
        yield Finding("schedules.broken", Severity.ERROR, text, remedy, ("schedules", "remove", kept.name))
        return
    late = app.clock.now() + app.broker.ahead - (kept.due or 0.0)
    if kept.due is not None and not kept.paused and late > LATE:
        text = f"The schedule {kept.name!r} was due {late:,.0f} s ago, and nobody has sent for it."
        remedy = "Start a worker, or beat."
        yield Finding("schedules.late", Severity.WARNING, text, remedy, ("beat",))
    unknown = _unknown(app, entry) if named and entry.app in ("", app.main) else []
    if unknown:
        text = f"The schedule {kept.name!r} sends {', '.join(unknown)}, which is no task of {app.main}."
        remedy = "Remove it, or correct the name."
        yield Finding("schedules.unknown", Severity.WARNING, text, remedy, ("schedules", "list", kept.name))


def _unknown(app: Celeriac, entry: Entry) -> list[str]:
    joins = (message for message in entry.messages if not (message.after is not None and message.after.join))
    return sorted({message.name for message in joins} - app.tasks.keys())
