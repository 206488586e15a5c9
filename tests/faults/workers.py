"""Real worker commands for the fault tests: started as a user would, watched, signalled, and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from celeriac import Celeriac
from celeriac.errors import BrokerUnavailable
from tests.waiting import wait_until

START_TIMEOUT = 30.0


class WorkerCommand:
    """`celeriac -A tests.faults.shop worker`, with its supervisor and processes.

    Args:
        url: of the store. folder: where the tasks leave their marks and the log is written.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        *args: str,
        app: str = "tests.faults.shop:app",
        cwd: str | None = None,
        command: str = "worker",
        stdout: int | None = None,
        **env: str,
    ) -> None:
        self.is_beat = command == "beat"
        self.folder = folder
        self._log = folder / f"worker-{time.monotonic_ns()}.log"
        environment = {**os.environ, "CELERIAC_BROKER_URL": url, "SHOP_MARKS": str(folder), **env}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celeriac", "-A", app, command, "-l", "INFO", *args],
                env=environment,
                cwd=cwd,
                stdout=log if stdout is None else stdout,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """What the worker has written."""
        return self._log.read_text(errors="replace")

    def children(self) -> list[psutil.Process]:
        """Return the worker processes of the supervisor; one in reserve has a single thread and is none."""
        try:
            found = psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []
        return [child for child in found if "celeriac.child" in " ".join(_cmdline(child)) and _works(child)]

    def reserve(self) -> list[psutil.Process]:
        """Return the processes that stand in reserve."""
        found = psutil.Process(self.process.pid).children()
        return [child for child in found if "--spare" in _cmdline(child) and not _works(child)]

    def kill_child(self, pid: int) -> None:
        """Send SIGKILL to one worker process."""
        os.kill(pid, signal.SIGKILL)

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor and everything that it has started."""
        os.killpg(self.process.pid, number)

    def terminate(self) -> None:
        """Ask the supervisor to stop."""
        self.process.send_signal(signal.SIGTERM)

    def end(self, timeout: float = 30.0) -> int:
        """Stop it in good order and return its exit code."""
        if self.process.poll() is None:
            self.terminate()
        return self.process.wait(timeout)

    def kill(self) -> None:
        """End all of it at once, if it lives."""
        try:
            self.signal_all(signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait(10)


def _works(process: psutil.Process) -> bool:
    try:
        return process.num_threads() > 1
    except psutil.Error:
        return False


def _cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def marks(folder: Path) -> list[str]:
    """Return the marks that the tasks left."""
    file = folder / "marks"
    return file.read_text().splitlines() if file.exists() else []


def until_marked(folder: Path, prefix: str, count: int = 1, timeout: float = START_TIMEOUT) -> list[str]:
    """Wait until *count* marks begin with *prefix*; return them."""

    def enough() -> list[str]:
        found = [line for line in marks(folder) if line.startswith(prefix)]
        return found if len(found) >= count else []

    return wait_until(enough, timeout, what=f"{count} marks {prefix!r}")


def until_workers(app: Celeriac, count: int, timeout: float = START_TIMEOUT) -> list[Any]:
    """Wait until exactly *count* worker processes are enlisted; return them."""
    found: list[Any] = []

    def so_many() -> bool:
        found[:] = app.broker.workers(time.time())
        return len(found) == count

    wait_until(so_many, timeout, what=f"{count} workers")
    return found


def freeze(worker: WorkerCommand, app: Celeriac) -> None:
    """Stop all of a worker, but not in the middle of a write: on SQLite nobody else could write then."""
    for _ in range(20):
        worker.signal_all(signal.SIGSTOP)
        try:
            app.broker.purge("nothing", time.time())
        except BrokerUnavailable:
            worker.signal_all(signal.SIGCONT)
            app.broker.purge("nothing", time.time())  # once it has written: it has a lease to renew
        else:
            return
    raise AssertionError("the worker writes all the time")
