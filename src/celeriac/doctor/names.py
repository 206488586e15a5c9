"""The names of what waits: do those who listen know them? A sample, so that it ends soon in every store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from celeriac.clock import SystemClock
from celeriac.findings import Finding, Severity, ok

if TYPE_CHECKING:
    from celeriac.app import Celeriac

PAGES: Final = 20
LOOK_FOR: Final = 2.0  # seconds
MOST: Final = 100  # names


def examine(app: Celeriac) -> Iterator[Finding]:
    """Take one task of each name and queue, and ask who knows it."""
    samples, all_seen = _samples(app)
    unknown = list(_unknown(app, samples))
    for name, queue, listening in unknown:
        text = (
            f"None of the {listening} workers on the queue {queue} knows the task {name} that waits there."
            if listening > 1
            else f"The only worker on the queue {queue} does not know the task {name} that waits there."
        )
        remedy = "Deploy the code that has it, name its module in `imports`, or revoke the tasks."
        yield Finding("names.unknown", Severity.WARNING, text, remedy, ("check", "--pending"))
    if not unknown:
        seen = "all" if all_seen else "a sample"
        yield ok("names", f"Workers know the names of what waits (names: {len(samples)}, {seen} looked at).")


def _samples(app: Celeriac) -> tuple[dict[tuple[str, str], str], bool]:
    """Return one id for each queue and name, and whether all tasks were looked at."""
    samples: dict[tuple[str, str], str] = {}
    until, after = SystemClock.monotonic() + LOOK_FOR, ""
    for _ in range(PAGES):
        page = app.broker.pending(after)
        for record in page.records:
            sent = record.message
            if not (sent.after is not None and sent.after.join) and not record.state.final:
                samples.setdefault((sent.queue, sent.name), record.id)
        after = page.after
        if not after:
            return samples, True
        if len(samples) >= MOST or SystemClock.monotonic() > until:
            break
    return samples, False


def _unknown(app: Celeriac, samples: dict[tuple[str, str], str]) -> Iterator[tuple[str, str, int]]:
    """Give name, queue and number of workers where somebody listens and nobody knows."""
    now = app.clock.now()
    for (queue, name), task_id in list(samples.items())[:MOST]:
        situation = app.broker.explain(task_id, now)
        if situation is not None and situation.listening and not situation.knowing and not situation.paused:
            yield name, queue, situation.listening
