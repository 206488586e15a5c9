"""Those who send, those who interfere, those who look on, and fate."""

from collections.abc import Callable
from typing import Any

from celeriac import chain, chord, group
from celeriac.errors import BrokerUnavailable, CeleriacError
from celeriac.steering import Command
from celeriac.worker.options import WorkerOptions
from tests.simulation import shop
from tests.simulation.onlooker import Onlooker
from tests.simulation.processes import BeatActor, Process, Supervisor
from tests.simulation.world import Actor, World

LEASE = 6.0


class Producer(Actor):
    """A web process: sends calls and graphs of all kinds until the cluster calms down."""

    _recipe: Callable[[Any], None] | None = None

    def move(self) -> None:
        chance = self.world.chance
        self.wakes = None if self.world.calm else self.world.time + chance.choice((0.01, 1.0, 3.0, 8.0))
        if self.world.calm:
            return
        if self._recipe is None or chance.random() < 0.7:
            self._recipe = chance.choices([*_RECIPES], [*_RECIPES.values()])[0]
        recipe = self._recipe
        self.world.say(f"{self.name} sends {recipe.__name__[1:]}")
        try:
            recipe(self)
        except CeleriacError as error:
            self.world.say(f"{self.name} could not send: {error}")

    def _again_and_again(self) -> None:
        """Send one call until the store says that it has it."""
        task_id, given = f"again-{self.world.number()}", (self.value(), self.seconds())
        while True:
            try:
                shop.work.apply_async(given, task_id=task_id)
            except BrokerUnavailable:
                if not self.world.time < self.world.away_until:
                    continue
            return

    def seconds(self) -> float:
        return self.world.chance.choice((0.02, 0.02, 0.2, 1.0, 4.0))

    def value(self) -> int:
        return self.world.chance.randrange(100)

    def _plain(self) -> None:
        fails = self.world.chance.choice((0, 0, 0, 1, 2, 3))
        shop.work.delay(self.value(), self.seconds(), fails)

    def _many(self) -> None:
        shop.mail.delay_many([(self.value(), self.seconds()) for _ in range(4)])

    def _later(self) -> None:
        shop.work.apply_async(
            (self.value(), self.seconds()), countdown=self.world.chance.choice((1.0, 5.0, 20.0))
        )

    def _expiring(self) -> None:
        shop.mail.apply_async((self.value(),), expires=self.world.chance.choice((0.2, 2.0)))

    def _chain(self) -> None:
        fails = self.world.chance.choice((0, 0, 1, 3))
        chain(shop.work.s(self.value(), self.seconds(), fails), shop.add.s(1), shop.add.s(2)).apply_async(
            link_error=shop.note.s()
        )

    def _chord(self) -> None:
        values = [self.value() for _ in range(self.world.chance.randint(1, 4))]
        fails = self.world.chance.choice((0, 0, 0, 3))
        header = [shop.work.s(value, self.seconds(), fails) for value in values]
        chord(header, shop.total.s(expected=values)).apply_async()

    def _deep(self) -> None:
        inner = group(shop.work.si(self.value(), self.seconds()), chain(shop.work.si(1), shop.add.s(2)))
        chain(shop.add.s(1, 1), inner, shop.total.s()).apply_async()

    def _lanes(self) -> None:
        for _ in range(self.world.chance.randint(1, 4)):
            shop.two_at_once.delay(self.world.chance.choice("ab"), self.seconds())

    def _rates(self) -> None:
        task = self.world.chance.choice((shop.in_turn, shop.one_by_one))
        task.delay_many([(self.seconds(),) for _ in range(self.world.chance.randint(1, 4))])

    def _unique(self) -> None:
        name = self.world.chance.choice("xxy")
        task = self.world.chance.choice((shop.only, shop.newest))
        task.delay(name, self.seconds(), self.world.chance.choice((0, 1)))

    def _throttled(self) -> None:
        self.world.chance.choice((shop.seldom, shop.settled)).delay("z")

    def _slow(self) -> None:
        shop.limited.delay(self.world.chance.choice((0.5, 10.0)))

    def _long(self) -> None:
        shop.long.delay(self.world.chance.randint(1, 12))

    def _replaced(self) -> None:
        chain(shop.becomes.s(self.value()), shop.add.s(1)).apply_async()

    def _parent(self) -> None:
        shop.parent.delay(2)

    def _growing(self) -> None:
        header = [shop.grows.s(self.value()), shop.work.s(self.value(), self.seconds())]
        chord(header, shop.total.s()).apply_async()

    def _gathered(self) -> None:
        for _ in range(self.world.chance.randint(1, 4)):
            shop.gathered.delay(self.value())

    def _picky(self) -> None:
        shop.picky.delay(self.seconds())

    def _idempotent(self) -> None:
        key = self.world.chance.choice("pq")
        shop.work.apply_async((self.value(), self.seconds()), idempotency_key=key)

    def _crasher(self) -> None:
        if not self.world.flawless:
            shop.crasher.delay(self.world.chance.choice((1, 2, 9)))


_RECIPES = {
    Producer._plain: 4, Producer._many: 2, Producer._later: 2, Producer._expiring: 1, Producer._chain: 2,
    Producer._chord: 3, Producer._deep: 1, Producer._lanes: 3, Producer._rates: 2, Producer._unique: 6,
    Producer._again_and_again: 3, Producer._throttled: 1, Producer._slow: 1, Producer._long: 2,
    Producer._replaced: 2, Producer._parent: 1, Producer._crasher: 1, Producer._growing: 1,
    Producer._picky: 1, Producer._gathered: 2, Producer._idempotent: 1,
}  # fmt: skip


class Meddler(Actor):
    """Somebody with a console: revokes, reschedules, forgets, purges, pauses, and asks why."""

    def move(self) -> None:
        world = self.world
        self.wakes = None if world.calm else world.time + world.chance.choice((0.5, 1.0, 4.0))
        try:
            if not world.calm:
                self._meddle()
        except CeleriacError as error:
            world.say(f"{self.name} got no answer: {error}")

    def _meddle(self) -> None:
        known = sorted(self.world.history.tasks)
        deed = self.world.chance.choices([*_DEEDS], [*_DEEDS.values()])[0]
        if known:
            recent = known[-12:] if self.world.chance.random() < 0.7 else known
            task_id = self.world.chance.choice(recent)
            self.world.say(f"{self.name}: {deed.__name__[1:]} (of {task_id[-4:]})")
            deed(self, task_id)

    def _revoke(self, task_id: str) -> None:
        shop.app.AsyncResult(task_id).revoke()

    def _terminate(self, task_id: str) -> None:
        shop.app.AsyncResult(task_id).revoke(terminate=True)

    def _reschedule(self, task_id: str) -> None:
        shop.app.reschedule(task_id, countdown=self.world.chance.choice((0.0, 1.0, 6.0)))

    def _forget(self, task_id: str) -> None:
        shop.app.AsyncResult(task_id).forget()

    def _purge(self, task_id: str) -> None:
        self.world.door.purge(self.world.chance.choice(shop.QUEUES), self.world.clock.now())

    def _pause(self, task_id: str) -> None:
        shop.app.pause(self.world.chance.choice(shop.QUEUES))

    def _resume(self, task_id: str) -> None:
        for queue in shop.QUEUES:
            shop.app.resume(queue)

    def _command(self, task_id: str) -> None:
        chance, world = self.world.chance, self.world
        verb = chance.choice(("drain", "drain", "resume", "resume", "stop"))
        workers = sorted(world.history.workers)
        chosen = chance.sample(workers, min(len(workers), chance.choice((1, 1, 3))))
        world.door.command(chosen, Command(verb), world.clock.now())

    def _ask(self, task_id: str) -> None:
        assert shop.app.explain(task_id).text
        assert shop.app.AsyncResult(task_id).status

    def _pause_schedule(self, task_id: str) -> None:
        name = self.world.chance.choice([each.name for each in shop.app.schedules] or [""])
        if name and not shop.app.schedules.pause(name):
            shop.app.schedules.resume(name)

    def _run_schedule(self, task_id: str) -> None:
        name = self.world.chance.choice([each.name for each in shop.app.schedules] or [""])
        if name:
            shop.app.schedules.run(name)


_DEEDS = {
    Meddler._revoke: 4, Meddler._terminate: 4, Meddler._reschedule: 3, Meddler._forget: 3,
    Meddler._purge: 0.3, Meddler._pause: 1, Meddler._resume: 2, Meddler._ask: 3, Meddler._run_schedule: 0.5,
    Meddler._command: 2,
}  # fmt: skip


class Fate(Actor):
    """Kills, stops and wakes processes, sets clocks wrong, and lets new processes come."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "fate")
        self.wakes = world.time + 1.0
        self._hosts = 0
        self._has_made_peace = False

    def move(self) -> None:
        world = self.world
        self.wakes = world.time + world.chance.choice((0.5, 2.0, 5.0))
        if world.faults:
            self._strike()
        if world.calm or world.chance.random() < 0.3:
            self.replenish()
        if world.calm:
            if not self._has_made_peace:
                self._make_peace()
            self._let_all_claim()

    def _make_peace(self) -> None:
        """Undo what would keep tasks waiting for ever, and let nothing new come."""
        self._has_made_peace = True
        for queue in shop.QUEUES:
            shop.app.resume(queue)
        for schedule in shop.app.schedules:
            shop.app.schedules.pause(schedule.name)

    def _let_all_claim(self) -> None:
        """Let nobody stay drained: also one that has lost its lease, and is another worker now."""
        drained = sorted(self.world.history.steering.drained.keys() & self.world.history.workers.keys())
        if drained:
            self.world.door.command(drained, Command("resume"), self.world.clock.now())

    def _strike(self) -> None:
        chance = self.world.chance
        processes = [
            actor for actor in self.world.actors if isinstance(actor, Process | Supervisor | BeatActor)
        ]
        if not processes:
            return
        victim = chance.choice(processes)
        match chance.choices(("kill", "sleep", "stop", "clock", "outage"), (6, 6, 4, 2, 1))[0]:
            case "kill":
                self.world.kill(victim)
            case "sleep":
                victim.sleeps_until = self.world.time + chance.choice((0.5, 3.0, 8.0, 20.0))
                self.world.say(f"{victim.name} sleeps until {victim.sleeps_until}")
            case "stop" if isinstance(victim, Process) and not victim.moves:
                self.world.say(f"{victim.name} is told to stop")
                self.world.let(_Signal(victim))
            case "clock":
                victim.skew = chance.choice((-2.0, -0.3, 0.3, 2.0))
                self.world.say(f"the clock of {victim.name} is wrong by {victim.skew}")
            case "outage":
                self.world.away_until = self.world.time + chance.choice((0.5, 5.0, 20.0))
                self.world.say(f"the store is away until {self.world.away_until}")

    def replenish(self) -> None:
        """Have producers, a supervised host, an embedded worker, a beat, and those who look on or meddle."""
        kinds = [type(actor) for actor in self.world.actors if getattr(actor, "overseer", None) is None]
        if kinds.count(Producer) < 2:
            self.world.add(Producer(self.world, self._name("web")))
        if Onlooker not in kinds:
            self.world.add(Onlooker(self.world, self._name("page")))
        if Meddler not in kinds:
            self.world.add(Meddler(self.world, self._name("console")))
        if Supervisor not in kinds:
            options = an_option(processes=2, max_tasks=self.world.chance.choice((None, None, 5)))
            self.world.add(Supervisor(self.world, self._name("host"), options))
        if Process not in kinds:
            more = self.world.chance.choice(({}, {}, {"weights": {"default": 3, "mail": 1}}, {"ageing": 5.0}))
            options, unknown = an_option(processes=0, **more), self._old_code()
            self.world.add(Process(self.world, self._name("embedded"), options, unknown=unknown))
        if BeatActor not in kinds:
            self.world.add(BeatActor(self.world, self._name("beat")))

    def _old_code(self) -> frozenset[str]:
        """Return the names that are not known where older code still runs."""
        names = sorted(shop.JOBS)
        return frozenset(self.world.chance.sample(names, self.world.chance.choice((0, 0, 3, 8))))

    def _name(self, kind: str) -> str:
        self._hosts += 1
        return f"{kind}{self._hosts}"


class _Signal(Actor):
    """A signal that a process gets: it is handled there."""

    def __init__(self, process: Process) -> None:
        super().__init__(process.world, process.name)
        self._process = process

    def move(self) -> None:
        self.world.moving = self._process
        self._process.stop()


def an_option(*, processes: int, max_tasks: int | None = None, **more: Any) -> WorkerOptions:
    return WorkerOptions(
        queues=shop.QUEUES,
        slots=3,
        processes=processes,
        lease=LEASE,
        grace=2.0,
        max_tasks=max_tasks,
        loop_patience=0.0,
        **more,
        name="worker@host",
    )


def populate(world: World) -> None:
    """Let everybody in."""
    fate = Fate(world)
    world.add(fate)
    for _ in range(2):
        fate.replenish()
