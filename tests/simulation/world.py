"""A cluster in one thread: who moves next, how time passes, what goes wrong. All of it comes from a seed.

Each step draws from a number of its own, so that a story with steps left out is still a story.
"""

import logging
import random
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

from celeriac.worker.runner import Runner
from tests.simulation.door import Door, Killed
from tests.simulation.history import History
from tests.simulation.invariants import Invariants
from tests.simulation.stepped import SteppedCourier, SteppedLimits, SteppedLoop
from tests.simulation.stores import Store

START = 1_700_000_000.0
CALM = 900.0  # simulated seconds within which all must be done once nothing goes wrong any more
SHORTEST_CALM = 25.0  # and for which all is watched at least
LONGEST_CALM = 20_000  # moves
_USUAL = frozenset({"task failed", "task does not end"})  # lines that belong to a log of errors


class Step(NamedTuple):
    """One step: all that is drawn in it comes from *number*; without *faults* nothing goes wrong in it."""

    number: int
    faults: bool = True


class Broken(AssertionError):
    """An invariant does not hold."""


class Actor:
    """A process of the cluster, or what acts on one.

    Attributes:
        skew: seconds by which its clock is wrong.
        wakes: the moment at which it wants to move; None for never.
        sleeps_until: it is stopped until then, as by SIGSTOP.
        moves: how many moves it is in the middle of.
    """

    skew = 0.0
    wakes: float | None = 0.0
    sleeps_until = 0.0
    alive = True
    moves = 0

    def __init__(self, world: "World", name: str) -> None:
        self.world, self.name = world, name
        self._broker: Any = None

    @property
    def broker(self) -> Any:
        """What this process has of the store."""
        if self._broker is None:
            self._broker = self.world.store.connect()
        return self._broker

    @property
    def can_move(self) -> bool:
        """Whether it is not in the middle of a move, waiting for the store."""
        return not self.moves

    def recover(self) -> None:
        """Go on as if nothing had gone wrong."""
        self.skew = self.sleeps_until = self.wakes = 0.0

    def move(self) -> None:
        """Do something, and say in `wakes` when to do more."""

    def die(self) -> None:
        """Vanish."""
        self.alive = False
        if self._broker is not None:
            self.world.store.kill(self._broker)

    def works_as(self, worker: str) -> bool:
        """Say whether the store knows it as this *worker*."""
        return False

    def tell(self) -> None:
        """Bring to the store what it has counted."""

    def heard(self) -> list[tuple[str, int]]:
        """Return the workers for which it hears commands, and the number of the last one of each."""
        return []

    def leave(self) -> None:
        """Let go of what its process had, once it does not move any more."""


class WorldClock:
    """What time it is for whoever moves."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def now(self) -> float:
        return self._world.time + self._world.moving.skew

    def monotonic(self) -> float:
        return self._world.time


class World:
    """All actors and their store.

    Attributes:
        time: seconds since 1970. moving: who moves. chance: what this step draws from.
        faults: whether something may go wrong in this step. flawless: whether nothing does at all.
        calm: whether faults have ceased for good. calm_since: when they did.
        log: what happened, in order. lookers: those actors who follow tasks.
        away_until: until then nobody reaches the store.
    """

    def __init__(self, store: Store, seed: int, *, flawless: bool = False) -> None:
        self.store, self.seed, self.flawless = store, seed, flawless
        self.time = START
        self.chance = random.Random(seed)
        self.faults = self.calm = False
        self.calm_since = START + (0.0 if flawless else 1e9)
        self.depth = self.steps = 0
        self.log: list[tuple[float, str]] = []
        self.actors: list[Actor] = []
        self.lookers: list[Any] = []
        self.away_until = 0.0
        self.outside = self.moving = Actor(self, "outside")
        self.clock, self.door = WorldClock(self), Door(self)
        self.history = History(self)
        self.invariants = Invariants(self)
        self._mail: list[tuple[float, int, Actor, Callable[[], Any]]] = []
        self._numbers = 0

    def say(self, text: str) -> None:
        """Note *text* in the story."""
        self.log.append((self.time, text))

    def number(self) -> int:
        """Return another number than ever before."""
        self._numbers += 1
        return self._numbers

    # --- who moves ------------------------------------------------------------------------------------

    def add(self, actor: Actor) -> Actor:
        """Let *actor* into the cluster."""
        self.actors.append(actor)
        return actor

    def step(self, step: Step) -> None:
        """Let somebody move, or something happen; then check all invariants."""
        self.steps += 1
        self.chance = random.Random(step.number)
        self.faults = step.faults
        self.let_somebody_move()
        self.invariants.check()

    def let_somebody_move(self) -> None:
        """Choose one of those who want to move by now; if there is none, time passes until there is."""
        wants = [(actor, actor.wakes) for actor in self.actors if actor.can_move]
        able = [actor for actor, wakes in wants if wakes is not None]
        moments = [max(wakes, actor.sleeps_until) for actor, wakes in wants if wakes is not None]
        moments += [moment for moment, *_ in self._mail]
        if not moments:
            return
        self.time = max(self.time, min(moments))
        if self.faults and self.chance.random() < 0.1:
            self.time += self.chance.choice((0.001, 0.02, 0.3, 1.0, 2.5))
        self._deliver()
        due = [actor for actor, moment in zip(able, moments, strict=False) if moment <= self.time]
        due = [actor for actor in due if actor.alive]
        if due:
            self.let(self.chance.choice(due))

    def let(self, actor: Actor) -> None:
        """Let *actor* move; it may die of it."""
        before, self.moving = self.moving, actor
        actor.moves += 1
        try:
            actor.move()
        except Killed:
            pass
        finally:
            self.moving = before
            actor.moves -= 1
        if not actor.alive:
            self._bury(actor)

    def _bury(self, actor: Actor) -> None:
        if actor in self.actors and not actor.moves:
            self.actors.remove(actor)
            actor.leave()

    def kill(self, actor: Actor) -> None:
        """Let *actor* die, with all that it was about to do."""
        if actor.alive:
            self.say(f"{actor.name} dies")
            actor.die()
            self.history.died(actor)
            self._bury(actor)

    def interlude(self) -> None:
        """Let others move while somebody waits for the store."""
        self.depth += 1
        for _ in range(self.chance.choice((0, 1, 2, 4, 8))):
            self.let_somebody_move()
        self.time += self.chance.choice((0.0, 0.1, 0.5, 2.0, 6.0))
        self.depth -= 1

    # --- what arrives late ----------------------------------------------------------------------------

    def post(self, caller: Actor, act: Callable[[], Any]) -> None:
        """Have the store do later what *caller* has given up."""
        moment = self.time + self.chance.choice((0.01, 0.5, 3.0, 15.0))
        self._mail.append((moment, self.number(), caller, act))
        self._mail.sort(key=lambda letter: letter[:2])

    def _deliver(self) -> None:
        while self._mail and self._mail[0][0] <= self.time:
            _, _, caller, act = self._mail.pop(0)
            if caller.alive or self.store.keeps_requests:
                self.say(f"a late request of {caller.name} arrives")
                act()

    # --- the end --------------------------------------------------------------------------------------

    def calm_down(self) -> None:
        """Let nothing go wrong any more, run until nothing is left to do, and check what has become of it."""
        self.chance = random.Random(self.seed + 1)
        self.faults, self.calm = False, True
        self.calm_since = min(self.time, self.calm_since)
        self.say("from here on nothing goes wrong")
        for actor in self.actors:
            actor.recover()
        earliest, end = self.time + SHORTEST_CALM, self.time + CALM
        for _ in range(LONGEST_CALM):
            self.let_somebody_move()
            self.invariants.check()
            if self.time > end or (self.time > earliest and not self._mail and not self.history.open):
                break
        for actor in self.actors:
            self.moving = actor
            actor.tell()
        self.moving = self.outside
        self.invariants.check_end()

    def close(self) -> None:
        """Let go of what the actors hold."""
        for actor in list(self.actors):
            actor.die()
            self._bury(actor)


@contextmanager
def seeded(world: World) -> Any:
    """Have the product draw from the world's chance, follow its time, and tell it of what nobody foresaw."""

    def bytes_of(count: int) -> bytes:
        return world.chance.randbytes(count)

    def a_worker_id() -> str:
        return f"{world.moving.name}.{world.number()}"

    def a_runner(*args: Any, **options: Any) -> Runner:
        return Runner(*args, chance=lambda: world.chance.random(), **options)

    others = {
        "message.os": SimpleNamespace(urandom=bytes_of),
        "worker.process.new_worker_id": a_worker_id,
        "worker.process._new_loop": partial(SteppedLoop, world.clock),
        "worker.process.Courier": SteppedCourier,
        "worker.process.Limits": SteppedLimits,
        "worker.process.Runner": a_runner,
    }
    with ExitStack() as stack:
        for name, other in others.items():
            stack.enter_context(mock.patch(f"celeriac.{name}", other))
        stack.enter_context(_told_of_errors(world))
        yield


@contextmanager
def _told_of_errors(world: World) -> Any:
    """Take each error that the product survives, but should never see, for a broken invariant."""
    log, handler = logging.getLogger("celeriac"), _Complaints(world)
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.ERROR)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.level, log.propagate = before
        log.setLevel(before[0])


class _Complaints(logging.Handler):
    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg not in _USUAL:
            error = record.exc_info[1] if record.exc_info else ""
            self._world.history.wrong(f"the product complains: {record.msg}: {error!r}")
