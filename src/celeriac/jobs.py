"""A task as the worker sees it: everything that a run needs, worked out once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import msgspec

from celeriac import codec
from celeriac.batching import batching_of
from celeriac.context import Executor, Hook
from celeriac.errors import ConfigurationError, DecodeError
from celeriac.message import Request, decode_payload
from celeriac.options import errors_of, seconds_of
from celeriac.outcome import ErrorInfo
from celeriac.retry import RetryPolicy
from celeriac.task import HOOKS, AsyncTask, Task


class _Told(msgspec.Struct):
    """A `FailureNote`, decoded."""

    id: str
    task: str
    call: tuple[list[Any], dict[str, Any]]
    error: ErrorInfo
    retries: int = 0


def executor_of(task: Task[Any, Any]) -> Executor:
    """Return where *task* runs.

    Raises:
        ConfigurationError: its `executor` does not fit its `run`.
    """
    is_async = inspect.iscoroutinefunction(task.run)
    executor: Executor = task.executor or ("loop" if is_async else "thread")
    if executor not in ("loop", "thread", "process"):
        raise ConfigurationError(
            f"the executor of {task.name} must be 'loop', 'thread' or 'process', not {executor!r}"
        )
    if executor == "loop" and not is_async:
        raise ConfigurationError(
            f"{task.name} is a plain def: its executor can be 'thread' or 'process', not 'loop'"
        )
    if executor == "thread" and is_async:
        raise ConfigurationError(
            f"{task.name} is an async def: its executor can be 'loop' or 'process', not 'thread'"
        )
    return executor


class TaskJob:
    """A task as the worker sees it: everything that a run needs, worked out once."""

    def __init__(self, task: Task[Any, Any], conf: Any) -> None:
        self.task = task
        self.name = task.name
        self.body = _body_of(task)
        self.executor: Executor = executor_of(task)
        self.policy = policy_of(task)
        self.time_limit = seconds_of(conf.task_time_limit if task.time_limit is None else task.time_limit)
        self.soft_time_limit = seconds_of(
            conf.task_soft_time_limit if task.soft_time_limit is None else task.soft_time_limit
        )
        self.throws = errors_of(task.throws)
        self.ignore_result: bool = (
            conf.task_ignore_result if task.ignore_result is None else task.ignore_result
        )
        self.hooks = frozenset(name for name in HOOKS if getattr(type(task), name) is not getattr(Task, name))
        self.batching = batching_of(task)
        self._arguments = task.arguments
        self._limit: int = conf.result_payload_limit
        self._takes_nothing = task.arguments.takes_nothing

    def load(self, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Turn a message's bytes into the arguments of a call."""
        if not payload:
            if not self._takes_nothing:
                self._arguments.check((), {})
            return (), {}
        return self._arguments.convert(*decode_payload(payload, what=f"the arguments of {self.name}"))

    def load_failure(self, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Turn a message's bytes into the call of an errback: with id, or request, error and traceback."""
        what = f"the arguments of {self.name}"
        (told, *args), kwargs = _at_least_one(decode_payload(payload, what=what), what)
        note = codec.convert(told, _Told, what=what)
        if not self._arguments.fits((None,) * 3 + tuple(args), kwargs):
            return self._arguments.convert([note.id, *args], kwargs)
        given, named = note.call
        request = Request(id=note.id, task=note.task, args=tuple(given), kwargs=named, retries=note.retries)
        return (request, note.error.rebuild(), note.error.traceback, *args), kwargs

    def dump(self, result: Any) -> bytes:
        """Turn what the call returned into bytes."""
        return codec.encode(result, what=f"the result of {self.name}", limit=self._limit)

    def hook(self, name: Hook) -> Callable[..., Any]:
        """Return the task's own method *name*."""
        return cast("Callable[..., Any]", getattr(self.task, name))


def _at_least_one(call: tuple[list[Any], dict[str, Any]], what: str) -> tuple[list[Any], dict[str, Any]]:
    if not call[0]:
        raise DecodeError(f"{what} cannot be read: nothing tells of a failure")
    return call


def _body_of(task: Task[Any, Any]) -> Callable[..., Any]:
    """Return what a run calls: `run`, or the task itself where its class wraps calls in a `__call__`."""
    if type(task).__call__ in (Task.__call__, AsyncTask.__call__):
        return task.run
    if not inspect.iscoroutinefunction(task.run):
        return task

    async def body(*args: Any, **kwargs: Any) -> Any:
        return await task(*args, **kwargs)

    return body


def policy_of(task: Task[Any, Any]) -> RetryPolicy:
    """Return the task's rules for retries."""
    return RetryPolicy(
        max_retries=task.max_retries,
        delay=seconds_of(task.default_retry_delay),
        autoretry_for=errors_of(task.autoretry_for),
        dont_autoretry_for=errors_of(task.dont_autoretry_for),
        backoff=float(seconds_of(task.retry_backoff)),
        backoff_max=seconds_of(task.retry_backoff_max),
        jitter=task.retry_jitter,
    )
