"""From a task's options to the lane in which each of its calls stands. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from celeriac.errors import ConfigurationError, InvalidArguments
from celeriac.lanes import Limit, lane_of, rate_of

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
    rate, burst, concurrency, key = rate_of(task.rate_limit), task.burst, task.concurrency, task.key
    if concurrency is not None and not _is_count(concurrency):
        raise ConfigurationError(
            f"{task.name}: concurrency is a whole number from 1 up, not {concurrency!r:.80}"
        )
    if burst is not None and (rate is None or not _is_count(burst)):
        raise ConfigurationError(f"{task.name}: burst is a whole number from 1 up, with a rate_limit")
    if task.fair and key is None:
        raise ConfigurationError(f"{task.name}: fair=True needs a key: between whom is it to be fair?")
    if rate is None and concurrency is None and not task.fair:
        return None
    names = task.arguments.names
    if isinstance(key, str) and key not in names:
        raise ConfigurationError(
            f"{task.name}: its key {key!r:.80} is no argument; it has {', '.join(names) or 'none'}"
        )
    if key is not None and not isinstance(key, str) and not callable(key):
        raise ConfigurationError(
            f"{task.name}: its key is the name of an argument or a function, not {key!r:.80}"
        )
    return Limiter(task.name, rate, float(burst or 1), concurrency, key, task.arguments.bound)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
