"""What would fail of what waits: each payload is bound to the code that is here, and nothing is run.

It reads a page at a time and keeps only counts and a few ids, so that any number of tasks may wait.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from celeriac.beat.entry import decode_entry
from celeriac.errors import CeleriacError, DecodeError, InvalidArguments
from celeriac.message import Message, Options, Record, decode_options, decode_payload
from celeriac.outcome import decode_error
from celeriac.states import State

if TYPE_CHECKING:
    from celeriac.app import Celeriac

SOME_IDS: Final = 5
MOST_PROBLEMS: Final = 1_000  # that are told apart

_MAPS: Final = ("celeriac.map", "celeriac.starmap")


class Problem(msgspec.Struct, frozen=True):
    """Why a task would fail.

    Attributes:
        task: the name that fails, of a map the one that it calls.
        code: `unknown`: no task has this name; `arguments`: they do not fit; `value`: one does not become its
            type; `broken`: the stored bytes cannot be read. text: one sentence.
    """

    task: str
    code: str
    text: str


class Group(msgspec.Struct):
    """All tasks with one problem.

    Attributes:
        ids: of some of them; a schedule's is `schedule NAME`. queues: in which they stand.
    """

    problem: Problem
    count: int = 0
    ids: list[str] = []
    queues: set[str] = set()


class Checked(msgspec.Struct):
    """What a walk over all that waits has found.

    Attributes:
        tasks: how many were looked at. groups: what would fail, by problem.
    """

    tasks: int = 0
    groups: dict[Problem, Group] = {}

    @property
    def failing(self) -> int:
        """How many tasks would fail."""
        return sum(group.count for group in self.groups.values())

    def add(self, message: Message, problem: Problem | None) -> None:
        """Count one task."""
        self.tasks += 1
        if problem is None:
            return
        if problem not in self.groups and len(self.groups) >= MOST_PROBLEMS:
            problem = Problem("others", problem.code, "there are more problems than are told apart")
        group = self.groups.setdefault(problem, Group(problem))
        group.count += 1
        group.queues.add(message.queue)
        if len(group.ids) < SOME_IDS:
            group.ids.append(message.id)


def check(app: Celeriac, queues: Collection[str] = ()) -> Checked:
    """Bind all that waits in *queues* (all of them if there are none), and what schedules will send.

    Raises:
        OperationalError: the store is away.
    """
    checker, checked = Checker(app), Checked()
    for record in _records(app):
        message = record.message
        if not queues or message.queue in queues:
            checked.add(message, checker.problem_of(record))
    for message in _scheduled(app):
        if not queues or message.queue in queues:
            checked.add(message, checker.problem_with(message))
    return checked


def _records(app: Celeriac) -> Iterator[Record]:
    """Give all that waits; a task that is met twice because a store moved it is rare, and counted twice."""
    page = app.broker.pending()
    while True:
        yield from page.records
        if not page.after:
            return
        page = app.broker.pending(page.after)


def _scheduled(app: Celeriac) -> Iterable[Message]:
    """Give what the schedules that were added at run time will send; those in code come with the code."""
    for kept in app.broker.schedules():
        try:
            entry = decode_entry(kept.entry, kept.name)
        except DecodeError:  # `doctor` tells it
            continue
        if not entry.app:
            yield from (
                msgspec.structs.replace(message, id=f"schedule {kept.name}") for message in entry.messages
            )


class Checker:
    """Binds messages to the tasks of an application.

    Args:
        app: its modules are imported.
    """

    def __init__(self, app: Celeriac) -> None:
        self._tasks = app.tasks

    def problem_of(self, record: Record) -> Problem | None:
        """Say why a task would fail; None if it would not, as far as can be known."""
        if record.state is State.FAILED:
            return Problem(record.message.name, "broken", decode_error(record.error).message)
        if record.state is State.WAITING and record.started is not None:  # another one stands for it
            return None
        return self.problem_with(record.message)

    def problem_with(self, message: Message) -> Problem | None:
        """Say why what was sent would fail; None if it would not, as far as can be known."""
        name = message.name
        if message.after is not None and message.after.join:  # nothing to run
            return None
        if name not in self._tasks:
            return self._unknown(name)
        try:
            options = decode_options(message.options)
            args, kwargs = decode_payload(message.payload, what=f"the arguments of {name}")
        except DecodeError as error:
            return Problem(name, "broken", str(error))
        if name in _MAPS:
            return self._of_map(name, args, kwargs)
        return self._bound(name, args, kwargs, options)

    def _unknown(self, name: str) -> Problem:
        near = difflib.get_close_matches(name, self._tasks, 1, 0.8)
        meant = f"; is it {near[0]!r} now?" if near else ""
        return Problem(name, "unknown", f"no task is called {name!r}{meant}")

    def _bound(self, name: str, args: list[Any], kwargs: dict[str, Any], options: Options) -> Problem | None:
        arguments = self._tasks[name].arguments
        try:
            if options.failure_of is not None:
                if not arguments.fits((None,) * 3 + tuple(args), kwargs):
                    arguments.convert_later(args, kwargs)
            elif options.input is not None:
                arguments.convert_later(args, kwargs)
            else:
                arguments.convert(args, kwargs)
        except InvalidArguments as error:
            code = "arguments" if not _fits(arguments, args, kwargs, options) else "value"
            return Problem(name, code, str(error))
        return None

    def _of_map(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Problem | None:
        """Bind what a map calls, whose values are not converted."""
        try:
            given = self._tasks[name].arguments.bound(tuple(args), kwargs)
            sent, calls = given["task"], given["it"]
            called, own, named = sent["task"], sent.get("args") or (), sent.get("kwargs") or {}
            if called not in self._tasks:
                return self._unknown(called)
            for call in calls:
                values = call if name == "celeriac.starmap" else (call,)
                self._tasks[called].arguments.check((*values, *own), named)
        except InvalidArguments as error:
            return Problem(called, "arguments", str(error))
        except (CeleriacError, TypeError, ValueError, KeyError, AttributeError) as error:
            return Problem(name, "broken", f"what it calls cannot be read: {error!r}")
        return None


def _fits(arguments: Any, args: list[Any], kwargs: dict[str, Any], options: Options) -> bool:
    given = (None,) if options.input is not None or options.failure_of is not None else ()
    return bool(arguments.fits((*given, *args), kwargs))
