"""What is measured of a peer, the same for all: through its own public calls and its own worker program."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks import stores
from benchmarks.peers.adapters import ticks
from benchmarks.peers.environments import ADAPTERS, Environment, Missing

ALONE: Final = (0,)  # the processor that producer, worker and server share where one waits for the other
POLL: Final = 0.05
SETTLED: Final = 1.5  # seconds that a worker gets to store its last results
DEADLINE: Final = 180.0
LOG: Final = 2_000  # the last characters of a worker's output that an error shows


class Site:
    """A fresh store and a fresh folder for ticks, for one measure."""

    def __init__(self, environment: Environment, url: str, folder: Path, most: int) -> None:
        self.environment = environment
        self.url = url
        self.folder = folder
        self._variables = {"BENCH_URL": url, "BENCH_TICKS": str(folder), "BENCH_MOST": str(most + 1_000)}
        self._variables["BENCH_COUNT"] = str(most)

    def ask(self, verb: str, *words: object, cpus: Iterable[int] = ()) -> Any:
        """Let the peer's driver do *verb*."""
        return self.environment.ask(verb, *words, extra=self._variables, cpus=cpus)

    @contextlib.contextmanager
    def workers(self, how: dict[str, Any], *, cpus: Iterable[int] = ()) -> Iterator[None]:
        """Run the peer's worker processes."""
        extra = self._variables | how.get("env", {})
        log = (self.folder / "worker.log").open("w+b")
        processes = [
            subprocess.Popen(
                self.environment.command(argv),
                cwd=ADAPTERS,
                env=self.environment.variables(extra),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: stores.pin(cpus),
            )
            for argv in how["commands"]
        ]
        try:
            yield
        except TimeoutError as error:
            log.seek(0)
            raise Missing(f"{error}: {log.read()[-LOG:].decode(errors='replace')}") from None
        finally:
            for process in processes:
                _end(process)
            log.close()

    def wait_for(self, count: int) -> list[float]:
        """Wait until *count* tasks have run, and return when each did."""
        deadline = time.monotonic() + DEADLINE
        while ticks.count_ticks(self.folder) < count:
            if time.monotonic() > deadline:
                done = ticks.count_ticks(self.folder)
                raise TimeoutError(
                    f"{self.environment.peer.name} ran {done} of {count} tasks in {DEADLINE:g} s"
                )
            time.sleep(POLL)
        return ticks.all_ticks(self.folder)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a worker to stop, then end what is left of its group."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def site(environment: Environment, most: int, *, cpus: Iterable[int] = ()) -> Iterator[Site]:
    """Yield a site with a store of its own; its server runs on *cpus*."""
    store = stores.redis(cpus=cpus) if environment.peer.store == "redis" else stores.sqlite()
    with store as url, tempfile.TemporaryDirectory(prefix="celeriac-ticks-") as folder:
        yield Site(environment, url, Path(folder), most)


def drain(environment: Environment, how: dict[str, Any], task: str, count: int) -> float:
    """Fill the queue, start the workers, and return tasks a second from the first one's start to the last's.

    Nothing is pinned: workers and server share the machine as they would.

    Raises:
        Missing: not all of them ran, or not all results are there.
    """
    with site(environment, count) as here:
        here.ask("fill", count, task)
        return _drain(here, how, count)


def drain_shape(environment: Environment, how: dict[str, Any], shape: str, count: int) -> float:
    """Send a group, chord or chain of *count* no-ops, and go on as `drain` does; a chord's body is one more.

    Raises:
        Missing: as `drain`.
    """
    whole = count + (shape == "chord")
    with site(environment, whole) as here:
        here.ask("shape", count, shape)
        return _drain(here, how, whole)


def _drain(here: Site, how: dict[str, Any], count: int) -> float:
    peer = here.environment.peer
    with here.workers(how):
        moments = here.wait_for(count)
        if peer.results == "stored":
            _wait_for_results(here, count)
    if len(moments) != count:
        raise Missing(f"{peer.name} ran {len(moments)} tasks of {count}")
    return (len(moments) - 1) / (moments[-1] - moments[0])


def _wait_for_results(here: Site, count: int) -> None:
    deadline = time.monotonic() + SETTLED * 4
    while (stored := here.ask("stored")["stored"]) is not None and stored < count:
        if time.monotonic() > deadline:
            raise Missing(f"{here.environment.peer.name} stored {stored} results of {count}")


def enqueue(environment: Environment, verb: str, count: int) -> float:
    """Return tasks a second that one process enqueues; it and the server share one processor."""
    with site(environment, count, cpus=ALONE) as here:
        return count / float(here.ask(verb, count, "noop", cpus=ALONE)["seconds"])


def latencies(environment: Environment, how: dict[str, Any], count: int) -> list[float]:
    """Return seconds from the call to the start of the task on an idle worker, all on one processor."""
    with site(environment, count, cpus=ALONE) as here, here.workers(how, cpus=ALONE):
        return [float(seconds) for seconds in here.ask("ping", count, cpus=ALONE)["latencies"]]


def bytes_per_task(environment: Environment, count: int) -> float:
    """Return the memory of the Redis server that one queued no-op takes."""
    with site(environment, count) as here:
        here.ask("fill", 10)
        before = stores.used_memory(here.url)
        here.ask("fill", count)
        return (stores.used_memory(here.url) - before) / count
