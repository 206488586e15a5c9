"""A store in front of a store: every verb is passed on, so that a layer overrides only what it changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from celeriac.broker import (
    DEAD_AT_ONCE,
    FOUND_AT_ONCE,
    LINKS_AT_ONCE,
    LOOKED_AT,
    PENDING_AT_ONCE,
    TEND_LIMIT,
    Beat,
    Bell,
    Broker,
    Cancelled,
    Dead,
    Exchanged,
    Found,
    Listener,
    Pending,
    QueueInfo,
    Report,
    Schedule,
    ScheduleChange,
    Situation,
    Tended,
    Total,
    WorkerInfo,
)
from celeriac.criteria import ANY, Criteria
from celeriac.findings import Examination
from celeriac.message import Message, Record
from celeriac.outcome import LEASE_LOST, REVOKED, Settlement
from celeriac.states import State
from celeriac.steering import ACTIVITY_AT_ONCE, LOG_AT_ONCE, Command, Deed, Entry, Line, Pulse
from celeriac.tally import Tally


class PassingBroker(Broker):
    """Does what *inner* does."""

    def __init__(self, inner: Broker) -> None:
        self.inner = inner
        self.url = inner.url
        self.trip_size = inner.trip_size

    @property
    def ahead(self) -> float:
        """See `Broker.ahead`."""
        return self.inner.ahead

    def open(self) -> None:
        """See `Broker.open`."""
        self.inner.open()

    def close(self) -> None:
        """See `Broker.close`."""
        self.inner.close()

    def ping(self) -> None:
        """See `Backend.ping`."""
        self.inner.ping()

    def examine(self, now: float) -> Examination:
        """See `Broker.examine`."""
        return self.inner.examine(now)

    # --- tasks --------------------------------------------------------------------------------------

    def send(self, messages: Sequence[Message], now: float) -> int:
        """See `Broker.send`."""
        return self.inner.send(messages, now)

    def send_unique(self, messages: Sequence[Message], now: float) -> list[str]:
        """See `Broker.send_unique`."""
        return self.inner.send_unique(messages, now)

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
        """See `Broker.exchange`."""
        return self.inner.exchange(
            worker, trip=trip, finished=finished, want=want, now=now, queues=queues, ageing=ageing
        )

    def replace(
        self, worker: str, task: str, fence: int, graph: Sequence[Message], end: str, now: float
    ) -> bool:
        """See `Broker.replace`."""
        return self.inner.replace(worker, task, fence, graph, end, now)

    def extend(self, join: str, messages: Sequence[Message], ends: Sequence[str], now: float) -> bool:
        """See `Broker.extend`."""
        return self.inner.extend(join, messages, ends, now)

    def report(self, worker: str, reports: Sequence[Report], now: float) -> list[str]:
        """See `Broker.report`."""
        return self.inner.report(worker, reports, now)

    def cancel(
        self, ids: Sequence[str], now: float, *, terminate: bool = False, error: bytes = REVOKED
    ) -> list[Cancelled]:
        """See `Broker.cancel`."""
        return self.inner.cancel(ids, now, terminate=terminate, error=error)

    def reschedule(self, ids: Sequence[str], due: float, now: float) -> list[bool]:
        """See `Broker.reschedule`."""
        return self.inner.reschedule(ids, due, now)

    def requeue(self, ids: Sequence[str], now: float) -> list[bool]:
        """See `Broker.requeue`."""
        return self.inner.requeue(ids, now)

    def forget(self, ids: Collection[str]) -> int:
        """See `Broker.forget`."""
        return self.inner.forget(ids)

    # --- workers and queues -------------------------------------------------------------------------

    def enlist(self, worker: WorkerInfo, now: float) -> None:
        """See `Broker.enlist`."""
        self.inner.enlist(worker, now)

    def heartbeat(
        self, workers: Sequence[str], now: float, pulses: Mapping[str, Pulse] | None = None
    ) -> Beat:
        """See `Broker.heartbeat`."""
        return self.inner.heartbeat(workers, now, pulses)

    def command(self, workers: Sequence[str], command: Command, now: float) -> list[bool]:
        """See `Broker.command`."""
        return self.inner.command(workers, command, now)

    def write_log(self, worker: str, lines: Sequence[Line], now: float) -> list[str]:
        """See `Broker.write_log`."""
        return self.inner.write_log(worker, lines, now)

    def note(self, deeds: Sequence[Deed], now: float) -> None:
        """See `Broker.note`."""
        self.inner.note(deeds, now)

    def retire(self, workers: Sequence[str], now: float, error: bytes = LEASE_LOST) -> int:
        """See `Broker.retire`."""
        return self.inner.retire(workers, now, error)

    def purge(self, queue: str, now: float, limit: int = TEND_LIMIT) -> int:
        """See `Broker.purge`."""
        return self.inner.purge(queue, now, limit)

    def pause(self, queue: str, now: float) -> bool:
        """See `Broker.pause`."""
        return self.inner.pause(queue, now)

    def resume(self, queue: str, now: float) -> bool:
        """See `Broker.resume`."""
        return self.inner.resume(queue, now)

    def secret(self, fresh: bytes) -> bytes:
        """See `Broker.secret`."""
        return self.inner.secret(fresh)

    def advance(self, changes: Sequence[ScheduleChange], now: float) -> list[bool]:
        """See `Broker.advance`."""
        return self.inner.advance(changes, now)

    def tend(self, now: float, limit: int = TEND_LIMIT) -> Tended:
        """See `Broker.tend`."""
        return self.inner.tend(now, limit)

    def count(self, teller: str, number: int, tallies: Sequence[Tally], now: float) -> bool:
        """See `Broker.count`."""
        return self.inner.count(teller, number, tallies, now)

    def bell(self, worker: str) -> Bell:
        """See `Broker.bell`."""
        return self.inner.bell(worker)

    def locally_dead(self) -> Sequence[str]:
        """See `Broker.locally_dead`."""
        return self.inner.locally_dead()

    def hold_alive(self, worker: str) -> None:
        """See `Broker.hold_alive`."""
        self.inner.hold_alive(worker)

    # --- questions ----------------------------------------------------------------------------------

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """See `Backend.get`."""
        return self.inner.get(ids)

    def parents(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[str]:
        """See `Backend.parents`."""
        return self.inner.parents(id, start, count)

    def inputs(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[tuple[str, bytes | None]]:
        """See `Backend.inputs`."""
        return self.inner.inputs(id, start, count)

    def dependants(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[str]:
        """See `Backend.dependants`."""
        return self.inner.dependants(id, start, count)

    def explain(self, id: str, now: float) -> Situation | None:
        """See `Backend.explain`."""
        return self.inner.explain(id, now)

    def pending(self, after: str = "", count: int = PENDING_AT_ONCE) -> Pending:
        """See `Backend.pending`."""
        return self.inner.pending(after, count)

    def dead(self, after: str = "", count: int = DEAD_AT_ONCE, before: float | None = None) -> Dead:
        """See `Backend.dead`."""
        return self.inner.dead(after, count, before)

    def find(
        self,
        criteria: Criteria = ANY,
        after: str = "",
        count: int = FOUND_AT_ONCE,
        limit: int = LOOKED_AT,
    ) -> Found:
        """See `Backend.find`."""
        return self.inner.find(criteria, after, count, limit)

    def totals(self) -> dict[State, Total]:
        """See `Backend.totals`."""
        return self.inner.totals()

    def running(self, worker: str) -> list[Record]:
        """See `Backend.running`."""
        return self.inner.running(worker)

    def read_log(self, id: str, after: int = 0, count: int = LOG_AT_ONCE) -> list[Entry]:
        """See `Backend.read_log`."""
        return self.inner.read_log(id, after, count)

    def activity(self, after: int = 0, count: int = ACTIVITY_AT_ONCE) -> list[Deed]:
        """See `Backend.activity`."""
        return self.inner.activity(after, count)

    def queues(self) -> list[QueueInfo]:
        """See `Backend.queues`."""
        return self.inner.queues()

    def workers(self, now: float) -> list[WorkerInfo]:
        """See `Backend.workers`."""
        return self.inner.workers(now)

    def schedules(self, names: Sequence[str] | None = None) -> list[Schedule]:
        """See `Backend.schedules`."""
        return self.inner.schedules(names)

    def next_schedules(self, count: int) -> list[Schedule]:
        """See `Backend.next_schedules`."""
        return self.inner.next_schedules(count)

    def statistics(self, since: float, until: float) -> list[Tally]:
        """See `Backend.statistics`."""
        return self.inner.statistics(since, until)

    def counted(self) -> list[Tally]:
        """See `Backend.counted`."""
        return self.inner.counted()

    def listener(self) -> Listener:
        """See `Backend.listener`."""
        return self.inner.listener()
