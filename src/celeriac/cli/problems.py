"""What goes wrong, as one line for people, one command to try, and an exit code."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import click

from celeriac.brokers import masked
from celeriac.cli.codes import Exit
from celeriac.cli.output import visible
from celeriac.errors import (
    CeleriacError,
    ConfigurationError,
    InvalidFilter,
    InvalidMessage,
    MissingExtra,
    NotRegistered,
    NotRunning,
    OperationalError,
    UnknownTask,
    UnknownWorker,
)
from celeriac.errors import TimeoutError as WaitTimeout
from celeriac.loading import LoadError


class Problem(Exception):
    """A command cannot do what it was asked to.

    Args:
        message: one sentence.
        code: how the process ends.
        attempt: words of the `celeriac` command to try next; the global options are put before them.
        command: the whole line to try next, when it is another program's.
        details: text for below the sentence, such as a traceback.
    """

    def __init__(
        self,
        message: str,
        *,
        code: Exit,
        attempt: tuple[str, ...] = (),
        command: str = "",
        details: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.attempt = attempt
        self.command = command
        self.details = details


# The first kind that fits says the exit code and what to try next.
_KINDS: tuple[tuple[type[CeleriacError], Exit, tuple[str, ...]], ...] = (
    (ConfigurationError, Exit.USAGE, ("config",)),
    (InvalidMessage, Exit.USAGE, ("--help",)),
    (InvalidFilter, Exit.USAGE, ("--help",)),
    (NotRegistered, Exit.UNKNOWN, ("call", "--help")),
    (UnknownTask, Exit.UNKNOWN, ("status",)),
    (UnknownWorker, Exit.UNKNOWN, ("worker", "--help")),
    (NotRunning, Exit.STATE, ("status",)),
    (OperationalError, Exit.STORE, ("config", "broker_url")),
    (WaitTimeout, Exit.TIMEOUT, ("status",)),
)


def problem_of(error: CeleriacError, *, command: str = "", words: Sequence[str] = ()) -> Problem:
    """Say what *error* comes to that was raised in *command*; *words* are all that was typed."""
    if isinstance(error, LoadError):
        return _load_problem(error, command, words)
    if isinstance(error, MissingExtra):
        return _extra_problem(error)
    if isinstance(error, UnknownWorker) and error.others:
        return Problem(str(error), code=Exit.UNKNOWN, attempt=("workers",))
    for kind, code, attempt in _KINDS:
        if isinstance(error, kind):
            if attempt == ("--help",):
                attempt = (command, "--help") if command else attempt
            return Problem(str(error), code=code, attempt=attempt)
    return Problem(str(error), code=Exit.BUG, attempt=("--version",))


def _load_problem(error: LoadError, command: str, words: Sequence[str]) -> Problem:
    """Suggest the same line with another application, where one is near."""
    line = ""
    if error.suggestion:
        line = visible(shlex.join(["celeriac", *_with_application(error.suggestion, words or ["status"])]))
    return Problem(
        error.reason,
        code=Exit.APPLICATION,
        attempt=(command or "worker", "--help"),
        command=line,
        details=error.traceback,
    )


def _with_application(reference: str, words: Sequence[str]) -> list[str]:
    """Return *words* with *reference* in the place of the application that they name; no password is kept."""
    left = [masked(word) for word in words]
    for at, word in enumerate(left):
        if word in ("-A", "--app") and at + 1 < len(left):
            return [*left[: at + 1], reference, *left[at + 2 :]]
        if word.startswith("--app="):
            return [*left[:at], f"--app={reference}", *left[at + 1 :]]
    return ["-A", reference, *left]


def _extra_problem(error: MissingExtra) -> Problem:
    """The message ends with the command that installs what is missing."""
    message, found, command = str(error).rpartition("pip install ")
    if not found:
        return Problem(str(error), code=Exit.USAGE, attempt=("--version",))
    return Problem(message.rstrip(" :;,("), code=Exit.USAGE, command=f"pip install {command.rstrip(') .')}")


def usage_problem(error: click.ClickException, *, program: str) -> Problem:
    """Say what click found wrong with the line."""
    context = getattr(error, "ctx", None)
    path: list[str] = [] if context is None else context.command_path.split()
    words = path[1:] if path[:1] == [program] else []
    message = " ".join(error.format_message().split())
    return Problem(message or "wrong usage", code=Exit.USAGE, attempt=(*words, "--help"))


def told(problem: Problem, command: str) -> str:
    """Write *problem*, with the *command* to try, as it is shown."""
    lines = [f"celeriac: {visible(problem.message)}"]
    if problem.details:
        lines += ["", *(visible(line, tabs=True) for line in problem.details.rstrip().splitlines()), ""]
    if command:
        lines.append(f"try: {command}")
    return "\n".join(lines)
