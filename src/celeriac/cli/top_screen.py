"""The screen of `celeriac top`; the one module that imports textual."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static

from celeriac.acting import acting, actor
from celeriac.cli.output import visible
from celeriac.cli.revoke import MEANINGS
from celeriac.cli.top import (
    QUEUES,
    RUNNING,
    WORKERS,
    Look,
    headline,
    look,
    queue_rows,
    running_rows,
    worker_rows,
)
from celeriac.errors import CeleriacError

if TYPE_CHECKING:
    from celeriac.app import Celeriac

CSS: Final = """
#head { height: auto; padding: 0 1; background: $panel; }
#queues { height: 2fr; }
#workers { height: 1fr; }
#running { height: 2fr; }
#told { height: auto; padding: 0 1; }
Question { align: center middle; }
Question Vertical { width: auto; height: auto; padding: 1 2; border: thick $warning; background: $surface; }
Question Static { width: auto; }
"""


class Question(ModalScreen[bool]):
    """Asks before something is done: y, or anything else for no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,enter,q", "answer(False)", "no"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """Draw it."""
        with Vertical():
            yield Static(f"{self._text}\n\ny yes   n no", markup=False)

    def action_answer(self, answer: bool) -> None:
        """Give the answer."""
        self.dismiss(answer)


class Top(App[None]):
    """Queues, workers and what runs, looked at again and again. Capital letters change something, and ask.

    Args:
        where: the store, for people. interval: seconds between two looks. read_only: change nothing.
    """

    CSS = CSS
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape", "quit", "Quit"),
        Binding("r", "look", "Look now"),
        Binding("P", "change('pause')", "Pause queue", key_display="P"),
        Binding("R", "change('resume')", "Resume queue", key_display="R"),
        Binding("X", "change('purge')", "Purge queue", key_display="X"),
        Binding("D", "change('drain')", "Drain worker", key_display="D"),
        Binding("U", "change('undrain')", "Undrain worker", key_display="U"),
        Binding("C", "change('revoke')", "Revoke task", key_display="C"),
    ]

    def __init__(self, celeriac: Celeriac, where: str, *, interval: float, read_only: bool = False) -> None:
        super().__init__()
        self._celeriac, self._where, self._interval = celeriac, where, interval
        self._read_only = read_only
        who = actor()  # whoever has called: a thread of textual's need not know
        self._acting: Callable[[], AbstractContextManager[None]] = (
            partial(acting, who) if who else nullcontext
        )
        self._rows: dict[str, list[tuple[str, ...]]] = {}

    def compose(self) -> ComposeResult:
        """Draw it."""
        yield Static("looking …", id="head", markup=False)
        yield DataTable(id="queues", cursor_type="row", zebra_stripes=True)
        yield DataTable(id="workers", cursor_type="row", zebra_stripes=True)
        yield DataTable(id="running", cursor_type="row", zebra_stripes=True)
        yield Static("", id="told", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        for name, head in (("queues", QUEUES), ("workers", WORKERS), ("running", RUNNING)):
            self._table(name).add_columns(*head)
        self.action_look()
        self.set_interval(self._interval, self.action_look)

    def _table(self, name: str) -> DataTable[Text]:
        found: DataTable[Text] = self.query_one(f"#{name}", DataTable)
        return found

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - textual's
        """Say whether a key may be used."""
        return not (action == "change" and self._read_only)

    # --- looking --------------------------------------------------------------------------------------

    @work(thread=True, exclusive=True, group="look")
    def action_look(self) -> None:
        """Ask the store, on a thread of its own; while it is away, what was seen last stays."""
        try:
            seen = look(self._celeriac)
        except CeleriacError as error:
            self.call_from_thread(self._tell, f"the store is away, trying again: {error}")
        else:
            self.call_from_thread(self._draw, seen)

    def _draw(self, seen: Look) -> None:
        self.query_one("#head", Static).update(headline(seen, self._where))
        self._fill("queues", queue_rows(seen))
        self._fill("workers", worker_rows(seen))
        self._fill("running", running_rows(seen))

    def _fill(self, name: str, rows: list[tuple[str, ...]]) -> None:
        """Show *rows*; the one that was chosen stays so, wherever it is now."""
        if self._rows.get(name) == rows:
            return
        chosen = self._chosen(name)
        self._rows[name] = rows
        shown = self._table(name)
        shown.clear()
        for row in rows:
            shown.add_row(*map(_cell, row))
        places = [place for place, row in enumerate(rows) if row[_KEYS[name]] == chosen]
        if places:
            shown.move_cursor(row=places[0])

    def _chosen(self, name: str) -> str | None:
        rows, place = self._rows.get(name, []), self._table(name).cursor_row
        return rows[place][_KEYS[name]] if 0 <= place < len(rows) else None

    def _tell(self, text: str) -> None:
        self.query_one("#told", Static).update(visible(text))

    # --- changing -------------------------------------------------------------------------------------

    def action_change(self, what: str) -> None:
        """Ask whether to do *what* with what is chosen in its table, and do it."""
        change = _CHANGES[what]
        target = self._chosen(change.table)
        if target is None:
            self._tell(f"choose a {change.noun} first")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._change(change, target)

        self.push_screen(Question(f"{change.question} {visible(target)}?"), answered)

    @work(thread=True, group="change")
    def _change(self, change: _Change, target: str) -> None:
        try:
            with self._acting():
                told = change.do(self._celeriac, target)
        except CeleriacError as error:
            told = f"not done: {error}"
        self.call_from_thread(self._tell, f"{target}: {told}")
        self.call_from_thread(self.action_look)


def _cell(text: str) -> Text:
    numeric = text.replace(",", "").replace(".", "").isdigit()
    return Text(visible(text), justify="right" if numeric else "left")


def _purge(app: Celeriac, queue: str) -> str:
    purged, step = 0, 1
    while step:
        step = app.broker.purge(queue, app.clock.now())
        purged += step
    app.acted("purge", queue, purged)
    return f"{purged:,} tasks cancelled"


def _revoke(app: Celeriac, task_id: str) -> str:
    [answer] = app.broker.cancel([task_id], app.clock.now(), terminate=True)
    if answer not in ("final", "unknown"):
        app.acted("revoke --terminate", task_id)
    return MEANINGS[answer]


class _Change(NamedTuple):
    """What a key does: with which table's choice, what is asked before, and how it is done."""

    table: str
    noun: str
    question: str
    do: Callable[[Celeriac, str], str]


_KEYS: Final = {  # the column that says which row it is
    "queues": 0,
    "workers": WORKERS.index("id"),
    "running": RUNNING.index("id"),
}
_CHANGES: Final = {
    "pause": _Change(
        "queues",
        "queue",
        "Take nothing any more from the queue",
        lambda app, queue: "paused" if app.pause(queue) else "was paused already",
    ),
    "resume": _Change(
        "queues",
        "queue",
        "Take tasks again from the queue",
        lambda app, queue: "resumed" if app.resume(queue) else "was not paused",
    ),
    "purge": _Change("queues", "queue", "Cancel all tasks that have not started in the queue", _purge),
    "drain": _Change(
        "workers",
        "worker",
        "Let it finish what it runs, and claim nothing more: the worker",
        lambda app, worker: "drains" if app.control.drain(worker) else "",
    ),
    "undrain": _Change(
        "workers",
        "worker",
        "Let it claim again: the worker",
        lambda app, worker: "claims again" if app.control.resume(worker) else "",
    ),
    "revoke": _Change("running", "running task", "End it now, and never run it again: the task", _revoke),
}
