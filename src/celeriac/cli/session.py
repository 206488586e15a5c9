"""What the global options come to: the application or a bare one, its store, and how to answer."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from celeriac.cli.codes import Exit
from celeriac.cli.output import json_line, visible
from celeriac.cli.problems import Problem
from celeriac.message import check_id
from celeriac.redaction import redacted

if TYPE_CHECKING:
    from celeriac.app import Celeriac

BARE_NAME = "celeriac"  # of the application that stands in where none is named


class Session:
    """One call of the program.

    Attributes:
        reference: what `-A` or CELERIAC_APP says; None for neither.
        broker, namespace: given on the command line; None leaves them to the application and the environment.
        json, quiet: how to answer.
    """

    def __init__(self) -> None:
        self.reference: str | None = None
        self.broker: str | None = None
        self.namespace: str | None = None
        self.json = False
        self.quiet = False
        self.words: list[str] = []  # -A, when it was given on the command line
        self.loaded: Any = None

    # --- the application ----------------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that the command line overrides."""
        given: dict[str, Any] = {}
        if self.broker is not None:
            given |= {"broker_url": self.broker, "result_backend": None}
        if self.namespace is not None:
            given["namespace"] = self.namespace
        return given

    @cached_property
    def app(self) -> Celeriac:
        """The application: the one that is named, else a bare one; nothing of its store is opened yet.

        Raises:
            CeleriacError: it cannot be loaded, or a setting is wrong.
        """
        if self.reference is None:
            self.loaded = self._bare()
        else:
            from celeriac.loading import load_app, override

            with contextlib.redirect_stdout(sys.stderr):  # what modules print is no answer of ours
                self.loaded = override(load_app(self.reference), self.settings)
        app: Celeriac = self.loaded
        return app

    def _bare(self) -> Celeriac:
        from celeriac.app import Celeriac

        return Celeriac(BARE_NAME, set_as_current=False, **self.settings)

    def app_with_tasks(self) -> Celeriac:
        """Return the application after importing the modules of its tasks."""
        app = self.app
        if self.reference is not None:
            from celeriac.loading import import_tasks

            with contextlib.redirect_stdout(sys.stderr):
                import_tasks(app)
        return app

    def look(self) -> Celeriac:
        """Return the application for a command that creates nothing: its store must be there.

        Raises:
            Problem: the URL is one of a store in memory, or of a file that does not exist.
        """
        app = self.app
        self.refuse_memory()
        if self._is_missing_file(app):
            raise Problem(
                f"there is no store yet at {app.broker.url}",
                code=Exit.STORE,
                attempt=("config", "broker_url"),
            )
        return app

    def send(self) -> Celeriac:
        """Return the application for a command that sends; a store that nobody named must be there.

        Raises:
            Problem: as `look`.
        """
        app = self.app_with_tasks()
        self.refuse_memory()
        if self.reference is None and app.conf.broker_url is None:
            self.look()
        return app

    def refuse_memory(self) -> None:
        """Return unless the URL is one of a store in memory.

        Raises:
            Problem: it is.
        """
        if self.app.broker_url.startswith("memory:"):
            raise Problem(
                "a store in memory belongs to one process and cannot be seen from here; name another with -b",
                code=Exit.USAGE,
                attempt=("config", "broker_url"),
            )

    def _is_missing_file(self, app: Celeriac) -> bool:
        own = self.reference is not None and self.broker is None  # the application's, made when it is used
        if own or not app.broker_url.startswith("sqlite:"):
            return False
        from celeriac.brokers.sqlite.address import parse

        return not parse(app.broker_url).path.exists()

    def close(self) -> None:
        """Let go of what the application has opened."""
        if self.loaded is not None:
            self.loaded.close()

    @property
    def is_bare_namespace(self) -> bool:
        """Whether nobody has said which share of a store that has several is meant."""
        conf = self.app.conf
        named = self.reference is not None or self.namespace is not None or conf.namespace is not None
        return not named and not self.app.broker_url.startswith("sqlite:")

    @property
    def where(self) -> str:
        """The store, for people: its URL without the password, and its namespace where it has one."""
        app = self.app
        if app.broker_url.startswith("sqlite:"):
            return app.broker.url
        return f"{app.broker.url} (namespace {app.store_options['namespace']})"

    def hidden(self, value: Any) -> Any:
        """Return *value*, arguments for instance, with `•••` under telling keys, those of the setting too."""
        return redacted(value, self.app.conf.redact_keys)

    # --- answering ----------------------------------------------------------------------------------

    def out(self, text: str) -> None:
        """Write one line of the answer."""
        click.echo(text)

    def raw(self, line: str) -> None:
        """Write one line of data: to a terminal with escapes, to a file or a pipe exactly as it is."""
        if sys.stdout.isatty():
            click.echo(visible(line))
        else:
            sys.stdout.write(f"{line}\n")  # click would take out what looks like colours

    def emit(self, value: Any) -> None:
        """Write one object of the answer."""
        click.echo(json_line(value))

    def note(self, text: str, *attempt: str) -> None:
        """Tell something beside the answer, and the words of a command to try, unless told to be quiet."""
        if not self.quiet:
            click.echo(f"celeriac: {visible(text)}", err=True)
            if attempt:
                click.echo(f"try: {self.again(*attempt)}", err=True)

    def again(self, *words: str) -> str:
        """Return the command line with the same global options and *words*."""
        options = [] if words[:1] == ("-A",) else list(self.words)
        if self.broker is not None:
            from celeriac.brokers import masked

            options += ["-b", masked(self.broker)]
        if self.namespace is not None:
            options += ["--namespace", self.namespace]
        return visible(shlex.join(["celeriac", *options, *words]))


def check_ids(ids: tuple[str, ...]) -> list[str]:
    """Return *ids* without repetitions; `-` stands for those on standard input, separated by blanks.

    Raises:
        InvalidName: one cannot be an id.
        Problem: there is none.
    """
    given: list[str] = []
    for task_id in ids:
        given += sys.stdin.read().split() if task_id == "-" else [task_id]
    if not given:
        raise Problem("no ids came on standard input", code=Exit.USAGE, attempt=("--help",))
    return [check_id(task_id) for task_id in dict.fromkeys(given)]


def wants_color(no_color: bool) -> bool | None:
    """Say whether to colour: False for never, None for where it is a terminal."""
    return False if no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None
