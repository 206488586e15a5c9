"""``python run.py [--broker URL] [--port 8000]``: a worker and the web page, until Ctrl-C.

The two are ordinary programs and can be run apart, also on different machines; README.md says how.
"""

import argparse
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
PORTS_TO_TRY = 50
QUICK_DEATH_SECONDS = 5.0
STOP_SECONDS = 60.0


def main() -> int:
    """Run both until Ctrl-C (return 0) or until the worker turns out not to work (return 1)."""
    options = parser().parse_args()
    os.environ["CELERIAC_BROKER_URL"] = store(options.broker)
    from web import web  # it reads the environment, as the worker does
    from werkzeug.serving import make_server

    port = free_port(options.port)
    server = make_server(HOST, port, web, threaded=True)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # no line for each request
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.default_int_handler)
    worker = Worker(on_hopeless=server.shutdown)
    with suppress(KeyboardInterrupt):
        say(f"Open http://{HOST}:{port}/ in a browser; stop with Ctrl-C.")
        server.serve_forever()  # until Ctrl-C, or until the worker is given up
    worker.stop()
    return 1 if worker.hopeless else 0


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument(
        "--broker", help="URL of the store, such as redis://127.0.0.1:6379/0 (default: a file here)"
    )
    options.add_argument("--port", type=int, default=8000, help="where the page is served (default: 8000)")
    return options


def store(url: str | None) -> str:
    """Return the store's URL: as asked for, else the environment's, else one SQLite file beside us."""
    return url or os.environ.get("CELERIAC_BROKER_URL") or f"sqlite:///{HERE / 'celeriac.db'}"


def free_port(wanted: int) -> int:
    """Return *wanted* or, when it is taken, the next free port."""
    for port in range(wanted, wanted + PORTS_TO_TRY):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port != wanted:
            say(f"Port {wanted} is taken; using {port}.")
        return port
    raise SystemExit(f"The {PORTS_TO_TRY} ports from {wanted} on are all taken; name another with --port.")


class Worker:
    """The worker's process. One that is killed is replaced; one that dies at once has no hope."""

    def __init__(self, on_hopeless: Callable[[], None]) -> None:
        self._on_hopeless = on_hopeless
        self.hopeless = False
        self._stopping = False
        self._lock = threading.Lock()  # no replacement starts while we stop
        self._process = self._start()
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self) -> None:
        """Let running tasks finish; at a second Ctrl-C they go back to the queue for next time."""
        with self._lock:
            self._stopping = True
        if self._process.poll() is not None:
            return
        say("Stopping: the worker finishes what it has begun (Ctrl-C again: leave it for next time).")
        deadline = time.monotonic() + STOP_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            self._process.terminate()
            try:
                self._process.wait(max(0.0, deadline - time.monotonic()))
            except (KeyboardInterrupt, subprocess.TimeoutExpired):
                continue
        self._process.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        """Start it in a process group of its own: Ctrl-C in the terminal is for us to pass on."""
        paths = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
        process = subprocess.Popen(
            [sys.executable, "-m", "celeriac", "-A", "tasks", "worker"],
            env={**os.environ, "PYTHONPATH": paths},
            process_group=0,
        )
        say(f"The worker is process {process.pid}. Kill it (kill -9 {process.pid}): nothing is lost.")
        return process

    def _watch(self) -> None:
        while self._outlived(self._process):
            pass

    def _outlived(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait for the end of *process*; return whether another one runs in its place."""
        started = time.monotonic()
        code = process.wait()
        with self._lock:
            if self._stopping:
                return False
            if code > 0 and time.monotonic() - started < QUICK_DEATH_SECONDS:
                say(f"The worker could not run (exit code {code}).")
                self.hopeless = True
                self._on_hopeless()
                return False
            say(f"The worker has ended (exit code {code}). Starting another.")
            self._process = self._start()
            return True


def say(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    sys.exit(main())
