"""Where one measurement happens: a fresh store, the application on it, and a folder for what workers note."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks import trips
from benchmarks.peers.adapters import ticks
from benchmarks.stores import Store
from celeriac import Celeriac
from celeriac.result import AsyncResult

DEADLINE: Final = 60.0
LOOK: Final = 0.001
POLL: Final = 0.05
MOST_TICKS: Final = 1_100_000
SENT: Final = ("evalsha", "blpop", "ping", "hello", "client|setinfo", "auth", "script|load")


class Stuck(Exception):
    """What a measurement waited for did not happen; says what and where."""


class Counters(msgspec.Struct, frozen=True):
    """What a store has done so far.

    Attributes:
        trips: scripts (Redis) or transactions (SQLite). commands: of Redis, those inside scripts too.
        sent: commands of Redis that clients sent; only they have names that no script calls.
        cpu: seconds that the server has computed; 0 without one.
    """

    trips: int
    commands: int
    sent: int
    cpu: float

    def since(self, before: Counters) -> Counters:
        """Return what was done since *before*."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(before), strict=True)
        return Counters(*(now - then for now, then in pairs))


class Site:
    """A store with the measured application on it.

    Attributes:
        app: `benchmarks.work.app`, or another that was asked for.
        folder: where the workers note their ticks and trips.
    """

    def __init__(self, store: Store, url: str, folder: Path, app: Celeriac) -> None:
        self.store = store
        self.url = url
        self.folder = folder
        self.app = app
        self._client: Any = None
        app.close()
        app.conf.broker_url = url
        app.broker.open()

    def close(self) -> None:
        """Let go of the store."""
        self.app.close()
        if self._client is not None:
            self._client.close()

    def fill(self, task: str, count: int, *args: Any, **options: Any) -> list[AsyncResult[Any]]:
        """Enqueue *count* calls with *args*; options are those of `apply_async`."""
        return self.task(task).delay_many(((*args,) for _ in range(count)), **options)

    def task(self, name: str) -> Any:
        """Return the application's task *name*."""
        return next(task for known, task in self.app.tasks.items() if known.rpartition(".")[2] == name)

    # --- what the workers have done -----------------------------------------------------------------

    def ran(self) -> int:
        """Return how many tasks have started."""
        return ticks.count_ticks(self.folder)

    def moments(self) -> list[float]:
        """Return when each started, sorted, on the monotonic clock."""
        return ticks.all_ticks(self.folder)

    def by_process(self) -> dict[int, list[float]]:
        """Return the moments of each process that has started a task, by its id."""
        return {int(path.stem): _moments(path) for path in self.folder.glob("*.ticks") if _begun(path)}

    def wait_for_processes(self, processes: int, count: int) -> None:
        """Return as soon as so many worker processes have started a task; *count* were enqueued."""
        self._wait(lambda: _started(self.folder) >= processes, LOOK, f"{processes} processes at work", count)

    def wait_for(self, count: int, pause: float = POLL) -> None:
        """Return when *count* tasks have started."""
        self._wait(lambda: self.ran() >= count, pause, f"{count:,} tasks started")

    def wait_until_stored(self) -> None:
        """Return when no task is unfinished."""
        self._wait(lambda: not self.app.broker.queues(), LOOK, "all results stored")

    def wait_for_workers(self, count: int) -> None:
        """Return when so many worker processes are known to the store."""
        broker = self.app.broker
        self._wait(lambda: len(broker.workers(time.time())) >= count, POLL, f"{count} processes enlisted")

    def _wait(self, condition: Any, pause: float, what: str, most: int | None = None) -> None:
        begun = time.monotonic()
        while not condition():
            waited = time.monotonic() - begun
            if waited > DEADLINE or (most is not None and self.ran() >= most):
                raise Stuck(f"{self.store.label}: waited {waited:.1f} s for {what}; {self.ran():,} ran")
            time.sleep(pause)

    # --- what the store has done --------------------------------------------------------------------

    def counters(self) -> Counters:
        """Return what the store has done so far."""
        if not self.store.has_server:
            made = trips.made(self.folder)
            return Counters(made, 0, made, 0.0)
        if self._client is None:
            import redis

            self._client = redis.Redis.from_url(self.url)
        facts = self._client.info("all")
        calls = {name: facts.get(f"cmdstat_{name}", {}).get("calls", 0) for name in SENT}
        cpu = facts["used_cpu_user"] + facts["used_cpu_sys"]
        return Counters(calls["evalsha"], facts["total_commands_processed"], sum(calls.values()), cpu)


def _started(folder: Path) -> int:
    """Count the processes that have started a task."""
    return sum(_begun(path) for path in folder.glob("*.ticks"))


def _moments(path: Path) -> list[float]:
    slots = memoryview(path.read_bytes()).cast("d")
    return [moment for moment in slots if moment]


def _begun(path: Path) -> bool:
    with path.open("rb") as file:
        return bool(file.read(ticks.SIZE).strip(b"\0"))


@contextlib.contextmanager
def site(store: Store, *, cpus: Iterable[int] = (), app: Celeriac | None = None) -> Iterator[Site]:
    """Yield a site with a fresh store, whose server runs on *cpus*."""
    if app is None:
        from benchmarks.work import app
    with store.opener(cpus) as url, tempfile.TemporaryDirectory(prefix="celeriac-ticks-") as folder:
        here = Site(store, url, Path(folder), app)
        try:
            yield here
        finally:
            here.close()
