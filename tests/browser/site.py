"""The example's worker and web page as real processes, which tests may stop, kill and start again."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.servers import free_port
from tests.waiting import wait_until

EXAMPLE = Path(__file__).parents[2] / "examples" / "flask_progress"
FLASK = ("flask", "--app", "web", "run", "--port", "{port}")


class Answer(NamedTuple):
    """What the web page's server said to one request."""

    code: int
    headers: Any
    json: Any


class Site:
    """One store, one folder, one port; at first nothing runs."""

    def __init__(
        self,
        broker: str,
        folder: Path,
        *,
        project: Path = EXAMPLE,
        task_seconds: float = 10,
        server: Sequence[str] = FLASK,
    ) -> None:
        """Prepare, start nothing: logs go to *folder*, the programs' files are in *project*.

        *server* is the Python module that serves the page, and its arguments.
        """
        self._server = server
        self.broker = broker
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._project = project
        self.environment = {
            **os.environ,
            "CELERIAC_BROKER_URL": broker,
            "TASK_SECONDS": str(task_seconds),
            "PYTHONUNBUFFERED": "1",
        }
        self._web: psutil.Popen | None = None
        self._worker: psutil.Popen | None = None

    def start_web(self) -> None:
        """Start the web process; return when it answers."""
        self._web = self._start("web", *(word.format(port=self.port) for word in self._server))
        wait_until(lambda: self._answers(self._web), timeout=20, what=f"the web page\n{self.log('web')}")

    def start_worker(self) -> None:
        """Start a worker; what it begins to do is seen on the page."""
        self._worker = self._start("worker", "celeriac", "-A", "tasks", "worker")

    def stop_web(self) -> None:
        self._web = end(self._web)

    def stop_worker(self) -> None:
        self._worker = end(self._worker)

    def kill_worker(self) -> None:
        """SIGKILL to the worker and all its processes at once, as when the power fails."""
        assert self._worker is not None
        victims = [self._worker, *self._worker.children(recursive=True)]
        for victim in victims:
            victim.kill()
        psutil.wait_procs(victims, timeout=10)
        self._worker = None

    def stop(self) -> None:
        self.stop_web()
        self.stop_worker()

    def ask(self, method: str, path: str, **headers: str) -> Answer:
        """Send a request with an empty body; return the answer, whatever its code."""
        request = urllib.request.Request(self.url + path, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return read(answer)
        except urllib.error.HTTPError as error:
            return read(error)

    def log(self, part: str) -> str:
        """Everything that the "web" or the "worker" has written."""
        file = self._folder / f"{part}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def _start(self, part: str, *command: str) -> psutil.Popen:
        with (self._folder / f"{part}.log").open("ab") as log:
            return psutil.Popen(
                [sys.executable, "-m", *command],
                cwd=self._project,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _answers(self, process: psutil.Popen) -> bool:
        assert process.poll() is None, f"the web process ended:\n{self.log('web')}"
        try:
            with urllib.request.urlopen(self.url, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def read(answer: Any) -> Answer:
    body = answer.read()
    is_json = answer.headers.get_content_type() == "application/json"
    return Answer(answer.status, answer.headers, json.loads(body) if is_json else None)


def end(process: psutil.Popen | None, how: signal.Signals = signal.SIGTERM) -> None:
    """Stop *process*; one that stays is killed with all its children."""
    if process is None or process.poll() is not None:
        return
    children = process.children(recursive=True)
    process.send_signal(how)
    try:
        process.wait(timeout=30)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)
    for child in psutil.wait_procs(children, timeout=5)[1]:
        child.kill()
