"""`celeriac doctor`: what is wrong, or soon will be, and what to do about it."""

from __future__ import annotations

import contextlib
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import command as make_command
from celeriac.cli.output import count, visible
from celeriac.cli.session import Session
from celeriac.doctor import application
from celeriac.doctor.visit import visit
from celeriac.findings import Finding, Severity, worst
from celeriac.loading import LoadError, guess

COLORS: Final = {
    Severity.OK: "green",
    Severity.NOTE: "cyan",
    Severity.WARNING: "yellow",
    Severity.ERROR: "red",
}
WIDTH: Final = max(len(severity.word) for severity in Severity)


@make_command("doctor")
@click.option("--strict", is_flag=True, help="Let warnings too end with exit code 1.")
def command(session: Session, /, *, strict: bool) -> int:
    """Examine the application, the store, its workers, queues and schedules; change nothing.

    With -A the modules of the tasks are imported, as a worker would. The exit code is 0 if there is nothing
    worse than a warning (with --strict: than a note), else 5 if it is the application, 3 the store, 1 others.
    """
    found = []
    for finding in _findings(session):
        found.append(finding)
        _tell(session, finding)
    if not session.json:
        session.note(_summary(found))
    return _code(found, strict)


def _findings(session: Session) -> Iterator[Finding]:
    try:
        app = session.app
    except LoadError as error:
        yield application.of_load_error(error)
        return
    session.refuse_memory()
    named = session.reference is not None
    if named:
        with contextlib.redirect_stdout(sys.stderr):  # what modules print is no answer of ours
            found = list(application.examine(app))
        yield from found
    yield from visit(app, named=named)


def _tell(session: Session, finding: Finding) -> None:
    command = finding.command or _line(session, finding.attempt)
    if session.json:
        session.emit(
            {
                "kind": "finding",
                "code": finding.code,
                "severity": finding.severity.word,
                "text": finding.text,
                "remedy": finding.remedy or None,
                "command": visible(command) or None,
            }
        )
        return
    word = finding.severity.word.ljust(WIDTH)
    lines = [*_wrapped(finding.text), *_wrapped(finding.remedy)]
    for at, line in enumerate([*lines, *([click.style(visible(command), bold=True)] if command else [])]):
        margin = click.style(word, COLORS[finding.severity]) if at == 0 else " " * WIDTH
        session.out(f"{margin}  {line}")


def _wrapped(text: str) -> list[str]:
    """Cut *text* into lines that fit into a terminal; elsewhere it is one."""
    text = visible(text)
    if not sys.stdout.isatty():
        return [text] if text else []
    columns = max(40, shutil.get_terminal_size().columns - WIDTH - 2)
    return textwrap.wrap(text, columns, break_long_words=False, break_on_hyphens=False)


def _line(session: Session, attempt: tuple[str, ...]) -> str:
    """Return a `celeriac` command as it can be typed; workers and beats need an application."""
    if attempt[:1] in (("worker",), ("beat",), ("check",)) and session.reference is None:
        attempt = ("-A", guess() or "tasks", *attempt)
    return session.again(*attempt) if attempt else ""


def _summary(found: Sequence[Finding]) -> str:
    counts = Counter(finding.severity for finding in found)
    bad = [count(counts[each], each.word) for each in sorted(Severity, reverse=True)[:-1] if counts[each]]
    return ", ".join([*bad, f"{counts[Severity.OK]} ok"])


def _code(found: Sequence[Finding], strict: bool) -> int:
    least = Severity.WARNING if strict else Severity.ERROR
    if worst(found) < least:
        return Exit.OK
    errors = {finding.code.partition(".")[0] for finding in found if finding.severity is Severity.ERROR}
    if "app" in errors:
        return Exit.APPLICATION
    return Exit.STORE if errors & {"store", "redis", "sqlite", "clock"} else Exit.FAILED
