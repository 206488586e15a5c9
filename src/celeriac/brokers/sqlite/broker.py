"""The verbs of the contract, each handed to the module that carries it out in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from celeriac.broker import (
    DEAD_AT_ONCE,
    DEFAULT_DEAD_RETENTION,
    DEFAULT_DEADLINE,
    DEFAULT_RETENTION,
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
    check_changes,
)
from celeriac.brokers.sqlite import (
    dead,
    explaining,
    finding,
    moves,
    notebook,
    replacing,
    schedules,
    sending,
    tallies,
    tending,
    workers,
)
from celeriac.brokers.sqlite import exchange as trips
from celeriac.brokers.sqlite.address import parse
from celeriac.brokers.sqlite.alive import Proofs, boot_id
from celeriac.brokers.sqlite.bell import SqliteBell
from celeriac.brokers.sqlite.examine import examine
from celeriac.brokers.sqlite.following import follow
from celeriac.brokers.sqlite.listener import SqliteListener
from celeriac.brokers.sqlite.rows import record
from celeriac.brokers.sqlite.store import Store
from celeriac.brokers.sqlite.transaction import Transaction, as_json, from_json
from celeriac.criteria import ANY, Criteria
from celeriac.errors import OperationalError
from celeriac.findings import Examination, Finding, Severity
from celeriac.message import Message, Record
from celeriac.outcome import LEASE_LOST, REVOKED, Settlement
from celeriac.states import State
from celeriac.steering import ACTIVITY_AT_ONCE, LOG_AT_ONCE, Command, Deed, Entry, Line, Pulse, pulse_fields
from celeriac.tally import Tally


class SqliteBroker(Broker):
    """Everything in one SQLite file.

    Args:
        url: `sqlite:///relative.db`, `sqlite:////absolute.db`; `?synchronous=full` survives power cuts.
        retention: seconds for which finished records are kept. dead_retention: those of failed tasks.
        deadline: seconds after which a verb gives up on a file that others keep locked.

    Raises:
        ConfigurationError: the URL names no file, or has an option that does not exist.
    """

    trip_size = 300  # a transaction has more steps than a script, each of which may wait for the interpreter

    def __init__(
        self,
        url: str,
        *,
        namespace: str = "celeriac",  # noqa: ARG002 - a file is one application's own
        retention: float = DEFAULT_RETENTION,
        dead_retention: float = DEFAULT_DEAD_RETENTION,
        deadline: float = DEFAULT_DEADLINE,
    ) -> None:
        self.url = url
        self._retention, self._deadline = tending.Retention(retention, dead_retention), deadline
        self._store = Store(parse(url), deadline)
        self._proofs = Proofs(self._store.place)
        self._known: dict[str, trips.Known] = {}
        self._unwritten: dict[str, int] = {}

    def open(self) -> None:
        """Create or check the file; see `Broker.open`."""
        self._store.open()

    def close(self) -> None:
        """Let go of the file; see `Broker.close`."""
        self._proofs.drop_all()
        self._store.close()

    def examine(self, now: float) -> Examination:  # noqa: ARG002
        """Look at the file; see `Broker.examine`."""
        found = examine(self._store.path, self._deadline)
        if found.usable:
            try:
                self._store.write(Transaction.column, "paused")
            except OperationalError as error:
                busy = Finding("store", Severity.ERROR, f"The store takes no writes: {error}.")
                return Examination((*found.findings, busy))
        return found

    def ping(self) -> None:
        """Return if the file answers; see `Backend.ping`."""
        self._store.open()

    # --- the hot path -----------------------------------------------------------------------------

    def send(self, messages: Sequence[Message], now: float) -> int:
        """Accept *messages*; see `Broker.send`."""
        try:
            return self._store.write(sending.send, messages, now) if messages else 0
        except sending.Repeated:
            return self._store.write(sending.send, messages, now, careful=True)

    def send_unique(self, messages: Sequence[Message], now: float) -> list[str]:
        """Send what nobody stands for; see `Broker.send_unique`."""
        return self._store.write(sending.send_unique, messages, now) if messages else []

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
        """Settle and claim in one step; see `Broker.exchange`."""
        known = self._known.get(worker) or self._ask(worker)
        rules = trips.Rules(want, tuple(queues) if queues else None, ageing)
        answer = self._trip(known, trip, finished, rules, now) if known else Exchanged(lost=True)
        if answer.lost:
            self._forget(worker)
        return answer

    def _trip(
        self, known: trips.Known, trip: int, finished: Sequence[Settlement], rules: trips.Rules, now: float
    ) -> Exchanged:
        if trip < self._unwritten.get(known.id, 0):  # a late copy
            return Exchanged(lost=self._store.read(Transaction.one, "worker_known", known.id) is None)
        if not finished and (idle := self._idle(known.id, trip, rules.want, now)) is not None:
            return idle
        make = self._store.write_after_others
        try:
            return make(trips.exchange, known, trip=trip, finished=finished, rules=rules, now=now)
        except trips.Refused:
            return make(
                trips.exchange, known, trip=trip, finished=finished, rules=rules, now=now, careful=True
            )

    def _idle(self, worker: str, trip: int, want: int, now: float) -> Exchanged | None:
        """Answer a trip that has nothing to do, without writing; None if it has something."""
        peeked = self._store.read(trips.peek, worker)
        if peeked is None:
            return Exchanged(lost=True)
        unwritten = self._unwritten.get(worker, 0)
        claimable = (
            peeked.ready or (peeked.parked and want > 0) or (peeked.due is not None and peeked.due <= now)
        )
        idle = not claimable and peeked.hungry == (want > 0)
        if trip > peeked.trip and (trip == unwritten or idle):
            self._unwritten[worker] = trip
            return Exchanged(stops=peeked.stops, due=peeked.due)
        return None

    def _ask(self, worker: str) -> trips.Known | None:
        """Read what a worker of another process, or of an earlier life of this object, knows."""
        row = self._store.read(Transaction.one, "worker_known", worker)
        if row is None:
            return None
        queues, names = map(from_json, row)
        known = trips.Known(worker, tuple(queues), frozenset(names), {})
        self._known[worker] = known
        return known

    def replace(
        self, worker: str, task: str, fence: int, graph: Sequence[Message], end: str, now: float
    ) -> bool:
        """Let other tasks take one's place; see `Broker.replace`."""
        done = self._store.write(replacing.replace, worker, task, fence, graph, end, now)
        if done and (known := self._known.get(worker)) is not None:
            known.held.pop(task, None)
            known.lanes.pop(task, None)
        return done

    def extend(self, join: str, messages: Sequence[Message], ends: Sequence[str], now: float) -> bool:
        """Let a join wait for more; see `Broker.extend`."""
        return self._store.write(replacing.extend, join, messages, ends, now)

    # --- workers ----------------------------------------------------------------------------------

    def enlist(self, worker: WorkerInfo, now: float) -> None:
        """Make *worker* known; see `Broker.enlist`."""
        if self._store.write(workers.enlist, worker, now, boot_id()):
            self._forget(worker.id)
        self._known[worker.id] = trips.Known(worker.id, worker.queues, worker.names, {})

    def heartbeat(
        self, workers_: Sequence[str], now: float, pulses: Mapping[str, Pulse] | None = None
    ) -> Beat:
        """Renew leases; see `Broker.heartbeat`."""
        return self._store.write(workers.heartbeat, workers_, now, pulses or {})

    def command(self, workers_: Sequence[str], command: Command, now: float) -> list[bool]:  # noqa: ARG002
        """Tell workers what to do; see `Broker.command`."""
        return self._store.write(notebook.command, workers_, command) if workers_ else []

    def write_log(self, worker: str, lines: Sequence[Line], now: float) -> list[str]:  # noqa: ARG002
        """Add lines to the logs of tasks; see `Broker.write_log`."""
        return self._store.write(notebook.write_log, worker, lines) if lines else []

    def note(self, deeds: Sequence[Deed], now: float) -> None:
        """Remember who did what; see `Broker.note`."""
        self._store.write(notebook.note, deeds, now)

    def retire(self, workers_: Sequence[str], now: float, error: bytes = LEASE_LOST) -> int:
        """Forget dead workers; see `Broker.retire`."""
        held = self._store.write(workers.retire, workers_, now, error)
        self._bury(workers_)
        return held

    def _bury(self, dead: Sequence[str]) -> None:
        self._proofs.drop(dead)
        for worker in dead:
            self._forget(worker)

    def _forget(self, worker: str) -> None:
        self._known.pop(worker, None)
        self._unwritten.pop(worker, None)

    def report(self, worker: str, reports: Sequence[Report], now: float) -> list[str]:  # noqa: ARG002
        """Keep progress; see `Broker.report`."""
        return self._store.write(workers.report, worker, reports) if reports else []

    def locally_dead(self) -> Sequence[str]:
        """Return the dead of this host; see `Broker.locally_dead`."""
        if not self._proofs.all_dead():  # so it nearly always is: the file need not be asked
            return []
        return self._proofs.dead(self._store.read(Transaction.column, "locally_dead", boot_id()))

    def hold_alive(self, worker: str) -> None:
        """Prove that *worker* lives; see `Broker.hold_alive`."""
        self._proofs.hold(worker)

    def bell(self, worker: str) -> Bell:
        """Return the bell of *worker*; see `Broker.bell`."""
        bell = SqliteBell(self._store.place, worker, lambda: self._store.write(workers.pass_on, worker))
        if bell.fileno() >= 0:
            self._store.write(Transaction.run, "bell_set", worker, worker)
        return bell

    # --- cancel, forget, purge, tend --------------------------------------------------------------

    def cancel(
        self, ids: Sequence[str], now: float, *, terminate: bool = False, error: bytes = REVOKED
    ) -> list[Cancelled]:
        """Revoke tasks; see `Broker.cancel`."""
        return self._store.write(tending.cancel, ids, now, terminate=terminate, error=error) if ids else []

    def reschedule(self, ids: Sequence[str], due: float, now: float) -> list[bool]:
        """Let scheduled tasks become due at another moment; see `Broker.reschedule`."""
        return self._store.write(tending.reschedule, ids, due, now)

    def requeue(self, ids: Sequence[str], now: float) -> list[bool]:
        """Queue failed tasks again; see `Broker.requeue`."""
        return self._store.write(dead.requeue, ids, now) if ids else []

    def forget(self, ids: Collection[str]) -> int:
        """Delete finished records; see `Broker.forget`."""
        return self._store.write(tending.forget, ids) if ids else 0

    def purge(self, queue: str, now: float, limit: int = TEND_LIMIT) -> int:
        """Cancel what has not started; see `Broker.purge`."""
        return self._store.write(tending.purge, queue, now, limit)

    def pause(self, queue: str, now: float) -> bool:  # noqa: ARG002
        """Have nothing claimed from a queue; see `Broker.pause`."""
        return self._store.write(tending.pause, queue)

    def resume(self, queue: str, now: float) -> bool:  # noqa: ARG002
        """Let a queue be claimed from again; see `Broker.resume`."""
        return self._store.write(tending.resume, queue)

    def secret(self, fresh: bytes) -> bytes:
        """Return the secret of this store; see `Broker.secret`."""
        return self._store.read(tending.secret) or self._store.write(tending.keep_secret, fresh)

    def advance(self, changes: Sequence[ScheduleChange], now: float) -> list[bool]:
        """Change schedules; see `Broker.advance`."""
        check_changes(changes)
        return self._store.write(schedules.advance, changes, now) if changes else []

    def tend(self, now: float, limit: int = TEND_LIMIT) -> Tended:
        """Do what time asks for; see `Broker.tend`."""
        needed = self._store.read(tending.look, now, self._retention)
        write = self._store.write
        buried, recovered = write(tending.bury, now, limit) if needed.bury else ([], 0)
        self._bury(buried)
        if buried:  # what they held may have expired
            needed = self._store.read(tending.look, now, self._retention)
        expired = write(tending.expire, now, limit) if needed.expire else 0
        if needed.wake:
            write(tending.wake_lanes, now)
        promoted = write(moves.promote, now, limit) if needed.promote else 0
        dropped = write(tending.drop, now, limit, self._retention) if needed.drop else 0
        told = write(follow, now, limit) if needed.follow else 0
        more = limit in (len(buried), expired, promoted, told, dropped)
        if needed.mark_news:
            write(tending.mark_news, now)
        if needed.drop_news:
            more = write(tending.drop_news, now, limit) or more
        if needed.idle_lanes:
            more = write(tending.drop_lanes, now, limit) or more
        if needed.age:
            more = write(tallies.age, now) or more
        self._store.tidy(listened=needed.hear)
        return Tended(promoted, recovered, expired, dropped, buried, more, needed.next_schedule)

    def count(self, teller: str, number: int, tallies_: Sequence[Tally], now: float) -> bool:
        """Keep what was counted; see `Broker.count`."""
        return self._store.write(tallies.count, teller, number, tallies_, now)

    # --- questions --------------------------------------------------------------------------------

    def statistics(self, since: float, until: float) -> list[Tally]:
        """Return what was counted; see `Backend.statistics`."""
        return self._store.read(tallies.between, since, until)

    def counted(self) -> list[Tally]:
        """Return what was ever counted; see `Backend.counted`."""
        return self._store.read(tallies.counted)

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """Return records; see `Backend.get`."""
        rows = self._store.read(Transaction.all, "get", as_json(ids))
        found = {row[0]: record(row) for row in rows}
        return [found.get(task_id) for task_id in ids]

    def parents(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[str]:
        """Return what a task waits for; see `Backend.parents`."""
        return self._store.read(Transaction.column, "parents", id, start, start + count)

    def inputs(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[tuple[str, bytes | None]]:
        """Return what a task is given; see `Backend.inputs`."""
        return self._store.read(Transaction.all, "inputs", id, start, start + count)

    def dependants(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[str]:
        """Return who waits for a task; see `Backend.dependants`."""
        return self._store.read(Transaction.column, "dependants", id, count, start)

    def explain(self, id: str, now: float) -> Situation | None:
        """Return what decides whether a task may be claimed; see `Backend.explain`."""
        return self._store.read(explaining.explain, id, now)

    def pending(self, after: str = "", count: int = PENDING_AT_ONCE) -> Pending:
        """Return some tasks that have not started; see `Backend.pending`."""
        return self._store.read(explaining.pending, after, count)

    def dead(self, after: str = "", count: int = DEAD_AT_ONCE, before: float | None = None) -> Dead:
        """Return some failed tasks; see `Backend.dead`."""
        return self._store.read(dead.dead, after, count, before)

    def find(
        self,
        criteria: Criteria = ANY,
        after: str = "",
        count: int = FOUND_AT_ONCE,
        limit: int = LOOKED_AT,
    ) -> Found:
        """Look for tasks; see `Backend.find`."""
        return self._store.read(finding.find, criteria, after, count, limit)

    def totals(self) -> dict[State, Total]:
        """Count tasks; see `Backend.totals`."""
        return self._store.read(finding.totals)

    def running(self, worker: str) -> list[Record]:
        """Return the records of what a worker holds; see `Backend.running`."""
        found = self.get(self._store.read(Transaction.column, "running", worker))
        return [each for each in found if each is not None]

    def read_log(self, id: str, after: int = 0, count: int = LOG_AT_ONCE) -> list[Entry]:
        """Return lines of a task's log; see `Backend.read_log`."""
        return self._store.read(notebook.read_log, id, after, count)

    def activity(self, after: int = 0, count: int = ACTIVITY_AT_ONCE) -> list[Deed]:
        """Return what was done last; see `Backend.activity`."""
        return self._store.read(notebook.activity, after, count)

    def queues(self) -> list[QueueInfo]:
        """Return the queues; see `Backend.queues`."""
        return self._store.read(_queues)

    def workers(self, now: float) -> list[WorkerInfo]:
        """Return the workers; see `Backend.workers`."""
        return [_worker(row) for row in self._store.read(Transaction.all, "workers", now)]

    def schedules(self, names: Sequence[str] | None = None) -> list[Schedule]:
        """Return schedules; see `Backend.schedules`."""
        return self._store.read(schedules.schedules, names)

    def next_schedules(self, count: int) -> list[Schedule]:
        """Return the first schedules that are due; see `Backend.next_schedules`."""
        return self._store.read(schedules.next_schedules, count)

    def listener(self) -> Listener:
        """Return a new ear; see `Backend.listener`."""
        return SqliteListener(self._store)


def _queues(transaction: Transaction) -> list[QueueInfo]:
    counts: dict[str, QueueInfo] = {}
    for name, state, parked, count in transaction.all("queues"):
        known = counts.get(name) or QueueInfo(name)
        if state < 0:
            counts[name] = msgspec.structs.replace(known, paused=True)
            continue
        change = {State(state).name.lower(): getattr(known, State(state).name.lower()) + count}
        if parked:
            change["parked" if parked == 1 else "held"] = count
        counts[name] = msgspec.structs.replace(known, **change)
    for name, oldest in transaction.all("oldest"):
        counts[name] = msgspec.structs.replace(counts.get(name) or QueueInfo(name), oldest=oldest)
    return [counts[name] for name in sorted(counts)]


def _worker(row: tuple[Any, ...]) -> WorkerInfo:
    identifier, name, host, pid, queues, *rest, pulse = row
    told = pulse_fields(pulse)
    return WorkerInfo(identifier, name, host, pid, tuple(from_json(queues)), frozenset(), *rest, **told)
