"""Random operations, and a driver that does each of them to two stores and compares all that can be seen.

Times are chosen so that nothing falls due exactly at a moment of the clock: the stores may correct `now` by
the milliseconds that a server's clock differs. The tests beside this one look at the exact moments.
"""

import itertools
import random
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from celeriac.broker import (
    Beat,
    Broker,
    Exchanged,
    Report,
    Schedule,
    ScheduleChange,
    Tended,
    WorkerInfo,
)
from celeriac.clock import ManualClock
from celeriac.criteria import UNENDED, Criteria
from celeriac.errors import UnknownTask
from celeriac.lanes import Limit
from celeriac.message import After, Delivery, Message, Record, Unique
from celeriac.outcome import Settlement
from celeriac.sealing import SealedBroker
from celeriac.states import State, Verdict
from celeriac.steering import Command, Entry, Line, Pulse, Verb
from celeriac.tally import Tally, begin

_BY_TRIP = [verdict for verdict in Verdict if verdict is not Verdict.REPLACED]
IDS = tuple(f"t:{number}" for number in range(24))
WORKERS = ("w:0", "w:1", "w:2", "never-enlisted")
QUEUES = ("mail", "mail:1", "default")
LIMITS = (
    Limit("fair:1"),
    Limit("fair:2"),
    Limit("one", concurrency=1),
    Limit("two", concurrency=2),
    Limit("rate", rate=0.4, burst=2.25),
    Limit("both", rate=0.3, burst=1.35, concurrency=1),
)
NAMES = ("shop.add", "shop.mail", "shop.strange")


# --- operations ---------------------------------------------------------------------------------


class Sent(NamedTuple):
    id: str
    name: str = NAMES[0]
    queue: str = QUEUES[0]
    priority: int = 0
    eta: float | None = None  # this and all times below: seconds from now
    expires: float | None = None
    crash_limit: int = 1
    after: After | None = None
    limit: Limit | None = None


class Send(NamedTuple):
    batch: Sequence[Sent]


class Enlist(NamedTuple):
    worker: str
    names: Sequence[str] = NAMES
    queues: Sequence[str] = QUEUES
    lease: float = 20.5


class Finish(NamedTuple):
    """Settle a claim: one that the worker holds when *own*, else any that was ever seen."""

    pick: int
    own: bool = True
    verdict: Verdict = Verdict.SUCCEEDED
    due: float | None = None
    body: bytes = b"1"


class Trip(NamedTuple):
    """A trip under the next number (0), the last (-1) or an older one (-2)."""

    worker: str
    want: int = 1
    finished: Sequence[Finish] = ()
    number: int = 0
    turned: bool = False
    ageing: float | None = None


class Heartbeat(NamedTuple):
    workers: Sequence[str]
    done: int = 0  # what its pulse says; 0 for no pulse
    hears: bool = False  # whether it has heard all that it was told


class Order(NamedTuple):
    workers: Sequence[str]
    verb: Verb = "drain"


class Say(NamedTuple):
    worker: str
    pick: int
    own: bool = True
    bodies: Sequence[bytes] = (b"said",)


class Retire(NamedTuple):
    workers: Sequence[str]


class Tell(NamedTuple):
    worker: str
    pick: int
    own: bool = True
    state: str | None = None
    meta: bytes | None = None
    checkpoint: bytes | None = None
    children: Sequence[str] = ()


class Cancel(NamedTuple):
    ids: Sequence[str]
    terminate: bool = False
    error: bytes = b'"revoked"'


class Forget(NamedTuple):
    ids: Sequence[str]


class Purge(NamedTuple):
    queue: str


class Reschedule(NamedTuple):
    ids: Sequence[str]
    seconds: int


class Requeue(NamedTuple):
    ids: Sequence[str]


class Pause(NamedTuple):
    queue: str


class Resume(NamedTuple):
    queue: str


class SendUnique(NamedTuple):
    batch: Sequence[tuple[Sent, Unique]]


class Change(NamedTuple):
    """Change a schedule, and send with it; with *right* as who saw its last change, else as somebody late."""

    name: str
    right: bool
    due: float | None
    paused: bool
    gone: bool
    batch: Sequence[Sent]


class Count(NamedTuple):
    """Count something under the teller's next number, or under his last one once more."""

    teller: str
    again: bool
    rows: Sequence[tuple[float, str, str, dict[int, int]]]  # seconds ago, queue, name, numbers


class Tend(NamedTuple):
    pass


class Advance(NamedTuple):
    seconds: int


Operation = (
    Send | Enlist | Trip | Heartbeat | Retire | Tell | Cancel | Forget | Purge | Reschedule | Requeue
    | Pause | Resume | Order | Say
    | SendUnique | Change | Count | Tend | Advance
)  # fmt: skip


def an_operation(chance: random.Random) -> Operation:
    """Draw one operation."""
    [make] = chance.choices([*_MAKERS], [*_MAKERS.values()])
    return make(chance)


def _some(chance: random.Random, things: Sequence[str], most: int) -> list[str]:
    return [chance.choice(things) for _ in range(chance.randint(1, most))]


def _body(chance: random.Random) -> bytes:
    return chance.choice((b"1", b"2", b"", bytes(range(256))))


def _a_sent(chance: random.Random) -> Sent:
    return Sent(
        id=chance.choice(IDS),
        name=chance.choice(NAMES[:1] * 4 + NAMES),
        queue=chance.choice(QUEUES[:1] * 3 + QUEUES),
        priority=chance.choice((0, 0, 0, 0, 0, 1, 9)),
        eta=chance.choice((None,) * 6 + (-1.5, 2.5, 2.5, 7.5)),
        expires=chance.choice((None,) * 8 + (-1.5, 1.5, 12.5)),
        crash_limit=chance.choice((0, 1, 1, 2)),
        limit=chance.choice((None,) * 4 + LIMITS),
    )


def _a_batch(chance: random.Random) -> list[Sent]:
    """Tasks of which some wait for others: for those with lower numbers, so never in a circle."""
    batch = [_a_sent(chance) for _ in range(chance.randint(1, 7))]
    if chance.random() < 0.5:
        return batch
    return [
        sent._replace(after=_an_after(chance, sent, batch)) if chance.random() < 0.6 else sent
        for sent in batch
    ]


def _an_after(chance: random.Random, sent: Sent, batch: Sequence[Sent]) -> After:
    place = IDS.index(sent.id)
    near = sorted({other.id for other in batch if IDS.index(other.id) < place}) or IDS[:place]
    parents = tuple(chance.sample(near, min(len(near), chance.choice((1, 1, 1, 2, 3)))))
    if parents and chance.random() < 0.2:
        return After(parents[:1], on="failure")
    countdown = chance.choice((None,) * 5 + (2.5,))
    return After(parents, join=not parents or chance.random() < 0.25, countdown=countdown)


def _finishes(chance: random.Random) -> list[Finish]:
    """Settlements for one trip; now and then many alike, as at a shutdown."""
    if chance.random() < 0.3:
        verdict = chance.choice((Verdict.RELEASE, Verdict.CRASHED, Verdict.RETRY))
        return [Finish(place, verdict=verdict) for place in range(chance.randint(2, 4))]
    return [_a_finish(chance) for _ in range(chance.choice((0, 1, 1, 2, 3)))]


def _a_finish(chance: random.Random) -> Finish:
    return Finish(
        pick=chance.randrange(10),
        own=chance.random() < 0.85,
        verdict=chance.choice([*_BY_TRIP, Verdict.RETRY, Verdict.RELEASE, Verdict.RELEASE, Verdict.CRASHED]),
        due=chance.choice((None,) * 5 + (-1.5, 2.5, 2.5, 7.5)),
        body=_body(chance),
    )


def _a_trip(chance: random.Random) -> Trip:
    return Trip(
        worker=chance.choices(WORKERS, (8, 5, 2, 1))[0],
        want=chance.choice((0, 1, 2, 3, 10)),
        finished=_finishes(chance),
        number=chance.choice((0,) * 7 + (-1, -1, -2, -2)),
        turned=chance.random() < 0.2,
        ageing=chance.choice((None,) * 4 + (0.5, 3.0)),
    )


def _an_enlist(chance: random.Random) -> Enlist:
    return Enlist(
        worker=chance.choice(WORKERS[:3]),
        names=chance.choice((NAMES, NAMES, NAMES[:1], NAMES[:1], NAMES[:2], NAMES[2:], ())),
        queues=chance.choice((QUEUES, QUEUES, QUEUES[::-1], QUEUES[:1], QUEUES[1:])),
        lease=chance.choice((20.5, 20.5, 4.5)),
    )


def _a_tell(chance: random.Random) -> Tell:
    return Tell(
        worker=chance.choice(WORKERS[:2]),
        pick=chance.choice((0, 0, 1, 2, 5)),
        own=chance.random() < 0.8,
        state=chance.choice((None, "", "PROGRESS")),
        meta=chance.choice((None, _body(chance))),
        checkpoint=chance.choice((None, _body(chance))),
        children=_some(chance, IDS, 3) if chance.random() < 0.3 else (),
    )


def _a_cancel(chance: random.Random) -> Cancel:
    return Cancel(_some(chance, IDS, 4), chance.random() < 0.5, _body(chance))


def _a_unique(chance: random.Random) -> Unique:
    return Unique(
        name=chance.choice(("u:1", "u:1", "u:2")),
        until=chance.choice(("done", "done", "forgotten")),
        seconds=chance.choice((None, None, None, 4.5)),
        replace=chance.random() < 0.3,
    )


def _a_change(chance: random.Random) -> Change:
    return Change(
        name=chance.choice(("daily", "daily ☀", "weekly")),
        right=chance.random() < 0.8,
        due=chance.choice((None, 100.25, 200.25, 200.25, 300.5)),
        paused=chance.random() < 0.2,
        gone=chance.random() < 0.2,
        batch=_a_batch(chance) if chance.random() < 0.6 else (),
    )


def _a_count(chance: random.Random) -> Count:
    hour = 3_600
    rows = [
        (
            chance.choice((0, 0, 0, 90, 50 * hour, 50 * hour + 61, 32 * 24 * hour, 402 * 24 * hour)),
            chance.choice(QUEUES),
            chance.choice(("", *NAMES)),
            {chance.choice((0, 1, 8, 16, 17, 40)): chance.choice((1, 2, 10**12))},
        )
        for _ in range(chance.randint(1, 4))
    ]
    return Count(chance.choice(("teller:1", "teller:2")), chance.random() < 0.2, rows)


_MAKERS: dict[Callable[[random.Random], Operation], int] = {
    lambda chance: Send(_a_batch(chance)): 5,
    _a_trip: 14,
    _an_enlist: 2,
    lambda chance: Heartbeat(
        _some(chance, WORKERS, 2), chance.choice((0, 0, 3, 7)), chance.random() < 0.3
    ): 2,
    lambda chance: Order(_some(chance, WORKERS, 3), chance.choice(("drain", "resume", "stop"))): 1,
    lambda chance: Say(
        chance.choice(WORKERS[:2]), chance.choice((0, 0, 1, 2)), chance.random() < 0.8, [_body(chance)] * 2
    ): 2,
    lambda chance: Retire(_some(chance, WORKERS, 2)): 1,
    _a_tell: 2,
    _a_cancel: 3,
    lambda chance: Forget(_some(chance, IDS, 8)): 2,
    lambda chance: Purge(chance.choice(QUEUES)): 1,
    lambda chance: Reschedule(_some(chance, IDS, 6), chance.choice((-1, 0, 1, 2, 5))): 2,
    lambda chance: Requeue(_some(chance, IDS, 12)): 4,
    lambda chance: Pause(chance.choice(QUEUES)): 1,
    lambda chance: Resume(chance.choice(QUEUES)): 2,
    lambda chance: _a_change(chance): 3,
    lambda chance: SendUnique([(_a_sent(chance), _a_unique(chance)) for _ in range(chance.randint(1, 3))]): 3,
    _a_count: 2,
    lambda chance: Tend(): 2,
    lambda chance: Advance(chance.choice((1, 1, 3, 6, 30))): 3,
}


# --- the differences that are allowed ------------------------------------------------------------


def seen(answer: Any) -> Any:
    """Return *answer* without what stores may differ in.

    - Times to the tenth of a second: a store corrects `now` by what its server's clock differs.
    - The order of stops and of lost workers: nothing depends on it.
    - The names that a worker knows: `workers` may leave them out.
    """
    match answer:
        case Record() | WorkerInfo() | Exchanged() | Beat() | Tended() | Entry():
            fields = {name: seen(value) for name, value in msgspec.structs.asdict(answer).items()}
            fields.pop("names", None)
            return {name: _in_any_order(name, value) for name, value in fields.items()}
        case float():
            return round(answer, 1)
        case dict():
            return {key: seen(value) for key, value in answer.items()}
        case list() | tuple():
            return [seen(value) for value in answer]
        case _:
            return answer


def _pending(broker: Broker) -> list[str]:
    """The ids of all that has not started."""
    ids, after = set(), ""
    while True:
        page = broker.pending(after, 10_000)
        ids |= {record.id for record in page.records}
        if not (after := page.after):
            return sorted(ids)


def _dead(broker: Broker, count: int) -> list[str]:
    """The ids of all that has failed, met in pages of *count*."""
    ids, after = [], ""
    while True:
        page = broker.dead(after, count)
        ids += [record.id for record in page.records]
        if not (after := page.after):
            return sorted(ids)


def _found(broker: Broker, count: int) -> list[str]:
    """The ids of all that there is, found in pages of *count*, state by state."""
    ids = set()
    for state in State:
        after = ""
        while True:
            page = broker.find(Criteria(states=frozenset({state})), after, count, 2 * count)
            ids |= {f"{state.name} {record.id}" for record in page.records}
            if not (after := page.after):
                break
    return sorted(ids)


def _totals(broker: Broker) -> list[int]:
    """How many are in each state that every store counts exactly."""
    return [broker.totals()[state].number for state in sorted(UNENDED | {State.FAILED})]


def _in_any_order(name: str, value: Any) -> Any:
    return sorted(value) if name in ("stops", "lost") and isinstance(value, list) else value


def _without_reasons(answer: Any) -> Any:
    """Leave out why a parent has failed: in front of a sealed store none knows it once that is forgotten."""
    match answer:
        case bytes():
            return re.sub(rb"has failed: .*?\"", b'has failed"', answer)
        case dict():
            return {key: _without_reasons(value) for key, value in answer.items()}
        case list():
            return [_without_reasons(value) for value in answer]
        case _:
            return answer


# --- the driver ---------------------------------------------------------------------------------


class Lockstep:
    """Two stores that are told the same and must answer the same.

    Args:
        model: the store that is right. real: the store that is tested.
    """

    def __init__(self, model: Broker, real: Broker) -> None:
        self.model, self.real = model, real
        self.clock = ManualClock()
        self.sent = itertools.count()
        self.done = 0
        self.numbers = dict.fromkeys(WORKERS, 0)
        self.tokens: dict[str, str] = {}  # of the schedules that there are
        self.changes = 0
        self.counted: dict[str, int] = {}  # the last numbers of those who count
        self.told: dict[tuple[int, str], int] = {}  # by store and worker, the number of the last command
        self.last: dict[str, tuple[list[Settlement], int]] = {}
        self.claims: list[tuple[str, Delivery]] = []  # all that were ever made
        self.held: list[tuple[str, Delivery]] = []  # those that their worker has not settled
        for worker in WORKERS[:2]:
            self.do(Enlist(worker))

    def do(self, operation: Operation) -> None:
        """Do *operation* to both; raise AssertionError where they differ in the answer or afterwards."""
        verb: Callable[[Any], None] = getattr(self, f"_{type(operation).__name__.lower()}")
        verb(operation)
        self._both(lambda broker: broker.get(IDS))
        self._both(lambda broker: broker.queues())
        everything = self._both(lambda broker: broker.schedules())
        some = [kept.name for kept in everything[::2]] + ["no such"]
        self._both(lambda broker: broker.schedules(some))
        self._both(lambda broker: broker.next_schedules(2))
        self.done += 1
        if self.done % 4 == 0:  # these walk over the whole store
            self._look_around()

    def _look_around(self) -> None:
        self._both(_pending)
        self._both(lambda broker: [_dead(broker, count) for count in (3, 100)])
        self._both(lambda broker: [_found(broker, count) for count in (3, 100)])
        self._both(_totals)
        self._both(lambda broker: [self._explained(broker, each) for each in IDS[:8]])
        self._both(lambda broker: broker.workers(self.clock.now()))
        self._both(lambda broker: broker.statistics(0.0, self.clock.now() + 60))
        self._both(lambda broker: broker.counted())
        self._both(lambda broker: [broker.running(worker) for worker in WORKERS])
        self._both(lambda broker: [broker.read_log(each) for each in IDS[:8]])

    def _explained(self, broker: Broker, id: str) -> Any:
        """What a store knows of a task; places are not compared: lines may hold ids of others."""
        found = broker.explain(id, self.clock.now())
        if found is None:
            return None
        wakes = None if found.wakes is None else max(found.wakes, self.clock.now())
        return msgspec.structs.astuple(msgspec.structs.replace(found, before=0, wakes=wakes))

    def _both(self, ask: Callable[[Broker], Any]) -> Any:
        expected, got = ask(self.model), ask(self.real)
        if isinstance(self.real, SealedBroker):
            assert _without_reasons(seen(got)) == _without_reasons(seen(expected))
        else:
            assert seen(got) == seen(expected)
        return expected

    def _in(self, seconds: float | None) -> float | None:
        return None if seconds is None else self.clock.now() + seconds

    def _messages(self, batch: Sequence[Sent]) -> list[Message]:
        times = ("eta", "expires")
        return [
            Message(
                **{**sent._asdict(), **{name: self._in(getattr(sent, name)) for name in times}},
                created=self.clock.now() + next(self.sent) * 1e-6,  # no two calls are made at one moment
            )
            for sent in batch
        ]

    def _send(self, operation: Send) -> None:
        batch, now = self._messages(operation.batch), self.clock.now()

        def send(broker: Broker) -> int:
            try:
                return broker.send(batch, now)
            except UnknownTask:
                return -1

        self._both(send)

    def _sendunique(self, operation: SendUnique) -> None:
        pairs = [(self._messages([sent])[0], unique) for sent, unique in operation.batch]
        batch = [msgspec.structs.replace(message, unique=unique) for message, unique in pairs]
        self._both(lambda broker: broker.send_unique(batch, self.clock.now()))

    def _enlist(self, operation: Enlist) -> None:
        info = WorkerInfo(
            operation.worker,
            operation.worker,
            names=frozenset(operation.names),
            queues=tuple(operation.queues),
            lease=operation.lease,
        )
        if not any(known.id == info.id for known in self.model.workers(0.0)):  # retired, or quite new
            self.numbers[info.id] = 0
            self.told = {key: number for key, number in self.told.items() if key[1] != info.id}
        self._both(lambda broker: broker.enlist(info, self.clock.now()))

    def _trip(self, operation: Trip) -> None:
        worker = operation.worker
        if operation.number == 0:
            settlements = [self._settlement(worker, finish) for finish in operation.finished]
            self.last[worker] = [each for each in settlements if each], operation.want
            self.numbers[worker] += 1
            done = {(worker, each.id, each.fence) for each in self.last[worker][0]}
            self.held = [(each, task) for each, task in self.held if (each, task.id, task.fence) not in done]
        number = self.numbers[worker] + (0, 0, -1)[-operation.number]
        if number < 1:
            return
        finished, want = self.last[worker]
        queues = next((known.queues for known in self.model.workers(0.0) if known.id == worker), ())
        rules: dict[str, Any] = {
            "queues": queues[::-1] if operation.turned else None,
            "ageing": operation.ageing,
        }

        def exchange(broker: Broker) -> Exchanged:
            now = self.clock.now()
            answer = broker.exchange(worker, trip=number, finished=finished, want=want, now=now, **rules)
            if answer.due is not None:  # since when something is due that is due does not matter
                answer = msgspec.structs.replace(answer, due=max(now, answer.due))
            return answer if number == self.numbers[worker] else Exchanged(answer.claims)  # nobody reads it

        answer = self._both(exchange)
        new = [(worker, task) for task in answer.claims if (worker, task) not in self.claims]
        self.claims += new
        self.held += new
        if answer.lost and worker in WORKERS[:2]:  # these two are there most of the time
            self._enlist(Enlist(worker))

    def _settlement(self, worker: str, finish: Finish) -> Settlement | None:
        task = self._pick(worker, finish.pick, own=finish.own)
        if task is None:
            return None
        due = self._in(finish.due) or (self.clock.now() if finish.verdict is Verdict.RETRY else 0.0)
        return Settlement(task.id, task.fence, finish.verdict, finish.body, due)

    def _pick(self, worker: str, place: int, *, own: bool) -> Delivery | None:
        """Return a claim that the worker has not settled yet when *own*, else any that was ever made."""
        if own:
            held = [task for holder, task in self.held if holder == worker]
        else:
            held = [task for _, task in self.claims]
        return held[-1 - place % len(held)] if held else None

    def _heartbeat(self, operation: Heartbeat) -> None:
        def heartbeat(broker: Broker) -> Any:
            beat = broker.heartbeat(operation.workers, self.clock.now(), self._pulses(broker, operation))
            for worker, commands in beat.commands.items():
                self.told[id(broker), worker] = commands[-1].number  # each store has numbers of its own
            words = {worker: [each.verb for each in found] for worker, found in beat.commands.items()}
            return msgspec.structs.replace(beat, commands=words)

        self._both(heartbeat)

    def _pulses(self, broker: Broker, operation: Heartbeat) -> dict[str, Pulse] | None:
        if not operation.done:
            return None
        heard = {each: self.told.get((id(broker), each), 0) for each in operation.workers if operation.hears}
        return {each: Pulse(done=operation.done, heard=heard.get(each, 0)) for each in operation.workers}

    def _order(self, operation: Order) -> None:
        command = Command(operation.verb)
        self._both(lambda broker: broker.command(operation.workers, command, self.clock.now()))

    def _say(self, operation: Say) -> None:
        task = self._pick(operation.worker, operation.pick, own=operation.own)
        if task is not None:
            now = self.clock.now()
            lines = [Line(task.id, task.fence, now, 20, body) for body in operation.bodies]
            self._both(lambda broker: broker.write_log(operation.worker, lines, now))

    def _retire(self, operation: Retire) -> None:
        self._both(lambda broker: broker.retire(operation.workers, self.clock.now(), b'"gone"'))

    def _tell(self, operation: Tell) -> None:
        task = self._pick(operation.worker, operation.pick, own=operation.own)
        if task is not None:
            told = operation.state, operation.meta, operation.checkpoint, tuple(operation.children)
            report = Report(task.id, task.fence, *told)
            self._both(lambda broker: broker.report(operation.worker, [report], self.clock.now()))

    def _cancel(self, operation: Cancel) -> None:
        self._both(
            lambda broker: broker.cancel(
                operation.ids, self.clock.now(), terminate=operation.terminate, error=operation.error
            )
        )

    def _forget(self, operation: Forget) -> None:
        self._both(lambda broker: broker.forget(operation.ids))

    def _purge(self, operation: Purge) -> None:
        self._both(lambda broker: broker.purge(operation.queue, self.clock.now()))

    def _reschedule(self, operation: Reschedule) -> None:
        now = self.clock.now()
        self._both(lambda broker: broker.reschedule(operation.ids, now + operation.seconds, now))

    def _requeue(self, operation: Requeue) -> None:
        self._both(lambda broker: broker.requeue(operation.ids, self.clock.now()))

    def _pause(self, operation: Pause) -> None:
        self._both(lambda broker: broker.pause(operation.queue, self.clock.now()))

    def _resume(self, operation: Resume) -> None:
        self._both(lambda broker: broker.resume(operation.queue, self.clock.now()))

    def _change(self, operation: Change) -> None:
        name, now = operation.name, self.clock.now()
        self.changes += 1
        token = self.tokens.get(name, "") if operation.right else "another"
        new = Schedule(name, b"entry", operation.due, b"memory", operation.paused, f"token {self.changes}")
        batch = [] if operation.gone else self._messages(operation.batch)
        change = ScheduleChange(name, token, None if operation.gone else new, tuple(batch))

        def advance(broker: Broker) -> list[bool]:
            try:
                return broker.advance([change], now)
            except UnknownTask:
                return [False]

        [done] = self._both(advance)
        if done:
            self.tokens[name] = "" if operation.gone else new.token

    def _count(self, operation: Count) -> None:
        now, teller = self.clock.now(), operation.teller
        number = self.counted[teller] = self.counted.get(teller, 0) + (not operation.again)
        tallies = [
            Tally(begin(now - ago), queue, name, numbers) for ago, queue, name, numbers in operation.rows
        ]
        self._both(lambda broker: broker.count(teller, number, tallies, now))

    def _tend(self, operation: Tend) -> None:
        self._both(lambda broker: broker.tend(self.clock.now()))

    def _advance(self, operation: Advance) -> None:
        self.clock.advance(operation.seconds)
