"""What travels: the message that is sent, the delivery that is claimed, the record that is kept.

Pure data. No I/O, no clock; randomness only for new ids, drawn in `new_ids`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Sequence
from typing import Any, Final, Literal

import msgspec

from celeriac import codec
from celeriac.attempts import Attempt
from celeriac.errors import InvalidMessage, InvalidName, UnknownTask
from celeriac.lanes import Limit
from celeriac.states import State, outside

DEFAULT_CRASH_LIMIT: Final = 3

# No white space, no control characters, no braces (Redis hash tags) and no quotes reach a store.
_TASK_NAME: Final = re.compile(r"[\w.:/@<>\-]{1,255}")
_PLAIN_NAME: Final = re.compile(r"[\w.:@+=~\-]{1,128}")


def check_task_name(name: str) -> str:
    """Return *name* if it may be a task's: 1 to 255 letters, digits, and any of `_.:/@<>-`.

    Raises:
        InvalidName: it may not.
    """
    return _checked(name, _TASK_NAME, "a task name: use 1 to 255 letters, digits or any of _.:/@<>-")


def check_queue_name(name: str) -> str:
    """Return *name* if it may be a queue's: 1 to 128 letters, digits, and any of `_.:@+=~-`.

    Raises:
        InvalidName: it may not.
    """
    return _checked(name, _PLAIN_NAME, "a queue name: use 1 to 128 letters, digits or any of _.:@+=~-")


def check_id(task_id: str) -> str:
    """Return *task_id* if it may be one: 1 to 128 letters, digits, and any of `_.:@+=~-`.

    Raises:
        InvalidName: it may not.
    """
    return _checked(task_id, _PLAIN_NAME, "a task id: use 1 to 128 letters, digits or any of _.:@+=~-")


def check_names(message: Message) -> None:
    """Return if a store may see the names in *message*.

    Raises:
        InvalidName: it may not.
    """
    check_id(message.id)
    check_task_name(message.name)
    check_queue_name(message.queue)


def _checked(name: str, pattern: re.Pattern[str], rule: str) -> str:
    if isinstance(name, str) and pattern.fullmatch(name):
        return name
    raise InvalidName(f"{_shown(name)} cannot be {rule}")


def _shown(name: object) -> str:
    text = repr(name)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"


def new_ids(count: int, now: float) -> list[str]:
    """Draw *count* ids: 12 hexadecimal digits of time, then 16 of chance.

    Time first keeps neighbours together in a store's index; 64 bits of the operating system's
    randomness make one task's id no help in guessing another's.
    """
    stamp = "%012x" % (int(now * 1000) & 0xFFFFFFFFFFFF)  # half the time of an f-string's
    chance = os.urandom(8 * count).hex()
    if count == 1:
        return [stamp + chance]
    return [stamp + chance[start : start + 16] for start in range(0, 16 * count, 16)]


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """What only the worker and the task itself look at; a store keeps it as opaque bytes.

    Attributes:
        input: the id of the task whose result is put before the arguments; the list of results for a join.
        failure_of: the same of the task whose failure is told.
        schedule, due: the schedule that sent it, and the moment for which it did.
        follows: True if it waited for other tasks.
    """

    root_id: str | None = None
    parent_id: str | None = None
    eta: float | None = None
    expires: float | None = None
    headers: dict[str, Any] | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    max_retries: int | None = None
    ignore_result: bool | None = None
    input: str | None = None
    failure_of: str | None = None
    group_id: str | None = None
    schedule: str | None = None
    due: float | None = None
    follows: bool | None = None


PLAIN: Final = Options()
_decoded: tuple[bytes, Options] = b"", PLAIN


class After(msgspec.Struct, frozen=True):
    """What a task waits for before it may start.

    Attributes:
        parents: the ids of other tasks, each once. A store does not read them back with a record, since they
            may be very many: `Backend.parents` does.
        on: "success": until all of them have succeeded; "failure": until its only one has failed.
        join: there is nothing to run: it succeeds as soon as its parents have.
        countdown: seconds for which it waits on after that.
    """

    parents: tuple[str, ...] = ()
    on: Literal["success", "failure"] = "success"
    join: bool = False
    countdown: float | None = None


class Unique(msgspec.Struct, frozen=True):
    """A name that only one task can have at a time; only `Broker.send_unique` looks at it.

    Attributes:
        until: "done": it is free again once its task has ended; "forgotten": once there is no record of it.
        seconds: instead of that, for how long after the task was sent it is taken.
        replace: whether a new task takes it from one that waits, be it for a retry, which is cancelled.
    """

    name: str
    until: Literal["done", "forgotten"] = "done"
    seconds: float | None = None
    replace: bool = False


class Message(msgspec.Struct, frozen=True):
    """A task as it is sent. Times are seconds since 1970 UTC.

    Attributes:
        payload: `[args, kwargs]` as JSON; empty when there are neither.
        eta: not to be started before this moment.
        expires: not to be started at or after this moment.
        crash_limit: how many dead workers it may cost before it is failed.
        options: an `Options` as JSON; empty when all of them are default.
        after: what it waits for; None for nothing.
        limit: the lane in which it stands; None for none.
        unique: the name that it wants to have; None for none. Not kept with the record.
    """

    id: str
    name: str
    queue: str = "default"
    priority: int = 0
    created: float = 0.0
    payload: bytes = b""
    eta: float | None = None
    expires: float | None = None
    crash_limit: int = DEFAULT_CRASH_LIMIT
    options: bytes = b""
    after: After | None = None
    limit: Limit | None = None
    unique: Unique | None = None


class FailureNote(msgspec.Struct, frozen=True):
    """What an errback is told: which task failed, how it was called, and its error as the stores keep it."""

    id: str
    task: str
    call: msgspec.Raw
    error: msgspec.Raw
    retries: int = 0


def bare(message: Message) -> Message:
    """Return *message* without what only the sending looks at."""
    return message if message.unique is None else msgspec.structs.replace(message, unique=None)


def aged(message: Message, ageing: float) -> float:
    """Return by what *message* is ordered among the first ones of other priorities: the least goes first.

    Args:
        ageing: seconds in which a task that waits gains one priority.
    """
    return message.created - message.priority * ageing


def check_parents(message: Message, known: Container[str]) -> None:
    """Return if all that *message* waits for is *known*.

    Raises:
        UnknownTask: it is not.
    """
    for parent in message.after.parents if message.after is not None else ():
        if parent not in known:
            raise UnknownTask(
                f"task {message.id} ({message.name}) cannot wait for task {parent}: no task has that id"
            )


def check_circles(messages: Sequence[Message]) -> None:
    """Return if none of *messages*, which are new, waits for itself, be it through others.

    Raises:
        InvalidMessage: one does; the error names all that are in the circle.
    """
    waiting = {message.id: message for message in messages if message.after is not None}
    done: set[str] = set()
    for start in waiting:
        path = dict[
            str, int
        ]()  # from the start to where we are, with the number of the parent to look at next
        here = start
        while True:
            after = waiting[here].after if here in waiting and here not in done else None
            at = path.setdefault(here, 0)
            if after is not None and at < len(after.parents):
                path[here] += 1
                here = after.parents[at]
                if here in path:
                    circle = [*path][[*path].index(here) :]
                    names = " waits for ".join(f"{waiting[each].name} ({each})" for each in [*circle, here])
                    raise InvalidMessage(
                        f"tasks wait for each other in a circle, so none could start: {names}"
                    )
                continue
            done.add(here)
            del path[here]
            if not path:
                break
            here = next(reversed(path))


def first_of(messages: Sequence[Message]) -> list[str]:
    """Return the ids of those of *messages* that wait for none of the others."""
    if all(message.after is None for message in messages):
        return [message.id for message in messages]
    known = {message.id for message in messages}
    return [
        message.id for message in messages if message.after is None or known.isdisjoint(message.after.parents)
    ]


class Delivery(msgspec.Struct, frozen=True):
    """A task as a worker claims it.

    Attributes:
        fence: rises with each claim of this task; a settlement with an older one is refused.
        retries: how often it asked to be run again. crashes: how often its worker died.
        checkpoint: what the task last saved, as JSON; empty for nothing.
    """

    id: str
    name: str
    queue: str
    priority: int
    payload: bytes
    options: bytes
    fence: int
    retries: int
    crashes: int
    crash_limit: int
    checkpoint: bytes


class Record(msgspec.Struct, frozen=True):
    """All that a store knows of a task.

    Attributes:
        custom: the state that `update_state` last set, "" for none.
        due: when a scheduled task becomes queued (its eta, or the time of its retry).
        started: when it was last claimed. finished: when it reached its final state.
        worker: who runs it, or ran it last.
        fence: how often it was claimed.
        cancelled: whether it was revoked while it ran, so that it will not be run again.
        meta, result, error, checkpoint: JSON, empty for nothing. `error` stays after a retry.
        children: the ids of the tasks that its code has sent, as far as they were reported.
        attempts: the runs before the last one, as they ended.
    """

    message: Message
    state: State
    custom: str = ""
    due: float | None = None
    started: float | None = None
    finished: float | None = None
    worker: str = ""
    fence: int = 0
    retries: int = 0
    crashes: int = 0
    cancelled: bool = False
    meta: bytes = b""
    result: bytes = b""
    error: bytes = b""
    checkpoint: bytes = b""
    children: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()

    @property
    def id(self) -> str:
        """The task's id."""
        return self.message.id

    @property
    def outside(self) -> str:
        """The state in Celery's words."""
        return outside(self.state, self.custom, self.retries)


class Request(msgspec.Struct, frozen=True):
    """What a running task may know of its own call; `self.request`.

    Attributes:
        retries: how often it asked to be run again; 0 in the first run.
        crashes: how often a worker died while running it.
        hostname: the worker that runs it.
        eta, expires, deadline: seconds since 1970 UTC, or None. At the deadline its hard time limit ends.
        schedule: the name of the schedule that sent it, or None. due: the moment for which it did, in seconds
            since 1970 UTC: not when it was sent, or began.
        is_eager: it runs inside `apply()`, without a worker.
    """

    id: str = ""
    task: str = ""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    retries: int = 0
    crashes: int = 0
    hostname: str = ""
    queue: str = ""
    priority: int = 0
    root_id: str = ""
    parent_id: str | None = None
    group: str | None = None
    eta: float | None = None
    expires: float | None = None
    deadline: float | None = None
    headers: dict[str, Any] = {}
    schedule: str | None = None
    due: float | None = None
    is_eager: bool = False
    called_directly: bool = False

    @property
    def delivery_info(self) -> dict[str, Any]:
        """Queue and priority, where Celery's tasks look for them."""
        return {"queue": self.queue, "routing_key": self.queue, "priority": self.priority}


def encode_payload(
    args: tuple[Any, ...], kwargs: dict[str, Any], *, what: str, limit: int | None = None
) -> bytes:
    """Write a call's arguments; `b""` for none.

    Raises:
        EncodeError, PayloadTooLarge: as `codec.encode` does, naming *what*.
    """
    if not args and not kwargs:
        return b""
    return codec.encode((args, kwargs), what=what, limit=limit)


def decode_payload(payload: bytes, *, what: str) -> tuple[list[Any], dict[str, Any]]:
    """Read what `encode_payload` wrote.

    Raises:
        DecodeError: the bytes are something else.
    """
    if not payload:
        return [], {}
    args, kwargs = codec.decode(payload, tuple[list[Any], dict[str, Any]], what=what)
    return args, kwargs


def encode_options(options: Options) -> bytes:
    """Write *options*; `b""` when all of them are default."""
    return b"" if options == PLAIN else codec.encode(options, what="options")


def decode_options(data: bytes) -> Options:
    """Read what `encode_options` wrote.

    Raises:
        DecodeError: the bytes are something else.
    """
    global _decoded
    if not data:
        return PLAIN
    last, options = _decoded  # in one step: other threads put theirs there
    if data != last:
        options = codec.decode(data, Options, what="options")
        _decoded = data, options
    return options
