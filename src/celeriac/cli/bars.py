"""Live bars in a terminal; the one module that imports rich."""

from __future__ import annotations

from collections import Counter
from typing import Final, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from celeriac import states
from celeriac.cli.following import IsLost, outcome_of, share_of
from celeriac.cli.output import visible
from celeriac.outlook import Outlook
from celeriac.updates import Update

FRAMES: Final = 8  # a second, at most
STYLES: Final = {
    states.SUCCESS: "green",
    states.FAILURE: "red",
    states.REVOKED: "yellow",
    states.UNKNOWN: "red",
}


class _Row:
    """A task as it was seen last, and what that promises."""

    def __init__(self, update: Update, now: float) -> None:
        self.outlook = Outlook()
        self.seen(update, now)

    def seen(self, update: Update, now: float) -> None:
        self.update = update
        self.outlook.see(update, now)


class Bars:
    """One bar for each task; as many as fit, those that have not ended first, and the rest counted.

    Args:
        stream: a terminal.
        is_lost: says whether a task's worker is lost.
    """

    def __init__(
        self, stream: TextIO, is_lost: IsLost, *, color: bool, console: Console | None = None
    ) -> None:
        self._is_lost = is_lost
        self._console = console or Console(file=stream, no_color=not color, highlight=False, markup=False)
        self._rows: dict[str, _Row] = {}
        self._now = 0.0
        self._drawn = -1.0
        self._live = Live(console=self._console, auto_refresh=False, transient=False)

    def __enter__(self) -> Bars:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.update(self.render(everything=True), refresh=True)
        self._live.stop()

    def show(self, update: Update, now: float) -> None:
        """Take in *update*, and draw if the last time was long enough ago."""
        row = self._rows.setdefault(update.id, _Row(update, now))
        row.seen(update, now)
        self._now = now
        if update.ready or now - self._drawn >= 1 / FRAMES:
            self.tick(now)

    def tick(self, now: float) -> None:
        """Draw."""
        self._now = self._drawn = now
        self._live.update(self.render(), refresh=True)

    def render(self, *, everything: bool = False) -> RenderableType:
        """Return the picture; *everything*: however high."""
        rows = list(self._rows.values())
        room = len(rows) if everything else max(1, self._console.height - 2)
        if len(rows) <= room:
            return self._table(rows)
        rows.sort(key=lambda row: row.update.ready)  # keeps their order otherwise
        hidden = Counter(row.update.state for row in rows[room:])
        told = ", ".join(f"{number} {state}" for state, number in sorted(hidden.items()))
        return Group(self._table(rows[:room]), Text(f"and {len(rows) - room} more: {visible(told)}"))

    def _table(self, rows: list[_Row]) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=32)
        table.add_column(width=20)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for row in rows:
            table.add_row(*self._cells(row))
        return table

    def _cells(self, row: _Row) -> list[RenderableType]:
        update = row.update
        share = share_of(update)
        style = STYLES.get(update.state, "")
        told = update.meta is not None or update.ready
        far = f"{update.current:g}/{update.total:g}" if isinstance(update.meta, dict) else ""
        note = row.outlook.view(self._now, self._is_lost).note
        says = outcome_of(update) if update.ready else update.status
        return [
            Text(update.id),
            ProgressBar(total=1.0, completed=share, width=20) if told else Text(""),
            Text(far),
            Text(visible(update.state), style=style),
            Text(visible("  ".join(filter(None, [note, says])))),
        ]
