"""What a store is given and what it answers: plain data, and nothing that does anything with it.

The verbs that take and return it are in `broker`, and whoever calls them imports it from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from celeriac.message import Delivery, Message, Record, check_parents
from celeriac.steering import Command

DEFAULT_LEASE: Final = 10.0


class WorkerInfo(msgspec.Struct, frozen=True):
    """A worker process as the store knows it.

    Attributes:
        id: unique for ever: a restarted worker has another. name: what people call it.
        queues: those it claims from, most important first. names: the tasks that it knows.
        lease: seconds for which a heartbeat is good.
        slots: how many tasks it runs at once.
        started: when it enlisted. seen: its last heartbeat. running: how many tasks it holds.
        memory, cpu, done, lag, draining: as its last heartbeat has told, see `Pulse`.
    """

    id: str
    name: str
    host: str = ""
    pid: int = 0
    queues: tuple[str, ...] = ("default",)
    names: frozenset[str] = frozenset()
    lease: float = DEFAULT_LEASE
    slots: int = 1
    version: str = ""
    started: float = 0.0
    seen: float = 0.0
    running: int = 0
    memory: int | None = None
    cpu: float | None = None
    done: int = 0
    lag: float | None = None
    draining: bool = False


class Exchanged(msgspec.Struct, frozen=True):
    """The answer to `Broker.exchange`.

    Attributes:
        claims: what to run now, in this order.
        refused: ids whose settlement came too late: the lease had passed on, nothing was changed.
        stops: ids of this worker's running tasks that somebody wants terminated; named in each
            answer until they are settled.
        due: when the next scheduled task, of whatever queue, becomes due, or the next lane gets a token; None
            for never.
        lost: the store does not know this worker (any more): its lease ran out and its tasks have
            gone to others. Nothing was settled or claimed. Stop what is running, enlist under a new id.
    """

    claims: Sequence[Delivery] = ()
    refused: Sequence[str] = ()
    stops: Sequence[str] = ()
    due: float | None = None
    lost: bool = False


class Report(msgspec.Struct, frozen=True):
    """Progress of a running task; None leaves a part as it is.

    Attributes:
        children: ids of tasks that it has sent; those that are not known yet are added.
    """

    id: str
    fence: int
    state: str | None = None
    meta: bytes | None = None
    checkpoint: bytes | None = None
    children: tuple[str, ...] = ()


class Beat(msgspec.Struct, frozen=True):
    """The answer to `Broker.heartbeat`.

    Attributes:
        lost: ids of workers that the store does not know (any more).
        stops: per worker id, the tasks that it was asked to terminate and since when.
        commands: per worker id, what it is told to do, by number; named in each answer until it was heard.
    """

    lost: Sequence[str] = ()
    stops: dict[str, dict[str, float]] = {}
    commands: dict[str, Sequence[Command]] = {}


class Tended(msgspec.Struct, frozen=True):
    """What `Broker.tend` did.

    Attributes:
        promoted: scheduled tasks that became queued. recovered: tasks taken from dead workers.
        expired: tasks that were cancelled because they expired. dropped: finished records deleted.
        buried: ids of the workers whose lease had run out.
        next_schedule: when the first of the schedules that are not paused is due; None for never.
        more: there is more to do than one step takes: call again.
    """

    promoted: int = 0
    recovered: int = 0
    expired: int = 0
    dropped: int = 0
    buried: Sequence[str] = ()
    more: bool = False
    next_schedule: float | None = None


class Schedule(msgspec.Struct, frozen=True):
    """What a store keeps of something that shall run on time; it never looks into it.

    Attributes:
        entry, memory: what is to be done and when, and what was done: opaque bytes.
        due: when to look at it next, in seconds since 1970 UTC; None for never.
        paused: whether `next_schedules` leaves it out.
        token: another one after each change; who changes a schedule names the one that he saw.
    """

    name: str
    entry: bytes
    due: float | None = None
    memory: bytes = b""
    paused: bool = False
    token: str = ""


class ScheduleChange(msgspec.Struct, frozen=True):
    """One change of a schedule, and what is sent with it.

    Attributes:
        token: the one that the schedule has now; "" when there is to be none of that name.
        schedule: what it shall be, with a new token; None to remove it.
        messages: what is sent, if the change is made.
    """

    name: str
    token: str
    schedule: Schedule | None
    messages: tuple[Message, ...] = ()


class Situation(msgspec.Struct, frozen=True):
    """All that decides whether a task may be claimed, in one look.

    Attributes:
        record: the task itself.
        paused: whether its queue is. parked: whether nobody knew its name. held: whether it waits in its
            lane.
        listening: how many live workers serve its queue. knowing: how many of those know its name.
        free: how many slots those have that know it, as far as the store knows.
        before: how many tasks stand in its queue that go first, 10,000 at most.
        parents: the ids of tasks that it waits for and that have not succeeded, ten at most; `open` is how
            many.
        running: how many tasks of its lane run. holders: the ids of some of them, ten at most.
        wakes: when its lane gets a token, if it lacks one.
    """

    record: Record
    paused: bool = False
    parked: bool = False
    held: bool = False
    listening: int = 0
    knowing: int = 0
    free: int = 0
    before: int = 0
    parents: tuple[str, ...] = ()
    open: int = 0
    running: int = 0
    holders: tuple[str, ...] = ()
    wakes: float | None = None


class Pending(msgspec.Struct, frozen=True):
    """Some of the tasks that have not started, or shall start again; the answer to `Backend.pending`.

    Attributes:
        records: perhaps none, also where there are more behind.
        after: what to ask for next; "" at the end.
    """

    records: Sequence[Record] = ()
    after: str = ""


class Dead(msgspec.Struct, frozen=True):
    """Some of the tasks that have failed; the answer to `Backend.dead`.

    Attributes:
        records: the newest failures first; perhaps none, also where there are more behind.
        after: what to ask for next; "" at the end.
    """

    records: Sequence[Record] = ()
    after: str = ""


class Found(msgspec.Struct, frozen=True):
    """Some of the tasks that were looked for; the answer to `Backend.find`.

    Attributes:
        records: perhaps none, also where there are more behind.
        places: of each record, where to go on behind it.
        after: where to go on behind all that was looked at; "" at the end.
        searched: how many tasks were looked at.
    """

    records: Sequence[Record] = ()
    places: Sequence[str] = ()
    after: str = ""
    searched: int = 0

    @property
    def more(self) -> bool:
        """Whether there may be more behind."""
        return bool(self.after)


class Total(msgspec.Struct, frozen=True):
    """How many tasks are in a state.

    Attributes:
        number: so many, or
        precision: "least": it was counted no further; "about": some that were forgotten may be counted.
    """

    number: int = 0
    precision: Literal["exact", "least", "about"] = "exact"

    def __str__(self) -> str:
        """Write it as people read it: `12`, `10,000+`, `about 1,204,331`."""
        about, more = ("about " * (self.precision == "about"), "+" * (self.precision == "least"))
        return f"{about}{self.number:,}{more}"


MOST_BEFORE: Final = 10_000
SOME: Final = 10

Cancelled = Literal["cancelled", "stopping", "noted", "final", "unknown"]


class QueueInfo(msgspec.Struct, frozen=True):
    """How many tasks of a queue are in which state.

    Parked ones (no worker knew their names) are queued ones. Those that wait for others are in no line yet.

    Attributes:
        paused: whether nothing is claimed from it.
        held: how many of the queued ones wait for their lane to have room.
        oldest: when the oldest was sent of those that are the first in its lines, one at each priority; None
            when none stands there.
    """

    name: str
    queued: int = 0
    scheduled: int = 0
    running: int = 0
    parked: int = 0
    waiting: int = 0
    paused: bool = False
    held: int = 0
    oldest: float | None = None


def check_changes(changes: Sequence[ScheduleChange]) -> None:
    """Return if what *changes* send waits for nothing but each other.

    Raises:
        UnknownTask: it does.
    """
    for change in changes:
        ids = {message.id for message in change.messages}
        for message in change.messages:
            check_parents(message, ids)
