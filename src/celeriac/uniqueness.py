"""From a task's options to the name that only one of its calls can have at a time. Pure."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, Final, Literal, Protocol, get_args

import msgspec

from celeriac import codec
from celeriac.errors import ConfigurationError, InvalidArguments
from celeriac.lanes import lane_of
from celeriac.message import Unique
from celeriac.options import check_key, shown

Conflict = Literal["return", "replace", "raise"]
CONFLICTS: Final[tuple[Conflict, ...]] = get_args(Conflict)


class MaybeUnique(Protocol):
    """What is read of a task."""

    name: str
    key: Any
    unique: bool | float | timedelta
    on_conflict: Conflict
    throttle: float | timedelta | None
    debounce: float | timedelta | None

    @property
    def arguments(self) -> Any:
        """How calls fit its signature."""


class Uniqueness(msgspec.Struct, frozen=True):
    """How the calls of one task are unique.

    Attributes:
        seconds: for how long after it was sent a call stands for others like it; None until it has ended.
        conflict: what another one does meanwhile. wait: how long a call waits for newer ones to take its
            place.
        key: see `limiting.Limiter`; None for all arguments. bound: returns the arguments of a call by name.
    """

    name: str
    seconds: float | None
    conflict: str
    wait: float | None
    key: Any
    bound: Any

    def unique_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Unique:
        """Return what makes one call unique.

        Raises:
            InvalidArguments: its key cannot be computed.
        """
        name = lane_of(self.name, self._key_of(args, kwargs))
        return Unique(name, "done", self.seconds, self.conflict == "replace")

    def _key_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if isinstance(self.key, str):
            return self.bound(args, kwargs)[self.key]
        if self.key is None:
            written = codec.canonical(self.bound(args, kwargs), what=f"the arguments of {self.name}")
            return hashlib.sha256(written).hexdigest()[:40]
        try:
            return self.key(*args, **kwargs)
        except Exception as error:
            raise InvalidArguments(f"the key of {self.name} cannot be computed: {error!r:.200}") from error


def once_of(name: str, key: str) -> Unique:
    """Return what makes one call of all those of the task *name* with the same idempotency key."""
    return Unique(lane_of(f"{name}!", key), "forgotten")


def uniqueness_of(task: MaybeUnique) -> Uniqueness | None:
    """Return how *task* is unique; None for not at all.

    Raises:
        ConfigurationError: an option is wrong, or two of them contradict each other.
    """
    options = {"unique": task.unique, "throttle": task.throttle, "debounce": task.debounce}
    given = [name for name, value in options.items() if value is not None and value is not False]
    if task.on_conflict not in CONFLICTS:
        raise ConfigurationError(
            f"{task.name}: on_conflict is one of {', '.join(CONFLICTS)}, not {shown(task.on_conflict)}"
        )
    if len(given) > 1:
        raise ConfigurationError(f"{task.name}: {' and '.join(given)} contradict each other")
    if not given:
        if task.on_conflict != "return":
            raise ConfigurationError(f"{task.name}: on_conflict does nothing without unique or throttle")
        return None
    if given == ["debounce"] and task.on_conflict != "return":
        raise ConfigurationError(
            f"{task.name}: with debounce the newest call always replaces the one that waits"
        )
    check_key(task.name, task.key, task.arguments.names)
    [option] = given
    seconds = None if task.unique is True else _seconds(task.name, option, options[option])
    debounced = option == "debounce"
    return Uniqueness(
        task.name,
        None if debounced else seconds,
        "replace" if debounced else task.on_conflict,
        seconds if debounced else None,
        task.key,
        task.arguments.bound,
    )


def _seconds(name: str, option: str, value: Any) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 1e9:
        raise ConfigurationError(f"{name}: {option} is a number of seconds larger than 0, not {shown(value)}")
    return float(seconds)
