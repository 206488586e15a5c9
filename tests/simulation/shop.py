"""The application that runs in a simulated cluster: tasks of every kind, and who notes what their code does.

There is one for all worlds, one after another: only its clock and its store change.
"""

import asyncio
from contextlib import contextmanager
from typing import Any

from celeriac import Celeriac, Reject, Retry
from celeriac.beat import ticker
from celeriac.beat.entry import encode
from celeriac.context import Run, current_run
from celeriac.embedded import jobs_of
from celeriac.worker.batches import calls_of
from tests.simulation.door import Killed

QUEUES = ("default", "mail")
PERIOD = 7.0  # seconds between due times
LIMIT = 3.0  # seconds for which `limited` may run

world: Any = None  # the one that runs now
app = Celeriac("shop", broker="memory://", set_as_current=False)


class Hiccup(Exception):
    """Trouble that passes."""


def enter(new: Any) -> None:
    """Let the shop belong to another world."""
    global world
    world, app.clock = new, new.clock
    app._connection.use(new.door)


@contextmanager
def noted() -> Any:
    """Note that a task's code starts, and that it returned."""
    run = current_run()
    assert run is not None
    process, calls = world.moving, calls_of(run)
    if not process.alive:
        raise Killed
    for call in calls:
        _note_start(call)
    world.history.steering.says(run, f"begins {run.delivery.fence}")
    yield
    if process.alive:
        world.history.steering.says(run, f"ends {run.delivery.fence}")
    for call in calls if process.alive else ():
        world.history.returns(call.delivery.id, call.delivery.fence)


def _note_start(run: Run) -> None:
    delivery, most = run.delivery, run.job.policy.max_retries
    world.say(f"{world.moving.name}: {run.job.name} {delivery.id[-4:]} starts under {delivery.fence}")
    world.history.starts(delivery.id, delivery.fence)
    if most is not None and delivery.retries > most:
        world.history.wrong(f"{delivery.id} is retried for the {delivery.retries}th time, {most} are allowed")


@app.task(autoretry_for=(Hiccup,), default_retry_delay=2.0, max_retries=2)
async def work(value: int, seconds: float = 0.0, fails: int = 0) -> int:
    """Take its time; fail in as many of its first runs as it is told."""
    with noted():
        await asyncio.sleep(seconds)
        if work.request.retries < fails:
            raise Hiccup(f"run {work.request.retries}")
        return value


@app.task(queue="mail", priority=5)
async def mail(value: int, seconds: float = 0.0) -> int:
    with noted():
        await asyncio.sleep(seconds)
        return value


@app.task
async def total(values: list[int], expected: list[int] | None = None) -> int:
    """The body of a chord: it must be given what its parents returned."""
    with noted():
        if expected is not None and values != expected:
            world.history.wrong(f"a chord's body got {values} instead of {expected}")
        return sum(values)


@app.task
async def add(left: int, right: int) -> int:
    with noted():
        return left + right


@app.task
async def note(*_: Any) -> None:
    """An errback."""
    with noted():
        return


@app.task(concurrency=2, key="of")
async def two_at_once(of: str, seconds: float) -> str:
    with noted():
        await asyncio.sleep(seconds)
        return of


@app.task(rate_limit="1/s")
async def in_turn(seconds: float = 0.0) -> None:
    with noted():
        await asyncio.sleep(seconds)


@app.task(rate_limit="2/s", concurrency=1, queue="mail")
async def one_by_one(seconds: float = 0.0) -> None:
    with noted():
        await asyncio.sleep(seconds)


@app.task(unique=True, autoretry_for=(Hiccup,), default_retry_delay=3.0, key="name")
async def only(name: str, seconds: float, fails: int = 0) -> str:
    with noted():
        await asyncio.sleep(seconds)
        if only.request.retries < fails:
            raise Hiccup
        return name


@app.task(unique=True, on_conflict="replace", autoretry_for=(Hiccup,), default_retry_delay=3.0, key="name")
async def newest(name: str, seconds: float, fails: int = 0) -> str:
    with noted():
        await asyncio.sleep(seconds)
        if newest.request.retries < fails:
            raise Hiccup
        return name


@app.task(throttle=5.0)
async def seldom(name: str) -> str:
    with noted():
        return name


@app.task(debounce=2.0)
async def settled(name: str) -> str:
    with noted():
        return name


@app.task(time_limit=LIMIT)
async def limited(seconds: float) -> None:
    """Run on, unless its limit ends it."""
    with noted():
        for _ in range(int(seconds / 0.25)):
            await asyncio.sleep(0.25)
        if seconds > LIMIT:
            world.history.wrong(f"a task ran for {seconds} seconds, and its limit is {LIMIT}")


@app.task(bind=True)
async def long(self: Any, parts: int) -> int:
    """Save after each part where it stands."""
    with noted():
        for part in range(self.cursor or 0, parts):
            await asyncio.sleep(1.0)
            self.checkpoint(part + 1, current=part + 1, total=parts)
        return parts


@app.task(bind=True)
async def becomes(self: Any, value: int) -> int:
    """Let a chain take its place."""
    with noted():
        await asyncio.sleep(0.1)
    raise self.replace(work.s(value, 0.5) | add.s(1))


@app.task(bind=True)
async def parent(self: Any, children: int) -> None:
    """Send others while it runs."""
    with noted():
        for child in range(children):
            work.delay(child, 0.2)
            await asyncio.sleep(0.3)


@app.task(bind=True)
async def grows(self: Any, value: int) -> int:
    """Add another task to the chord that it is in."""
    with noted():
        await asyncio.sleep(0.1)
        self.add_to_chord(work.s(value + 1, 0.3))
        return value


@app.task(batch_size=3, batch_wait=0.5, max_retries=2)
async def gathered(values: list[int]) -> list[Any]:
    """Work on several calls at once; some of them fail, or are to be run again."""
    with noted():
        await asyncio.sleep(0.3)
        ends = (lambda value: value, lambda value: ValueError(value), lambda value: Retry(when=1.0))
        return [ends[value % 7 % 3](value) if value % 7 < 3 else value for value in values]


@app.task
async def picky(seconds: float) -> str:
    """Refuse to run, every other time."""
    with noted():
        await asyncio.sleep(seconds)
        if world.chance.random() < 0.5:
            raise Reject("not now", requeue=True)
        return "at last"


@app.task(crash_limit=2, bind=True)
async def crasher(self: Any, times: int) -> str:
    """Take its process with it, the first few times."""
    with noted():
        await asyncio.sleep(0.05)
        if self.request.crashes < times:
            world.kill(world.moving)
            raise Killed
        return "survived"


@app.task
async def tick() -> None:
    with noted():
        await asyncio.sleep(0.1)


app.add_periodic_task(PERIOD, tick.si(), name="every tick", missed="all")
app.add_periodic_task(
    2 * PERIOD + 1, work.si(1, 1.0) | add.s(1), name="newest tick", missed="once", grace=2.0
)
app.add_periodic_task(3.0, mail.si(1, 5.0), name="one at a time", overlap="queue")

JOBS = jobs_of(app)
ENTRIES = {name: encode(entry) for name, entry in app.schedules.defined().items()}


def declare() -> None:
    """Bring the schedules that stand in code to the store, as `app.schedules.declare` does."""
    ticker.declare(app.broker, app.main, ENTRIES, app.clock.now() + app.broker.ahead)
