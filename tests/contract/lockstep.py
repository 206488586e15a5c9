"""Random operations, and a driver that does each of them to two stores and compares all that can be seen.

Times are chosen so that nothing falls due exactly at a moment of the clock: the stores may correct `now` by
the milliseconds that a server's clock differs. The tests beside this one look at the exact moments.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st

from celeriac.broker import Beat, Broker, Exchanged, Report, Tended, WorkerInfo
from celeriac.clock import ManualClock
from celeriac.message import Delivery, Message, Record
from celeriac.outcome import Settlement
from celeriac.states import Verdict

IDS = tuple(f"t:{number}" for number in range(14))
WORKERS = ("w:0", "w:1", "w:2", "never-enlisted")
QUEUES = ("mail", "mail:1", "default")
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


class Heartbeat(NamedTuple):
    workers: Sequence[str]


class Retire(NamedTuple):
    workers: Sequence[str]


class Tell(NamedTuple):
    worker: str
    pick: int
    own: bool = True
    state: str | None = None
    meta: bytes | None = None
    checkpoint: bytes | None = None


class Cancel(NamedTuple):
    ids: Sequence[str]
    terminate: bool = False
    error: bytes = b'"revoked"'


class Forget(NamedTuple):
    ids: Sequence[str]


class Purge(NamedTuple):
    queue: str


class Tend(NamedTuple):
    pass


class Advance(NamedTuple):
    seconds: int


Operation = (
    Send | Enlist | Trip | Heartbeat | Retire | Tell | Cancel | Forget | Purge | Tend | Advance
)  # fmt: skip


def operations() -> st.SearchStrategy[list[Operation]]:
    """Sequences of operations; the usual ones more often than the rare."""
    some_ids = st.lists(st.sampled_from(IDS), max_size=5)
    some_workers = st.lists(st.sampled_from(WORKERS), max_size=3)
    worker = st.sampled_from(WORKERS)
    usual_worker = st.sampled_from(WORKERS[:2] * 4 + WORKERS)
    pick = st.integers(0, 9)
    body = st.sampled_from([b"", b"1", bytes(range(256))])
    sent = st.builds(
        Sent,
        id=st.sampled_from(IDS),
        name=st.sampled_from(NAMES[:1] * 3 + NAMES),
        queue=st.sampled_from(QUEUES),
        priority=st.sampled_from((0, 0, 1, 9)),
        eta=st.sampled_from((None, None, None, -1.5, 2.5, 7.5)),
        expires=st.sampled_from((None, None, None, -1.5, 1.5, 12.5)),
        crash_limit=st.integers(0, 2),
    )
    finish = st.builds(
        Finish,
        pick=pick,
        own=st.sampled_from((True, True, True, False)),
        verdict=st.sampled_from(list(Verdict)),
        due=st.sampled_from((None, None, -1.5, 2.5, 7.5)),
        body=body,
    )
    send = st.builds(Send, batch=st.lists(sent, max_size=5))
    trip = st.builds(
        Trip,
        worker=usual_worker,
        want=st.sampled_from((0, 1, 2, 3, 10)),
        finished=st.lists(finish, max_size=4),
        number=st.sampled_from((0, 0, 0, 0, -1, -2)),
    )
    known = st.sampled_from((NAMES, NAMES[:1], NAMES[:2], NAMES[2:], ()))
    served = st.sampled_from((QUEUES, QUEUES[::-1], QUEUES[:1], QUEUES[1:]))
    lease = st.sampled_from((4.5, 20.5))
    rare = st.one_of(
        st.builds(Enlist, worker=st.sampled_from(WORKERS[:3]), names=known, queues=served, lease=lease),
        st.builds(Heartbeat, workers=some_workers),
        st.builds(Retire, workers=some_workers),
        st.builds(
            Tell,
            worker=worker,
            pick=pick,
            own=st.booleans(),
            state=st.sampled_from((None, "", "PROGRESS")),
            meta=st.none() | body,
            checkpoint=st.none() | body,
        ),
        st.builds(Cancel, ids=some_ids, terminate=st.booleans(), error=body),
        st.builds(Forget, ids=some_ids),
        st.builds(Purge, queue=st.sampled_from(QUEUES)),
    )
    time = st.one_of(st.builds(Advance, seconds=st.sampled_from((1, 3, 6, 30))), st.just(Tend()))
    operation = st.one_of(send, trip, trip, rare, time)
    # A length of its own: lists without one are short, and what is interesting takes many steps.
    return st.integers(1, 40).flatmap(lambda length: st.lists(operation, min_size=length, max_size=length))


# --- the differences that are allowed ------------------------------------------------------------


def seen(answer: Any) -> Any:
    """Return *answer* without what stores may differ in.

    - Times to the tenth of a second: a store corrects `now` by what its server's clock differs.
    - The order of stops and of lost workers: nothing depends on it.
    - The names that a worker knows: `workers` may leave them out.
    """
    match answer:
        case Record() | WorkerInfo() | Exchanged() | Beat() | Tended():
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


def _in_any_order(name: str, value: Any) -> Any:
    return sorted(value) if name in ("stops", "lost") and isinstance(value, list) else value


# --- the driver ---------------------------------------------------------------------------------


class Lockstep:
    """Two stores that are told the same and must answer the same.

    Args:
        model: the store that is right. real: the store that is tested.
    """

    def __init__(self, model: Broker, real: Broker) -> None:
        self.model, self.real = model, real
        self.clock = ManualClock()
        self.numbers = dict.fromkeys(WORKERS, 0)
        self.last: dict[str, tuple[list[Settlement], int]] = {}
        self.claims: list[tuple[str, Delivery]] = []
        for worker in WORKERS[:2]:
            self.do(Enlist(worker))

    def do(self, operation: Operation) -> None:
        """Do *operation* to both; raise AssertionError where they differ in the answer or afterwards."""
        verb: Callable[[Any], None] = getattr(self, f"_{type(operation).__name__.lower()}")
        verb(operation)
        self._both(lambda broker: broker.get(IDS))
        self._both(lambda broker: broker.queues())
        self._both(lambda broker: broker.workers(self.clock.now()))

    def _both(self, ask: Callable[[Broker], Any]) -> Any:
        expected, got = ask(self.model), ask(self.real)
        assert seen(got) == seen(expected)
        return expected

    def _in(self, seconds: float | None) -> float | None:
        return None if seconds is None else self.clock.now() + seconds

    def _send(self, operation: Send) -> None:
        now = self.clock.now()
        batch = [
            Message(**{**sent._asdict(), "eta": self._in(sent.eta), "expires": self._in(sent.expires)})
            for sent in operation.batch
        ]
        self._both(lambda broker: broker.send(batch, now))

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
        self._both(lambda broker: broker.enlist(info, self.clock.now()))

    def _trip(self, operation: Trip) -> None:
        worker = operation.worker
        if operation.number == 0:
            settlements = [self._settlement(worker, finish) for finish in operation.finished]
            self.last[worker] = [each for each in settlements if each], operation.want
            self.numbers[worker] += 1
        number = self.numbers[worker] + (0, 0, -1)[-operation.number]
        if number < 1:
            return
        finished, want = self.last[worker]

        def exchange(broker: Broker) -> Exchanged:
            answer = broker.exchange(worker, trip=number, finished=finished, want=want, now=self.clock.now())
            return answer if number == self.numbers[worker] else Exchanged(answer.claims)  # nobody reads it

        self.claims += [(worker, task) for task in self._both(exchange).claims]

    def _settlement(self, worker: str, finish: Finish) -> Settlement | None:
        claims = [task for holder, task in self.claims if holder == worker or not finish.own]
        if not claims:
            return None
        task = claims[-1 - finish.pick % len(claims)]
        due = self._in(finish.due) or (self.clock.now() if finish.verdict is Verdict.RETRY else 0.0)
        return Settlement(task.id, task.fence, finish.verdict, finish.body, due)

    def _heartbeat(self, operation: Heartbeat) -> None:
        self._both(lambda broker: broker.heartbeat(operation.workers, self.clock.now()))

    def _retire(self, operation: Retire) -> None:
        self._both(lambda broker: broker.retire(operation.workers, self.clock.now(), b'"gone"'))

    def _tell(self, operation: Tell) -> None:
        claims = [task for holder, task in self.claims if holder == operation.worker or not operation.own]
        if claims:
            task = claims[-1 - operation.pick % len(claims)]
            report = Report(task.id, task.fence, operation.state, operation.meta, operation.checkpoint)
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

    def _tend(self, operation: Tend) -> None:
        self._both(lambda broker: broker.tend(self.clock.now()))

    def _advance(self, operation: Advance) -> None:
        self.clock.advance(operation.seconds)
