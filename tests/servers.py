"""Real Redis and Valkey servers for the tests: each on a loopback port and in a folder of its own."""

import os
import random
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from tests.leaks import shared_processes
from tests.waiting import wait_until
from tools.programs import Program

READY = ("Ready to accept connections", "Sentinel ID is")
PASSWORD_OPTION = "--requirepass"


def free_port() -> int:
    """Return a loopback port that nobody listens on.

    It lies below the range from which systems take the local ports of outgoing connections: a client that
    retries a stopped server could otherwise be given that very port and connect to itself.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class RedisServer:
    """One server process. It can be stopped, killed, paused and started again on the same port."""

    def __init__(
        self, kind: str, program: Program, folder: Path, *, args: tuple[str, ...], config: str
    ) -> None:
        """Prepare, start nothing: *args* and *config* come last and so override what is set here."""
        self.kind = kind
        self.version = program.version
        self.dir = folder
        self.port = free_port()
        self.password = args[args.index(PASSWORD_OPTION) + 1] if PASSWORD_OPTION in args else None
        self._command = [*_dies_with_us(), program.path, *self._options(args, config)]
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of database 0."""
        credentials = f":{self.password}@" if self.password else ""
        return f"redis://{credentials}127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything that the server has written."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self) -> None:
        """Start on the same port with the same data folder; return when the server takes connections."""
        assert self._process is None, "the server is running already"
        seen = len(self.log)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        shared_processes.add(self._process.pid)
        wait_until(lambda: self._is_ready(seen), timeout=20.0, what=f"{self.kind} on port {self.port}")

    def stop(self) -> None:
        """Shut down in an orderly way: data that is configured to be saved is saved."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, as a crash or the kernel would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze the process: connections stay open, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def client(self, **options: Any) -> Any:
        """Return a redis-py client of this server that decodes replies and never retries."""
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        options = {
            "decode_responses": True,
            "password": self.password,
            "retry": Retry(NoBackoff(), 0),
            **options,
        }
        return Redis(host="127.0.0.1", port=self.port, **options)

    def cli(self, *args: Any) -> Any:
        """Send one command, as ``redis-cli`` would, and return the decoded reply."""
        with self.client() as client:
            return client.execute_command(*args)

    def flush(self) -> None:
        """Remove every key, script and library that a test has left."""
        for command in (("FLUSHALL", "SYNC"), ("SCRIPT", "FLUSH", "SYNC"), ("FUNCTION", "FLUSH", "SYNC")):
            self.cli(*command)

    def _options(self, args: tuple[str, ...], config: str) -> list[str]:
        file = self.dir / "server.conf"
        file.write_text(config)
        keep_nothing = [] if "--sentinel" in args else ["--save", "", "--appendonly", "no"]
        network = ["--port", str(self.port), "--bind", "127.0.0.1", "--protected-mode", "no"]
        return [str(file), *network, "--dir", str(self.dir), *keep_nothing, *args]

    def _is_ready(self, seen: int) -> bool:
        assert self._process is not None
        said = self.log[seen:]
        if self._process.poll() is not None:
            self._process = None
            raise AssertionError(f"{self.kind} did not start:\n{said}")
        return any(sign in said for sign in READY)

    def _end(self, how: signal.Signals) -> None:
        """End the process, if it runs; a paused one is woken, since it would not see SIGTERM."""
        process, self._process = self._process, None
        if process is None:
            return
        shared_processes.discard(process.pid)
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


def _dies_with_us() -> list[str]:
    """On Linux, tie the server's life to this process, so that a killed test run leaves no server behind."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
