"""`celeriac dev`: a worker that starts anew when a file changes, and the dashboard, in one terminal."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from celeriac.cli.codes import Exit
from celeriac.cli.options import QUEUE_NAMES, flattened
from celeriac.cli.options import command as make_command
from celeriac.cli.output import visible
from celeriac.cli.problems import Problem
from celeriac.cli.session import Session
from celeriac.cli.together import FINAL, Part, Together
from celeriac.cli.worker import LEVELS, reference_of
from celeriac.worker.reload import watch

DASHBOARD: Final = "dashboard"  # the command, where this version has it
NEEDED: Final = ("starlette", "jinja2", "uvicorn", "sse_starlette")  # by the dashboard
COLORS: Final = {"": "yellow", "worker": "cyan", DASHBOARD: "magenta"}
WIDTH: Final = max(map(len, COLORS))


@make_command("dev")
@click.option(
    "-Q", "--queues", type=QUEUE_NAMES, multiple=True, help="Queues to serve, the most important first: a,b."
)
@click.option("-c", "--concurrency", type=click.IntRange(min=1), help="Tasks at once in each process (16).")
@click.option(
    "--processes", type=click.IntRange(min=1), default=1, show_default=True, help="Processes of the worker."
)
@click.option(
    "-l",
    "--loglevel",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="INFO",
    show_default=True,
    help="What the worker tells.",
)
@click.option("--no-reload", is_flag=True, help="Leave the worker alone when a Python file changes.")
@click.option("--no-dashboard", is_flag=True, help="The worker only.")
@click.option("--host", help="Where the dashboard listens (its own default).")
@click.option("--port", type=click.IntRange(0, 65_535), help="At which port (its own default).")
def command(
    session: Session,
    /,
    *,
    queues: tuple[tuple[str, ...], ...],
    concurrency: int | None,
    processes: int,
    loglevel: str,
    no_reload: bool,
    no_dashboard: bool,
    host: str | None,
    port: int | None,
) -> int:
    """Run all that an application needs while it is written: worker, schedules, dashboard. Ctrl-C ends it.

    For production run `celeriac worker` under a supervisor of services.
    """
    reference = reference_of(session, "dev")
    if os.environ.get("CELERIAC_ENV", "").lower() == "production":
        raise Problem(
            "CELERIAC_ENV says production, and dev is for the machine where one writes the application",
            code=Exit.USAGE,
            attempt=("-A", reference, "worker"),
        )
    shared = _shared(session, reference)
    words = [*shared, "worker", "--processes", str(processes), "--loglevel", loglevel]
    words += [] if no_reload or _lacks_reload(session) else ["--reload"]
    words += ["--queues", ",".join(flattened(queues))] if queues else []
    words += ["--concurrency", str(concurrency)] if concurrency else []
    parts = [Part("worker", tuple(words))]
    if not no_dashboard and _has_dashboard(session):
        _check_place(reference, host, port)
        there = [*(("--host", host) if host else ()), *(("--port", str(port)) if port is not None else ())]
        parts.append(Part(DASHBOARD, (*shared, DASHBOARD, *there)))
    _banner(session, reference, parts)
    if "--reload" not in words:
        return Together(parts, _speaker()).run()
    # What cannot be imported may be mended by the next change: then nothing has to end.
    mended = frozenset({Exit.APPLICATION})
    return Together(parts, _speaker(), final=FINAL - mended, watch=watch, mended=mended).run()


def _shared(session: Session, reference: str) -> tuple[str, ...]:
    """Return the global options for every part."""
    words = ["-A", reference]
    words += ["-b", session.broker] if session.broker is not None else []
    words += ["--namespace", session.namespace] if session.namespace is not None else []
    return (*words, "-q") if session.quiet else tuple(words)


def _lacks_reload(session: Session) -> bool:
    if importlib.util.find_spec("watchfiles") is not None:
        return False
    session.note("changed files are not noticed: pip install 'celeriac[reload]'")
    return True


def _has_dashboard(session: Session) -> bool:
    from celeriac.cli.program import COMMANDS

    if DASHBOARD not in COMMANDS:
        session.note("this version has no dashboard", "-A", str(session.reference), "status")
        return False
    if all(importlib.util.find_spec(name) is not None for name in NEEDED):
        return True
    session.note("there is no dashboard without its extra: pip install 'celeriac[dashboard]'")
    return False


def _check_place(reference: str, host: str | None, port: int | None) -> None:
    """Return if the dashboard can listen there; else everything would end with it.

    Raises:
        Problem: it cannot.
    """
    from celeriac.cli.dashboard import HOST, PORT
    from celeriac.dashboard.guard import is_loopback
    from celeriac.dashboard.serve import listening

    host, port = host or HOST, PORT if port is None else port
    if not is_loopback(host):
        raise Problem(
            f"whoever reaches {host} could do everything, and dev knows no users: it shows the dashboard on "
            "this machine only; run the dashboard beside it, with a file of users",
            code=Exit.USAGE,
            attempt=("-A", reference, "dashboard", "--host", host, "--users", "users.json"),
        )
    try:
        listening(host, port).close()
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (")[0]
        raise Problem(
            f"the dashboard cannot listen on {host}:{port}: {why}; choose another port",
            code=Exit.USAGE,
            attempt=("-A", reference, "dev", "--port", "0"),
        ) from error


def _banner(session: Session, reference: str, parts: list[Part]) -> None:
    if session.quiet:
        return
    reloads = "--reload" in parts[0].words
    lines = [
        f"dev of {reference}: {' and '.join(part.name for part in parts)}; Ctrl-C ends all",
        f"  reload     {f'Python files below {Path.cwd()}' if reloads else 'no'}",
        "  schedules  are sent for by the worker: no beat is needed",
    ]
    click.echo("\n".join(visible(line) for line in lines), err=True)


def _speaker() -> Callable[[str, str], None]:
    """Return what writes a line with whose it is before it."""
    color = click.get_current_context().color

    def say(name: str, line: str) -> None:
        head = click.style(f"{name or 'dev':<{WIDTH}} |", fg=COLORS.get(name))
        click.echo(f"{head} {line}", err=True, color=color)

    return say
