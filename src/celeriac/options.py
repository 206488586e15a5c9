"""What each option may be: of a task, checked once when that is made; of a call, where it is given. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from celeriac.errors import ConfigurationError, InvalidName
from celeriac.message import check_queue_name

Errors = type[BaseException] | tuple[type[BaseException], ...]

LONGEST: Final = 1e9  # seconds, some thirty years: what every store, and JSON, can hold
MOST: Final = 1_000_000_000  # of whatever is counted, for the same reason
FURTHEST: Final = 1e11  # seconds before or after now, or 1970: some three thousand years
HIGHEST: Final = 9  # of priorities


class Rule(NamedTuple):
    """What an option may be.

    Attributes:
        expected: in words. fits: says whether a value, as *plain* gives it, is one of that.
        plain: returns a value in the form in which it is kept.
    """

    expected: str
    fits: Callable[[Any], bool]
    plain: Callable[[Any], Any] = lambda value: value


def seconds_of(value: Any) -> Any:
    """Return a timedelta as seconds, and everything else as it is."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def errors_of(value: Any) -> Any:
    """Return one exception class, or a list of them, as a tuple, and everything else as it is."""
    if isinstance(value, type):
        return (value,)
    return tuple(value) if isinstance(value, list | set | frozenset) else value


def is_count(value: Any, least: int = 0, most: int = MOST) -> bool:
    """Say whether *value* is a whole number from *least* to *most*."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_span(value: Any) -> bool:
    """Say whether *value* is a number of seconds that can be waited for, from 0 up."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LONGEST


def is_moment(value: Any) -> bool:
    """Say whether *value* is a number of seconds, before or after something, that is within reach."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -FURTHEST < value < FURTHEST


def shown(value: object) -> str:
    """Write *value* for an error: in short, and whatever it is."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - user code; and Python itself writes no number of 5,000 digits
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"


def _are_errors(value: Any) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(each, type) and issubclass(each, BaseException) for each in value
    )


def _or_none(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


_LIMIT: Final = Rule(
    f"a number of seconds from 0 (no limit) to {MOST:,}, a timedelta, or None", _or_none(is_span), seconds_of
)
_PAUSE: Final = Rule(f"a number of seconds from 0 to {MOST:,}, or a timedelta", is_span, seconds_of)
_ERRORS: Final = Rule("an exception class, or a tuple of them", _are_errors, errors_of)
_COUNT: Final = Rule(f"a whole number from 0 to {MOST:,}, or None", _or_none(is_count))
_FROM_ONE: Final = Rule(f"a whole number from 1 to {MOST:,}", _or_none(lambda value: is_count(value, 1)))

# Options that are not here are checked where they are read: see `limiting`, `uniqueness` and `batching`.
RULES: Final[dict[str, Rule]] = {
    "priority": Rule(
        "a whole number from 0 to 9, larger first, or None",
        _or_none(lambda value: is_count(value, 0, HIGHEST)),
    ),
    "max_retries": _COUNT._replace(expected=f"{_COUNT.expected} for no end"),
    "default_retry_delay": _PAUSE,
    "autoretry_for": _ERRORS,
    "dont_autoretry_for": _ERRORS,
    "retry_backoff": Rule(
        f"True, False, {_PAUSE.expected}", lambda value: _is_flag(value) or is_span(value), seconds_of
    ),
    "retry_backoff_max": _PAUSE,
    "retry_jitter": Rule("True or False", _is_flag),
    "time_limit": _LIMIT,
    "soft_time_limit": _LIMIT,
    "expires": Rule(
        "a number of seconds, a timedelta, a datetime, or None",
        lambda value: value is None or isinstance(value, datetime) or is_moment(seconds_of(value)),
    ),
    "ignore_result": Rule("True, False, or None", _or_none(_is_flag)),
    "crash_limit": _COUNT,
    "executor": Rule(
        "'loop', 'thread', 'process', or None",
        _or_none(lambda value: value in ("loop", "thread", "process")),
    ),
    "throws": _ERRORS,
    "burst": _FROM_ONE,
    "concurrency": _FROM_ONE,
    "key": Rule(
        "the name of an argument or a function",
        _or_none(lambda value: isinstance(value, str) or callable(value)),
    ),
    "fair": Rule("True or False", _is_flag),
}

# Those that a call may have too, where None is for not given; others are checked where they are read.
CALL_RULES: Final[dict[str, Rule]] = {
    **{name: RULES[name] for name in ("time_limit", "soft_time_limit", "max_retries", "ignore_result")},
    "headers": Rule("a dict", lambda value: isinstance(value, Mapping)),
    "retry": Rule("True, False, or None", _is_flag),
}


def check_options(task: Any) -> None:
    """Return if the options of *task* can be what they are; give each the form in which it is kept.

    Raises:
        ConfigurationError: one cannot; the message names task, option, value, and what is expected.
        InvalidName: its queue cannot be called so.
    """
    for name, rule in RULES.items():
        given = getattr(task, name)
        plain = rule.plain(given)
        if not rule.fits(plain):
            raise ConfigurationError(f"{task.name}: {name} is {rule.expected}, not {shown(given)}")
        if plain is not given:
            setattr(task, name, plain)
    if task.queue is not None:
        try:
            check_queue_name(task.queue)
        except InvalidName as error:
            raise InvalidName(f"{task.name}: its queue {error}") from None


def check_key(task: str, key: Any, names: tuple[str, ...]) -> None:
    """Return unless *key* is the name of an argument, and none of *names*.

    Raises:
        ConfigurationError: it is.
    """
    if isinstance(key, str) and key not in names:
        raise ConfigurationError(
            f"{task}: its key {shown(key)} is no argument; it has {', '.join(names) or 'none'}"
        )
