"""What a process counts: the courier's thread adds up in memory, and brings the sums to the store in a while.

A process that is killed loses the statistics of those few seconds, and nothing else. A store that is away
gets them later, under the minutes to which they belong.
"""

from __future__ import annotations

import os
import random
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from typing import Final

from celeriac import tally
from celeriac.broker import Broker, QueueInfo
from celeriac.clock import Clock
from celeriac.context import Run
from celeriac.errors import OperationalError
from celeriac.message import Delivery
from celeriac.states import Verdict
from celeriac.tally import BOUNDS, RAN, RUN, STARTED, WAIT, WAITED, Tally
from celeriac.worker.log import log
from celeriac.worker.options import new_worker_id

ALL_TIMED: Final = 16  # tasks that one trip may bring to be all timed
TIMED: Final = 8  # of more, so many are,
TIMED_A_SECOND: Final = 200  # until so many were; then one of each trip
ROWS_AT_ONCE: Final = 500
RETRY: Final = 5.0  # seconds after which a store that did not take them is asked again
IDLE_PERIOD: Final = 60.0  # seconds between two visits of a process in which nothing runs
LEVELS_PERIOD: Final = 60.0

_NOWHERE: Final = tally.PLACES  # for what has no place of its own
_OUTCOMES: Final = {
    Verdict.SUCCEEDED: tally.SUCCEEDED,
    Verdict.FAILED: tally.FAILED,
    Verdict.CANCELLED: tally.CANCELLED,
    Verdict.RETRY: tally.RETRIED,
    Verdict.RELEASE: _NOWHERE,
    Verdict.RETURNED: _NOWHERE,
    Verdict.CRASHED: tally.CRASHED,
    Verdict.REPLACED: _NOWHERE,
}
_WAITED_FOR_ELSE: Final = (b'"eta"', b'"follows"')  # options of those that did not only wait for a worker
_ID_LENGTH: Final = 28  # of those made by `message.new_ids`
_FURTHEST: Final = 400 * 86_400.0  # seconds; an id that says more was made by somebody else


class Teller:
    """Brings what was counted to the store, everything once, also if an answer is lost."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.id = f"{new_worker_id()}.{os.urandom(2).hex()}"
        self._number = 0
        self._waiting: list[Tally] = []
        self._carried: list[Tally] = []  # under the number as it is

    @property
    def is_behind(self) -> bool:
        """Whether the store has not taken all of it yet."""
        return bool(self._carried or self._waiting)

    def add(self, tallies: Iterable[Tally]) -> None:
        """Take *tallies* along."""
        self._waiting += tallies

    def tell(self, now: float) -> None:
        """Bring all there is.

        Raises:
            OperationalError: the store is away; the next call goes on.
        """
        while self._carried or self._waiting:
            if not self._carried:
                self._carried, self._waiting = self._waiting[:ROWS_AT_ONCE], self._waiting[ROWS_AT_ONCE:]
                self._number += 1
            self._broker.count(self.id, self._number, self._carried, now)
            self._carried = []


class Ledger:
    """The sums of one process; the courier's thread has it for itself.

    Args:
        period: seconds between two visits to the store.
        told: is also given what was counted, once.
    """

    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        *,
        period: float,
        told: Callable[[Sequence[Tally]], None] | None = None,
    ) -> None:
        self._teller = Teller(broker)
        self._clock = clock
        self._period = period
        self._told = told
        self._next = clock.monotonic() + period
        self._latest = clock.monotonic() + IDLE_PERIOD
        self._second_ends, self._left = 0.0, 0  # how many more may be timed by then
        self._sums: defaultdict[tuple[float, str, str], list[float]] = defaultdict(_zeros)

    def choose(self, runs: Sequence[Run], chance: Callable[[], float] = random.random) -> None:
        """Choose the runs that are timed: all, or of very many some, each of which stands for its neighbours.

        Counting every task costs little, timing every one cost tiny tasks a fifth of their time.
        """
        now = self._clock.monotonic()
        if now >= self._second_ends:
            self._second_ends, self._left = now + 1.0, TIMED_A_SECOND
        many = max(1, min(len(runs) if len(runs) <= ALL_TIMED else TIMED, self._left))
        self._left -= many
        stride = max(1, -(-len(runs) // many))
        for start in range(0, len(runs), stride):
            weight = min(stride, len(runs) - start)
            runs[start + (int(chance() * weight) if weight > 1 else 0)].weight = weight

    def note(self, ended: Sequence[Delivery], others: MutableMapping[str, Verdict]) -> None:
        """Count what has become of tasks that one trip has settled.

        Args:
            others: by id, what those came to that did not succeed; these are taken out.
        """
        minute = self._clock.now() // 60
        rest: Sequence[Delivery] = ended
        if others:
            rest = []
            for delivery in ended:
                verdict = others.pop(delivery.id, None)
                if verdict is None:
                    rest.append(delivery)
                else:
                    self._sums[minute, delivery.queue, delivery.name][_OUTCOMES[verdict]] += 1
        for (queue, name), count in _rows_of(rest):
            self._sums[minute, queue, name][tally.SUCCEEDED] += count

    def note_times(self, run: Run) -> None:
        """Count when *run*, and those that it stands for, started, and how long they waited and ran."""
        delivery, started, ended, weight = run.delivery, run.started, run.ended, run.weight
        if not started:
            return
        sums = self._sums[started // 60, delivery.queue, delivery.name]
        sums[STARTED] += weight
        if delivery.fence == 1 and (waited := wait_of(delivery, started)) is not None:
            sums[WAITED] += waited * weight
            sums[WAIT + bisect_left(BOUNDS, waited)] += weight
        if ended:
            ran = max(0.0, ended - started)
            sums = self._sums[ended // 60, delivery.queue, delivery.name]
            sums[RAN] += ran * weight
            sums[RUN + bisect_left(BOUNDS, ran)] += weight

    def note_trip(self, seconds: float) -> None:
        """Count a trip to the store."""
        sums = self._sums[self._clock.now() // 60, "", ""]
        sums[tally.TRIPS] += 1
        sums[tally.TRIP_TIME] += seconds

    def tell_in_time(self) -> None:
        """Bring the sums to the store if it is time; a store that does not take them is asked again later."""
        now = self._clock.monotonic()
        if now < self._next:
            return
        if now >= self._latest or self._teller.is_behind or any(name for _, _, name in self._sums):
            self.tell()
        else:  # nothing but trips, as an idle process makes them
            self._next = now + self._period

    def tell(self) -> None:
        """Bring the sums to the store now."""
        sums, self._sums = self._sums, defaultdict(_zeros)
        tallies = [_tally(*key, values) for key, values in sums.items()]
        self._teller.add(each for each in tallies if each.numbers)
        if self._told is not None and tallies:
            self._told(tallies)
        now = self._clock.monotonic()
        self._next, self._latest = now + self._period, now + IDLE_PERIOD
        try:
            self._teller.tell(self._clock.now())
        except OperationalError as error:
            log.info("statistics not stored", extra={"reason": str(error)})
            self._next = now + max(self._period, RETRY)


def _rows_of(deliveries: Sequence[Delivery]) -> Iterable[tuple[tuple[str, str], int]]:
    """Count *deliveries* by queue and name; nearly always they are all alike, and that is told fast."""
    queues, names = [each.queue for each in deliveries], [each.name for each in deliveries]
    count = len(names)
    if count and names.count(names[0]) == count and queues.count(queues[0]) == count:
        return [((queues[0], names[0]), count)]
    return Counter(zip(queues, names, strict=True)).items()


def wait_of(delivery: Delivery, started: float) -> float | None:
    """Return how many seconds a task has waited for a worker; None where that cannot be known.

    Its id says when it was sent. A task that was to wait for something else (its eta, other tasks) is left
    out; one that has run before is not asked for.
    """
    options, task_id = delivery.options, delivery.id
    if len(task_id) != _ID_LENGTH or (options and any(mark in options for mark in _WAITED_FOR_ELSE)):
        return None
    try:
        waited = started - int(task_id[:12], 16) / 1000
    except ValueError:
        return None
    if waited < 0.0:
        return 0.0 if waited > -60.0 else None  # clocks differ a little, or it is another kind of id
    return waited if waited < _FURTHEST else None


def _zeros() -> list[float]:
    return [0] * (tally.PLACES + 1)


def _tally(minute: float, queue: str, name: str, sums: list[float]) -> Tally:
    for place in (RAN, WAITED, tally.TRIP_TIME):
        sums[place] *= 1_000_000
    numbers = {place: round(number) for place, number in enumerate(sums[:-1]) if number}
    return Tally(int(minute) * 60, queue, name, numbers)


# --- levels -------------------------------------------------------------------------------------------


class Gauge:
    """Writes once a minute how much each queue holds, and what tending has done.

    Any number may do so: of levels the highest of a minute counts.
    """

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self._broker, self._clock = broker, clock
        self._teller = Teller(broker)
        self._next = clock.monotonic()
        self._expired = self._recovered = 0

    def note(self, *, expired: int = 0, recovered: int = 0) -> None:
        """Count what tending has done."""
        self._expired += expired
        self._recovered += recovered

    def tell_in_time(self) -> None:
        """Look and write if it is time; a store that does not take it is asked again later."""
        if self._clock.monotonic() < self._next:
            return
        try:
            self._tell()
            self._next = self._clock.monotonic() + LEVELS_PERIOD
        except OperationalError as error:
            log.info("statistics not stored", extra={"reason": str(error)})
            self._next = self._clock.monotonic() + RETRY

    def _tell(self) -> None:
        now = self._clock.now()
        minute = tally.begin(now)
        self._teller.add(_levels(minute, queue) for queue in self._broker.queues())
        done = {tally.EXPIRED: self._expired, tally.RECOVERED: self._recovered}
        if any(done.values()):
            self._teller.add([Tally(minute, "", "", done)])
            self._expired = self._recovered = 0
        self._teller.tell(now)


def _levels(minute: int, queue: QueueInfo) -> Tally:
    levels = {tally.QUEUED: queue.queued, tally.SCHEDULED: queue.scheduled, tally.RUNNING: queue.running}
    return Tally(minute, queue.name, "", levels)
