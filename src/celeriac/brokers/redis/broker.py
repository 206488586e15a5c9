"""The Redis store: every verb is one script, see `lua/`. Knows keys and fields; talks through `Client`.

Times in the store are the server's, see `skew`. Finished records end by themselves when the retention is
over (Redis's own expiry, by the server's clock).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
from redis.exceptions import RedisError

from celeriac.broker import (
    DEAD_AT_ONCE,
    DEFAULT_DEAD_RETENTION,
    DEFAULT_DEADLINE,
    DEFAULT_RETENTION,
    FOUND_AT_ONCE,
    LINKS_AT_ONCE,
    LOOKED_AT,
    MOST_BEFORE,
    PENDING_AT_ONCE,
    SOME,
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
from celeriac.brokers.alive import Directory, Proofs, boot_id, temporary
from celeriac.brokers.redis import finding, rights, wire
from celeriac.brokers.redis.bell import RedisBell
from celeriac.brokers.redis.connection import Client
from celeriac.brokers.redis.connection import Command as Words
from celeriac.brokers.redis.examine import MINIMUM_VERSION, examine
from celeriac.brokers.redis.faults import fault_of
from celeriac.brokers.redis.foreign import foreign_keys
from celeriac.brokers.redis.keys import SCHEMA_VERSION, Keys
from celeriac.brokers.redis.listener import RedisListener
from celeriac.brokers.redis.scripts import script
from celeriac.brokers.redis.skew import Skew
from celeriac.brokers.redis.url import Address, hidden, parse
from celeriac.clock import SystemClock
from celeriac.criteria import ANY, Criteria
from celeriac.errors import (
    OperationalError,
    PayloadTooLarge,
    SchemaError,
    StoreCorrupt,
    StoreReadOnly,
    UnknownTask,
)
from celeriac.findings import Examination
from celeriac.message import Message, Record, check_parents
from celeriac.outcome import EXPIRED, LEASE_LOST, PURGED, REVOKED, SUPERSEDED, Settlement
from celeriac.states import State
from celeriac.steering import (
    ACTIVITY_AT_ONCE,
    ACTIVITY_KEPT,
    LINE_COSTS,
    LOG_AT_ONCE,
    LOG_ATTEMPTS,
    LOG_RING,
    MOST_ACTIVITY,
    MOST_COMMANDS,
    Command,
    Deed,
    Entry,
    Line,
    Pulse,
)
from celeriac.tally import EVER, KEPT, TELLERS_KEPT, Tally

_log: Final = logging.getLogger("celeriac.redis")

LONGEST_RETENTION: Final = 100 * 365 * 86_400.0
BATCH: Final = 1_000
MOST_ARGUMENTS: Final = 1_000_000  # of one command; the server takes 1,048,576
EACH: Final = 0.000_1  # seconds that a batch may take longer for each of its tasks

_CODES: Final[dict[str, Cancelled]] = {
    "c": "cancelled",
    "s": "stopping",
    "n": "noted",
    "f": "final",
    "u": "unknown",
}


class RedisBroker(Broker):
    """The store on a Redis or Valkey server.

    Args:
        url: `redis://`, `rediss://`, `unix://` or `redis+sentinel://`; see the how-to on Redis.
        namespace: keeps applications apart; the URL's option of that name comes first.
        retention: seconds for which finished records are kept. dead_retention: those of failed tasks.
        deadline: seconds after which a verb gives up on a server that is away or busy.
        clock: `server` corrects this host's clock by the server's, `caller` does not.

    Raises:
        ConfigurationError: the URL or the namespace is wrong.
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        namespace: str = "celeriac",
        retention: float = DEFAULT_RETENTION,
        dead_retention: float = DEFAULT_DEAD_RETENTION,
        deadline: float = DEFAULT_DEADLINE,
        clock: str = "server",
    ) -> None:
        address = self._address = parse(url)
        self.url = hidden(url)
        self._keys = Keys(address.options.get("namespace", namespace))
        self._retention = f"{_milliseconds(retention)} {_milliseconds(dead_retention)}"
        self._skew = Skew(enabled=address.options.get("clock", clock) == "server")
        self._client = Client(address, where=self.url, deadline=deadline, greet=self._skew.measure)
        self._locks = Directory(temporary(_place_of(address, self._keys)))
        self._proofs = Proofs(self._locks)
        self._shared = (len(self._keys.shared), *self._keys.shared, self._keys.root)
        self._opened = False

    # --- opening ------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, check the server's version and the layout's; see `Broker.open`."""
        schema = self._keys.schema
        asked = [("INFO", "server"), ("INFO", "memory"), ("GET", schema)]
        server, memory, found = self._client.ask_all(asked)
        if found is None:  # else nothing is written: a worker may come to a store that is full
            _, found = self._client.ask_all([("SETNX", schema, SCHEMA_VERSION), ("GET", schema)])
        version = self._sound(found) or b""
        self._check_version(_facts(server).get("redis_version", "0"))
        if version != SCHEMA_VERSION.encode():
            raise SchemaError(
                f"{self.url}: {schema} says {version.decode(errors='replace')!r}, this Celeriac needs "
                f"{SCHEMA_VERSION!r}; use another namespace, or the version of Celeriac that wrote it"
            )
        _warn_of_eviction(self.url, _facts(memory))
        self._opened = True

    def _check_version(self, version: str) -> None:
        if tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) < MINIMUM_VERSION:
            raise OperationalError(
                f"{self.url} runs Redis {version}; Celeriac needs Redis 6.2 or newer, or Valkey"
            )

    def close(self) -> None:
        """Close all idle connections, let go of all locks; see `Broker.close`."""
        self._client.drop()
        self._proofs.drop_all()
        self._locks.tidy()
        self._opened = False

    def ping(self) -> None:
        """Return if the server answers."""
        self._client.ask_all([("PING",)])

    def examine(self, now: float) -> Examination:  # noqa: ARG002
        """Look at the server; see `Broker.examine`."""
        corrected = self._skew.enabled
        return examine(
            self._client, self._keys, self._address, corrected=corrected, ask_rights=self._missing_rights
        )

    def _missing_rights(self) -> tuple[str, ...] | None:
        """Ask what this user may not run; without opening, which would write."""
        given: Words = (*self._shared, 0.0, self._retention, 0, *rights.calls(self._keys))
        return rights.missing(self._client.call(script("rights"), lambda _: given))

    def _call(
        self,
        verb: str,
        now: float,
        *arguments: Any,
        patience: float = 0.0,
    ) -> Any:
        """Run the script of *verb*; *now* is the caller's. Scripts hear which try this is.

        Args:
            patience: see `Client.call`.
        """
        if not self._opened:
            self.open()
        shared, moment, retention = self._shared, now + self._skew.seconds, self._retention
        try:
            return self._client.call(
                script(verb),
                lambda attempt: (*shared, moment, retention, attempt, *arguments),
                patience=patience,
            )
        except StoreCorrupt as error:
            raise self._named(error) from error.__cause__

    def _sound(self, reply: Any) -> Any:
        """Return *reply* unless it says that a key is of another type."""
        if isinstance(reply, RedisError):
            raise self._named(fault_of(reply, self.url).error) from reply
        return reply

    def _named(self, error: OperationalError) -> StoreCorrupt:
        """Name the keys that are not of our kind, and what to do."""
        named = ", ".join(foreign_keys(self._client, self._keys)[:5]) or "it could not be found"
        return StoreCorrupt(
            f"{error}: {named}; move the other program's data to another database, or take another namespace"
        )

    # --- send, exchange -------------------------------------------------------------------------------

    def send(self, messages: Sequence[Message], now: float) -> int:
        """Accept *messages*; see `Broker.send`."""
        if not messages:
            return 0
        messages, patience = self._skew.messages(messages), len(messages) * EACH
        if any(message.after is not None for message in messages):
            return self._send_graph(messages, now, patience)
        return int(self._call("send", now, *wire.grouped(messages), patience=patience))

    def _send_graph(self, messages: Sequence[Message], now: float, patience: float) -> int:
        return int(self._graph("send_graph", messages, now, patience=patience))

    def send_unique(self, messages: Sequence[Message], now: float) -> list[str]:
        """Send what nobody stands for; see `Broker.send_unique`."""
        if not messages:
            return []
        written = wire.uniques(self._skew.messages(messages))
        answers = self._call("send_unique", now, SUPERSEDED, *written, patience=len(messages) * EACH)
        return [answer.decode() for answer in answers]

    def replace(
        self, worker: str, task: str, fence: int, graph: Sequence[Message], end: str, now: float
    ) -> bool:
        """Let other tasks take one's place; see `Broker.replace`."""
        patience, given = len(graph) * EACH, (worker, task, fence, end, REVOKED)
        return bool(self._graph("replace", self._skew.messages(graph), now, *given, patience=patience))

    def extend(self, join: str, messages: Sequence[Message], ends: Sequence[str], now: float) -> bool:
        """Let a join wait for more; see `Broker.extend`."""
        given = join, len(ends), *ends
        patience = len(messages) * EACH
        return bool(self._graph("extend", self._skew.messages(messages), now, *given, patience=patience))

    def _graph(self, verb: str, messages: Sequence[Message], now: float, *given: Any, patience: float) -> int:
        first: dict[str, Message] = {}
        for message in messages:
            first.setdefault(message.id, message)
        written = wire.graph(list(first.values()), 5 + len(given))
        if len(written) > MOST_ARGUMENTS:
            raise PayloadTooLarge(
                f"{len(messages):,} tasks that wait for each other are too many for one command of Redis: "
                "send them in parts, or use chunks"
            )
        sent = self._call(verb, now, *given, *written, patience=patience)
        if isinstance(sent, int):
            return sent
        unknown = sent.decode()
        for message in messages:
            if message.after is not None and unknown in message.after.parents:
                check_parents(message, set(message.after.parents) - {unknown})
        raise UnknownTask(f"no task has the id {unknown!r}")

    def enlist(self, worker: WorkerInfo, now: float) -> None:
        """Make *worker* known; see `Broker.enlist`."""
        described = msgspec.json.encode(msgspec.structs.replace(worker, names=frozenset(), running=0))
        ends = now + self._skew.seconds + worker.lease
        what = worker.id, ends, worker.lease, described, " ".join(worker.queues), boot_id()
        self._call("enlist", now, *what, *sorted(worker.names))

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
        settled = wire.settlements(self._skew.settlements(finished))
        rules = " ".join(queues or ()), "" if ageing is None else repr(float(ageing))
        given = worker, trip, want, EXPIRED, REVOKED, wire.BROKEN, *rules
        reply = self._call("exchange", now, *given, *settled)
        answer = wire.exchanged(reply)
        if self._skew.seconds and answer.due is not None:
            return msgspec.structs.replace(answer, due=self._skew.back(answer.due))
        return answer

    # --- workers --------------------------------------------------------------------------------------

    def heartbeat(
        self, workers: Sequence[str], now: float, pulses: Mapping[str, Pulse] | None = None
    ) -> Beat:
        """Renew leases, and measure the clocks' difference; see `Broker.heartbeat`."""
        before = SystemClock.now()
        told = [part for worker in workers for part in wire.pulse(worker, (pulses or {}).get(worker))]
        time, *reply = self._call("heartbeat", now, *told)
        self._skew.learn(before, time, SystemClock.now())
        found = {worker: answer for worker, answer in zip(workers, reply, strict=True) if answer is not None}
        stops = {worker: self._stops(flat) for worker, (flat, _) in found.items() if flat}
        commands: dict[str, Sequence[Command]] = {
            worker: wire.commands(entries) for worker, (_, entries) in found.items() if entries
        }
        return Beat([worker for worker in workers if worker not in found], stops, commands)

    def _stops(self, flat: Sequence[bytes]) -> dict[str, float]:
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return {task.decode(): float(since) - self._skew.seconds for task, since in pairs}

    def command(self, workers: Sequence[str], command: Command, now: float) -> list[bool]:
        """Tell workers what to do; see `Broker.command`."""
        answers = self._call("command", now, command.verb, command.task, MOST_COMMANDS, *workers)
        return [answer == 1 for answer in answers]

    def write_log(self, worker: str, lines: Sequence[Line], now: float) -> list[str]:
        """Add lines to the logs of tasks; see `Broker.write_log`."""
        rules = LOG_RING, LINE_COSTS, LOG_ATTEMPTS
        refused = self._call("write_log", now, worker, *rules, *wire.log_lines(lines, self._skew.seconds))
        return list(dict.fromkeys(each.decode() for each in refused))

    def note(self, deeds: Sequence[Deed], now: float) -> None:
        """Remember who did what; see `Broker.note`."""
        ahead = self._skew.seconds
        written = [part for deed in deeds for part in (deed.at + ahead, deed.body)]
        self._call("note", now, MOST_ACTIVITY, now + ahead - ACTIVITY_KEPT, *written)

    def retire(self, workers: Sequence[str], now: float, error: bytes = LEASE_LOST) -> int:
        """Forget dead workers; see `Broker.retire`."""
        held = int(self._call("retire", now, error, REVOKED, *workers))
        self._proofs.drop(workers)
        return held

    def report(self, worker: str, reports: Sequence[Report], now: float) -> list[str]:
        """Keep progress; see `Broker.report`."""
        return [refused.decode() for refused in self._call("report", now, worker, *wire.reports(reports))]

    def locally_dead(self) -> Sequence[str]:
        """Return the dead of this host; see `Broker.locally_dead`.

        The server is asked only when a lock is free: whether it knows that worker (else somebody has
        retired it), and that it ran on this kernel (one that shares the directory has locks of its own).
        """
        free = self._proofs.all_dead()
        if not free:
            return ()
        boots = self._ask([("HGET", self._keys.worker(worker), "k") for worker in free])
        known = dict(zip(free, map(self._sound, boots), strict=True))
        self._proofs.drop(worker for worker, boot in known.items() if boot is None)
        return [worker for worker, boot in known.items() if boot == boot_id().encode()]

    def hold_alive(self, worker: str) -> None:
        """Prove that *worker* lives, where a lock file can be made; see `Broker.hold_alive`."""
        try:
            self._proofs.hold(worker)
        except (OSError, StoreReadOnly) as error:
            _log.warning(
                "if worker %s is killed, its tasks wait until its lease ends: no lock file, because %s",
                worker,
                error,
            )

    # --- cancel, forget, purge, tend ------------------------------------------------------------------

    def cancel(
        self, ids: Sequence[str], now: float, *, terminate: bool = False, error: bytes = REVOKED
    ) -> list[Cancelled]:
        """Revoke tasks; see `Broker.cancel`."""
        codes = self._call("cancel", now, error, int(terminate), *ids, patience=len(ids) * EACH)
        return [_CODES[code] for code in codes.decode()]

    def reschedule(self, ids: Sequence[str], due: float, now: float) -> list[bool]:
        """Let scheduled tasks become due at another moment; see `Broker.reschedule`."""
        moved = self._call("reschedule", now, due + self._skew.seconds, *ids, patience=len(ids) * EACH)
        return [answer == 1 for answer in moved]

    def requeue(self, ids: Sequence[str], now: float) -> list[bool]:
        """Queue failed tasks again; see `Broker.requeue`."""
        return [answer == 1 for answer in self._call("requeue", now, *ids, patience=len(ids) * EACH)]

    def forget(self, ids: Collection[str]) -> int:
        """Delete finished records; see `Broker.forget`."""
        return int(self._call("forget", 0.0, *ids, patience=len(ids) * EACH))

    def purge(self, queue: str, now: float, limit: int = TEND_LIMIT) -> int:
        """Cancel what has not started; see `Broker.purge`."""
        return int(self._call("purge", now, queue, limit, PURGED))

    def pause(self, queue: str, now: float) -> bool:
        """Have nothing claimed from a queue; see `Broker.pause`."""
        return bool(self._call("pause", now, queue))

    def resume(self, queue: str, now: float) -> bool:
        """Let a queue be claimed from again; see `Broker.resume`."""
        return bool(self._call("resume", now, queue))

    def secret(self, fresh: bytes) -> bytes:
        """Return the secret of this store; see `Broker.secret`."""
        key = self._keys.secret
        [known] = self._ask([("GET", key)])
        if known is None:
            _, known = self._ask([("SETNX", key, fresh), ("GET", key)])
        return bytes(self._sound(known))

    def advance(self, changes: Sequence[ScheduleChange], now: float) -> list[bool]:
        """Change schedules; see `Broker.advance`."""
        check_changes(changes)
        if not changes:
            return []
        moved = [
            msgspec.structs.replace(each, messages=tuple(self._skew.messages(each.messages)))
            for each in changes
        ]
        answers = self._call("advance", now, *wire.changes(moved), patience=len(changes) * EACH)
        return [answer == 1 for answer in answers]

    @property
    def ahead(self) -> float:
        """How many seconds the server's clock is ahead; see `Broker.ahead`."""
        return self._skew.seconds

    def tend(self, now: float, limit: int = TEND_LIMIT) -> Tended:
        """Do what time asks for; see `Broker.tend`.

        `dropped` is always 0: the server itself drops the records whose retention is over.
        """
        promoted, recovered, expired, more, coming, *buried = self._call(
            "tend", now, limit, LEASE_LOST, EXPIRED, REVOKED
        )
        dead = [worker.decode() for worker in buried]
        self._proofs.drop(dead)
        return Tended(promoted, recovered, expired, 0, dead, bool(more), float(coming) if coming else None)

    def count(self, teller: str, number: int, tallies: Sequence[Tally], now: float) -> bool:
        """Keep what was counted; see `Broker.count`."""
        rows = wire.tallies(tallies, self._skew.seconds)
        return bool(self._call("count", now, teller, number, TELLERS_KEPT * 1000, *rows))

    # --- questions --------------------------------------------------------------------------------------

    def statistics(self, since: float, until: float) -> list[Tally]:
        """Return what was counted; see `Backend.statistics`.

        No script, since it may be much. A bucket may be put into a larger one meanwhile: then all are read
        again.
        """
        ahead = self._skew.seconds
        buckets = self._buckets(since + ahead, until + ahead)
        while True:
            found = [
                tally
                for start in range(0, len(buckets), BATCH)
                for tally in self._tallies(buckets[start : start + BATCH])
            ]
            after = self._buckets(since + ahead, until + ahead)
            if set(buckets) <= set(after):
                return found
            buckets = after

    def _buckets(self, since: float, until: float) -> list[tuple[int, int]]:
        asked = [
            ("ZRANGEBYSCORE", self._keys.tallies(step), f"({since - step!r}", f"({until!r}") for step in KEPT
        ]
        replies = map(self._sound, self._ask(asked))
        return [
            (step, int(moment)) for step, moments in zip(KEPT, replies, strict=True) for moment in moments
        ]

    def _tallies(self, buckets: Sequence[tuple[int, int]]) -> list[Tally]:
        replies = self._ask([("HGETALL", self._keys.tally(*bucket)) for bucket in buckets])
        return [
            tally
            for (step, moment), reply in zip(buckets, replies, strict=True)
            for tally in wire.bucket(step, moment, self._sound(reply), self._skew.seconds)
        ]

    def counted(self) -> list[Tally]:
        """Return what was ever counted; see `Backend.counted`."""
        return self._tallies([(EVER, 0)])

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """Return records; see `Backend.get`."""
        found: list[Record | None] = []
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            replies = self._ask([("HGETALL", self._keys.record(task_id)) for task_id in some])
            found += (self._record(task_id, reply) for task_id, reply in zip(some, replies, strict=True))
        return found

    def _record(self, task_id: str, reply: Any) -> Record | None:
        flat = wire.FOREIGN if isinstance(reply, Exception) else reply
        return self._skew.record(wire.record(task_id, flat))

    def _ask(self, commands: Sequence[Words]) -> list[Any]:
        if not self._opened:
            self.open()
        return self._client.ask_all(commands)

    def parents(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[str]:
        """Return what a task waits for; see `Backend.parents`."""
        return self._list(self._keys.parents(id), start, count)

    def inputs(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[tuple[str, bytes | None]]:
        """Return what a task is given; see `Backend.inputs`."""
        parents = self.parents(id, start, count)
        found = self._ask([("HMGET", self._keys.record(each), "s", "v", "m") for each in parents])
        return [(each, wire.own_result(fields)) for each, fields in zip(parents, found, strict=True)]

    def dependants(self, id: str, start: int = 0, count: int = LINKS_AT_ONCE) -> list[str]:
        """Return who waits for a task; see `Backend.dependants`."""
        return [entry.partition(" ")[0] for entry in self._list(self._keys.children(id), start, count)]

    def _list(self, key: str, start: int, count: int) -> list[str]:
        [entries] = self._ask([("LRANGE", key, start, start + count - 1)])
        return [entry.decode() for entry in self._sound(entries)]

    def explain(self, id: str, now: float) -> Situation | None:
        """Return what decides whether a task may be claimed; see `Backend.explain`."""
        reply = self._call("explain", now, id, MOST_BEFORE, SOME)
        record = self._record(id, reply[0]) if reply else None
        if record is None:
            return None
        paused, where, *counts = reply[1:8]
        listening, knowing, free, before, waits = counts
        parents, running, holders, wakes = reply[8:]
        return Situation(
            record,
            paused=paused == b"1",
            parked=where == b"p",
            held=where == b"h",
            listening=listening,
            knowing=knowing,
            free=free,
            before=before,
            parents=tuple(parent.decode() for parent in parents),
            open=waits,
            running=running,
            holders=tuple(holder.decode() for holder in holders),
            wakes=self._skew.back(float(wakes)) if wakes else None,
        )

    def pending(self, after: str = "", count: int = PENDING_AT_ONCE) -> Pending:
        """Return some tasks that have not started; see `Backend.pending`."""
        cursor, *found = self._call("pending", 0.0, after or "0", count)
        records = (self._record(task_id.decode(), flat) for task_id, flat in found)
        return Pending([each for each in records if each], "" if cursor == b"0" else cursor.decode())

    def dead(self, after: str = "", count: int = DEAD_AT_ONCE, before: float | None = None) -> Dead:
        """Return some failed tasks; see `Backend.dead`."""
        until = "" if before is None else before + self._skew.seconds
        following, *found = self._call("dead", 0.0, after, count, until)
        records = (self._record(task_id.decode(), flat) for task_id, flat in found)
        return Dead([each for each in records if each], following.decode())

    def find(
        self,
        criteria: Criteria = ANY,
        after: str = "",
        count: int = FOUND_AT_ONCE,
        limit: int = LOOKED_AT,
    ) -> Found:
        """Look for tasks; see `Backend.find`."""

        def ask(*arguments: Any) -> Any:
            return self._call("find", 0.0, *arguments)

        return finding.find(ask, self._record, criteria, self._skew.seconds, after, count, limit)

    def totals(self) -> dict[State, Total]:
        """Count tasks; see `Backend.totals`."""
        return finding.totals(self._call("totals", 0.0))

    def running(self, worker: str) -> list[Record]:
        """Return the records of what a worker holds; see `Backend.running`."""
        [fields] = self._ask([("HKEYS", self._keys.running(worker))])
        ids = sorted(field.decode() for field in self._sound(fields) if not field.startswith(b" "))
        return [each for each in self.get(ids) if each is not None and each.worker == worker]

    def read_log(self, id: str, after: int = 0, count: int = LOG_AT_ONCE) -> list[Entry]:
        """Return lines of a task's log; see `Backend.read_log`."""
        found = self._call("read_log", 0.0, id, after, count, LOG_ATTEMPTS)
        return wire.log_entries(found, self._skew.seconds)

    def activity(self, after: int = 0, count: int = ACTIVITY_AT_ONCE) -> list[Deed]:
        """Return what was done last; see `Backend.activity`."""
        return wire.deeds(self._call("activity", 0.0, after, count), self._skew.seconds)

    def queues(self) -> list[QueueInfo]:
        """Return the queues; see `Backend.queues`."""
        flat, members, firsts = self._call("queues", 0.0)
        paused = {queue.decode(errors="replace") for queue in members}
        counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        for kind, queue, count in wire.counted(zip(flat[::2], flat[1::2], strict=True)):
            for name in _COUNTED.get(kind, ("queued",)):
                counts[queue][name] += count
        names = sorted(paused.union(counts))
        oldest = wire.oldest(firsts, self._skew.seconds)
        return [
            QueueInfo(name, **counts[name], paused=name in paused, oldest=oldest.get(name)) for name in names
        ]

    def workers(self, now: float) -> list[WorkerInfo]:
        """Return the workers; see `Backend.workers`."""
        found = (wire.worker(*fields) for _, *fields in self._call("workers", now))
        return sorted(map(self._skew.worker, filter(None, found)), key=lambda one: one.id)

    def schedules(self, names: Sequence[str] | None = None) -> list[Schedule]:
        """Return schedules; see `Backend.schedules`."""
        if names is not None and not names:
            return []
        found = map(wire.schedule, self._call("schedules", 0.0, "", *dict.fromkeys(names or ())))
        return sorted(found, key=lambda one: one.name)

    def next_schedules(self, count: int) -> list[Schedule]:
        """Return the first schedules that are due; see `Backend.next_schedules`."""
        return [wire.schedule(fields) for fields in self._call("schedules", 0.0, count)]

    def listener(self) -> Listener:
        """Return a new ear; see `Backend.listener`."""
        return RedisListener(self._client, self._keys, self._watch)

    def _watch(self, listener: str, ids: Sequence[str]) -> list[Record | None]:
        replies = self._call("watch", 0.0, listener, *ids, patience=len(ids) * EACH)
        return [self._record(task_id, reply) for task_id, reply in zip(ids, replies, strict=True)]

    def bell(self, worker: str) -> Bell:
        """Return the bell of *worker*; see `Broker.bell`."""
        self._call("bell", 0.0, worker)
        return RedisBell(self._client, self._keys.bell(worker), lambda: self._call("ring", 0.0, worker))


_COUNTED: Final = {
    "h": ("queued", "held"),
    "s": ("scheduled",),
    "r": ("running",),
    "p": ("queued", "parked"),
    "w": ("waiting",),
}


def _milliseconds(retention: float) -> int:
    return max(1, int(min(retention, LONGEST_RETENTION) * 1000))


def _place_of(address: Address, keys: Keys) -> bytes:
    """Return what all workers have in common that serve one namespace of one server; no password."""
    hosts = ",".join(f"{host}:{port}" for host, port in address.hosts)
    return f"{hosts} {address.path} {address.service} {address.db} {keys.root}".encode()


def _facts(info: bytes) -> dict[str, str]:
    """Read the reply of INFO."""
    pairs = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    return {name: value for name, _, value in pairs}


def _warn_of_eviction(where: str, facts: dict[str, str]) -> None:
    policy = facts.get("maxmemory_policy", "")
    if policy.startswith("allkeys") and facts.get("maxmemory", "0") != "0":
        _log.warning(
            "the store may delete tasks when its memory is full: maxmemory-policy of %s is %s, "
            "it should be noeviction",
            where,
            policy,
        )
