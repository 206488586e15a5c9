"""Tasks that work on many calls at once: what their options come to, and how one call of them looks. Pure."""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Iterable, Sequence
from inspect import Parameter
from typing import Any, Final, Protocol, Union, get_args, get_origin

import msgspec

from celeriac.arguments import hints_of
from celeriac.errors import ConfigurationError
from celeriac.options import shown

ITEM: Final = "item"  # what the argument of a call is called, where a key or an error names it
MOST: Final = 10_000
DEFAULT_WAIT: Final = 0.5
_POSITIONAL: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Batched(Protocol):
    """What is read of a task."""

    name: str
    batch_size: int | None
    batch_wait: float | None
    concurrency: int | None
    executor: Any

    @property
    def run(self) -> Callable[..., Any]:
        """The function that is given the list."""


class Batching(msgspec.Struct, frozen=True):
    """How calls of one task are put together.

    Attributes:
        size: how many at most. wait: for how many seconds at most the first one waits for the others.
    """

    size: int
    wait: float


def batching_of(task: Batched) -> Batching | None:
    """Return how calls of *task* are put together; None for not at all.

    Raises:
        ConfigurationError: an option is wrong, or does not fit the others or the function.
    """
    size, wait = task.batch_size, task.batch_wait
    if size is None:
        if wait is not None:
            raise ConfigurationError(f"{task.name}: batch_wait does nothing without batch_size")
        return None
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MOST:
        raise ConfigurationError(
            f"{task.name}: batch_size is a whole number from 1 to {MOST:,}, not {shown(size)}"
        )
    wait = DEFAULT_WAIT if wait is None else wait
    if not isinstance(wait, int | float) or isinstance(wait, bool) or not 0 <= wait < math.inf:
        raise ConfigurationError(
            f"{task.name}: batch_wait is a number of seconds from 0 up, not {shown(wait)}"
        )
    if task.executor == "process":
        raise ConfigurationError(
            f"{task.name}: a batch runs in the worker's own process; executor='process' is for single calls"
        )
    if task.concurrency is not None and task.concurrency < size:
        raise ConfigurationError(
            f"{task.name}: concurrency counts calls, not batches: with {task.concurrency} at once a batch of "
            f"{size} can never be full"
        )
    _list_parameter(task.run, task.name)
    return Batching(size, float(wait))


def one_call_of(run: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return what stands for one call of a task whose `run` is given a list of them: a function of one item.

    It is never called: only its signature and its annotations are read.

    Raises:
        ConfigurationError: *run* does not take one list.
    """
    parameter, hints = _list_parameter(run, name), hints_of(run)

    def call(item: Any, /) -> Any:
        raise NotImplementedError(item)

    call.__annotations__ = {
        ITEM: _item_of(hints.get(parameter.name, Any)),
        "return": _without_errors(_item_of(hints.get("return", Any))),
    }
    return call


def _list_parameter(run: Callable[..., Any], name: str) -> Parameter:
    parameters = list(inspect.signature(run).parameters.values())
    needed = [each for each in parameters if each.default is Parameter.empty and each.kind in _POSITIONAL]
    if len(needed) == 1 and len(parameters) == 1:
        return needed[0]
    raise ConfigurationError(
        f"{name}: with batch_size its function has one parameter, the list of what it was called with; this "
        f"one has {', '.join(str(each) for each in parameters) or 'none'}"
    )


def _item_of(kind: Any) -> Any:
    """Return `T` of `list[T]` and the like; Any of everything else."""
    origin, inside = get_origin(kind), get_args(kind)
    is_list = isinstance(origin, type) and issubclass(origin, Iterable) and len(inside) == 1
    return inside[0] if is_list else Any


def _without_errors(kind: Any) -> Any:
    """Return what a result of *kind* is when it is no error."""
    if get_origin(kind) not in (Union, types.UnionType):
        return Any if _is_error(kind) else kind
    rest = tuple(part for part in get_args(kind) if not _is_error(part))
    return Union[rest] if rest else Any  # noqa: UP007 - made of a tuple


def _is_error(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)


def shared_out(returned: Any, count: int) -> Sequence[Any]:
    """Return what each of *count* calls gets of what the function *returned*.

    Raises:
        TypeError, ValueError: that is neither None nor a list with one result for each.
    """
    if returned is None:
        return [None] * count
    if not isinstance(returned, list | tuple):
        raise TypeError(
            f"a batch returns None or a list with one result for each of its calls, not {returned!r:.80}"
        )
    if len(returned) != count:
        raise ValueError(f"the batch has {count} calls, but returned {len(returned)} results")
    return returned
