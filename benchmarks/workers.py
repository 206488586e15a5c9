"""Real workers: started by the `celeriac` command, known by their processes, ended for certain."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from benchmarks import trips
from benchmarks.site import MOST_TICKS, Site, Stuck
from benchmarks.stores import pin

ROOT: Final = Path(__file__).resolve().parents[1]
PATIENCE: Final = 5.0
LOG: Final = 2_000
COMMAND: Final = (
    sys.executable,
    "-c",
    "from benchmarks import trips; trips.count(); from celeriac.cli import main; main()",
)


class Worker:
    """A running `celeriac worker`: a supervisor and its processes."""

    def __init__(self, supervisor: subprocess.Popen[bytes], log: Path) -> None:
        self._supervisor = supervisor
        self._log = log
        self.supervisor = psutil.Process(supervisor.pid)

    def processes(self) -> list[psutil.Process]:
        """Return the processes in which tasks run."""
        return self.supervisor.children()

    def cpu(self) -> float:
        """Return the seconds that those have computed."""
        return sum(_cpu(process) for process in self.processes())

    def whole_cpu(self) -> float:
        """Return the seconds that those and the supervisor have computed."""
        return self.cpu() + _cpu(self.supervisor)

    def resident(self) -> int:
        """Return the resident bytes of the largest of the processes."""
        return max((process.memory_info().rss for process in self.processes()), default=0)

    def kill(self) -> None:
        """Kill the supervisor and all processes at once, if they live."""
        if self._supervisor.poll() is not None:
            return
        everybody = [self.supervisor, *self.processes()]
        for process in everybody:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._supervisor.wait()

    def freeze(self) -> None:
        """Stop the supervisor and all processes where they are, as a laptop's lid does."""
        for process in (self.supervisor, *self.processes()):
            process.suspend()

    def end(self) -> None:
        """Let it stop in an orderly way; kill what has not stopped soon."""
        if self._supervisor.poll() is not None:
            return
        children = self.processes()
        self._supervisor.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._supervisor.wait(PATIENCE)
            return
        for process in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._supervisor.kill()
        self._supervisor.wait()

    def said(self) -> str:
        """Return the last of what it wrote."""
        return self._log.read_text(errors="replace")[-LOG:]


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def start(
    here: Site,
    *,
    processes: int = 1,
    slots: int | None = None,
    queues: Sequence[str] = (),
    cpus: Iterable[int] = (),
    application: str = "benchmarks.work:app",
    command: Sequence[str] = COMMAND,
    environment: Mapping[str, str] | None = None,
) -> Worker:
    """Start a worker of *here*, with more *environment*; it is the caller's to end."""
    options = ["--processes", str(processes), "--loglevel", "ERROR"]
    options += ["-c", str(slots)] if slots else []
    options += ["-Q", ",".join(queues)] if queues else []
    log = here.folder / f"worker-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        supervisor = subprocess.Popen(
            [*command, "-A", application, "worker", *options],
            cwd=ROOT,
            env=_variables(here) | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: pin(cpus),
        )
    return Worker(supervisor, log)


def _variables(here: Site) -> dict[str, str]:
    own = {
        "CELERIAC_BROKER_URL": here.url,
        "BENCH_TICKS": str(here.folder),
        "BENCH_MOST": str(MOST_TICKS),
    }
    if not here.store.has_server:
        own[trips.VARIABLE] = str(here.folder)
    return os.environ | own


@contextlib.contextmanager
def worker(here: Site, **options: object) -> Iterator[Worker]:
    """Run a worker as `start` does, and end it.

    Raises:
        Stuck: as what is done with it does, with what the worker said.
    """
    running = start(here, **options)  # type: ignore[arg-type]
    try:
        yield running
    except Stuck as error:
        raise Stuck(f"{error}\n{running.said()}") from None
    finally:
        running.end()
