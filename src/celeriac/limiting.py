"""From a task's options to the lane in which each of its calls stands. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from celeriac.errors import ConfigurationError, InvalidArguments
from celeriac.lanes import Limit, lane_of, rate_of
from celeriac.options import check_key

Key = str | Callable[..., Any]


class Limited(Protocol):
    """What is read of a task."""

    name: str
    rate_limit: str | float | None
    burst: int | None
    concurrency: int | None
    key: Any
    fair: bool

    @property
    def arguments(self) -> Any:
        """How calls fit its signature."""


class Limiter(msgspec.Struct, frozen=True):
    """How the calls of one task are limited.

    Attributes:
        key: the name of an argument, or what computes the key of a call; None puts all into one lane.
        bound: returns the arguments of a call by name, defaults too.
    """

    name: str
    rate: float | None
    burst: float
    concurrency: int | None
    key: Key | None
    bound: Callable[[tuple[Any, ...], dict[str, Any]], Mapping[str, Any]]

    def limit_of(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, unknown: object = None) -> Limit:
        """Return the limit of one call.

        Args:
            unknown: what stands for arguments that are not known yet: results of other tasks.

        Raises:
            InvalidArguments: the key cannot be computed, or is not known yet.
        """
        key = None if self.key is None else self._key_of(args, kwargs, unknown)
        return Limit(lane_of(self.name, key), self.rate, self.burst, self.concurrency)

    def _key_of(self, args: tuple[Any, ...], kwargs: dict[str, Any], unknown: object) -> Any:
        waits = unknown is not None and any(value is unknown for value in args)
        if isinstance(self.key, str):
            key = self.bound(args, kwargs)[self.key]
            if not waits or key is not unknown:
                return key
        if waits or isinstance(self.key, str) or self.key is None:
            raise InvalidArguments(
                f"the key of {self.name} depends on what the task before it returns, which is not known yet"
            )
        try:
            return self.key(*args, **kwargs)
        except Exception as error:
            raise InvalidArguments(f"the key of {self.name} cannot be computed: {error!r:.200}") from error


def limiter_of(task: Limited) -> Limiter | None:
    """Return how *task* is limited; None for not at all.

    Raises:
        ConfigurationError: an option is wrong, or lacks another one.
    """
    rate, burst, concurrency, key = _rate_of(task), task.burst, task.concurrency, task.key
    if burst is not None and rate is None:
        raise ConfigurationError(f"{task.name}: burst does nothing without rate_limit")
    if task.fair and key is None:
        raise ConfigurationError(f"{task.name}: fair=True needs a key: between whom is it to be fair?")
    if rate is None and concurrency is None and not task.fair:
        return None
    check_key(task.name, key, task.arguments.names)
    return Limiter(task.name, rate, float(burst or 1), concurrency, key, task.arguments.bound)


def _rate_of(task: Limited) -> float | None:
    try:
        return rate_of(task.rate_limit)
    except ConfigurationError as error:
        raise ConfigurationError(f"{task.name}: {error}") from None
