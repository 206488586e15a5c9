"""Following tasks until they have ended, on whichever screen fits: bars, lines, JSON, or none."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import click
from msgspec.structs import replace

from celeriac import states
from celeriac.cli.codes import Exit
from celeriac.cli.output import short, visible
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session, wants_color
from celeriac.cli.views import of_update
from celeriac.errors import OperationalError
from celeriac.errors import TimeoutError as WaitTimeout
from celeriac.outlook import Outlook, View, lost_on

if TYPE_CHECKING:
    from celeriac.app import Celeriac
    from celeriac.updates import Update

TICK = 0.5  # seconds after which bars are drawn again without a change
STEP = 0.1  # share of the way after which a line tells of progress
QUIET = 5.0  # seconds without news after which somebody looks whether the store is there
PAUSE = 10.0  # seconds after which a line tells of progress, however small
MOST = 200  # characters of a result on one line

IsLost = Callable[[str], bool | None]


class Screen(Protocol):
    """Where updates are shown."""

    def show(self, update: Update, now: float) -> None:
        """Show *update*, which came at *now* (monotonic seconds)."""

    def tick(self, now: float) -> None:
        """Show that time has passed."""


class Nowhere:
    """Shows nothing."""

    def show(self, update: Update, now: float) -> None:
        """Do nothing."""

    def tick(self, now: float) -> None:
        """Do nothing."""


class JsonLines(Nowhere):
    """Writes every update as an object."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def show(self, update: Update, now: float) -> None:  # noqa: ARG002 - the protocol's
        """Write one line."""
        self._session.emit(of_update(update))


class Lines:
    """Writes a line for each new state, for progress now and then, and when a task falls silent."""

    def __init__(self, stream: TextIO, is_lost: IsLost) -> None:
        self._stream, self._is_lost = stream, is_lost
        self._told: dict[str, tuple[str, float, float]] = {}
        self._outlooks: dict[str, Outlook] = {}
        self._stalled: dict[str, str] = {}

    def show(self, update: Update, now: float) -> None:
        """Write a line, unless it would say little more than the last one."""
        self._outlooks.setdefault(update.id, Outlook()).see(update, now)
        self._stalled.pop(update.id, None)
        if update.ready:
            del self._outlooks[update.id]
        state, share, at = self._told.get(update.id, ("", 0.0, 0.0))
        here = share_of(update)
        if state == update.state and abs(here - share) < STEP and now - at < PAUSE:
            return
        self._told[update.id] = (update.state, here, now)
        self._write(update.id, line_of(update))

    def tick(self, now: float) -> None:
        """Write a line for each task that has fallen silent since, or whose worker is lost."""
        for task_id, outlook in self._outlooks.items():
            view = outlook.view(now, self._is_lost)
            if view.stalled and self._stalled.get(task_id) != view.stalled:
                self._stalled[task_id] = view.stalled
                self._write(task_id, stall_of(view))

    def _write(self, task_id: str, text: str) -> None:
        click.echo(f"{task_id}  {text}".rstrip(), file=self._stream)


def stall_of(view: View) -> str:
    """Write what is wrong with a task on one line."""
    return f"{visible(view.update.state)}  {view.note}"


def line_of(update: Update) -> str:
    """Write *update* without its id on one line."""
    parts = [update.state]
    if update.ready:
        parts.append(outcome_of(update))
    elif isinstance(update.meta, dict) and "current" in update.meta:
        parts += [f"{update.current:g}/{update.total:g}", update.status]
    elif update.meta is not None:
        parts.append(update.status or short(update.meta, most=MOST))
    elif update.error:
        parts.append(f"{error_of(update)} (it will be run again)")
    return visible("  ".join(part for part in parts if part))


def outcome_of(update: Update) -> str:
    """Write what an ended task came to."""
    if update.state == states.SUCCESS:
        return "" if update.result is None else short(update.result, most=MOST)
    if update.state == states.UNKNOWN:
        return "there is no such task"
    return error_of(update)


def error_of(update: Update) -> str:
    """Write an error as `ValueError: no such size`."""
    kind = (update.error_type or "").removeprefix("builtins.").removeprefix("celeriac.errors.")
    return short(f"{kind}: {update.error}" if update.error else kind, most=MOST)


def share_of(update: Update) -> float:
    """Return how much of the way is done, 0 to 1."""
    if update.state == states.SUCCESS:
        return 1.0
    return min(1.0, max(0.0, update.current / update.total)) if update.total else 0.0


def screen_for(session: Session, stack: ExitStack, *, stream: TextIO | None = None) -> Screen:
    """Return the screen that fits *stream* (None: where answers go)."""
    target = stream or sys.stdout
    app = session.app
    is_lost = lost_on(app.broker, app.clock.now)
    if session.json:
        return JsonLines(session)
    if session.quiet and stream is not None:
        return Nowhere()
    if target.isatty() and os.environ.get("TERM") != "dumb":
        from celeriac.cli.bars import Bars

        context = click.get_current_context(silent=True)
        plain = context is not None and context.color is False
        bars: AbstractContextManager[Any] = Bars(
            target, is_lost, color=not plain and wants_color(False) is not False
        )
        found: Screen = stack.enter_context(bars)
        return found
    return Lines(target, is_lost)


def follow(
    session: Session,
    ids: Sequence[str],
    *,
    timeout: float | None,
    stream: TextIO | None = None,
    silent: bool = False,
    hide: Sequence[str] = ("meta",),
) -> dict[str, Update]:
    """Show the updates of *ids* until all have ended, and return the last of each.

    Args:
        stream: where to show them; None for where answers go.
        silent: show nothing.
        hide: the parts of an update in which values under telling keys are hidden where they are shown.

    Raises:
        Problem: *timeout* seconds have passed, or somebody pressed Ctrl-C.
        OperationalError: the store cannot be reached at the start.
    """
    app = session.app
    app.broker.ping()
    last: dict[str, Update] = {}
    with ExitStack() as stack:
        screen: Screen = Nowhere() if silent else screen_for(session, stack, stream=stream)
        try:
            _show_all(session, app.updates(ids, timeout=timeout, tick=TICK), screen, last, hide)
        except WaitTimeout as error:
            raise _left(ids, last, str(error), Exit.TIMEOUT) from error
        except KeyboardInterrupt:
            raise _left(ids, last, "interrupted; the tasks run on", Exit.INTERRUPTED) from None
    return last


def _show_all(
    session: Session,
    updates: Iterable[Update | None],
    screen: Screen,
    last: dict[str, Update],
    hide: Sequence[str],
) -> None:
    app = session.app
    quiet_since, away = app.clock.monotonic(), False
    for update in updates:
        now = app.clock.monotonic()
        if update is not None:
            last[update.id] = update
            screen.show(
                replace(update, **{part: session.hidden(getattr(update, part)) for part in hide}), now
            )
            quiet_since, away = now, False
            continue
        screen.tick(now)
        if now - quiet_since > QUIET:
            away = _tell_if_away(session, app, told=away)
            quiet_since = app.clock.monotonic()


def _tell_if_away(session: Session, app: Celeriac, *, told: bool) -> bool:
    """Say whether the store is away, and tell it, and its return, once."""
    try:
        app.broker.ping()
    except OperationalError as error:
        if not told:
            session.note(f"waiting for the store: {error}")
        return True
    if told:
        session.note("the store is back")
    return False


def _left(ids: Sequence[str], last: dict[str, Update], message: str, code: Exit) -> Problem:
    left = [task_id for task_id in ids if task_id not in last or not last[task_id].ready]
    return Problem(message, code=code, attempt=("watch", *(left or ids)))


def code_of(updates: Iterable[Update]) -> Exit:
    """Return the exit code for tasks that have ended."""
    ended = {update.state for update in updates}
    for state, code in (
        (states.UNKNOWN, Exit.UNKNOWN),
        (states.FAILURE, Exit.FAILED),
        (states.REVOKED, Exit.REVOKED),
    ):
        if state in ended:
            return code
    return Exit.OK
