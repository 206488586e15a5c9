"""The courier: one thread that owns the way to the store, and makes all of a worker process's trips.

A trip settles what has finished and claims what can start, in one step. User code never runs on this
thread, so that a task that blocks the loop does not stop settling. What cannot be settled now, because
the store is away, is kept and carried again with the same trip number: nothing is lost, nothing is done
twice.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

import msgspec

from celeriac.broker import Bell, Broker, Exchanged, Report
from celeriac.clock import Clock
from celeriac.context import Run
from celeriac.errors import BrokerUnavailable, CeleriacError, OperationalError, StoreFull
from celeriac.message import Delivery
from celeriac.outcome import Settlement, stored
from celeriac.states import Verdict
from celeriac.steering import Line
from celeriac.worker import inputs
from celeriac.worker.ledger import Ledger
from celeriac.worker.log import log
from celeriac.worker.shares import Shares
from celeriac.worker.tasklog import Basket, in_parts

POLL: Final = 2.0  # seconds after which an idle courier looks, though no bell rang
BUSY_POLL: Final = 1.0  # the same while tasks run: for stop requests whose bell was lost
AHEAD: Final = 0.010  # seconds of work that may be claimed before there is room for it
STALE: Final = 0.050  # seconds after which a claim that could not start goes back
FAR_AHEAD: Final = STALE / 2  # seconds of work that may be claimed at most where trips take long
SHORT_RATE: Final = 5_000.0  # tasks per second, of one thread, above which they count as short
AFTER_FAILURE: Final = 1.0  # seconds of rest after a failure that nobody foresaw
DUTY_FAILED: Final = 0.5  # seconds after which a duty that failed is tried again
NEVER: Final = 1 << 62  # tasks
LOG_SOON: Final = 0.05  # seconds that a line waits for others, or for the end of its task
LOG_PERIOD: Final = 0.5  # seconds between writes of lines, unless a task that has said some ends
PACE: Final = 0.001  # seconds between trips while claimed work is still waiting for room
LONG_PACE: Final = AHEAD / 4  # the same where tasks end by the thousand


class Cargo(Protocol):
    """What the courier carries for: the worker's pools behind one face."""

    def room(self) -> int:
        """Return how many more tasks could start now."""

    def backlog(self) -> int:
        """Return how many claimed tasks have not started."""

    def start(self, deliveries: Sequence[Delivery]) -> None:
        """Start these, or keep them in the backlog."""

    def nudge(self) -> None:
        """Look whether a part of the backlog could start, or a batch is due."""

    def due(self) -> float | None:
        """Return the monotonic moment at which it is to be nudged; None for never."""

    def take_back_stale(self, older_than: float) -> list[Settlement]:
        """Give back the backlog if its oldest part was claimed before that monotonic moment."""

    def stop_task(self, task_id: str) -> None:
        """Terminate a running task: somebody revoked it."""

    def settled(self, settlements: Sequence[Settlement], refused: Collection[str] = ()) -> None:
        """Forget these: the store has them, or *refused* them."""

    def lost(self) -> str:
        """Give up all that runs, enlist anew, and return the new worker id."""

    def crippled(self, reason: str) -> None:
        """A task has closed descriptors that the process needs: it is of no use any more."""


class Courier(threading.Thread):
    """Carries settlements and reports to the store, and deliveries back.

    Args:
        worker: the id under which it is enlisted.
        duty: called between trips, and again after as many seconds as it returns: renewing leases where
            nobody else does.
        shares: in which order it looks into its queues; None for always the same.
        ageing: seconds in which a task that waits gains one priority; None for never.
        ledger: what counts trips, and is brought to the store between them; None for no statistics.
    """

    def __init__(
        self,
        broker: Broker,
        cargo: Cargo,
        clock: Clock,
        *,
        worker: str,
        duty: Callable[[], float] | None = None,
        shares: Shares | None = None,
        ageing: float | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        super().__init__(name="celeriac-courier", daemon=True)
        self._broker = broker
        self._cargo = cargo
        self._clock = clock
        self._worker = worker
        self._duty = duty
        self._shares = shares
        self._order: tuple[str, ...] | None = None  # of the queues, for the trip that is on the way
        self._ageing = ageing
        self._ledger = ledger
        self._finished: deque[Settlement] = deque()
        self._replaced: deque[Settlement] = deque()  # those whose place others take: not by a trip
        self._carried: list[Settlement] = []
        self._on_the_way = False  # the store has not answered this trip yet: it will be repeated as it is
        self._reports: dict[tuple[str, int], Report] = {}
        self._reports_sent = threading.Condition()
        self._reports_made = self._reports_stored = 0
        self._lines = Basket()
        self._lines_due = self._lines_sent = 0.0
        self._trip = 0
        self._want = 0
        self._rate = 0.0  # tasks per second, lately
        self._trip_time = 0.0  # seconds that a trip takes, lately
        self._last_trip = 0.0
        self._next_look = 0.0
        self._next_duty = 0.0
        self._pause = 0.0  # how long to wait while the store is away
        self._incomplete: list[Delivery] = []  # claims that are still to be given their parents' results
        self._bell: Bell | None = None
        self._ear, self._mouth = _pair()
        self._asleep = False
        self._enough = NEVER  # so many finished tasks end a pause
        self._claiming = True
        self._draining = False
        self._ending = False
        self.ready = threading.Event()  # the first trip has been made
        self.exchanged: float | None = None  # monotonic, when the store answered last

    # --- for everybody: any thread may call these ---------------------------------------------------

    def settle(self, settlement: Settlement) -> None:
        """Carry *settlement* with the next trip."""
        (self._replaced if settlement.graph else self._finished).append(settlement)
        if self._asleep or len(self._finished) >= self._enough:
            self._enough = NEVER
            self.wake()

    def report(self, run: Run, report: Report) -> Callable[[float], None]:
        """Carry *report* next; the returned function waits, so many seconds at most, until it is stored."""
        key = (report.id, report.fence)
        with self._reports_sent:
            self._reports[key] = _merged(self._reports.get(key), report)
            self._reports_made += 1
            number = self._reports_made
        self.wake()
        return lambda timeout: self._wait_for_report(run, number, timeout)

    def _wait_for_report(self, run: Run, number: int, timeout: float) -> None:
        with self._reports_sent:
            done = self._reports_sent.wait_for(lambda: self._reports_stored >= number or run.void, timeout)
        if run.void or not done:
            raise BrokerUnavailable(f"the report of task {run.id} could not be stored within {timeout:g} s")

    def log(self, line: Line) -> None:
        """Carry *line* soon, and before the end of its task."""
        if self._lines.add(line):
            self._lines_due = max(self._clock.monotonic() + LOG_SOON, self._lines_sent + LOG_PERIOD)
            self.wake()

    def wake(self) -> None:
        """End the courier's sleep."""
        with contextlib.suppress(BlockingIOError, OSError):  # full: it is awake; closed: it has ended
            self._mouth.send(b"!")

    def stop_claiming(self) -> None:
        """Claim nothing from now on; settling goes on."""
        self._claiming = False
        self.wake()

    @property
    def draining(self) -> bool:
        """Whether it claims nothing for a while."""
        return self._draining

    def drain(self, on: bool) -> None:
        """Claim nothing while that is *on*; settling goes on, and so does what was claimed."""
        self._draining = on
        self.look()  # one trip tells the store that nothing is wanted, or what is
        self.wake()

    @property
    def _may_claim(self) -> bool:
        return self._claiming and not self._draining

    def end(self) -> None:
        """Make a last trip with what is finished, and end the thread."""
        self._claiming = False
        self._ending = True
        self.wake()

    def are_short(self, active: int) -> bool:
        """Whether tasks in *active* threads end so fast, lately, that it does not pay to wake another."""
        return self._rate > SHORT_RATE * max(1, active)

    @property
    def idle(self) -> bool:
        """Whether everything that was handed over has reached the store."""
        return not (
            self._finished
            or self._replaced
            or self._on_the_way
            or self._reports
            or self._incomplete
            or self._lines
        )

    # --- the thread ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Make trips until told to end."""
        try:
            while not (self._ending and self.idle):
                if not self.step() and self._ending:
                    break
                self._rest()
            if self._ledger is not None:
                self._ledger.tell()
        finally:
            self.close()

    def look(self) -> None:
        """Look for work at the next step, whatever the store has told of it."""
        self._next_look = 0.0

    def step(self) -> bool:
        """Do what there is to do now; say whether the store could be reached.

        What the thread does again and again; a test that is its own thread does it by itself.
        """
        try:
            self._do_duty()
            self.send_reports()
            self._send_log_in_time()
            self._complete()
            self._nudge_in_time()
            if self._should_trip():
                self._make_trip()
            if self._ledger is not None:
                self._ledger.tell_in_time()
            self._pause = 0.0
        except OperationalError as error:
            self._store_is_away(error)
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, a worker must not fall silent over it
            log.error("trip failed", extra={"worker": self._worker}, exc_info=error)
            self._pause = AFTER_FAILURE
            return False
        return True

    def _store_is_away(self, error: OperationalError) -> None:
        if not self._pause:
            log.warning("store is away", extra={"worker": self._worker, "reason": str(error)})
        self._pause = min(1.0, self._pause * 2 or 0.05)
        self._hang_up()

    def _do_duty(self) -> None:
        now = self._clock.monotonic()
        if self._duty is not None and now >= self._next_duty:
            self._next_duty = now + DUTY_FAILED
            self._next_duty = now + self._duty()

    def _nudge_in_time(self) -> None:
        due = self._cargo.due()
        if due is not None and due <= self._clock.monotonic():
            self._cargo.nudge()

    def send_reports(self) -> None:
        """Carry what was reported, now; in the thread."""
        if not self._reports:
            return
        with self._reports_sent:
            batch, number = self._reports, self._reports_made
            self._reports = {}
        try:
            refused = self._broker.report(self._worker, list(batch.values()), self._clock.now())
        except OperationalError:
            with self._reports_sent:  # newer ones that came meanwhile win
                self._reports = batch | {k: _merged(batch.get(k), v) for k, v in self._reports.items()}
            raise
        for task_id in refused:
            log.info("report refused", extra={"id": task_id, "reason": "the lease is not held any more"})
        with self._reports_sent:
            self._reports_stored = number
            self._reports_sent.notify_all()

    def _send_log_in_time(self) -> None:
        if self._lines and (self._ending or self._clock.monotonic() >= self._lines_due):
            self.send_log()

    def send_log(self) -> None:
        """Carry what tasks have said, now; in the thread. What the store has no room for is dropped."""
        lines = self._lines.take()
        self._lines_sent = self._clock.monotonic()
        for part in in_parts(lines):
            try:
                self._broker.write_log(self._worker, part, self._clock.now())
            except BrokerUnavailable:
                self._lines.put_back(lines)
                self._lines_due = 0.0
                raise
            except CeleriacError as error:  # a task's end must not wait for its log
                log.warning("log lines dropped", extra={"lines": len(part), "reason": str(error)})
            lines = lines[len(part) :]

    # --- a trip -------------------------------------------------------------------------------------

    def _should_trip(self) -> bool:
        return (
            bool(self._finished or self._replaced or self._on_the_way)
            or self._clock.monotonic() >= self._next_look
        )

    def _make_trip(self) -> None:
        self._hang_bell()
        full: StoreFull | None = None
        if not self._on_the_way:
            full = self._replace()
            self._pack()
        self.send_reports()  # what belongs to those that were just packed has to come before them,
        if self._lines.has_of(self._carried):  # also where the store was away in between
            self.send_log()
        before = self._clock.monotonic()
        answer = self._broker.exchange(
            self._worker,
            trip=self._trip,
            finished=self._carried,
            want=self._want,
            now=self._clock.now(),
            queues=self._order,
            ageing=self._ageing,
        )
        took = self._clock.monotonic() - before
        self._trip_time += 0.3 * (took - self._trip_time)
        if self._ledger is not None:
            self._ledger.note_trip(took)
        if self._pause:
            log.warning("store is back", extra={"worker": self._worker})
        if answer.lost:
            self._start_anew()
        else:
            self._unpack(answer)
        if full is not None:
            raise full

    def _replace(self) -> StoreFull | None:
        """Carry, one by one, what others take the place of; what finds no room must not hold up the ends."""
        while self._replaced:
            asked = self._replaced[0]
            self.send_reports()
            if self._lines.has_of([asked]):
                self.send_log()
            now = self._clock.now()
            try:
                done = self._broker.replace(self._worker, asked.id, asked.fence, asked.graph, asked.end, now)
            except StoreFull as error:
                return error
            except OperationalError:
                raise
            except (
                CeleriacError
            ) as error:  # it cannot be sent, now or later: only its own task may fail of that
                self._finished.append(Settlement(asked.id, asked.fence, Verdict.FAILED, stored(error)))
            else:
                if not done:
                    self._say_refused(asked.id)
                self._cargo.settled([asked], () if done else (asked.id,))
            self._replaced.popleft()
        return None

    def _pack(self) -> None:
        """Choose what this trip carries and asks for; a repeated trip is not packed again."""
        now = self._clock.monotonic()
        taken = self._cargo.take_back_stale(now - STALE)
        if taken:
            self._rate = 0.0
            self._finished.extend(taken)
        batch: list[Settlement] = []
        while self._finished and len(batch) < self._broker.trip_size:
            batch.append(self._finished.popleft())
        self._measure(max(0, len(batch) - len(taken)), now)  # what goes back was not done
        self._carried = batch
        self._want = 0 if taken else self._wanted()
        self._order = None if self._shares is None else self._shares.order()
        self._trip += 1
        self._on_the_way = True

    def _measure(self, count: int, now: float) -> None:
        """Keep a running estimate of how many tasks a second end here."""
        elapsed = max(PACE, now - self._last_trip)  # one task in a microsecond says little of the next
        self._last_trip = now
        if count:
            self._rate += 0.3 * (count / elapsed - self._rate)

    def _wanted(self) -> int:
        """Return how many tasks can start now, or within a few milliseconds at the rate that was measured.

        Two trips pass until what ends now is settled and its successor is here: work has to last for them.
        """
        if not self._may_claim:
            return 0
        room = self._cargo.room()
        ahead = int(self._rate * min(FAR_AHEAD, max(AHEAD, 2 * self._trip_time)))
        return max(0, min(self._broker.trip_size, room + ahead - self._cargo.backlog()))

    def _unpack(self, answer: Exchanged) -> None:
        self.exchanged = self._clock.monotonic()
        for task_id in answer.refused:
            self._say_refused(task_id)
        self._on_the_way = False
        if self._carried:
            self._cargo.settled(self._carried, answer.refused)
            self._carried = []
        if self._shares is not None and self._order is not None:
            self._shares.count(self._order, [claim.queue for claim in answer.claims], self._want)
        if answer.claims:
            self._start(answer.claims)
        for task_id in answer.stops:
            self._cargo.stop_task(task_id)
        self._plan(answer)
        self.ready.set()

    def _say_refused(self, task_id: str) -> None:
        log.warning("settlement refused", extra={"id": task_id, "reason": "the lease is not held any more"})

    def _start(self, claims: Sequence[Delivery]) -> None:
        ready, self._incomplete = inputs.split(claims)
        if ready:
            self._cargo.start(ready)
        self._complete()

    def _complete(self) -> None:
        """Start what is given its parents' results, once they have been read."""
        if self._incomplete:
            ready, settled = inputs.complete(self._broker, self._incomplete)
            self._incomplete = []
            self._finished.extend(settled)
            if ready:
                self._cargo.start(ready)

    def _plan(self, answer: Exchanged) -> None:
        """Decide when to look again though nothing happens here."""
        if self._want and len(answer.claims) == self._want:
            self._next_look = 0.0  # there may be more
            return
        pause = POLL if self._want else BUSY_POLL
        if answer.due is not None and self._may_claim:
            pause = min(pause, max(0.0, answer.due - self._clock.now()))
        self._next_look = self._clock.monotonic() + pause

    def _start_anew(self) -> None:
        """The lease is lost: others have the tasks. Drop what was finished, and go on under a new id."""
        log.warning("lease lost", extra={"worker": self._worker})
        self._hang_up()
        self._worker = self._cargo.lost()
        self._finished.clear()
        self._replaced.clear()
        self._carried, self._on_the_way, self._incomplete = [], False, []
        self._trip, self._want, self._next_look = 0, 0, 0.0
        self._lines.take()
        with self._reports_sent:
            self._reports.clear()
            self._reports_stored = self._reports_made
            self._reports_sent.notify_all()

    # --- rest ---------------------------------------------------------------------------------------

    def _rest(self) -> None:
        """Sleep until there is something to do; a bell that fails is hung up, and another one made."""
        try:
            self._sleep_as_needed()
        except Exception as error:  # noqa: BLE001 - as in `_step`: a worker must not fall silent over it
            self._asleep = False
            known = isinstance(error, CeleriacError)
            log.warning("bell failed", extra={"reason": str(error)}, exc_info=None if known else error)
            self._hang_up()
            self._sleep(AFTER_FAILURE, bell=False)

    def _sleep_as_needed(self) -> None:
        if self._pause:
            self._sleep(self._pause, bell=False)
        elif self._cargo.backlog():
            self._pace()
            self._cargo.nudge()
            self._next_look = 0.0 if self._wanted() else self._next_look
        else:
            self._sleep_until_rung()

    def _pace(self) -> None:
        """Let claimed work start; the end of a task ends the pause.

        Where tasks end by the thousand, the end of every other one that is held does: so the store settles
        one half while the other one runs.
        """
        if self._rate > SHORT_RATE:
            self._enough, pause = (len(self._finished) + self._cargo.backlog() + 1) // 2, LONG_PACE
        else:
            self._enough, pause = 1, PACE
        if len(self._finished) < self._enough:
            self._sleep(pause, bell=False)
        self._enough = NEVER

    def _sleep_until_rung(self) -> None:
        room = self._may_claim and self._cargo.room() > 0
        if room and not self._want:
            self._next_look = 0.0  # a slot came free since the last trip
        timeout = self._next_look - self._clock.monotonic()
        if self._duty is not None:
            timeout = min(timeout, self._next_duty - self._clock.monotonic())
        if (due := self._cargo.due()) is not None:
            timeout = min(timeout, due - self._clock.monotonic())
        if self._lines:
            timeout = min(timeout, self._lines_due - self._clock.monotonic())
        if timeout <= 0:
            return
        self._asleep = True
        if not self._finished and not self._replaced:
            self._sleep(timeout, bell=True)
        self._asleep = False

    def _sleep(self, timeout: float, *, bell: bool) -> None:
        ears: list[int] = [self._ear.fileno()]
        rung = self._armed_bell() if bell else None
        if rung is not None and rung.fileno() >= 0:
            ears.append(rung.fileno())
        heard = _readable(ears, max(0.0, timeout))
        if ears[0] in heard:
            self._hear()
        if len(heard) > (ears[0] in heard) and rung is not None:
            self._answer_bell(rung)

    def _hear(self) -> None:
        try:
            self._ear.recv(4096)
        except BlockingIOError:
            return
        except OSError as error:
            self._cargo.crippled(f"a descriptor of the worker was closed: {error.strerror}")
            for end in (self._ear, self._mouth):
                end.detach()  # the numbers may be somebody else's now
            self._ear, self._mouth = _pair()

    def _armed_bell(self) -> Bell | None:
        bell = self._hang_bell()
        try:
            if bell is not None:
                bell.arm(self._may_claim and self._want > 0)
        except CeleriacError as error:
            log.debug("no bell", extra={"reason": str(error)})
            return None
        return bell

    def _hang_bell(self) -> Bell | None:
        """Return the bell, made if need be: before a trip, because from that on the store may ring it."""
        try:
            if self._bell is None:
                self._bell = self._broker.bell(self._worker)
        except CeleriacError as error:
            log.debug("no bell", extra={"reason": str(error)})
        return self._bell

    def _hang_up(self) -> None:
        bell, self._bell = self._bell, None
        if bell is not None:
            with contextlib.suppress(OSError):  # its file is where nothing can be deleted any more
                bell.close()

    def _answer_bell(self, bell: Bell) -> None:
        for_work = bell.heard()
        self._next_look = 0.0
        if for_work and not self._wanted():
            bell.pass_on()

    def close(self) -> None:
        """Let go of bell and sockets; a courier that was started does so itself when it ends."""
        self._hang_up()
        self._ear.close()
        self._mouth.close()


def _pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets; neither ever waits."""
    ear, mouth = socket.socketpair()
    ear.setblocking(False)
    mouth.setblocking(False)
    return ear, mouth


def _readable(descriptors: Sequence[int], timeout: float) -> set[int]:
    """Wait until one of *descriptors* can be read; `poll`, because `select` stops at descriptor 1,024."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(timeout * 1000)}


def _merged(old: Report | None, new: Report) -> Report:
    """Return *new* with what it leaves out taken from *old*."""
    if old is None:
        return new
    return msgspec.structs.replace(
        new,
        state=old.state if new.state is None else new.state,
        meta=old.meta if new.meta is None else new.meta,
        checkpoint=old.checkpoint if new.checkpoint is None else new.checkpoint,
        children=(*old.children, *new.children),
    )
