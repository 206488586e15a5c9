"""The program itself: its global options, its commands by name, and how it ends."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
import traceback
from collections.abc import MutableMapping, Sequence
from typing import Any, Final, NoReturn

import click

from celeriac.cli.celery_words import explained, known_words, translated
from celeriac.cli.codes import Exit
from celeriac.cli.options import ENVIRONMENT, HELP, global_options
from celeriac.cli.problems import Problem, problem_of, told, usage_problem
from celeriac.cli.session import Session, wants_color
from celeriac.errors import CeleriacError
from celeriac.version import __version__

PROGRAM: Final = "celeriac"

# Command -> its module, imported when it is used or listed; the function is called `command`.
COMMANDS: Final = {
    "worker": "worker",
    "dev": "dev",
    "call": "call",
    "result": "result",
    "watch": "watch",
    "status": "status",
    "events": "events",
    "stats": "stats",
    "top": "top",
    "metrics": "metrics",
    "workers": "workers",
    "drain": "drain",
    "stop": "stop",
    "stack": "stack",
    "logs": "logs",
    "activity": "activity",
    "explain": "explain",
    "doctor": "doctor",
    "check": "check",
    "tasks": "tasks",
    "flows": "flows",
    "names": "names",
    "queues": "queues",
    "export": "export",
    "dead": "dead",
    "revoke": "revoke",
    "reschedule": "reschedule",
    "forget": "forget",
    "purge": "purge",
    "pause": "pause",
    "resume": "resume",
    "beat": "beat",
    "schedules": "schedules",
    "config": "config",
    "dashboard": "dashboard",
    "completion": "completion",
}

# What people know from Celery -> why it is not here, and the words that answer the same question.
ELSEWHERE: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "inspect": ("the store answers without asking the workers", ("workers", "--tasks")),
    "health": ("the store, the workers and the queues are examined together", ("doctor",)),
    "list": ("queues and workers are shown together", ("status",)),
    "flower": ("the page on tasks and workers is called dashboard", ("dashboard", "--help")),
    "control": (
        "tasks are revoked by their id, workers drained or stopped by their name",
        ("stop", "--help"),
    ),
    "graph": ("what waits for what is shown as a tree", ("flows",)),
    "logtool": ("what a task has logged is kept in the store", ("logs", "--help")),
    "shell": ("tasks are tried from the command line", ("call", "--help")),
    "upgrade": ("settings are checked whenever they are read", ("config",)),
    "migrate": ("what is on the way elsewhere is worked off there; here it is sent anew", ("call", "--help")),
    "multi": ("one worker runs many processes", ("worker", "--help")),
    "amqp": ("there is no such store", ("status",)),
    "send": ("a task is sent by call", ("call", "--help")),
    "cancel": ("a task is cancelled by revoke", ("revoke", "--help")),
    "failed": ("what has failed is called the dead letter", ("dead",)),
    "retry": ("what has failed is run again from the dead letter", ("dead", "requeue", "--help")),
}


_CELERYS: Final = frozenset({"inspect", "control", "report", "list", "events"})


class Program(click.Group):
    """Knows its commands by name, and tells problems in its own way."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command; None when there is none of this name."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        found: click.Command = importlib.import_module(f"celeriac.cli.{module}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that *args* begin with, or say which one may be meant."""
        if args and args[0] in _CELERYS and (ours := translated(args)) is not None:
            _tell_new_words(ctx, args, ours)
            args = ours
        elif args and args[0] in _CELERYS and (answer := explained(args)) is not None:
            why, attempt = answer
            raise Problem(f"there is no {' '.join(args[:2])!r}: {why}", code=Exit.USAGE, attempt=attempt)
        elif args and args[0] in _CELERYS and (known := known_words(args)):
            raise Problem(
                f"there is no command {args[0]!r}: of Celery's words behind it, these are understood: "
                f"{', '.join(known)}",
                code=Exit.USAGE,
                attempt=ELSEWHERE[args[0]][1],
            )
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise _unknown_command(args[0])
        return super().resolve_command(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the program with *args*; end the process, or return the code if not in *standalone_mode*."""
        session = Session()
        del prog_name, windows_expand_args
        try:
            code = self._run(session, args, complete_var, extra)
        finally:
            session.close()
        if standalone_mode:
            sys.exit(code)
        return code

    def _run(
        self,
        session: Session,
        args: Sequence[str] | None,
        complete_var: str | None,
        extra: MutableMapping[str, Any],
    ) -> int:
        words = sys.argv[1:] if args is None else list(args)
        _never_fail_to_write()
        try:
            code = super().main(
                words, PROGRAM, complete_var, standalone_mode=False, **{"obj": session, **extra}
            )
            sys.stdout.flush()
        except (BrokenPipeError, SystemExit):  # click makes the second of the first
            return _gone()
        except click.Abort:
            return _tell(Problem("interrupted", code=Exit.INTERRUPTED), session)
        except click.ClickException as error:
            return _tell(usage_problem(error, program=PROGRAM), session)
        except Problem as problem:
            return _tell(problem, session)
        except CeleriacError as error:
            return _tell(problem_of(error, command=_command_in(words), words=words), session)
        except Exception as error:  # noqa: BLE001 - the edge: whatever is left is ours to report
            traceback.print_exception(error)
            message = f"this is a bug, please report it: {type(error).__name__}: {error}"
            return _tell(Problem(message, code=Exit.BUG, attempt=("--version",)), session)
        return int(code or 0)


def _tell_new_words(ctx: click.Context, theirs: Sequence[str], ours: Sequence[str]) -> None:
    session = ctx.find_object(Session)
    if session is not None:
        session.note(f"what Celery calls {shlex.join(theirs)} is here: {session.again(*ours)}")


def _unknown_command(name: str) -> Problem:
    import difflib

    if name in ELSEWHERE:
        why, words = ELSEWHERE[name]
        return Problem(f"there is no command {name!r}: {why}", code=Exit.USAGE, attempt=words)
    near = difflib.get_close_matches(name, COMMANDS, 1, 0.5)
    if near:
        message = f"there is no command {name!r}; did you mean {near[0]!r}?"
        return Problem(message, code=Exit.USAGE, attempt=(near[0], "--help"))
    return Problem(f"there is no command {name!r}", code=Exit.USAGE, attempt=("--help",))


def _command_in(words: Sequence[str]) -> str:
    """Return the command's name among *words*; "" when there is none."""
    return next((word for word in words if word in COMMANDS), "")


def _tell(problem: Problem, session: Session) -> int:
    command = problem.command or (session.again(*problem.attempt) if problem.attempt else "")
    try:
        click.echo(told(problem, command), err=True)
    except BrokenPipeError:
        return _gone()
    return int(problem.code)


def _never_fail_to_write() -> None:
    """Write what the terminal's encoding has no character for as an escape, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _gone() -> int:
    """Nobody reads any more: say so by the exit code only, also when the interpreter flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(nowhere, stream.fileno())
        except (OSError, ValueError):
            continue
    os.close(nowhere)
    return int(Exit.PIPE)


@click.group(
    PROGRAM,
    cls=Program,
    params=global_options(top=True),
    invoke_without_command=True,
    context_settings={**HELP, "auto_envvar_prefix": ENVIRONMENT},
    epilog="Every option can come from the environment: CELERIAC_ and its name; for a command's own option "
    "with the command's name between, such as CELERIAC_WORKER_QUEUES.",
)
@click.version_option(__version__, "-V", "--version", prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.pass_context
def program(context: click.Context) -> None:
    """Run workers, call tasks, and look at what becomes of them."""
    if context.color is None:
        context.color = wants_color(False)
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> NoReturn:
    """Run the program with the process's arguments; what `celeriac` and `python -m celeriac` do."""
    program.main()
    raise AssertionError("the program has ended")  # pragma: no cover
