"""The tasks that every application has: what `map`, `starmap` and `chunks` run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from celeriac.current import shared_tasks
from celeriac.making import make_task, prepare
from celeriac.task import Task


def _each(task: Any, signature: dict[str, Any], calls: Iterable[list[Any]]) -> list[Any]:
    """Call the task of *signature* with each of *calls*, before its own arguments."""
    called = task.app.find_task(signature["task"])
    own, named = signature.get("args") or (), signature.get("kwargs") or {}
    if not inspect.iscoroutinefunction(called.run):
        return [called(*call, *own, **named) for call in calls]

    import asyncio  # a program without coroutines need not load it

    async def one_after_another() -> list[Any]:
        return [await called(*call, *own, **named) for call in calls]

    return asyncio.run(one_after_another())


def _map(self: Any, task: dict[str, Any], it: list[Any]) -> list[Any]:
    """Call *task* with each item."""
    return _each(self, task, ([item] for item in it))


def _starmap(self: Any, task: dict[str, Any], it: list[list[Any]]) -> list[Any]:
    """Call *task* with each item's parts."""
    return _each(self, task, it)


def _accumulate(self: Any, results: list[Any]) -> list[Any]:  # noqa: ARG001
    """Return what a group has returned: what stands in for a task that a group has replaced."""
    return results


def _add(name: str, function: Callable[..., Any]) -> None:
    task = make_task(function, bind=True, base=Task, options={"name": name})
    prepare(task, None, "celeriac")
    shared_tasks[name] = task


_add("celeriac.accumulate", _accumulate)
_add("celeriac.map", _map)
_add("celeriac.starmap", _starmap)
