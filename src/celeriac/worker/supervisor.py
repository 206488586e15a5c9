"""The supervisor: starts worker processes, renews their leases, sees them die, and replaces them.

It runs no user code and does not even import the application: the processes tell it what it must
know. So nothing that a task does, short of killing it, keeps it from renewing leases.
"""

from __future__ import annotations

import contextlib
import itertools
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from celeriac.beat.ticker import Ticker
from celeriac.broker import Beat, Broker
from celeriac.clock import SystemClock
from celeriac.errors import OperationalError, TimeLimitExceeded, WorkerLostError
from celeriac.keyring import Security
from celeriac.logs import LogFormat, install
from celeriac.outcome import REVOKED, Settlement, stored
from celeriac.sealing import sealed
from celeriac.states import State, Verdict
from celeriac.steering import Command
from celeriac.steering import Pulse as Told
from celeriac.tally import Tally
from celeriac.worker.children import COMMAND, Child, Starter
from celeriac.worker.health import LEAST_PATIENCE, Health, Pulse
from celeriac.worker.keeper import PERIOD, Keeper
from celeriac.worker.log import log, set_up_logging
from celeriac.worker.options import EXIT_APPLICATION
from celeriac.worker.orders import Orders
from celeriac.worker.scaling import PERIOD as SCALE_PERIOD
from celeriac.worker.scaling import Scaler
from celeriac.worker.vitals import vitals_of

OVERDUE: Final = 3.0  # seconds after a hard limit, or a stop request, at which a process is taken to hang
QUICK_DEATH: Final = 3.0  # a process that lived for less is replaced after a pause
LONGEST_PAUSE: Final = 30.0
AFTER_FAILURE: Final = 2.0
LAST_TRIP: Final = 1 << 40  # the number of a trip that is made for a process that is dead
KILL_AFTER: Final = 6.0  # seconds after the grace period at which a process that does not end is killed

EXIT_OK: Final = 0


class Meter(Protocol):
    """Who shows what the processes have counted."""

    def watch(self, processes: Callable[[], int]) -> None:
        """Ask *processes* how many there are, whenever somebody wants to know."""

    def count(self, tallies: Sequence[Tally]) -> None:
        """Add what a process has counted."""

    def close(self) -> None:
        """Show nothing any more."""


class Supervisor:
    """Runs a worker of several processes until it is told to stop.

    Args:
        reference: where the processes find the application: `module:attribute`, as `-A` takes it.
        given: options that override the application's settings; see `WorkerOptions`.
        connect: makes the store of a URL, as `brokers.connect` does.
        settings: settings that override the application's own, such as `broker_url`.
        loglevel: of the processes. log_format: of its own lines, until a process says what it shall be.
        reload: start the processes anew when a Python file below the current directory changes.
        command: how a process is started, without its order; for tests.
        health: whom to tell how the processes are. meter: whom to tell what they have counted.
    """

    def __init__(
        self,
        reference: str | None,
        given: Mapping[str, Any] | None = None,
        *,
        connect: Callable[..., Broker],
        settings: Mapping[str, Any] | None = None,
        loglevel: str = "WARNING",
        log_format: LogFormat = "text",
        reload: bool = False,
        command: Sequence[str] = COMMAND,
        environment: Mapping[str, str] | None = None,
        banner: Callable[[Mapping[str, Any]], None] | None = None,
        health: Health | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._reference = reference
        self._given = dict(given or {})
        self._connect = connect
        self._settings = dict(settings or {})
        self._loglevel, self._log_format = loglevel, log_format
        self._reload = reload
        self._starter = Starter(command, environment)
        self._banner = banner
        self._health = health
        self._meter = meter
        if meter is not None:
            meter.watch(lambda: len(self._children))
        self._next_health = 0.0
        self._clock = SystemClock()
        self._children: list[Child] = []
        self._unburied: list[tuple[list[str], str]] = []
        self._starts: list[tuple[float, int]] = []  # when to start which index again
        self._broken: list[int] = []  # what to start again when a file has changed
        self._changed = False
        self._quick_deaths = 0
        self._broker: Broker | None = None
        self._keeper: Keeper | None = None
        self._orders = Orders()
        self._drained: set[int] = set()  # the places whose processes claim nothing
        self._next_keep = 0.0
        self._scaler: Scaler | None = None
        self._next_scale = 0.0
        self._hello: dict[str, Any] | None = None
        self._signals = 0
        self._handled = 0
        self._stop_by: float | None = None
        self._code = EXIT_OK
        self._declared = False  # whether the schedules that stand in code were brought to the store
        self._away = False
        self._started = False
        self._worked = False  # once one has, what keeps the next from starting is taken to pass

    # --- life ---------------------------------------------------------------------------------------

    def run(self) -> int:
        """Work until a signal comes; return the exit code."""
        set_up_logging(self._loglevel, self._log_format)
        ear, mouth = socket.socketpair()
        ear.setblocking(False)
        mouth.setblocking(False)
        before = self._take_signals(mouth)
        watcher = self._watch_files(mouth) if self._reload else None
        try:
            self._start(0)
            while self._children or self._starts or self._broken or self._unburied_now():
                self._wait(ear)
                self._step()
        finally:
            if watcher is not None:
                watcher()
            self._restore_signals(before)
            self._starter.dismiss()
            for child in self._children:  # only after an error of ours: they finish by themselves
                child.channel.close()
            if self._broker is not None:
                self._broker.close()
            if self._health is not None:
                self._health.close()
            if self._meter is not None:
                self._meter.close()
            ear.close()
            mouth.close()
        return self._code

    def _step(self) -> None:
        self._obey_signals()
        self._take_changes()
        self._bury_children()
        if self._stopping and not self._children:
            return  # a store that is away is not to be waited for again and again
        self._start_due()  # first: it takes its time, and needs no store
        self._bury_children()  # who died meanwhile is to be buried by us, who know how, before anybody tends
        self._unburied_now()
        self._keep()
        self._scale()
        self._kill_hanging()
        self._kill_late()
        self._tell_health()
        self._starter.tend()  # last, as it takes its time too

    def stop(self) -> None:
        """Tell the processes to stop; a second call takes their grace period away. From any thread."""
        self._signals += 1

    def _take_signals(self, mouth: socket.socket) -> list[Any]:
        def on_signal(number: int, _: Any) -> None:
            if number != signal.SIGCHLD:
                self._signals += 1

        numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGCHLD]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` has it
            numbers.append(signal.SIGHUP)
        before: list[Any] = [(number, signal.signal(number, on_signal)) for number in numbers]
        signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
        return before

    def _restore_signals(self, before: list[Any]) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in before:
            signal.signal(number, handler)

    def _obey_signals(self) -> None:
        while self._handled < self._signals:
            self._handled += 1
            first = self._stop_by is None
            grace = float(self._hello["grace"]) if first and self._hello else 0.0
            self._stop_by = time.monotonic() + grace + KILL_AFTER
            self._starts.clear()
            self._broken.clear()
            self._starter.dismiss()
            if first:
                advice = "a second signal gives running tasks back at once"
                log.warning(
                    "stopping", extra={"processes": len(self._children), "seconds": grace, "hint": advice}
                )
            else:
                log.warning("stopping at once", extra={"processes": len(self._children)})
            for child in self._children:
                child.retiring = True
                child.channel.send("stop", hurry=not first)
            if self._keeper is not None:  # let everybody know
                self._keeper.tell()
                self._next_keep = 0.0

    @property
    def _stopping(self) -> bool:
        return self._stop_by is not None

    # --- waiting and hearing ------------------------------------------------------------------------

    def _wait(self, ear: socket.socket) -> None:
        """Wait for a signal, a word from a process, or the next thing that is due."""
        poll = select.poll()
        poll.register(ear, select.POLLIN)
        by_descriptor = {child.channel.fileno(): child for child in self._children if child.connected}
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(self._pause() * 1000):
            if descriptor == ear.fileno():
                with contextlib.suppress(BlockingIOError):
                    ear.recv(4096)
            else:
                self._hear(by_descriptor[descriptor])

    def _pause(self) -> float:
        due = [self._next_keep, *(moment for moment, _ in self._starts)]
        return max(0.0, min(PERIOD, min(due) - time.monotonic())) if self._keeper else PERIOD / 5

    def _hear(self, child: Child) -> None:
        messages = child.channel.receive()
        if messages is None:
            child.connected = False
            return
        for message in messages:
            try:
                self._obey(child, **message)
            except (TypeError, KeyError, ValueError) as error:  # a task has written there: it must not end us
                log.error("process speaks nonsense", extra={"index": child.index, "reason": str(error)[:200]})
                child.connected = False
                return

    def _obey(self, child: Child, kind: str = "", **fields: Any) -> None:
        """Do what a process tells.

        Raises:
            TypeError, KeyError, ValueError: it tells nonsense.
        """
        handlers: dict[str, Callable[..., None]] = {
            "hello": self._on_hello,
            "enlisted": self._on_enlisted,
            "scheduled": self._on_scheduled,
            "limited": self._on_limited,
            "ended": self._on_ended,
            "retiring": self._on_retiring,
            "pulse": self._on_pulse,
            "counted": self._on_counted,
            "failed": self._on_failed,
        }
        handlers[kind](child, **fields)

    def _on_hello(self, child: Child, **hello: Any) -> None:
        child.hello = hello
        if self._hello is None:
            self._hello = hello
            if (form := hello.get("log_format", self._log_format)) != self._log_format:
                set_up_logging(self._loglevel, form)
            install(hello.get("name"))
            self._open_store(hello)
            if self._meter is not None and not hello["statistics"]:
                log.warning("no metrics of tasks", extra={"reason": "worker_statistics is 0"})
            if self._banner is not None:
                self._banner(hello)
            for index in range(1, int(hello["processes"])):
                if not self._stopping:
                    self._start(index)
            if hello["spare"] and not self._stopping:
                self._starter.reserve(hello["url"])

    def _open_store(self, hello: Mapping[str, Any]) -> None:
        security = hello.get("security")
        self._broker = sealed(
            self._connect(hello["url"], **hello["store"]),
            None if security is None else msgspec.convert(security, Security),
        )
        ticker = Ticker(self._broker, self._clock) if hello["beat"] else None
        self._keeper = Keeper(
            self._broker,
            self._clock,
            workers=self._living,
            lease=hello["lease"],
            ticker=ticker,
            counts=hello["statistics"] > 0,
            pulses=self._pulses,
        )

        if self._health is not None:
            self._health.patience = max(LEAST_PATIENCE, hello["lease"])
        if hello["autoscale"]:
            most, least = hello["autoscale"]
            self._scaler = Scaler(most, least, slots=hello["slots"], queues=hello["queues"])

    def _living(self) -> list[str]:
        """Return the ids of our workers, also of one that has enlisted, and perhaps died, a moment ago."""
        for child in list(self._children):
            while child.connected and child.channel.readable():
                self._hear(child)
        return [child.worker for child in self._children if child.worker is not None]

    def _pulses(self) -> dict[str, Told]:
        return {child.worker: self._told_of(child, child.worker) for child in self._children if child.worker}

    def _told_of(self, child: Child, worker: str) -> Told:
        memory, cpu = vitals_of(child.process.pid)
        draining = child.index in self._drained or child.retiring  # it claims nothing any more
        heard = self._orders.heard(worker)
        return Told(memory, cpu, done=child.done, lag=child.lag, draining=draining, heard=heard)

    def _on_enlisted(self, child: Child, worker: str) -> None:
        self._worked = True
        child.ids.append(worker)
        del child.ids[:-8]

    def _on_scheduled(self, _: Child) -> None:
        """It has brought the schedules that stand in its code to the store.

        Once is enough: a process that is started again later, amid a deploy, would take away what newer code
        has brought.
        """
        self._declared = True
        if self._keeper is not None:
            self._keeper.look()
            self._next_keep = 0.0

    def _on_limited(self, child: Child, id: str, fence: int, deadline: float | None) -> None:
        if isinstance(deadline, int | float):  # JSON has no infinity: null stands for it
            child.limits[id] = (fence, deadline)

    def _on_ended(self, child: Child, ids: Sequence[str]) -> None:
        for task_id in ids:
            child.limits.pop(task_id, None)

    def _on_retiring(self, child: Child, reason: str) -> None:
        """Its place is taken at once; it goes on until its last task has ended."""
        if not child.retiring and not self._stopping:
            child.retiring = True
            log.info("process is replaced", extra={"index": child.index, "reason": reason})
            self._start(child.index)

    def _on_pulse(
        self, child: Child, exchanged: float | None, done: int = 0, lag: float | None = None
    ) -> None:
        child.exchanged = exchanged
        child.done, child.lag = int(done), None if lag is None else float(lag)

    def _on_counted(self, _: Child, tallies: Sequence[Any]) -> None:
        if self._meter is not None:
            try:
                self._meter.count(msgspec.convert(tallies, list[Tally], str_keys=True))
            except msgspec.ValidationError as error:
                raise ValueError(str(error)) from error

    def _on_failed(self, child: Child, code: int) -> None:
        child.exit_code = code

    # --- starting and burying -----------------------------------------------------------------------

    def _start(self, index: int) -> None:
        order = {
            "reference": self._reference,
            "given": self._given,
            "settings": self._settings,
            "first": not self._started,
            "loglevel": self._loglevel,
            "pulse": self._health is not None,
            "counts": self._meter is not None,
            "draining": index in self._drained,
            "declares": not self._declared,
        }
        try:
            child = self._starter.start(index, order)
        except OSError as error:  # no process or no memory is left: later, perhaps
            if not self._started:
                raise
            log.error("no process can be started", extra={"index": index, "reason": str(error)})
            self._starts.append((time.monotonic() + AFTER_FAILURE, index))
            return
        self._started = True
        self._children.append(child)

    def _start_due(self) -> None:
        now = time.monotonic()
        due, self._starts = (
            [index for moment, index in self._starts if moment <= now],
            [start for start in self._starts if start[0] > now],
        )
        for index in due:
            self._start(index)

    def _bury_children(self) -> None:
        for child in list(self._children):
            code = child.process.poll()
            if code is None:
                continue
            # Its last words, without waiting for the end: what it has forked may hold the line open.
            while child.connected and child.channel.readable():
                self._hear(child)
            self._children.remove(child)
            child.channel.close()
            self._bury(child, code)

    def _bury(self, child: Child, code: int) -> None:
        for worker in child.ids:
            self._orders.forget(worker)
        if child.ids:
            self._unburied.append((child.ids, _how(code)))
        if self._reload and child.exit_code == EXIT_APPLICATION and not self._stopping:
            log.warning("waiting for a file to change", extra={"index": child.index})
            self._broken.append(child.index)
        elif child.exit_code is not None and not self._worked:
            self._code = child.exit_code
            self.stop()
        elif child.retiring or self._stopping:
            return
        elif child.reloading and code == EXIT_OK:  # as it was told to
            self._start(child.index)
        else:
            log.warning("process died", extra={"index": child.index, "how": _how(code)})
            self._starts.append((time.monotonic() + self._pause_after(child), child.index))

    def _pause_after(self, child: Child) -> float:
        """Return how long to wait before a dead process is replaced: not at all, unless they die young."""
        if time.monotonic() - child.started > QUICK_DEATH:
            self._quick_deaths = 0
            return 0.0
        self._quick_deaths += 1
        return (
            0.0 if self._quick_deaths < 3 else min(LONGEST_PAUSE, 0.25 * 2 ** min(10, self._quick_deaths - 2))
        )

    def _unburied_now(self) -> bool:
        """Give the tasks of the dead to the living; say whether that is still to be done."""
        while self._unburied and self._broker is not None:
            ids, how = self._unburied[0]
            try:
                error = stored(WorkerLostError(f"the process that ran it {how}"))
                held = self._broker.retire(ids, self._clock.now(), error)
            except OperationalError as away:
                self._store_is_away(away)
                return not self._stopping  # their leases will run out
            if held:
                if self._keeper is not None:
                    self._keeper.note_recovered(held)
                log.warning("tasks recovered", extra={"tasks": held, "how": how})
            self._unburied.pop(0)
        return False

    # --- duties -------------------------------------------------------------------------------------

    def _keep(self) -> None:
        if self._keeper is None or time.monotonic() < self._next_keep:
            return
        self._next_keep = time.monotonic() + PERIOD
        try:
            beat = self._keeper.keep()
            self._tell_commands(beat)
            self._kill_deaf(beat)
        except OperationalError as error:
            self._store_is_away(error)
        else:
            self._next_keep = time.monotonic() + self._keeper.pause()
            self._away = self._away and not self._living()  # with nobody's lease to renew nothing was asked

    def _tell_commands(self, beat: Beat) -> None:
        """Pass on what workers are told to do."""
        by_worker = {child.worker: child for child in self._children}
        for worker, command in self._orders.new(beat):
            if (child := by_worker.get(worker)) is not None:
                self._pass_on(child, command)

    def _pass_on(self, child: Child, command: Command) -> None:
        if command.verb == "stop":  # of one process, of all: they are one worker
            if not self._signals:  # once, though each of its processes was told
                log.warning("told to stop", extra={"worker": child.worker})
                self._signals += 1
        elif command.verb == "stack":
            child.channel.send("stack", task=command.task)
        else:
            (self._drained.add if command.verb == "drain" else self._drained.discard)(child.index)
            child.channel.send("drain", on=command.verb == "drain")

    def _store_is_away(self, error: OperationalError) -> None:
        if not self._away:
            log.warning("store is away", extra={"reason": str(error)})
        self._away = True

    def _scale(self) -> None:
        """Start or stop processes, as the load asks for."""
        now = time.monotonic()
        if self._scaler is None or self._broker is None or self._stopping or now < self._next_scale:
            return
        self._next_scale = now + SCALE_PERIOD
        staying = [child for child in self._children if not child.retiring]
        count = len(staying) + len(self._starts)
        try:
            queues, workers = self._broker.queues(), self._broker.workers(self._clock.now())
        except OperationalError as error:
            self._store_is_away(error)
            return
        change = self._scaler.change(now, count, self._living(), queues, workers)
        if change:
            log.info("scaling", extra={"processes": count + change})
        taken = {child.index for child in staying} | {index for _, index in self._starts}
        free = (number for number in itertools.count() if number not in taken)
        for index in itertools.islice(free, max(0, change)):
            self._start(index)
        if change < 0 and staying:
            leaving = max(staying, key=lambda child: child.index)
            leaving.retiring = True
            leaving.channel.send("stop", hurry=False)

    def _tell_health(self) -> None:
        now = time.monotonic()
        if self._health is None or now < self._next_health:
            return
        self._next_health = now + PERIOD
        pulses = [
            Pulse(child.process.pid, child.started, child.exchanged)
            for child in self._children
            if not child.retiring
        ]
        self._health.update(pulses, now, stopping=self._stopping)

    def _kill_hanging(self) -> None:
        """Kill processes in which a hard limit is long over: something holds the interpreter."""
        now = time.monotonic()
        for child in self._children:
            overdue = [task_id for task_id, (_, deadline) in child.limits.items() if now > deadline + OVERDUE]
            for task_id in overdue if not self._away else ():
                try:
                    self._kill_overdue(child, task_id)
                except OperationalError as error:  # to be seen to when it is back
                    self._store_is_away(error)
                    return

    def _kill_overdue(self, child: Child, task_id: str) -> None:
        fence, _ = child.limits[task_id]
        error = stored(TimeLimitExceeded("it ran into its hard limit and held up its process"))
        self._kill_for(child, task_id, fence, Settlement(task_id, fence, Verdict.FAILED, error))
        del child.limits[task_id]

    def _kill_deaf(self, beat: Beat) -> None:
        """Kill processes that were told to terminate a task and did not."""
        now = self._clock.now()
        for child in self._children:
            for task_id, since in beat.stops.get(child.worker or "", {}).items():
                if now - since > OVERDUE:
                    self._kill_for(child, task_id, None, Settlement(task_id, 0, Verdict.CANCELLED, REVOKED))

    def _kill_for(self, child: Child, task_id: str, fence: int | None, settlement: Settlement) -> None:
        """Kill *child* if it still holds the task, and settle that one; its others are run again."""
        if self._broker is None or child.worker is None or child.process.poll() is not None:
            return
        record = self._broker.get([task_id])[0]
        held = record is not None and record.state is State.RUNNING and record.worker == child.worker
        if record is None or not held or (fence is not None and record.fence != fence):
            return
        log.error("process hangs", extra={"index": child.index, "id": task_id, "task": record.message.name})
        child.process.kill()
        child.process.wait()
        settlement = Settlement(task_id, record.fence, settlement.verdict, settlement.body)
        self._broker.exchange(child.worker, trip=LAST_TRIP, finished=[settlement], now=self._clock.now())

    def _kill_late(self) -> None:
        living = [child for child in self._children if child.process.poll() is None]
        if living and self._stop_by is not None and time.monotonic() > self._stop_by:
            log.warning("processes did not end in time", extra={"processes": len(living)})
            self._kill_all()

    def _kill_all(self) -> None:
        for child in self._children:
            if child.process.poll() is None:
                child.process.kill()
                child.process.wait()

    # --- reload -------------------------------------------------------------------------------------

    def _watch_files(self, mouth: socket.socket) -> Callable[[], None]:
        from celeriac.worker.reload import watch

        return watch(lambda: self._start_anew(mouth))

    def _start_anew(self, mouth: socket.socket) -> None:
        """Have every process started anew; called in a thread of its own."""
        self._changed = True
        with contextlib.suppress(OSError):
            mouth.send(b"r")

    def _take_changes(self) -> None:
        """Stop every process; each is started again, with the new code, when it has ended."""
        if not self._changed or self._stopping:
            return
        self._changed = self._declared = False
        log.warning("files changed: starting anew")
        for child in self._children:
            child.reloading = True
            child.channel.send("stop", hurry=False)
        broken, self._broken = self._broken, []
        for index in broken:
            self._start(index)


def _how(code: int) -> str:
    if code >= 0:
        return f"exited with status {code}"
    with contextlib.suppress(ValueError):
        return f"was killed by signal {-code} ({signal.Signals(-code).name})"
    return f"was killed by signal {-code}"
