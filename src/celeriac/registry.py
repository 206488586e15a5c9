"""The tasks of an application, by name, and the modules that bring them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from celeriac.current import shared_tasks
from celeriac.discovery import related_module
from celeriac.errors import NotRegistered
from celeriac.making import check_clash
from celeriac.task import Task

AnyTask = Task[Any, Any]


class Registry:
    """Its own tasks, and the shared ones, which every application has."""

    def __init__(self) -> None:
        self._own: dict[str, AnyTask] = {}
        self._discovered: list[tuple[Callable[[], Iterable[str]], str]] = []

    def add(self, task: AnyTask) -> AnyTask:
        """Add a task that is ready; return it.

        Raises:
            ConfigurationError: its name is taken by another task.
        """
        check_clash(self._own.get(task.name), task)
        self._own[task.name] = task
        return task

    def get(self, name: str) -> AnyTask | None:
        """Return the task called *name*."""
        return self._own.get(name) or shared_tasks.get(name)

    def all(self) -> Mapping[str, AnyTask]:
        """Return all tasks by name."""
        return {**shared_tasks, **self._own}

    def find(self, name: str, main: str) -> AnyTask:
        """Return the task called *name*, of the application called *main*.

        Raises:
            NotRegistered: there is none; the message names near ones.
        """
        task = self.get(name)
        if task is None:
            import difflib

            near = difflib.get_close_matches(name, self.all(), 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else "is its module imported (setting `imports`)?"
            raise NotRegistered(f"no task is called {name!r} in {main}; {hint}")
        return task

    # --- modules ----------------------------------------------------------------------------------

    def discover(self, packages: Iterable[str] | Callable[[], Iterable[str]], related_name: str) -> None:
        """Have the module *related_name* of each of these packages among `modules`."""
        found = packages if callable(packages) else (lambda fixed=tuple(packages): fixed)
        self._discovered.append((found, related_name))

    def modules(self, named: Iterable[str]) -> Iterator[str]:
        """Give the names of modules with tasks, one by one: what is imported may name more."""
        yield from named
        for packages, related in self._discovered:
            for package in packages():
                if module := related_module(package, related):
                    yield module

    def import_modules(self, named: Iterable[str]) -> None:
        """Import those modules."""
        for name in self.modules(named):
            importlib.import_module(name)
