"""From a function or a class to a task: names, options, and what is refused at once."""

from __future__ import annotations

import difflib
import inspect
import types
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Protocol, overload

from celeriac.batching import batching_of
from celeriac.errors import ConfigurationError
from celeriac.jobs import executor_of
from celeriac.limiting import limiter_of
from celeriac.message import check_task_name
from celeriac.options import check_options
from celeriac.task import OPTIONS, AsyncTask, BatchTask, Task, TaskOptions
from celeriac.uniqueness import uniqueness_of

if TYPE_CHECKING:
    from typing_extensions import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")
    T = TypeVar("T")


class PlainDecorator(Protocol):
    """What `@app.task(…)` is: it makes a task of a function."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


class BatchDecorator(Protocol):
    """What `@app.task(batch_size=…)` is: the function is given a list, each call one item of it."""

    @overload
    def __call__(
        self, function: Callable[[list[T]], Coroutine[Any, Any, Sequence[R | BaseException]]], /
    ) -> BatchTask[[T], R]: ...
    @overload
    def __call__(
        self, function: Callable[[list[T]], Coroutine[Any, Any, None]], /
    ) -> BatchTask[[T], None]: ...
    @overload
    def __call__(
        self, function: Callable[[list[T]], Sequence[R | BaseException]], /
    ) -> BatchTask[[T], R]: ...
    @overload
    def __call__(self, function: Callable[[list[T]], None], /) -> BatchTask[[T], None]: ...


class BoundBatchDecorator(Protocol):
    """The same with `bind=True`: the task stands before the list."""

    @overload
    def __call__(
        self, function: Callable[[Any, list[T]], Coroutine[Any, Any, Sequence[R | BaseException]]], /
    ) -> BatchTask[[T], R]: ...
    @overload
    def __call__(
        self, function: Callable[[Any, list[T]], Coroutine[Any, Any, None]], /
    ) -> BatchTask[[T], None]: ...
    @overload
    def __call__(
        self, function: Callable[[Any, list[T]], Sequence[R | BaseException]], /
    ) -> BatchTask[[T], R]: ...
    @overload
    def __call__(self, function: Callable[[Any, list[T]], None], /) -> BatchTask[[T], None]: ...


class BoundDecorator(Protocol):
    """What `@app.task(bind=True, …)` is: the function's first parameter is the task."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], R], /) -> Task[P, R]: ...


def make_task(
    function: Callable[..., Any], *, bind: bool, base: type[Task[Any, Any]], options: TaskOptions
) -> Any:
    """Make a task of *function*.

    Raises:
        ConfigurationError: an option is not one, or does not fit the function.
    """
    if not callable(function):
        raise ConfigurationError(f"@app.task makes a task of a function, not of {function!r:.80}")
    _check_options(options, function)
    if base is Task and options.get("batch_size") is not None:
        base = BatchTask
    elif base is Task and inspect.iscoroutinefunction(function):
        base = AsyncTask
    name = getattr(function, "__name__", None) or options.get("name")
    if not name:
        raise ConfigurationError(f"{function!r:.80} has no name: write @app.task(name=...)")
    members: dict[str, Any] = {
        **options,
        "run": function if bind else staticmethod(function),
        "__doc__": function.__doc__,
        "__module__": function.__module__ or __name__,
        "__wrapped__": function,
    }
    if callable(options.get("key")):
        members["key"] = staticmethod(options["key"])  # type: ignore[arg-type]
    return types.new_class(name, (base,), {"register": False}, lambda body: body.update(members))()


def _check_options(options: Mapping[str, Any], function: Any) -> None:
    for name in options:
        if name not in OPTIONS:
            near = difflib.get_close_matches(name, OPTIONS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigurationError(f"{name!r} is not an option of a task ({_called(function)}){hint}")


def _called(function: Any) -> str:
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"


def name_of(function: Any, main: str) -> str:
    """Return the name that a task made of *function* gets by itself."""
    module = _module_of(function)
    return f"{main if module == '__main__' else module}.{function.__qualname__}"


def _module_of(function: Any) -> str:
    """Return the name of *function*'s module; a spawned process knows a script under another one."""
    module: str = function.__module__
    return "__main__" if module == "__mp_main__" else module


def prepare(task: Task[Any, Any], app: Any, main: str) -> None:
    """Give *task* its name, and check that a worker will be able to run it.

    Raises:
        ConfigurationError, InvalidName: it will not.
    """
    if getattr(type(task), "run", None) is None:
        raise ConfigurationError(f"the task class {type(task).__qualname__} has no method run")
    if not task.name:
        task.name = name_of(getattr(type(task), "__wrapped__", type(task)), main)
    check_task_name(task.name)
    check_options(task)
    if app is not None:
        task._app = app  # type: ignore[misc]  # noqa: SLF001 - a task is bound here and nowhere else
    executor_of(task)
    batching_of(task)
    limiter, uniqueness = limiter_of(task), uniqueness_of(task)
    if task.key is not None and limiter is None and uniqueness is None:
        raise ConfigurationError(
            f"{task.name}: a key does nothing without rate_limit, concurrency, fair, unique, throttle or "
            f"debounce"
        )


def _source(task: Task[Any, Any]) -> str:
    """Say where *task* was written, so that importing a module twice is not a clash of names."""
    origin = getattr(type(task), "__wrapped__", type(task))
    return f"{_module_of(origin)}.{origin.__qualname__}"


def check_clash(known: Task[Any, Any] | None, task: Task[Any, Any]) -> None:
    """Return unless *known*, which has *task*'s name, is another one.

    Raises:
        ConfigurationError: it is.
    """
    if known is not None and _source(known) != _source(task):
        raise ConfigurationError(
            f"two tasks are called {task.name!r}: {_source(known)} and {_source(task)}; "
            "give one of them a name of its own"
        )
