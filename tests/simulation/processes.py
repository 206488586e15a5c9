"""Worker processes, their supervisors, and beats: the product's own classes, turned by hand in one thread."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from celeriac.beat.ticker import Ticker
from celeriac.broker import Beat
from celeriac.errors import CeleriacError, OperationalError, WorkerLostError
from celeriac.outcome import stored
from celeriac.steering import Command, Pulse
from celeriac.worker.keeper import PERIOD, Keeper
from celeriac.worker.options import WorkerOptions
from celeriac.worker.orders import Orders
from celeriac.worker.process import Worker
from tests.simulation import shop
from tests.simulation.world import Actor, World

DIED = stored(WorkerLostError("the process that ran it died"))
AWAY_PAUSE = 1.0


class SteppedWorker(Worker):
    """The worker of one process; its parts have no threads where `world.seeded` has put others in."""

    def __init__(self, process: "Process", jobs: dict[str, Any]) -> None:
        self._process = process
        super().__init__(
            process.world.door,
            jobs,
            moments=shop.app.moments,
            clock=process.world.clock,
            options=process.options,
            loader=lambda: (shop.JOBS, shop.app.moments),
            overseer=process.overseer,
        )

    def stop(self, *, hurry: bool = False) -> None:
        self._process.stop()

    def drain(self, on: bool = True) -> None:
        super().drain(on)
        self._note_drained(self._courier._trip)

    def lost(self) -> str:
        worker = super().lost()
        self._note_drained(0)
        return worker

    def _note_drained(self, last: int) -> None:
        """Note from which trip on it must claim nothing, or that it may."""
        drained = self._process.world.history.steering.drained
        drained.pop(self.id, None)
        if self._courier.draining:
            drained[self.id] = last

    def _wait_until_empty(self, seconds: float) -> None:
        """Let those that were interrupted react; they need no time for that."""
        for _ in range(50):
            if not self._held or self._loop.wakes != 0.0 or self._loop.is_running():
                return
            self._loop.turn()


class Process(Actor):
    """A worker process: its courier, its loop and its limits take turns.

    Args:
        unknown: the names of tasks that its code does not have.
    """

    def __init__(
        self, world: World, name: str, options: WorkerOptions, *, overseer: Any = None,
        unknown: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        super().__init__(world, name)
        self.options, self.overseer, self._unknown = options, overseer, unknown
        self.worker: SteppedWorker | None = None
        self.stops_by: float | None = None
        self._ending = False
        self._turning: set[str] = set()

    @property
    def can_move(self) -> bool:
        return self.worker is not None or not self.moves

    @property
    def wakes(self) -> float | None:
        """When the first part of it wants its turn that does not wait for the store in one."""
        if self.worker is None:
            return 0.0
        free = [wakes for name, (wakes, _) in self._turns().items() if name not in self._turning]
        return min((wakes for wakes in free if wakes is not None), default=None)

    def recover(self) -> None:
        self.skew = self.sleeps_until = 0.0

    def move(self) -> None:
        if self.worker is None:
            self._begin()
            return
        turns = self._turns()
        name = self.world.chance.choice(self._due(turns))
        self._turning.add(name)
        try:
            turns[name][1]()
        finally:
            self._turning.discard(name)

    def _begin(self) -> None:
        """Start, as `Worker.run` does; a process that does not find its store ends."""
        jobs = {name: job for name, job in shop.JOBS.items() if name not in self._unknown}
        worker = SteppedWorker(self, jobs)
        try:
            if self.options.beat:
                shop.declare()
            worker._prepare()
        except CeleriacError:
            self.world.kill(self)
        finally:
            self.worker = worker

    # --- turns ----------------------------------------------------------------------------------------

    def _turns(self) -> dict[str, tuple[float | None, Callable[[], None]]]:
        """Return the threads of a worker: when each wants its turn, and the turn."""
        courier, loop, limits = self.worker._courier, self.worker._loop, self.worker._limits
        return {
            "courier": (courier.wakes, courier.turn),
            "loop": (loop.wakes, loop.turn),
            "limits": (limits.wakes, limits.turn),
            "stop": (self._stop_wakes(), self._go_on_stopping),
        }

    def _due(self, turns: dict[str, tuple[float | None, Callable[[], None]]]) -> list[str]:
        now = self.world.time
        free = [name for name in turns if name not in self._turning]
        return [name for name in free if (wakes := turns[name][0]) is not None and wakes <= now]

    def obey(self, command: Command) -> None:
        """Do what its supervisor has passed on."""
        if command.verb == "stop":
            self.stop()
        else:
            self.worker.drain(command.verb == "drain")

    # --- stopping -------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Begin to stop in good order, as at SIGTERM."""
        worker = self.worker
        if worker is None or self.stops_by is not None:
            return
        self.stops_by = self.world.time + self.options.grace
        worker._courier.stop_claiming()
        worker._stopping.set()
        worker._give_back_backlog()

    def _stop_wakes(self) -> float | None:
        if self.stops_by is None:
            return None
        worker = self.worker
        done = worker._courier.idle if self._ending else not worker._held
        return 0.0 if done else None if self._ending else self.stops_by

    def _go_on_stopping(self) -> None:
        """Do the next part of `Worker._stop`."""
        worker = self.worker
        if not self._ending:
            worker._give_back_running()
            worker._courier.end()
            self._ending = True
            return
        self.tell()
        worker._deregister()
        self.world.say(f"{self.name} has stopped")
        self.die()

    def tell(self) -> None:
        if self.worker is not None and self.worker._ledger is not None:
            self.worker._ledger.tell()

    def heard(self) -> list[tuple[str, int]]:
        if self.overseer is not None or self.worker is None:
            return []
        return [(self.worker.id, self.worker._orders.heard(self.worker.id))]

    def works_as(self, worker: str) -> bool:
        return self.worker is not None and self.worker.id == worker

    def leave(self) -> None:
        """Drop what a dead process had on its loop: nobody runs it, and nobody complains."""
        if self.worker is None:
            return
        loop = self.worker._loop
        self.worker._rooms.take_back()  # the end of one would start the next
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False
            with contextlib.suppress(RuntimeError):  # its code went on in spite of that
                task.get_coro().close()
        loop.close()
        self.worker._courier.close()


class Supervisor(Actor):
    """Starts worker processes, notices their deaths at once, renews their leases."""

    def __init__(self, world: World, name: str, options: WorkerOptions) -> None:
        super().__init__(world, name)
        self.options = options
        self.children: list[tuple[Process, list[str]]] = []
        self._unburied: list[list[str]] = []
        self._orders = Orders()
        self._started = 0
        self._keeper = Keeper(
            world.door,
            world.clock,
            workers=self._living,
            lease=options.lease,
            ticker=Ticker(world.door, world.clock),
            pulses=lambda: {worker: Pulse(heard=self._orders.heard(worker)) for worker in self._living()},
        )

    def _living(self) -> list[str]:
        return [ids[-1] for _, ids in self.children if ids]

    def move(self) -> None:
        self.wakes = self.world.time + PERIOD
        self._bury()
        while len(self.children) < self.options.processes:
            self._start()
        try:
            while self._unburied:
                self.world.door.retire(self._unburied[0], self.world.clock.now(), DIED)
                self._unburied.pop(0)
            self._obey(self._keeper.keep())
            self.wakes = self.world.time + self._keeper.pause()
        except OperationalError:
            self.wakes = self.world.time + PERIOD

    def _obey(self, beat: Beat) -> None:
        """Pass on what the children are told; whoever does it is the child."""
        children = {ids[-1]: child for child, ids in self.children if ids}
        for worker, command in self._orders.new(beat):
            child = children.get(worker)
            if child is not None and child.worker is not None and child.alive:
                child.obey(command)

    def heard(self) -> list[tuple[str, int]]:
        return [(worker, self._orders.heard(worker)) for worker in self._living()]

    def _start(self) -> None:
        self._started += 1
        ids: list[str] = []
        overseer = _Overseer(self, ids)
        name = f"{self.name}.{self._started}"
        child = Process(self.world, name, self.options, overseer=overseer)
        self.world.add(child)
        self.children.append((child, ids))

    def _bury(self) -> None:
        self._unburied += [ids for child, ids in self.children if not child.alive and ids]
        self.children = [(child, ids) for child, ids in self.children if child.alive]

    def die(self) -> None:
        """The whole host goes."""
        super().die()
        for child, _ in self.children:
            self.world.kill(child)


class _Overseer:
    """What a child tells its supervisor."""

    def __init__(self, supervisor: Supervisor, ids: list[str]) -> None:
        self._supervisor, self._ids = supervisor, ids

    def enlisted(self, worker: str) -> None:
        self._ids.append(worker)

    def limited(self, task_id: str, fence: int, deadline: float) -> None: ...

    def ended(self, ids: Any) -> None: ...

    def pulse(self, exchanged: float | None, done: int, lag: float | None) -> None: ...

    def retiring(self, reason: str) -> None:
        """Another child takes its place once it has ended."""


class BeatActor(Actor):
    """Beat as a process of its own."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._declared = False
        self._keeper = Keeper(
            world.door, world.clock, workers=lambda: (), lease=10.0, ticker=Ticker(world.door, world.clock)
        )

    def move(self) -> None:
        self.wakes = self.world.time + AWAY_PAUSE
        try:
            if not self._declared:
                shop.declare()
                self._declared = True
            self._keeper.keep()
            self.wakes = self.world.time + self._keeper.pause()
        except OperationalError:
            return
