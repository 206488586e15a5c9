"""From the options of a call to what all of its messages have in common. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Final, Protocol

import msgspec

from celeriac.clock import as_timestamp
from celeriac.context import Run
from celeriac.errors import ConfigurationError, InvalidArguments, InvalidMessage
from celeriac.limiting import Limiter
from celeriac.message import (
    Message,
    Options,
    check_id,
    check_queue_name,
    encode_options,
    encode_payload,
    new_ids,
)
from celeriac.options import CALL_RULES, HIGHEST, is_count, is_moment, shown
from celeriac.uniqueness import Uniqueness

Moment = datetime | float
Span = float | timedelta | datetime


class CallOptions(msgspec.Struct, frozen=True):
    """The options of one call; `Task.apply_async` describes them."""

    task_id: str | None = None
    countdown: float | None = None
    eta: Moment | None = None
    expires: Span | None = None
    queue: str | None = None
    priority: int | None = None
    headers: Mapping[str, Any] | None = None
    time_limit: float | timedelta | None = None
    soft_time_limit: float | timedelta | None = None
    max_retries: int | None = None
    ignore_result: bool | None = None
    retry: bool | None = None
    idempotency_key: str | None = None


PLAIN_CALL: Final = CallOptions()


class Zoned(Protocol):
    """Who knows in which zone a naive datetime is meant."""

    def aware(self, moment: Moment) -> Moment:
        """Return *moment* with a zone."""


class Addressed(Protocol):
    """What is read of a task to address its calls."""

    name: str
    queue: str | None
    priority: int | None
    expires: Span | None
    crash_limit: int | None


class Envelope(msgspec.Struct, frozen=True):
    """What the messages of one call, or of many like it, have in common."""

    queue: str
    priority: int
    crash_limit: int
    options: Options = Options()
    eta: float | None = None
    expires_after: float | None = None
    expires_moment: float | None = None

    def with_call(self, call: CallOptions, now: float, zone: Zoned, task: str) -> Envelope:
        """Return the envelope for *call*, made at *now*.

        Args:
            task: the name of the task that is called, for errors.

        Raises:
            InvalidMessage: an option is of another kind, out of its range, or contradicts another.
        """
        try:
            return self._with(call, now, zone)
        except InvalidMessage as error:
            raise type(error)(f"a call of {task}: {error}") from None

    def _with(self, call: CallOptions, now: float, zone: Zoned) -> Envelope:
        given = _checked(call)
        after, moment = (
            (self.expires_after, self.expires_moment) if call.expires is None else _span(call.expires, zone)
        )
        return Envelope(
            queue=self.queue if call.queue is None else check_queue_name(call.queue),
            priority=self.priority if call.priority is None else checked_priority(call.priority),
            crash_limit=self.crash_limit,
            options=Options(
                headers=dict(call.headers) if call.headers else None,
                time_limit=given.get("time_limit"),
                soft_time_limit=given.get("soft_time_limit"),
                max_retries=call.max_retries,
                ignore_result=call.ignore_result,
            ),
            eta=moment_of(call.countdown, call.eta, now, zone),
            expires_after=after,
            expires_moment=moment,
        )

    def sent_by(self, run: Run) -> Envelope:
        """Return the same for a call made inside *run*: its child."""
        root = run.load_options().root_id or run.id
        options = msgspec.structs.replace(self.options, root_id=root, parent_id=run.id)
        return msgspec.structs.replace(self, options=options)

    def expires_at(self, now: float) -> float | None:
        """Return when a call made at *now* expires."""
        return now + self.expires_after if self.expires_after is not None else self.expires_moment

    def encoded(self, expires: float | None) -> bytes:
        """Write the options, with what the task may want to know of its times."""
        if self.eta is None and expires is None:
            return encode_options(self.options)
        return encode_options(msgspec.structs.replace(self.options, eta=self.eta, expires=expires))


class Habits(msgspec.Struct, frozen=True):
    """What all plain calls of one task have in common, under the settings as they are.

    Attributes:
        options: the envelope's, as bytes, for calls that do not expire.
        what: how errors name the arguments. payload_limit: how many bytes these may have.
        eager: whether calls run here and now.
        limiter: says how each call is limited; None for not at all.
        uniqueness: says how each call is unique; None for not at all.
    """

    envelope: Envelope
    options: bytes
    what: str
    payload_limit: int | None
    eager: bool
    limiter: Limiter | None = None
    uniqueness: Uniqueness | None = None


def habits_of(
    task: Addressed, conf: Any, limiter: Limiter | None = None, uniqueness: Uniqueness | None = None
) -> Habits:
    """Work out what all plain calls of *task* have in common.

    Raises:
        InvalidName, ConfigurationError: its queue or priority is none.
    """
    envelope = envelope_of(task, conf)
    return Habits(
        envelope=envelope,
        options=envelope.encoded(None),
        what=f"the arguments of {task.name}",
        payload_limit=conf.task_payload_limit,
        eager=conf.task_always_eager,
        limiter=limiter,
        uniqueness=uniqueness,
    )


def envelope_of(task: Addressed, conf: Any) -> Envelope:
    """Work out where plain calls of *task* go.

    Raises:
        InvalidName, ConfigurationError: its queue or priority is none.
    """
    route = _route(task.name, conf.task_routes)
    priority = (
        task.priority if task.priority is not None else route.get("priority", conf.task_default_priority)
    )
    after, moment = (None, None) if task.expires is None else _span(task.expires, None)
    return Envelope(
        queue=check_queue_name(task.queue or route.get("queue") or conf.task_default_queue),
        priority=checked_priority(priority),
        crash_limit=conf.task_crash_limit if task.crash_limit is None else task.crash_limit,
        expires_after=after,
        expires_moment=moment,
    )


def _route(name: str, routes: Mapping[str, str | Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the route of task *name*: its own, or the first pattern's that fits."""
    found = routes.get(name)
    if found is None:
        found = next((route for pattern, route in routes.items() if fnmatchcase(name, pattern)), {})
    route = {"queue": found} if isinstance(found, str) else found
    if unknown := set(route) - {"queue", "priority"}:
        raise ConfigurationError(
            f"the route of {name} has {sorted(unknown)}; a route knows 'queue' and 'priority'"
        )
    return route


def checked_priority(priority: int) -> int:
    """Return *priority* if it is one.

    Raises:
        InvalidMessage: it is not a whole number from 0 to 9.
    """
    if is_count(priority, 0, HIGHEST):
        return priority
    raise InvalidMessage(f"a priority is a whole number from 0 to 9, larger first; not {shown(priority)}")


def _checked(call: CallOptions) -> dict[str, Any]:
    """Return those options of *call* that are for the worker, in the form in which they are kept.

    Raises:
        InvalidMessage: one cannot be what it is.
    """
    given = {}
    for name, rule in CALL_RULES.items():
        value = getattr(call, name)
        if value is not None:
            given[name] = plain = rule.plain(value)
            if not rule.fits(plain):
                raise InvalidMessage(f"{name} is {rule.expected}, not {shown(value)}")
    return given


def moment_of(countdown: float | None, eta: Moment | None, now: float, zone: Zoned) -> float | None:
    """Return the moment that is meant by one of the two, in seconds since 1970; None without either.

    Raises:
        InvalidMessage: both are given, or one is no number or out of its range.
    """
    if eta is not None and countdown is not None:
        raise InvalidMessage("a call has an eta or a countdown, not both")
    if countdown is not None:
        return now + max(0.0, _number("countdown", countdown))
    if isinstance(eta, datetime):
        return as_timestamp(zone.aware(eta))
    return None if eta is None else _number("eta", eta)


def _number(name: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidMessage(f"the {name} must be a number of seconds, not {shown(value)}")
    if not is_moment(value):
        raise InvalidMessage(f"the {name} is out of range: {shown(value)}")
    return float(value)


def _span(expires: Span, zone: Zoned | None) -> tuple[float | None, float | None]:
    """Return how long a call is good for, or until when."""
    if isinstance(expires, timedelta):
        return expires.total_seconds(), None
    if isinstance(expires, datetime):
        return None, as_timestamp(expires if zone is None else zone.aware(expires))
    return _number("expires", expires), None


def arguments_of(
    task: str, args: Iterable[Any] | None, kwargs: Mapping[str, Any] | None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what `apply_async` was given as arguments of *task*, as a tuple and a dict.

    Raises:
        InvalidArguments: one is none.
    """
    if args is None:
        args = ()
    elif isinstance(args, str | bytes | Mapping) or not isinstance(args, Iterable):
        raise InvalidArguments(
            f"the args of a call of {task} are a tuple or a list, not {shown(args)}; write (x,) for one"
        )
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise InvalidArguments(f"the kwargs of a call of {task} are a dict, not {shown(kwargs)}")
    return tuple(args), {} if kwargs is None else dict(kwargs)


def as_call(item: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Read one item of `delay_many`: a tuple of positional arguments or a dict of keyword arguments.

    Raises:
        InvalidMessage: it is neither.
    """
    if isinstance(item, tuple | list):
        return tuple(item), {}
    if isinstance(item, Mapping):
        return (), dict(item)
    raise InvalidMessage(
        "each call of delay_many is a tuple of positional arguments or a dict of keyword arguments, "
        f"not {item!r:.80}; write (x,) for a single argument"
    )


def unchecked_message(
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    envelope: Envelope,
    call: CallOptions,
    now: float,
    limit: int | None,
) -> Message:
    """Return the message of a call whose task is not known here, so that nobody checks its arguments.

    Args:
        limit: bytes that the arguments may take.
    """
    expires = envelope.expires_at(now)
    return Message(
        id=new_ids(1, now)[0] if call.task_id is None else check_id(call.task_id),
        name=name,
        queue=envelope.queue,
        priority=envelope.priority,
        created=now,
        payload=encode_payload(args, kwargs, what=f"the arguments of {name}", limit=limit),
        eta=envelope.eta,
        expires=expires,
        crash_limit=envelope.crash_limit,
        options=envelope.encoded(expires),
    )
