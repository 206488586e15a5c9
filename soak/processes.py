"""The processes of a long run: worker commands, beats and producers, started, killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, Literal

import psutil

from celeriac import Celeriac

Kind = Literal["worker", "beat", "producer"]
CLI: Final = (sys.executable, "-m", "celeriac", "-A", "soak.shop:app")
TRACES: Final = "Traceback (most recent call last)"


class Member:
    """One of the processes, with whatever it has started."""

    def __init__(self, kind: Kind, words: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.kind, self._words = kind, words
        self._folder, self._environment = folder, environment
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with (self._folder / f"{self.kind}.log").open("ab") as log:
            return subprocess.Popen(
                self._words,
                env={**os.environ, **self._environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def children(self) -> list[int]:
        """Return the worker processes of a supervisor."""
        with contextlib.suppress(psutil.Error):
            found = psutil.Process(self.process.pid).children()
            return [each.pid for each in found if "celeriac.child" in " ".join(each.cmdline())]
        return []

    def kill(self, pid: int) -> None:
        """Kill one process, if it lives."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def kill_all(self) -> None:
        """Kill it with all that it has started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def revive(self) -> None:
        """Start it again where it is dead."""
        if self.process.poll() is not None:
            self.process = self._start()

    def end(self) -> None:
        """Stop it in good order; kill what does not end."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        self.kill_all()


class Site:
    """A store, its application, and the folder in which everything is written down."""

    def __init__(self, url: str, folder: Path, **environment: str) -> None:
        self.url, self.folder = url, folder
        self._environment = {"CELERIAC_BROKER_URL": url, "SOAK_FOLDER": str(folder), **environment}
        os.environ.update(self._environment)
        from soak.shop import app

        app.close()
        app.conf.broker_url = url
        self.app: Celeriac = app
        self.members: list[Member] = []

    def worker(self, *words: str) -> Member:
        """Start a worker command."""
        return self._add("worker", [*CLI, "worker", *words])

    def beat(self) -> Member:
        """Start a beat."""
        return self._add("beat", [*CLI, "beat"])

    def producer(self, pause: float) -> Member:
        """Start a process that sends, with so many seconds between two sendings."""
        log = self.folder / f"sent-{len(self.members)}"
        return self._add("producer", [sys.executable, "-m", "soak.producer", str(log), str(pause)])

    def _add(self, kind: Kind, words: list[str]) -> Member:
        member = Member(kind, words, self.folder, self._environment)
        self.members.append(member)
        return member

    def tracebacks(self) -> int:
        """Return how many tracebacks the processes have written."""
        return sum(log.read_text(errors="replace").count(TRACES) for log in self.folder.glob("*.log"))

    def close(self) -> None:
        """End all of them."""
        for member in self.members:
            member.end()
        self.app.close()
