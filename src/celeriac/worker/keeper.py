"""Keeps a store in order and workers known: leases, deaths, due tasks, schedules, old records.

Its `keep` is called about twice a second by the supervisor, and by an embedded worker's courier. Any
number of keepers may work on one store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from celeriac.beat.ticker import Ticker
from celeriac.broker import Beat, Broker
from celeriac.clock import Clock
from celeriac.errors import OperationalError, WorkerLostError
from celeriac.outcome import stored
from celeriac.steering import Pulse
from celeriac.worker.ledger import Gauge
from celeriac.worker.log import log

PERIOD = 0.5
TEND_PERIOD = 2.0
KERNEL_SAYS = stored(WorkerLostError("the worker process that ran it died"))


class Keeper:
    """Renews leases and tends the store.

    While a store is away nobody can renew his lease. So at the start, and when a store is back, everybody
    gets the time of two heartbeats before leases that have run out are taken for deaths.

    Args:
        workers: returns the ids whose leases are to be renewed.
        lease: seconds; renewed five times in that.
        ticker: sends for the schedules that are due; None leaves that to others.
        counts: write once a minute how much the queues hold.
        pulses: returns what the workers tell of themselves with a heartbeat.
    """

    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        *,
        workers: Callable[[], Sequence[str]],
        lease: float,
        ticker: Ticker | None = None,
        counts: bool = False,
        pulses: Callable[[], Mapping[str, Pulse]] = dict,
    ) -> None:
        self._broker = broker
        self._clock = clock
        self._workers = workers
        self._ticker = ticker
        self._gauge = Gauge(broker, clock) if counts else None
        self._pulses = pulses
        self._beat_period = min(TEND_PERIOD, lease / 5)
        self._next_beat = 0.0
        self._patience = max(TEND_PERIOD, 2 * self._beat_period)
        self._next_tend = clock.monotonic() + self._patience

    def keep(self) -> Beat:
        """Do what is due; return what the heartbeat told, empty when none was due.

        Raises:
            OperationalError: the store is away; call again later.
        """
        try:
            return self._keep(self._clock.monotonic())
        except OperationalError:
            self._next_beat = 0.0
            self._next_tend = self._clock.monotonic() + self._patience
            raise

    def pause(self) -> float:
        """Return after how many seconds, at most half of one, `keep` should be called again."""
        next_tick = None if self._ticker is None else self._ticker.pause()
        return PERIOD if next_tick is None else min(PERIOD, next_tick)

    def look(self) -> None:
        """Look at the schedules at the next call of `keep`: some are new."""
        if self._ticker is not None:
            self._ticker.look()

    def tell(self) -> None:
        """Send the next heartbeat now."""
        self._next_beat = 0.0

    def note_recovered(self, tasks: int) -> None:
        """Count tasks that were taken from a dead worker by somebody else."""
        if self._gauge is not None:
            self._gauge.note(recovered=tasks)

    def _keep(self, moment: float) -> Beat:
        beat = Beat()
        if moment >= self._next_beat:
            self._next_beat = moment + self._beat_period
            ids = list(self._workers())
            beat = self._broker.heartbeat(ids, self._clock.now(), self._pulses()) if ids else beat
        if self._ticker is not None:
            self._ticker.tick()
        self._bury_local_dead()
        if moment >= self._next_tend:
            self._next_tend = moment + TEND_PERIOD
            self._tend()
            if self._gauge is not None:
                self._gauge.tell_in_time()
        return beat

    def _bury_local_dead(self) -> None:
        """Retire workers of this host whose death the kernel proves, long before their lease ends.

        Our own are buried by who has started them, and knows how they died.
        """
        dead = self._broker.locally_dead()
        if dead:
            ours = set(self._workers())
            dead = [worker for worker in dead if worker not in ours]
        if dead:
            held = self._broker.retire(dead, self._clock.now(), KERNEL_SAYS)
            self.note_recovered(held)
            log.warning("workers died", extra={"workers": len(dead), "tasks": held})

    def _tend(self) -> None:
        """Tend until all is done, or leases are due again: a day's old records must not cost them."""
        more = True
        while more:
            done = self._broker.tend(self._clock.now())
            if self._gauge is not None:
                self._gauge.note(expired=done.expired, recovered=done.recovered)
            if self._ticker is not None:
                self._ticker.learn(done.next_schedule)
            more = done.more and self._clock.monotonic() < self._next_beat
            if done.buried:
                log.warning("leases ran out", extra={"workers": len(done.buried), "tasks": done.recovered})
        if done.more:
            self._next_tend = 0.0
