"""Following tasks until they have ended, on whichever screen fits: bars, lines, JSON, or none."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import click

from celeriac import states
from celeriac.cli.codes import Exit
from celeriac.cli.output import short, span, visible
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session, wants_color
from celeriac.cli.views import of_update
from celeriac.errors import OperationalError
from celeriac.errors import TimeoutError as WaitTimeout

if TYPE_CHECKING:
    from celeriac.app import Celeriac
    from celeriac.updates import Update

TICK = 0.5  # seconds after which bars are drawn again without a change
STEP = 0.1  # share of the way after which a line tells of progress
QUIET = 5.0  # seconds without news after which somebody looks whether the store is there
PAUSE = 10.0  # seconds after which a line tells of progress, however small
MOST = 200  # characters of a result on one line


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


class Lines(Nowhere):
    """Writes a line for each new state, and for progress now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told: dict[str, tuple[str, float, float]] = {}

    def show(self, update: Update, now: float) -> None:
        """Write a line, unless it would say little more than the last one."""
        state, share, at = self._told.get(update.id, ("", 0.0, 0.0))
        here = share_of(update)
        if state == update.state and abs(here - share) < STEP and now - at < PAUSE:
            return
        self._told[update.id] = (update.state, here, now)
        click.echo(f"{update.id}  {line_of(update)}".rstrip(), file=self._stream)


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


def time_left(begun: tuple[float, float], share: float, now: float) -> str:
    """Guess the time left, from where a task has *begun* (share, moment) and where it is; "" for unknown."""
    done = share - begun[0]
    if done <= 0 or share >= 1 or now - begun[1] < 1:
        return ""
    return f"about {span((1 - share) * (now - begun[1]) / done)}"


def screen_for(session: Session, stack: ExitStack, *, stream: TextIO | None = None) -> Screen:
    """Return the screen that fits *stream* (None: where answers go)."""
    target = stream or sys.stdout
    if session.json:
        return JsonLines(session)
    if session.quiet and stream is not None:
        return Nowhere()
    if target.isatty() and os.environ.get("TERM") != "dumb":
        from celeriac.cli.bars import Bars

        context = click.get_current_context(silent=True)
        plain = context is not None and context.color is False
        bars: AbstractContextManager[Any] = Bars(target, color=not plain and wants_color(False) is not False)
        found: Screen = stack.enter_context(bars)
        return found
    return Lines(target)


def follow(
    session: Session,
    ids: Sequence[str],
    *,
    timeout: float | None,
    stream: TextIO | None = None,
    silent: bool = False,
) -> dict[str, Update]:
    """Show the updates of *ids* until all have ended, and return the last of each.

    Args:
        stream: where to show them; None for where answers go.
        silent: show nothing.

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
            _show_all(session, app.updates(ids, timeout=timeout, tick=TICK), screen, last)
        except WaitTimeout as error:
            raise _left(ids, last, str(error), Exit.TIMEOUT) from error
        except KeyboardInterrupt:
            raise _left(ids, last, "interrupted; the tasks run on", Exit.INTERRUPTED) from None
    return last


def _show_all(
    session: Session, updates: Iterable[Update | None], screen: Screen, last: dict[str, Update]
) -> None:
    app = session.app
    quiet_since, away = app.clock.monotonic(), False
    for update in updates:
        now = app.clock.monotonic()
        if update is not None:
            last[update.id] = update
            screen.show(update, now)
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
