"""Every setting in one typed table, with Celery's names where they exist.

A setting is a row here: its name, type, default and meaning are nowhere else. Sources, later ones
win: the defaults, the environment (`CELERIAC_` and the name in capitals), the application's code.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import FrameType, ModuleType, NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from celeriac.broker import DEFAULT_DEAD_RETENTION, DEFAULT_DEADLINE, DEFAULT_LEASE, DEFAULT_RETENTION
from celeriac.errors import ConfigurationError, InvalidName
from celeriac.keyring import MAX_AGE, Secrets, Unsigned, check_keys
from celeriac.message import DEFAULT_CRASH_LIMIT, check_queue_name
from celeriac.options import LONGEST, MOST

MOST_WEIGHT: Final = 1_000_000
ENVIRONMENT_PREFIX: Final = "CELERIAC_"

Routes = dict[str, str | dict[str, Any]]
Seconds = float


class Config:
    """The settings of an application; `app.conf`.

    Read and write them as attributes or items. A wrong name or value raises `ConfigurationError`.
    """

    version: int

    # --- the store ---
    broker_url: Annotated[
        str | None, "URL of the store; None: sqlite:///celeriac.db in the project's directory"
    ]
    result_backend: Annotated[str | None, "None, or the same URL as broker_url: one store is both"]
    namespace: Annotated[
        str | None, "keeps applications apart on one Redis; None takes the application's name"
    ]
    broker_connection_timeout: Annotated[
        Seconds, "after so many seconds a call gives up on a store that is away"
    ]
    broker_connection_retry_on_startup: Annotated[bool, "a worker waits for a store that is away at start"]
    result_expires: Annotated[Seconds, "seconds for which finished tasks are kept (or a timedelta)"]
    dead_letter_expires: Annotated[Seconds, "the same for failed ones, which can be requeued"]

    # --- the application ---
    imports: Annotated[tuple[str, ...], "modules that a worker imports at start"]
    include: Annotated[tuple[str, ...], "more of the same"]
    redact_keys: Annotated[tuple[str, ...], "more keys whose values are hidden where tasks are shown"]
    timezone: Annotated[str, "IANA name of the zone in which a naive eta or expires is meant"]
    enable_utc: Annotated[Literal[True], "stores always keep UTC"]

    # --- tasks ---
    task_default_queue: Annotated[str, "queue of a task for which nothing else says one"]
    task_default_priority: Annotated[int, "0 to 9, larger first"]
    task_routes: Annotated[
        Routes, "task name or pattern (`mail.*`) to a queue, or to {'queue': …, 'priority': …}"
    ]
    task_time_limit: Annotated[
        Seconds | None, "hard limit of a run in seconds: it is ended and the task failed"
    ]
    task_soft_time_limit: Annotated[
        Seconds | None, "soft limit in seconds: SoftTimeLimitExceeded in the task"
    ]
    task_ignore_result: Annotated[bool, "do not keep what tasks return"]
    task_crash_limit: Annotated[int, "how many dead workers a task may cost before it is failed"]
    task_payload_limit: Annotated[int, "most bytes of a call's arguments as JSON"]
    result_payload_limit: Annotated[int, "most bytes of a result as JSON"]
    task_always_eager: Annotated[bool, "delay() runs the task at once, in the caller"]
    task_eager_propagates: Annotated[bool, "an eager task's error is raised by delay()"]
    task_allow_error_cb_on_chord_header: Annotated[
        bool, "a chord's errbacks are also called for each task of its header that fails"
    ]
    task_acks_late: Annotated[bool, "accepted; tasks are always acknowledged after they ran"]
    task_reject_on_worker_lost: Annotated[bool, "accepted; a lost worker's tasks are always run again"]
    task_track_started: Annotated[bool, "accepted; the start is always kept"]
    task_publish_retry: Annotated[bool, "whether a call waits for a store that is away, up to the time-out"]
    task_serializer: Annotated[Literal["json"], "always json"]
    result_serializer: Annotated[Literal["json"], "always json"]
    accept_content: Annotated[tuple[Literal["json", "application/json"], ...], "always json"]
    result_extended: Annotated[bool, "accepted; name, arguments, worker and retries are always kept"]

    # --- beat ---
    beat_schedule: Annotated[
        dict[str, Any], "schedules by name, in Celery's form: task, schedule, args, kwargs, options"
    ]
    worker_beat: Annotated[bool, "whether workers send for the schedules that are due"]

    # --- security ---
    security_keys: Annotated[
        tuple[str, ...],
        "keys of 32 characters or more: the first one signs, each is accepted; none: no signing",
    ]
    security_encrypt: Annotated[bool, "encrypt, and not only sign (extra `encryption`)"]
    security_unsigned: Annotated[
        Unsigned, "what is not signed: 'refuse' or 'accept' it, or even 'send' so: two steps of a migration"
    ]
    security_max_age: Annotated[
        Seconds | None,
        "a call that has not started so long after it was due is refused as a replay; None: never",
    ]

    # --- the worker ---
    worker_concurrency: Annotated[int | None, "tasks at once in each process; None: 16"]
    worker_processes: Annotated[int | None, "processes; None: one for each core"]
    worker_autoscale: Annotated[
        tuple[int, int] | None, "at most and at least so many processes, as the load asks for"
    ]
    worker_queue_weights: Annotated[
        dict[str, int] | None,
        "shares of a worker's queues (1 for those not named); None: strictly in their order",
    ]
    worker_priority_ageing: Annotated[
        Seconds | None, "seconds in which a task that waits gains one priority; None: never"
    ]
    worker_slow_callback_duration: Annotated[
        Seconds, "a task that blocks the event loop for longer is named in the log; 0: none is"
    ]
    worker_task_log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] | None,
        "from which level on what a task logs is kept with it; None: nothing is",
    ]
    worker_threads: Annotated[int | None, "of the tasks at once, how many may be `def`; None: all"]
    worker_prefetch_multiplier: Annotated[int, "accepted; a worker never holds what it cannot start"]
    worker_max_tasks_per_child: Annotated[int | None, "a process is replaced after so many tasks"]
    worker_max_memory_per_child: Annotated[int | None, "a process is replaced above so many KiB of memory"]
    worker_lease: Annotated[Seconds, "after so many silent seconds a worker's tasks go to others"]
    worker_soft_shutdown_timeout: Annotated[Seconds, "seconds that running tasks get to finish at shutdown"]
    worker_statistics: Annotated[
        Seconds, "seconds between two writes of what a process has counted; 0: it counts nothing"
    ]
    worker_spare_process: Annotated[
        bool, "whether a worker of one process keeps a second one ready to take its place at once"
    ]
    worker_hijack_root_logger: Annotated[
        bool, "whether the worker command sets up logging when the root logger has no handler"
    ]
    worker_log_format: Annotated[
        Literal["text", "json"],
        "how the worker command writes its log then: text, or a line of JSON for each",
    ]

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        object.__setattr__(self, "_values", dict(DEFAULTS))
        object.__setattr__(self, "_origins", {})
        object.__setattr__(self, "_where", {})  # what code has set: by which line, or in which object
        object.__setattr__(self, "version", 0)  # rises with each change, so that what is derived can be kept
        for name in DEFAULTS:
            variable = ENVIRONMENT_PREFIX + name.upper()
            text = (os.environ if environment is None else environment).get(variable)
            if text:  # an empty variable counts as none
                try:
                    self._set(name, _from_text(name, text), f"environment {variable}")
                except ConfigurationError as error:
                    raise ConfigurationError(f"the environment variable {variable}: {error}") from None

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise _unknown(name, AttributeError) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._set(name, value, "code")

    def __delattr__(self, name: str) -> None:
        """Set *name* back to its default."""
        if name not in DEFAULTS:
            raise _unknown(name, AttributeError)
        self._set(name, DEFAULTS[name], "default")

    __getitem__ = __getattr__
    __setitem__ = __setattr__

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all settings."""
        return iter(DEFAULTS)

    def __contains__(self, name: object) -> bool:
        """Say whether there is a setting called *name*."""
        return name in DEFAULTS

    def get(self, name: str, default: Any = None) -> Any:
        """Return the setting *name*, or *default* when there is none."""
        return self.__dict__["_values"].get(name, default)

    def origin(self, name: str) -> str:
        """Say where the value of *name* came from: "default", "environment …" or "code"."""
        return str(self.__dict__["_origins"].get(name, "default"))

    def where(self, name: str) -> str | None:
        """Say which line, `file:line`, or which object of settings has set *name*; None if no code has."""
        found: str | None = self.__dict__["_where"].get(name)
        return found

    def changed(self) -> dict[str, Any]:
        """Return the settings that code has set, for a process that shall have the same."""
        return {name: self[name] for name in self if self.origin(name) == "code"}

    def update(self, *others: Mapping[str, Any], **settings: Any) -> None:
        """Set many at once; all or none.

        Raises:
            ConfigurationError: a name or a value is wrong.
        """
        self._update({name: value for other in (*others, settings) for name, value in other.items()}, None)

    def _update(self, merged: Mapping[str, Any], where: str | None) -> None:
        checked = {name: _checked(name, value) for name, value in merged.items()}
        for name, value in checked.items():
            self._set(name, value, "code", where)

    def load(self, source: object, namespace: str = "") -> None:
        """Take settings from an object, module or mapping; see `Celeriac.config_from_object`."""
        prefix = f"{namespace.upper()}_" if namespace else ""
        where = None if isinstance(source, Mapping) else _called(source)
        found = dict(source) if isinstance(source, Mapping) else _attributes(source, prefix)
        if prefix:
            named = {name: value for name, value in found.items() if name.startswith(prefix)}
            self._update({name.removeprefix(prefix).lower(): value for name, value in named.items()}, where)
            return
        if isinstance(source, Mapping):
            self._update(found, where)
            return
        for name in found:  # a module has other names too: only a near miss is surely a mistake
            if name not in DEFAULTS and (near := difflib.get_close_matches(name, DEFAULTS, 1, 0.9)):
                raise ConfigurationError(
                    f"{name!r} in {_called(source)} is not a setting; did you mean {near[0]!r}?"
                )
        self._update({name: value for name, value in found.items() if name in DEFAULTS}, where)

    def _set(self, name: str, value: Any, origin: str, where: str | None = None) -> None:
        self.__dict__["_values"][name] = _checked(name, value)
        self.__dict__["_origins"][name] = origin
        self.__dict__["_where"][name] = (where or _line()) if origin == "code" else None
        self.__dict__["version"] += 1


DEFAULTS: Final[dict[str, Any]] = {
    "broker_url": None,
    "result_backend": None,
    "namespace": None,
    "broker_connection_timeout": DEFAULT_DEADLINE,
    "broker_connection_retry_on_startup": True,
    "result_expires": DEFAULT_RETENTION,
    "dead_letter_expires": DEFAULT_DEAD_RETENTION,
    "imports": (),
    "include": (),
    "redact_keys": (),
    "timezone": "UTC",
    "enable_utc": True,
    "task_default_queue": "default",
    "task_default_priority": 0,
    "task_routes": {},
    "task_time_limit": None,
    "task_soft_time_limit": None,
    "task_ignore_result": False,
    "task_crash_limit": DEFAULT_CRASH_LIMIT,
    "task_payload_limit": 16 * 1024 * 1024,
    "result_payload_limit": 16 * 1024 * 1024,
    "task_always_eager": False,
    "task_eager_propagates": False,
    "task_allow_error_cb_on_chord_header": False,
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_track_started": True,
    "task_publish_retry": True,
    "task_serializer": "json",
    "result_serializer": "json",
    "accept_content": ("json",),
    "result_extended": True,
    "beat_schedule": {},
    "worker_beat": True,
    "security_keys": Secrets(),
    "security_encrypt": False,
    "security_unsigned": "refuse",
    "security_max_age": MAX_AGE,
    "worker_concurrency": None,
    "worker_processes": None,
    "worker_autoscale": None,
    "worker_queue_weights": None,
    "worker_priority_ageing": None,
    "worker_slow_callback_duration": 0.1,
    "worker_task_log_level": "INFO",
    "worker_threads": None,
    "worker_prefetch_multiplier": 1,
    "worker_max_tasks_per_child": None,
    "worker_max_memory_per_child": None,
    "worker_lease": DEFAULT_LEASE,
    "worker_soft_shutdown_timeout": 8.0,
    "worker_statistics": 5.0,
    "worker_spare_process": True,
    "worker_hijack_root_logger": True,
    "worker_log_format": "text",
}

# Smallest legal values; a setting that is not here has no lower bound.
_AT_LEAST: Final[dict[str, float]] = {
    "broker_connection_timeout": 0.05,
    "result_expires": 0.001,
    "dead_letter_expires": 0.001,
    "task_default_priority": 0,
    "task_time_limit": 0.001,
    "task_soft_time_limit": 0.001,
    "task_crash_limit": 0,
    "task_payload_limit": 1,
    "result_payload_limit": 1,
    "security_max_age": 1,
    "worker_concurrency": 1,
    "worker_processes": 1,
    "worker_priority_ageing": 0.1,
    "worker_threads": 1,
    "worker_max_tasks_per_child": 1,
    "worker_max_memory_per_child": 1,
    "worker_lease": 0.5,
    "worker_soft_shutdown_timeout": 0,
    "worker_statistics": 0,
}


# Largest ones. An infinite limit would have no moment at which it is over; None and 0 are none.
_AT_MOST: Final[dict[str, float]] = {
    "task_time_limit": LONGEST,
    "task_soft_time_limit": LONGEST,
    "task_crash_limit": MOST,
    "worker_priority_ageing": LONGEST,
}


def describe() -> list[tuple[str, str, Any, str]]:
    """Return name, type, default and meaning of each setting, for the reference and the command line."""
    hints = _hints()
    return [(name, _type_name(hints[name]), DEFAULTS[name], get_args(hints[name])[1]) for name in DEFAULTS]


def _type_name(hint: Any) -> str:
    kind = get_args(hint)[0]
    return (
        kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace("typing.", "")
    )


def _hints() -> dict[str, Any]:
    return {
        name: hint for name, hint in get_type_hints(Config, include_extras=True).items() if name in DEFAULTS
    }


_types: dict[str, Any] = {}


def _checked(name: str, value: Any) -> Any:
    """Return *value* as the type of setting *name*, or raise."""
    if name not in DEFAULTS:
        raise _unknown(name, ConfigurationError)
    if not _types:
        _types.update({key: get_args(hint)[0] for key, hint in _hints().items()})
    if isinstance(value, timedelta):
        value = value.total_seconds()
    try:
        checked = msgspec.convert(value, _types[name], strict=False)
    except msgspec.ValidationError as error:
        kind = _type_name(_hints()[name])
        shown = "" if name in SECRET else f", not {value!r} ({error})"
        raise ConfigurationError(f"the setting {name!r} must be {kind}{shown}") from None
    least = _AT_LEAST.get(name)
    if least is not None and checked is not None and not checked >= least:
        raise ConfigurationError(f"the setting {name!r} must be at least {least:g}, not {value!r}")
    most = _AT_MOST.get(name)
    if most is not None and checked is not None and not checked <= most:
        raise ConfigurationError(f"the setting {name!r} must be at most {most:,.0f}, not {value!r}")
    if name in _MORE_RULES:
        _MORE_RULES[name](name, checked)
    return Secrets(checked) if name == "security_keys" else checked


def _check_priority(name: str, value: int) -> None:
    if value > 9:
        raise ConfigurationError(f"the setting {name!r} must be 0 to 9, not {value!r}")


def _check_queue(name: str, value: str) -> None:
    try:
        check_queue_name(value)
    except InvalidName as error:
        raise ConfigurationError(f"the setting {name!r}: {error}") from error


def _check_zone(name: str, value: str) -> None:
    if value == "UTC":  # needs no table of zones, which small containers lack
        return
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(f"the setting {name!r} must be the name of a zone, not {value!r}") from error


def _check_autoscale(name: str, value: tuple[int, int] | None) -> None:
    if value is not None and not 1 <= value[1] <= value[0]:
        raise ConfigurationError(f"the setting {name!r} must be at most and at least so many, not {value!r}")


def check_weights(name: str, value: Mapping[str, int] | None) -> None:
    """Return if *value* can be the weights of queues.

    Raises:
        ConfigurationError: it cannot; the message speaks of *name*.
    """
    for queue, weight in (value or {}).items():
        _check_queue(name, queue)
        if not isinstance(weight, int) or isinstance(weight, bool) or not 1 <= weight <= MOST_WEIGHT:
            raise ConfigurationError(
                f"the setting {name!r}: a weight is a whole number from 1 to {MOST_WEIGHT:,}, not {weight!r}"
            )


# What may hold a password or a key: no error shows its value.
SECRET: Final = frozenset({"broker_url", "result_backend", "security_keys"})

_MORE_RULES: Final[dict[str, Callable[[str, Any], None]]] = {
    "task_default_priority": _check_priority,
    "task_default_queue": _check_queue,
    "security_keys": check_keys,
    "timezone": _check_zone,
    "worker_autoscale": _check_autoscale,
    "worker_queue_weights": check_weights,
}

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
    **dict.fromkeys(("none", "null"), None),
}


def _from_text(name: str, text: str) -> Any:
    """Read an environment variable: lists are comma-separated, tables are JSON, and None is a word."""
    hint = get_args(_hints()[name])[0]
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    word = text.strip().lower()
    if word in ("none", "null") and NoneType in kinds:
        return None
    origins = {get_origin(kind) for kind in kinds}
    if tuple in origins:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if dict in origins:
        try:
            return msgspec.json.decode(text.encode())
        except msgspec.DecodeError as error:
            raise ConfigurationError(f"{name} must be JSON: {error}") from error
    return _WORDS.get(word, text) if hint is bool else text


def _attributes(source: object, prefix: str) -> dict[str, Any]:
    """Return the public attributes of *source* whose names begin with *prefix*; no other is looked at."""
    names = vars(source) if isinstance(source, ModuleType | type) else dir(source)
    wanted = [name for name in names if name.startswith(prefix) and not name.startswith("_")]
    return {name: getattr(source, name) for name in wanted}


def _line() -> str | None:
    """Return `file:line` of the innermost code outside this package; None where there is none."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the only way to ask for a line without a stack
    while frame is not None and f"{frame.f_globals.get('__name__')}.".startswith("celeriac."):
        frame = frame.f_back
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _called(source: object) -> str:
    """Name *source* without showing what is in it."""
    kind = source if isinstance(source, type) else type(source)
    return source.__name__ if isinstance(source, ModuleType) else f"{kind.__module__}.{kind.__qualname__}"


def _unknown(name: str, kind: type[Exception]) -> Exception:
    near = difflib.get_close_matches(str(name), DEFAULTS, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return kind(f"{name!r} is not a setting of Celeriac{hint}")
