"""What belongs to whichever application is current: shared tasks, and the names for what is current."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, Unpack, cast, overload

from celeriac.app import Celeriac
from celeriac.current import current_application_or_none, shared_tasks
from celeriac.making import (
    BatchDecorator,
    BoundBatchDecorator,
    BoundDecorator,
    PlainDecorator,
    check_clash,
    make_task,
    prepare,
)
from celeriac.task import AsyncTask, BatchOptions, Task, TaskOptions, running_task

if TYPE_CHECKING:
    from typing_extensions import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

AnyTask = Task[Any, Any]


@overload
def shared_task(function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...
@overload
def shared_task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def shared_task(
    *, bind: Literal[True], base: type[AnyTask] = ..., **options: Unpack[BatchOptions]
) -> BoundBatchDecorator: ...
@overload
def shared_task(
    *, bind: Literal[False] = ..., base: type[AnyTask] = ..., **options: Unpack[BatchOptions]
) -> BatchDecorator: ...
@overload
def shared_task(
    *, bind: Literal[True], base: type[AnyTask] = ..., **options: Unpack[TaskOptions]
) -> BoundDecorator: ...
@overload
def shared_task(
    *, bind: Literal[False] = ..., base: type[AnyTask] = ..., **options: Unpack[TaskOptions]
) -> PlainDecorator: ...


def shared_task(
    function: Callable[..., Any] | None = None,
    *,
    bind: bool = False,
    base: type[AnyTask] = Task,
    **options: Any,
) -> Any:
    """Make a task that belongs to whichever application is current: for libraries and reusable apps.

    Used like `Celeriac.task`.
    """
    if function is None:
        return lambda function: shared_task(function, bind=bind, base=base, **options)  # type: ignore[call-overload]
    task = make_task(function, bind=bind, base=base, options=cast("TaskOptions", options))
    prepare(task, None, function.__module__)
    check_clash(shared_tasks.get(task.name), task)
    shared_tasks[task.name] = task
    return task


class _Current:
    """Stands for whatever is current when it is used; False when nothing is."""

    def __init__(self, find: Callable[[], Any], what: str) -> None:
        object.__setattr__(self, "_find", find)
        object.__setattr__(self, "_what", what)

    def _get_current_object(self) -> Any:
        found = object.__getattribute__(self, "_find")()
        if found is None:
            raise RuntimeError(f"there is no current {object.__getattribute__(self, '_what')} here")
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._get_current_object(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._get_current_object(), name, value)

    def __bool__(self) -> bool:
        return object.__getattribute__(self, "_find")() is not None

    def __repr__(self) -> str:
        return f"<current {object.__getattribute__(self, '_what')}>"

    def __eq__(self, other: object) -> bool:
        return bool(self) and (self._get_current_object() is other)

    def __hash__(self) -> int:
        return hash(self._get_current_object())


current_app = cast(Celeriac, _Current(current_application_or_none, "application"))
current_task = cast("Task[Any, Any]", _Current(running_task, "task"))
