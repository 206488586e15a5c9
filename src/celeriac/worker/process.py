"""One worker process: a courier, the pools, the limits, and how they start and stop together.

The same class is a child of the supervisor and the worker that `app.embedded()` runs inside the
caller's process; only who renews the lease differs.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Protocol

from celeriac.beat.ticker import Ticker
from celeriac.broker import Beat, Broker, Report, WorkerInfo
from celeriac.clock import Clock
from celeriac.context import Job, Run
from celeriac.errors import CeleriacError, OperationalError, TaskRevokedError
from celeriac.logs import install
from celeriac.message import Delivery
from celeriac.middleware import Moments
from celeriac.outcome import Outcome, Revoked, Settlement, Stopped, decode_error
from celeriac.states import Verdict
from celeriac.steering import STACK_LOGGER, Line, Pulse, body_of
from celeriac.tally import Tally
from celeriac.version import __version__
from celeriac.worker.batches import Batch, Ends, Member, calls_of
from celeriac.worker.courier import Courier
from celeriac.worker.isolated import LONGEST_STACK, Loader
from celeriac.worker.keeper import Keeper
from celeriac.worker.ledger import Ledger
from celeriac.worker.limits import LAST_CHANCE, Limits
from celeriac.worker.log import log
from celeriac.worker.options import WorkerOptions, new_worker_id, resident_kib
from celeriac.worker.orders import Orders
from celeriac.worker.rooms import Rooms
from celeriac.worker.runner import Runner
from celeriac.worker.shares import Shares
from celeriac.worker.tasklog import catch_logs
from celeriac.worker.vitals import vitals_of

_PHRASES: Final = {
    Verdict.CANCELLED: "task revoked",
    Verdict.RELEASE: "task given back",
    Verdict.RETURNED: "task given back",
    Verdict.CRASHED: "task crashed its process",
    Verdict.REPLACED: "task replaced",
}
_SUCCEEDED: Final = Verdict.SUCCEEDED
_GIVEN_BACK: Final = frozenset({Verdict.RELEASE, Verdict.RETURNED})
_ENDS: Final = frozenset(Verdict) - _GIVEN_BACK - {Verdict.REPLACED}  # of runs: how long they took counts
START_TIMEOUT: Final = 30.0
MEMORY_CHECK: Final = 1.0


class Overseer(Protocol):
    """Who watches a worker process from outside."""

    def enlisted(self, worker: str) -> None:
        """The process works under this id from now on."""

    def limited(self, task_id: str, fence: int, deadline: float) -> None:
        """This task must have ended at that monotonic moment, or the process hangs."""

    def ended(self, ids: Sequence[str]) -> None:
        """These tasks that were `limited` have ended."""

    def retiring(self, reason: str) -> None:
        """The process claims nothing any more and will end: start another."""

    def pulse(self, exchanged: float | None, done: int, lag: float | None) -> None:
        """The store has last answered at that monotonic moment, so many tasks have ended, and after so many
        seconds the event loop answered; said about once a second."""

    def crippled(self) -> None:
        """The process cannot be trusted any more; where others can take its place it ends here and now."""


class _Nobody:
    """The overseer of an embedded worker: there is none."""

    def enlisted(self, worker: str) -> None: ...

    def limited(self, task_id: str, fence: int, deadline: float) -> None: ...

    def ended(self, ids: Sequence[str]) -> None: ...

    def retiring(self, reason: str) -> None: ...

    def pulse(self, exchanged: float | None, done: int, lag: float | None) -> None: ...

    def crippled(self) -> None: ...


class Worker:
    """Claims tasks and runs them, in this process.

    Args:
        jobs: the tasks that it knows, by name.
        loader: makes the same table in a fresh process, for `executor="process"`.
        overseer: who renews its lease; without one the courier does.
        first: whether it is the worker's first process, which tells `on_worker_init`.
        rooms: makes the pools. counted: is given what was counted, every few seconds.
    """

    def __init__(
        self,
        broker: Broker,
        jobs: Mapping[str, Job],
        *,
        moments: Moments,
        clock: Clock,
        options: WorkerOptions,
        loader: Loader,
        overseer: Overseer | None = None,
        first: bool = True,
        rooms: Callable[..., Rooms] = Rooms,
        counted: Callable[[Sequence[Tally]], None] | None = None,
    ) -> None:
        self.options = options
        self.hostname = options.hostname
        self.id = new_worker_id()
        self._broker, self._jobs, self._moments, self._clock = broker, jobs, moments, clock
        self._overseer = overseer or _Nobody()
        self._first = first
        self._keeper = (
            Keeper(
                broker,
                clock,
                workers=lambda: [self.id],
                lease=options.lease,
                ticker=Ticker(broker, clock) if options.beat else None,
                counts=options.statistics > 0,
                pulses=lambda: {self.id: self._pulse()},
            )
            if overseer is None
            else None
        )
        self._orders = Orders()
        self._held: dict[str, Run] = {}
        self._emptied = threading.Condition()
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._stopper: threading.Thread | None = None
        self._unaided = False  # no thread could be started for the stop
        self._alone = threading.Lock()  # taken by whoever does it instead
        self._stopped = False
        self._guard = threading.RLock()  # a signal handler may stop it in the middle of a stop
        self._announced: set[str] = set()
        self._tells_successes = True  # in the log; looked up once in a while, not for each task
        self._ended_tasks = 0
        self._memory_checked = 0.0
        self._loop = _new_loop()
        self._limits = Limits(clock, self._write_off, self._announce_limit)
        self._runner = Runner(moments, clock, limited=self._limits.watch)
        self._rooms = rooms(
            self._runner,
            self._done,
            self._batch_done,
            options=options,
            clock=clock,
            loop=self._loop,
            loader=loader,
        )
        if options.loop_patience:
            self._rooms.watch_loop(options.loop_patience)
        self._ledger = (
            Ledger(broker, clock, period=options.statistics, told=counted) if options.statistics > 0 else None
        )
        self._timed: deque[Run] = deque()  # those of which the times are to be counted
        self._others: dict[str, Verdict] = {}  # what those came to that did not succeed
        self._courier = Courier(
            broker,
            self,
            clock,
            worker=self.id,
            duty=self._duty,
            shares=Shares(options.weights) if options.weights else None,
            ageing=options.ageing,
            ledger=self._ledger,
        )
        self.started = threading.Event()
        self.failure: BaseException | None = None

    # --- life ---------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until stopped. Blocks; the event loop runs in the calling thread.

        Raises:
            OperationalError: the store could not be reached, or refused, at start.
        """
        asyncio.set_event_loop(self._loop)
        try:
            self._begin()
            self.started.set()
            self._run_loop()
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self.started.set()
            if self._courier.ident is None:  # it never started, so it cannot close what it holds
                self._courier.close()
            self._close_loop()

    def _run_loop(self) -> None:
        """Run the event loop until it is stopped."""
        while True:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                # asyncio lets these two out of the loop when a coroutine that a task started raises them.
                log.error("a task's own coroutine tried to exit", exc_info=error)
            else:
                return

    def _begin(self) -> None:
        self._prepare()
        self._courier.start()

    def _prepare(self) -> None:
        """Do what comes before the first trip."""
        if self._first:
            self._tell("on_worker_init")
        self._tell("on_process_init")
        if self._keeper is None:  # a process of a worker's own; in others logging is not ours
            install(self.hostname)
        self._enlist()
        self._tell("on_worker_ready")
        catch_logs(self.options.task_log_level)  # not before: the hooks may set up logging

    def _enlist(self) -> None:
        options = self.options
        info = WorkerInfo(
            id=self.id,
            name=options.hostname,
            host=socket.gethostname(),
            pid=os.getpid(),
            queues=options.queues,
            names=frozenset(self._jobs),
            lease=options.lease,
            slots=options.slots,
            version=__version__,
        )
        self._broker.hold_alive(self.id)
        self._broker.enlist(info, self._clock.now())
        self._overseer.enlisted(self.id)

    def stop(self, *, hurry: bool = False) -> None:
        """Begin to stop: claim nothing, let tasks finish within the grace period, give back the rest.

        May be called from any thread and from a signal handler, and again; *hurry* ends the grace period.
        """
        if hurry:
            self._hurry.set()
            with self._emptied:
                self._emptied.notify_all()
        self._courier.stop_claiming()  # first: what is claimed from here on would only be given back
        self._stopping.set()
        with self._guard:
            if self._stopper is None and not self._unaided:
                self._start_stopper()

    def _start_stopper(self) -> None:
        stopper = threading.Thread(target=self._stop, name="celeriac-stop", daemon=True)
        try:
            stopper.start()
        except RuntimeError:
            self._unaided = True
        else:
            self._stopper = stopper

    def wait_for_stop(self) -> None:
        """Wait until somebody begins to stop it, or it retires."""
        self._stopping.wait()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until a stop that has begun is complete; say whether it is.

        Where no thread could be started for it, the first who waits does it, however long it takes.
        """
        if self._stopper is not None:
            self._stopper.join(timeout)
        elif self._unaided and self._alone.acquire(blocking=False):
            self._stop()
        return self._stopped

    def _stop(self) -> None:
        self.started.wait(START_TIMEOUT)
        if self.failure is None:
            self._stop_in_order()
        self._stopped = True

    def _stop_in_order(self) -> None:
        self._give_back_backlog()
        self._wait_until_empty(0.0 if self._hurry.is_set() else self.options.grace)
        self._give_back_running()
        self._courier.end()
        self._courier.join(START_TIMEOUT)
        self._deregister()
        self._tell("on_worker_shutdown")
        self._limits.close()
        self._rooms.close()
        self._call_on_loop(self._loop.stop)

    def _deregister(self) -> None:
        try:
            self._broker.retire([self.id], self._clock.now())
        except OperationalError as error:  # its lease will run out
            log.warning("could not sign off", extra={"worker": self.id, "reason": str(error)})

    def _give_back_backlog(self) -> None:
        for run in self._rooms.take_back():
            self._settle(run, self._runner.settle(run, Stopped(began=False)))

    def _wait_until_empty(self, seconds: float) -> None:
        with self._emptied:
            self._emptied.wait_for(lambda: not self._held or (self._hurry.is_set() and seconds > 0), seconds)

    def _give_back_running(self) -> None:
        """Interrupt what did not finish in time, and give back even what does not react."""
        runs = list(self._held.values())
        for run in runs:
            if run.verdict is None:
                run.verdict = Stopped()
                run.pool.interrupt(run, _Shutdown("the worker is shutting down"))
        self._hurry.clear()
        self._wait_until_empty(LAST_CHANCE if runs else 0.0)
        for run in runs:
            if not run.settled:
                self._settle(run, self._runner.settle(run, run.verdict or Stopped()))

    def drain(self, on: bool = True) -> None:
        """Claim nothing while that is *on*; what runs, runs on. From any thread."""
        log.warning("draining" if on else "claiming again", extra={"worker": self.id})
        self._courier.drain(on)

    def retire(self, reason: str) -> None:
        """End this process in good order and have another take its place."""
        if not self._stopping.is_set():
            log.info("process retires", extra={"worker": self.id, "reason": reason})
            self._overseer.retiring(reason)
            self.stop()

    def _call_on_loop(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # it never ran, or is closed
            log.debug("loop is closed")

    def _close_loop(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _tell(self, moment: str) -> None:
        for call in self._moments[moment]:
            try:
                call(self.hostname)
            except Exception as error:  # noqa: BLE001 - user code
                log.error("hook failed", extra={"hook": moment}, exc_info=error)

    # --- what the courier brings ------------------------------------------------------------------------

    def room(self) -> int:
        """Return how many more tasks could start now."""
        return self._rooms.room()

    def backlog(self) -> int:
        """Return how many claimed tasks, or batches of them, could start but have not."""
        return self._rooms.backlog()

    def start(self, deliveries: Sequence[Delivery]) -> None:
        """Start these, or keep them until there is room."""
        claimed = self._clock.monotonic()
        batches: defaultdict[str, list[Run]] = defaultdict(list)
        jobs, pools = self._jobs, self._rooms.pools
        for delivery in deliveries:
            job = jobs[delivery.name]
            kind, place = (Run, job.executor) if job.batching is None else (Member, "batch")
            run = kind(job, delivery, self, self.hostname, claimed, pools[place])
            self._held[delivery.id] = run
            batches[place].append(run)
        if self._stopping.is_set():
            for run in [run for batch in batches.values() for run in batch]:
                self._settle(run, self._runner.settle(run, Stopped(began=False)))
            return
        if self._ledger is not None:
            for batch in batches.values():
                self._ledger.choose(batch)
        self._rooms.put(batches, short=self._courier.are_short(self._rooms.active_threads))

    def nudge(self) -> None:
        """Look whether a part of the backlog could start, or a batch is due."""
        self._rooms.nudge()

    def due(self) -> float | None:
        """Return the monotonic moment at which a batch is to be started though it is not full."""
        return self._rooms.due()

    def take_back_stale(self, older_than: float) -> list[Settlement]:
        """Give back what was claimed before *older_than* and could not start."""
        taken = self._rooms.take_back_stale(older_than)
        for run in taken:
            run.settled = True
            if self._ledger is not None:
                self._others[run.id] = Verdict.RETURNED
        return [self._runner.settle(run, Stopped(began=False)) for run in taken]

    def stop_task(self, task_id: str) -> None:
        """End one task because somebody revoked it."""
        run = self._held.get(task_id)
        if run is not None and run.verdict is None and not run.settled:
            if run.pool.discard(run) or run.pool is self._rooms.batches:  # of a batch that runs, only it ends
                self._settle(run, self._runner.settle(run, Revoked()))
            else:
                self._limits.revoke(run)

    def settled(self, settlements: Sequence[Settlement], refused: Collection[str] = ()) -> None:
        """Forget these: the store has them, or *refused* them."""
        held = self._held
        pairs = [(held.pop(settlement.id, None), settlement) for settlement in settlements]
        ended = [run.delivery for run, each in pairs if run is not None and run.delivery.fence == each.fence]
        if len(ended) < len(pairs):  # some were claimed again meanwhile
            held.update({run.id: run for run, each in pairs if run and run.delivery.fence != each.fence})
        if self._ledger is not None:
            self._count(self._ledger, ended, refused)
        if not self._held:
            with self._emptied:
                self._emptied.notify_all()
        self._ended_tasks += len([None for each in settlements if each.verdict not in _GIVEN_BACK])
        most = self.options.max_tasks
        if most is not None and self._ended_tasks >= most:
            self.retire(f"it has run {self._ended_tasks} tasks")

    def _count(self, ledger: Ledger, ended: list[Delivery], refused: Collection[str]) -> None:
        if refused:
            ended = [delivery for delivery in ended if delivery.id not in refused]
            for task_id in refused:
                self._others.pop(task_id, None)
        ledger.note(ended, self._others)
        while self._timed:
            run = self._timed.popleft()
            if run.id not in refused:
                ledger.note_times(run)

    def lost(self) -> str:
        """Give up all that runs, because others have it now; enlist under a new id."""
        runs = list(self._held.values())
        self._held.clear()
        self._announced.clear()
        self._others.clear()
        self._timed.clear()
        self._rooms.take_back()
        for run in runs:
            run.void = True
            run.verdict = run.verdict or Stopped()
            run.pool.interrupt(run, _Shutdown("the lease on this task is lost"))
        with self._emptied:  # a stop need not wait for what is not ours any more
            self._emptied.notify_all()
        self.id = new_worker_id()
        self._enlist()
        return self.id

    def crippled(self, reason: str) -> None:
        """End this process if another can take its place: what it writes may go to anybody's file now."""
        log.error("process is crippled", extra={"worker": self.id, "reason": reason})
        self._overseer.crippled()

    # --- what the pools hand over -------------------------------------------------------------------------

    def _done(self, run: Run, settlement: Settlement) -> None:
        if run.void or run.settled:
            log.info("late end dropped", extra={"id": run.id, "task": run.delivery.name})
            return
        self._settle(run, settlement)

    def _batch_done(self, batch: Batch, ends: Ends) -> None:
        batch.settled = True
        for run, settlement in ends:
            self._done(run, settlement)

    def _settle(self, run: Run, settlement: Settlement) -> None:
        run.settled, verdict = True, settlement.verdict
        if verdict is not _SUCCEEDED and self._ledger is not None:
            self._others[run.id] = verdict  # before the courier can carry it
        if run.weight:
            run.ended = self._clock.now() if verdict in _ENDS else 0.0
            self._timed.append(run)
        self._courier.settle(settlement)
        if self._announced and run.id in self._announced:  # told now: to be stored may take an outage longer
            self._announced.discard(run.id)
            self._overseer.ended([run.id])
        if self._tells_successes or verdict is not _SUCCEEDED:
            self._log(run, settlement)

    def _log(self, run: Run, settlement: Settlement) -> None:
        fields: dict[str, object] = {"task": run.delivery.name, "id": run.id}
        if run.started:
            fields["runtime"] = self._clock.now() - run.started
        if settlement.verdict is Verdict.SUCCEEDED:
            log.info("task succeeded", extra=fields)
        elif settlement.verdict is Verdict.FAILED:
            error = decode_error(settlement.body)
            expected = _is_expected(error.kind, run.job.throws)
            fields |= {
                "error": f"{error.type}: {error.message}",
                "traceback": "" if expected else error.traceback,
            }
            log.log(logging.INFO if expected else logging.ERROR, "task failed", extra=fields)
        elif settlement.verdict is Verdict.RETRY:
            fields["seconds"] = max(0.0, settlement.due - self._clock.now())
            log.info("task will be retried", extra=fields | {"error": decode_error(settlement.body).message})
        else:
            log.info(_PHRASES[settlement.verdict], extra=fields)

    def _write_off(self, run: Run, outcome: Outcome) -> None:
        """Settle a run that does not react, without its code; its process is of no use any more."""
        log.error("task does not end", extra={"task": run.delivery.name, "id": run.id})
        for call in calls_of(run):
            if not call.settled:
                self._settle(call, self._runner.settle(call, outcome))
        run.pool.abandon(run)
        if self._keeper is None:  # an embedded worker has no process that could be replaced
            self.retire(f"task {run.delivery.name} does not end")

    def _announce_limit(self, run: Run, deadline: float) -> None:
        for call in calls_of(run):
            self._announced.add(call.id)
            self._overseer.limited(call.id, call.delivery.fence, deadline)

    # --- reports and duties -------------------------------------------------------------------------------

    def report(
        self,
        run: Run,
        *,
        state: str | None = None,
        meta: bytes | None = None,
        checkpoint: bytes | None = None,
        children: tuple[str, ...] = (),
    ) -> Callable[[float], None]:
        """Hand a run's progress to the courier."""
        if run.void:
            raise TaskRevokedError(f"task {run.id} is not this worker's any more: its lease was lost")
        report = Report(run.delivery.id, run.delivery.fence, state, meta, checkpoint, children)
        return self._courier.report(run, report)

    def log(self, run: Run, line: Line) -> None:
        """Hand what a run has said to the courier."""
        if not run.void:
            self._courier.log(line)

    def show_stack(self, task_id: str) -> None:
        """Write where a task is now to its log; nothing when it is not here (any more). From any thread."""
        run = self._held.get(task_id)
        if run is None or run.settled:
            log.info("no stack", extra={"id": task_id, "reason": "it does not run here"})
            return
        text = run.pool.stack(run)
        if text is None:
            text = "(its code has not started yet, or has just ended)"
        if text:
            body = body_of(STACK_LOGGER, text, most=LONGEST_STACK)
            self.log(run, Line(run.id, run.delivery.fence, self._clock.now(), logging.INFO, body))

    def _pulse(self) -> Pulse:
        """What an embedded worker tells of itself."""
        memory, cpu = vitals_of(os.getpid())
        done, heard, draining = self._ended_tasks, self._orders.heard(self.id), self._courier.draining
        return Pulse(memory, cpu, done=done, lag=self._rooms.lag, draining=draining, heard=heard)

    def _obey(self, beat: Beat) -> None:
        """Do what an embedded worker is told."""
        for _, command in self._orders.new(beat):
            if command.verb == "stop":
                self.stop()
            elif command.verb == "stack":
                self.show_stack(command.task)
            else:
                self.drain(command.verb == "drain")

    def _duty(self) -> float:
        """What the courier does between trips: leases where nobody else renews them, lost runs, memory.

        Returns:
            After how many seconds to do it again.
        """
        self._rooms.sweep()
        self._tells_successes = log.isEnabledFor(logging.INFO)
        if self._keeper is not None:
            self._obey(self._keeper.keep())
        catch_logs(self.options.task_log_level)  # user code may have set up logging anew
        self._overseer.pulse(self._courier.exchanged, self._ended_tasks, self._rooms.lag)
        if self._keeper is None and self._rooms.stunted:
            self.retire("it cannot keep its threads")
        limit = self.options.max_memory_kib
        if limit is not None and (used := resident_kib()) > limit:
            self.retire(f"it uses {used} KiB of memory, the limit is {limit}")
        return MEMORY_CHECK if self._keeper is None else self._keeper.pause()

    def wait_ready(self, timeout: float = START_TIMEOUT) -> None:
        """Wait until the first trip was made.

        Raises:
            CeleriacError: it was not, within *timeout* seconds.
        """
        self.started.wait(timeout)
        if self.failure is not None:
            raise self.failure
        if not self._courier.ready.wait(timeout):
            raise CeleriacError(f"the worker was not ready within {timeout:g} s")


class _Shutdown(TaskRevokedError):
    """Raised in a task that did not finish within the grace period; it is run again by another worker."""


def _is_expected(kind: type[BaseException] | None, throws: tuple[type[BaseException], ...]) -> bool:
    try:
        return kind is not None and issubclass(kind, throws)
    except TypeError:  # `throws` holds what is no type; that is what the task has failed with
        return False


def _new_loop() -> asyncio.AbstractEventLoop:
    """Make an event loop: uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
