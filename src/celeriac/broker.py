"""The contract of a store: `Backend` asks what happened, `Broker` also makes it happen.

A store is one class that is both, so that "done" is one atomic step: acknowledge, keep the result,
count, and tell who waits. Every verb is synchronous, takes a batch, may be called from any thread, and
either happened whole or not at all. `now` is always an argument (seconds since 1970 UTC).

Every verb raises an `OperationalError` (`BrokerUnavailable`, `StoreFull`, `StoreReadOnly`,
`StoreCorrupt`) when the store cannot do it; no exception of a client library gets out. Bytes named
payload, options, meta, result, error, checkpoint and body are opaque to a store.

The memory store is this contract in executable form: where words are not enough, read it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from celeriac.answers import (
    DEFAULT_LEASE,
    MOST_BEFORE,
    SOME,
    Beat,
    Cancelled,
    Dead,
    Exchanged,
    Found,
    Pending,
    QueueInfo,
    Report,
    Schedule,
    ScheduleChange,
    Situation,
    Tended,
    Total,
    WorkerInfo,
    check_changes,
)
from celeriac.criteria import ANY, Criteria
from celeriac.errors import OperationalError
from celeriac.findings import Examination, Finding, Severity, ok
from celeriac.message import Message, Record
from celeriac.outcome import LEASE_LOST, REVOKED, Settlement
from celeriac.states import State
from celeriac.steering import ACTIVITY_AT_ONCE, LOG_AT_ONCE, Command, Deed, Entry, Line, Pulse
from celeriac.tally import Tally

DEFAULT_RETENTION: Final = 86_400.0
DEFAULT_DEAD_RETENTION: Final = 30 * 86_400.0
DEFAULT_DEADLINE: Final = 2.0
TEND_LIMIT: Final = 1_000
LINKS_AT_ONCE: Final = 1_000
PENDING_AT_ONCE: Final = 500
DEAD_AT_ONCE: Final = 100
FOUND_AT_ONCE: Final = 50
LOOKED_AT: Final = 10_000
MOST_COUNTED: Final = 10_000

__all__ = [
    "DEAD_AT_ONCE",
    "DEFAULT_DEADLINE",
    "DEFAULT_DEAD_RETENTION",
    "DEFAULT_LEASE",
    "DEFAULT_RETENTION",
    "FOUND_AT_ONCE",
    "LINKS_AT_ONCE",
    "LOOKED_AT",
    "MOST_BEFORE",
    "MOST_COUNTED",
    "PENDING_AT_ONCE",
    "SOME",
    "TEND_LIMIT",
    "Backend",
    "Beat",
    "Bell",
    "Broker",
    "Cancelled",
    "Dead",
    "Exchanged",
    "Found",
    "Listener",
    "Pending",
    "QueueInfo",
    "Report",
    "Schedule",
    "ScheduleChange",
    "Situation",
    "Tended",
    "Total",
    "WorkerInfo",
    "check_changes",
]


# --- who waits ------------------------------------------------------------------------------------


class Listener(ABC):
    """One process's ear for the tasks that it waits for; owned by one thread at a time.

    However many tasks are watched, a listener costs a constant number of connections.
    """

    @abstractmethod
    def watch(self, ids: Sequence[str]) -> list[Record | None]:
        """Return the records (None for unknown ids) and hear of every later change of those not final.

        A change is a claim, a settlement, a crash, a report, or the end. Atomic for each id: none
        between the record and the first news is missed.
        """

    @abstractmethod
    def wait(self, timeout: float) -> set[str] | None:
        """Wait at most *timeout* seconds for news and return the ids that changed, perhaps none.

        None means that news may have been missed (a lost connection): read everything again. Ids
        that were not watched may be among them.
        """

    @abstractmethod
    def wake(self) -> None:
        """Make `wait` return at once; the one method that any thread may call."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything; `wait` returns in whoever is in it."""


class Bell(ABC):
    """What wakes an idle worker: something to put into `select`, owned by the courier's thread.

    A ring may be lost or come for nothing; whoever waits also looks once in a while.
    """

    @abstractmethod
    def fileno(self) -> int:
        """Return the descriptor that becomes readable at a ring; -1 where there is none to wait on."""

    @abstractmethod
    def arm(self, hungry: bool) -> None:
        """Get ready to be rung: for new work too when *hungry*, else for stop requests only."""

    @abstractmethod
    def heard(self) -> bool:
        """Take what is readable; say whether it was a ring for work (which must not be wasted)."""

    @abstractmethod
    def pass_on(self) -> None:
        """Ring for another worker: this one was rung for work that it has no room for."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything."""


# --- the questions --------------------------------------------------------------------------------


class Backend(ABC):
    """What may be asked of a store. Nothing here changes a task."""

    url: str  # with the password masked

    @abstractmethod
    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """Return the records in the order of *ids*; None where there is none.

        Raises:
            OperationalError: as every verb. A record whose bytes are broken comes back as FAILED, its
                error saying so.
        """

    @abstractmethod
    def parents(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[str]:
        """Return the ids of the tasks that task *id* waits or waited for, in order, from number *start* on.

        Those of records that are gone may be missing, here and in `dependants`.
        """

    @abstractmethod
    def inputs(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[tuple[str, bytes | None]]:
        """Return what `parents` does, each with the result of that task.

        None stands where there is none: that task has not succeeded, or is a join.
        """

    @abstractmethod
    def dependants(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[str]:
        """Return the ids of the tasks that wait or waited for task *id*, as they were sent."""

    @abstractmethod
    def explain(self, id: str, now: float) -> Situation | None:
        """Return all that decides whether a task may be claimed; None when there is no such task.

        What is said of workers counts those whose lease has not run out.
        """

    @abstractmethod
    def pending(self, after: str = "", count: int = PENDING_AT_ONCE) -> Pending:
        """Return the records of some *count* tasks that are queued, scheduled, or wait for others.

        In no order. A walk from "" over all `after`s meets each task that is pending all the while, perhaps
        more than once, and perhaps some that are so for a part of it. Each page takes a bounded time, however
        many tasks of whatever kind there are. A record whose bytes are broken is FAILED, as in `get`.
        """

    @abstractmethod
    def dead(self, after: str = "", count: int = DEAD_AT_ONCE, before: float | None = None) -> Dead:
        """Return the records of *count* tasks that have FAILED, or fewer; those that failed last come first.

        Args:
            before: leave out those that failed at this moment or later; has no effect with *after*.

        In one moment in any order. A walk from "" over all `after`s meets each task once that is FAILED all
        the while, also when others are requeued or forgotten meanwhile. Each page takes a bounded time.
        """

    @abstractmethod
    def find(
        self,
        criteria: Criteria = ANY,
        after: str = "",
        count: int = FOUND_AT_ONCE,
        limit: int = LOOKED_AT,
    ) -> Found:
        """Return the records of *count* tasks that fit *criteria*, or fewer.

        Looks at some *limit* tasks at most, whatever fits, so that each page takes a bounded time, also the
        last one of millions. Running ones come first, then those that are queued, scheduled, and wait for
        others, in an order of the store's; then those that have ended, the last ones first.

        A walk from "" over all `after`s (or from a record's place) meets each task that stays as it is all
        the while, perhaps more than once; one that changes may be met or not. A page is not one moment. A
        record whose bytes are broken is FAILED, as in `get`, and may not be found.

        Raises:
            InvalidFilter: *after* is nothing that an earlier answer said.
        """

    @abstractmethod
    def totals(self) -> dict[State, Total]:
        """Return how many tasks are in each state, in a bounded time."""

    @abstractmethod
    def running(self, worker: str) -> list[Record]:
        """Return the records of the tasks that *worker* holds, by id; none for a worker that is not known."""

    @abstractmethod
    def read_log(self, id: str, after: int = 0, count: int = LOG_AT_ONCE) -> list[Entry]:
        """Return up to *count* lines of a task's log with numbers above *after*, in the order of numbers."""

    @abstractmethod
    def activity(self, after: int = 0, count: int = ACTIVITY_AT_ONCE) -> list[Deed]:
        """Return what was done last, the newest first; with *after* only what has a smaller number."""

    @abstractmethod
    def queues(self) -> list[QueueInfo]:
        """Return every queue that has tasks which are not final, or is paused, by name."""

    @abstractmethod
    def workers(self, now: float) -> list[WorkerInfo]:
        """Return the workers whose lease has not run out, by id (`names` may be left empty)."""

    @abstractmethod
    def schedules(self, names: Sequence[str] | None = None) -> list[Schedule]:
        """Return all schedules, or those of *names* that there are, by name."""

    @abstractmethod
    def next_schedules(self, count: int) -> list[Schedule]:
        """Return the first *count* schedules by due time (then name); without those paused or never due."""

    @abstractmethod
    def statistics(self, since: float, until: float) -> list[Tally]:
        """Return what was counted in each bucket that begins before *until* and ends after *since*.

        By step, moment, queue and name. Minutes of the last 48 hours, older ones as hours for 30 days, and as
        days for 400; nothing is counted in two of them. What is damaged counts as none.
        """

    @abstractmethod
    def counted(self) -> list[Tally]:
        """Return what was ever counted, by queue and name; these numbers only grow."""

    @abstractmethod
    def listener(self) -> Listener:
        """Return a new ear for results and progress."""

    @abstractmethod
    def ping(self) -> None:
        """Return if the store answers; raise an `OperationalError` that says why not otherwise."""


# --- the commands ---------------------------------------------------------------------------------


class Broker(Backend):
    """What a store does. Names are the same in every store, script and test.

    Attributes:
        trip_size: how many tasks a worker should settle and claim, at most, in one `exchange`: others wait
            for the store meanwhile, and what a trip costs by itself is shared by them.
    """

    trip_size = 150

    @property
    def ahead(self) -> float:
        """How many seconds the store's clock is ahead of this host's, as far as is known.

        Other times are put into the store's clock by the verbs; the due times of schedules, which are
        moments of the day, are kept as they are, and compared with the caller's clock and this.
        """
        return 0.0

    @abstractmethod
    def open(self) -> None:
        """Connect, create or check the schema; may be repeated. Verbs open by themselves when needed.

        Raises:
            SchemaError: the store's layout belongs to another version.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of connections and files; a later verb opens again."""

    def examine(self, now: float) -> Examination:  # noqa: ARG002 - for those that know more
        """Look at the place where the store is, for `celeriac doctor`; create and change nothing.

        Takes a few deadlines at most, and raises no `OperationalError`: a store that is away is a finding.
        """
        try:
            self.ping()
        except OperationalError as error:
            away = Finding("store", Severity.ERROR, f"The store cannot be used: {error}.")
            return Examination((away,), usable=False)
        return Examination((ok("store", "The store answers."),))

    @abstractmethod
    def send(self, messages: Sequence[Message], now: float) -> int:
        """Accept all *messages* or none; return how many were new.

        A message whose id is already known changes nothing, so sending may be repeated. With an
        eta after *now* a task is scheduled, else it is queued at the tail of its queue and
        priority. Rings for at most as many idle workers as there are new tasks.

        With `after` it waits. What it waits for may stand in the same batch, before or behind it, and may
        have ended: then that counts at once. When the last one that it waits for has succeeded, it is
        released in the same step: queued at the tail, or scheduled for its eta or countdown; a join succeeds.
        When one fails, it is failed with `parent_failed`; when one is cancelled, it is cancelled with
        `PARENT_REVOKED`. With `on="failure"` it is released when that one fails, and cancelled with
        `NOT_NEEDED` otherwise. What that means for those who wait for it follows in the same step; but a step
        tells at most 1,000 dependants, in the order in which their parents ended, and leaves others to the
        next `exchange` or `tend`. Nobody checks for circles here: see `message.check_circles`.

        With a `limit` it stands in a lane when it is queued; see `lanes`. Of each lane only the first one at
        each queue and priority stands in the line, while the lane has room. The limit sent last counts.

        Raises:
            UnknownTask: a message waits for a task that there is not. Nothing is sent.
        """

    @abstractmethod
    def send_unique(self, messages: Sequence[Message], now: float) -> list[str]:
        """Send each message unless another task has its unique name; return for each the id of the task
        that has it.

        A name is free when there is no record of its task, or that has ended, or has expired before it could
        start, whoever notices that (unless `until` says "forgotten"); with `seconds` it is free so long after
        its task was sent, whatever became of that. With `replace` a task that has the name and has not
        started is cancelled with `SUPERSEDED`, and one that runs goes on without it. A message whose id is
        known changes nothing.

        No message waits for others. All or none; may be repeated.
        """

    @abstractmethod
    def enlist(self, worker: WorkerInfo, now: float) -> None:
        """Make *worker* known, its lease good from *now*; unpark the tasks whose names it knows.

        Unparked tasks go to the tail of their queue, name by name (sorted), each name's in the order in
        which they were parked. May be repeated: a worker that is known already keeps what it holds and
        its trip number.
        """

    @abstractmethod
    def exchange(
        self,
        worker: str,
        *,
        trip: int,
        finished: Sequence[Settlement] = (),
        want: int = 0,
        now: float,
        queues: Sequence[str] | None = None,
        ageing: float | None = None,
    ) -> Exchanged:
        """Settle *finished* and claim up to *want* tasks, in one atomic step. The hot path.

        Settling: refused unless the task is RUNNING with this worker and this fence. SUCCEEDED,
        FAILED and CANCELLED are final and keep the body (as result or error). RETRY counts a retry
        and schedules the task for `due` (queued at the tail when that has passed). RELEASE counts
        nothing: the task goes to the head of its queue (several keep their order), or is scheduled for `due`.
        RETURNED does the same for one whose code has not begun: a limited one gives its token back.
        CRASHED counts a crash; past the task's `crash_limit` it is failed with the body, else it
        goes to the head of its queue. If the task was cancelled meanwhile, RETRY, RELEASE, RETURNED and
        CRASHED cancel it instead, with `REVOKED` as its error.

        Claiming, after settling: first due tasks of all queues are promoted (at most 1,000), then
        queues are taken in the worker's order, in each the highest priority first, FIFO within. *queues*
        are the worker's own in another order, for this trip. With *ageing*, in seconds, a task gains one
        priority in each so many of them: of the first ones of all priorities that one goes whose
        `created - priority * ageing` is least, and of equal ones the highest priority. An
        expired task is cancelled, not claimed. The first one of a lane takes a token and a place, and the
        next one of it joins the line at the tail if there is still room; without room it is held again. A
        task whose name the worker does not know is parked, not claimed, and one hungry worker that listens
        to its queue and knows its name is rung.

        Unparking, before claiming, so that a worker that knows the name and was there all the time gets
        the task: for each queue in the worker's order, of the parked tasks whose names it knows, name by
        name (sorted), each name's in the order in which they were parked, up to *want* in all go to the
        head of their line, keeping that order.

        The trip can be repeated: called again with the same *trip* number it settles nothing and answers
        with the same claims (those still held), also when the first answer was lost on the way.
        Trip numbers of a worker rise by one, from 1; a number below the last one changes nothing and
        brings no claims (it is a late copy of a request that was given up and asked again).
        """

    @abstractmethod
    def replace(
        self, worker: str, task: str, fence: int, graph: Sequence[Message], end: str, now: float
    ) -> bool:
        """Send *graph* and let a running task stand for its member *end*, in one step; False if refused.

        Refused as `exchange` would refuse its settlement. The task waits, and whoever waits for it goes on
        doing so: when *end* has ended, so has the task, in the same way and with the same result or error. If
        it was cancelled meanwhile it is cancelled now, and nothing is sent. May be repeated.

        Raises:
            UnknownTask: as `send`.
        """

    @abstractmethod
    def extend(self, join: str, messages: Sequence[Message], ends: Sequence[str], now: float) -> bool:
        """Send *messages*, and let a *join* that still waits also wait for *ends* among them.

        Returns False, with nothing done, when it waits no more. May be repeated.
        """

    @abstractmethod
    def heartbeat(
        self, workers: Sequence[str], now: float, pulses: Mapping[str, Pulse] | None = None
    ) -> Beat:
        """Renew the leases of *workers*; learn which are lost, what they were asked to stop and told to do.

        A call that comes late, after one with a later *now*, shortens no lease.

        What *pulses* tell of them is kept until the next ones. Commands up to the number that a pulse has
        heard are dropped; the others are told each time, so that none is lost with an answer: who obeys knows
        by the number which are new.
        """

    @abstractmethod
    def command(self, workers: Sequence[str], command: Command, now: float) -> list[bool]:
        """Tell each of *workers* to obey *command*, with its next heartbeat; say for each if it is known.

        Each gets a number of the store's. Of those that one worker has not heard the newest 100 are kept.
        They end with the worker. Told twice when it is repeated.
        """

    @abstractmethod
    def write_log(self, worker: str, lines: Sequence[Line], now: float) -> list[str]:
        """Add lines to the logs of running tasks; return the ids refused as `exchange` would refuse them.

        Lines of one task keep their order. Of each attempt the newest `LOG_RING` bytes are kept (at least the
        last line), of a task the latest `LOG_ATTEMPTS` attempts. They end with its record. Written twice when
        it is repeated.
        """

    @abstractmethod
    def note(self, deeds: Sequence[Deed], now: float) -> None:
        """Remember who did what, in this order; `MOST_ACTIVITY` at most, for `ACTIVITY_KEPT` seconds.

        Noted twice when it is repeated.
        """

    @abstractmethod
    def retire(self, workers: Sequence[str], now: float, error: bytes = LEASE_LOST) -> int:
        """Forget *workers*, which are dead or gone, and return how many tasks they still held.

        Each of those counts a crash, as in `exchange` (with *error* as its body), a worker's tasks in
        the order of their ids. May be repeated.
        """

    @abstractmethod
    def report(self, worker: str, reports: Sequence[Report], now: float) -> list[str]:
        """Keep progress, checkpoints and children; return the ids refused as `exchange` would refuse them.

        All parts of a report are kept in one step. Several for one task: the later wins, children add up.
        """

    @abstractmethod
    def cancel(
        self, ids: Sequence[str], now: float, *, terminate: bool = False, error: bytes = REVOKED
    ) -> list[Cancelled]:
        """Revoke tasks; say for each what that came to.

        "cancelled": it had not started and never will. "stopping": it runs and its worker was told to
        terminate it. "noted": it runs on, but will not be run again. "final": too late. "unknown":
        no such task.
        """

    @abstractmethod
    def reschedule(self, ids: Sequence[str], due: float, now: float) -> list[bool]:
        """Let scheduled tasks become due at another moment; say for each whether it was scheduled.

        That is so for those that wait for their eta, their countdown or a retry. When *due* has passed they
        are queued at the tails of their lines, in the order of *ids*. When a task expires stays as it is.
        """

    @abstractmethod
    def requeue(self, ids: Sequence[str], now: float) -> list[bool]:
        """Queue failed tasks again, at the tails of their lines in the order of *ids*; say for each whether
        that was done.

        Only what is FAILED and has run: not a join, nor what failed because another one did. Not what was
        replaced either: what took its place has failed. And not while another task has its unique name, or
        while those that waited for it do not all know that it has failed.

        Retries and crashes are counted from 0; it never expires, is cancelled no more, and waits for nobody;
        its error and checkpoint stay. It has its unique name again, until it ends if that was free. What it
        was given by others it is given again, as long as their records are there. Those that failed because
        of it stay as they are. May be repeated.
        """

    @abstractmethod
    def forget(self, ids: Collection[str]) -> int:
        """Delete the records of finished tasks; return how many.

        Unfinished ones stay, and those for which an unfinished one waited: it may need their results. That a
        join has them does not count, but that somebody waits for the join does.
        """

    @abstractmethod
    def purge(self, queue: str, now: float, limit: int = TEND_LIMIT) -> int:
        """Cancel up to *limit* tasks of *queue* that are queued or scheduled; return how many.

        Those that wait for others are left alone, unless they wait for these.
        """

    @abstractmethod
    def pause(self, queue: str, now: float) -> bool:
        """Have nothing claimed from *queue* until it is resumed; False if it was paused already.

        Durable. Tasks are sent to it, become due and expire as ever; what runs, runs on, and goes back to the
        queue if it is retried or released.
        """

    @abstractmethod
    def resume(self, queue: str, now: float) -> bool:
        """Let *queue* be claimed from again, and ring for what waits there; False if it was not paused."""

    @abstractmethod
    def secret(self, fresh: bytes) -> bytes:
        """Return the secret of this store, by which its users know each other's signatures; at first *fresh*.

        The first one that is proposed is kept for ever, whoever else proposes one at the same time, and is
        returned to all. Whoever may read the store may read it.
        """

    @abstractmethod
    def advance(self, changes: Sequence[ScheduleChange], now: float) -> list[bool]:
        """Change schedules, each with what it sends in one step; say for each whether that was done.

        It is not, and nothing of it is sent, when the schedule has another token than the change names:
        somebody else was faster. May be repeated: what is as it shall be counts as done.

        Raises:
            UnknownTask: a message waits for a task that is not sent with the same change. Nothing is done.
        """

    @abstractmethod
    def tend(self, now: float, limit: int = TEND_LIMIT) -> Tended:
        """Do what time asks for, at most *limit* of each kind: promote due tasks, retire workers whose
        lease has run out, cancel the expired, tell dependants what has become of their parents, drop finished
        records older than the retention (as `forget` would). FAILED ones have a retention of their own, and
        so have those whose results a failed one was given that has run. Put the oldest bucket of the
        statistics that is over its time into the next larger one, or drop it.

        Any number of processes may tend at once.
        """

    @abstractmethod
    def count(self, teller: str, number: int, tallies: Sequence[Tally], now: float) -> bool:
        """Put *tallies* of minutes into the store's statistics; False when that was done before.

        All or none. Numbers of a teller rise; one that is not above the last one changes nothing, so a call
        may be repeated for a day. A bucket has 500 rows of its own, another 500 of queues with the name
        `(other)`; everything beyond is the queue `(other)`.
        """

    @abstractmethod
    def bell(self, worker: str) -> Bell:
        """Return the bell of an enlisted worker."""

    def locally_dead(self) -> Sequence[str]:
        """Return ids of enlisted workers whose death this host's kernel can prove; none where it cannot."""
        return ()

    def hold_alive(self, worker: str) -> None:
        """Hold, until this process dies or `retire`s it, the proof that *worker* is alive on this host."""
