"""Whether a worker is well, told to whoever starts and stops it: a file, an address, systemd.

Well means that each of its processes has exchanged something with the store lately, not that it lives. A
process that has just been started has a while for its first trip.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import msgspec

from celeriac.errors import ConfigurationError
from celeriac.worker.log import log

FIRST_TRIP: Final = 60.0  # seconds that a new process has for it
LEAST_PATIENCE: Final = 5.0  # seconds without a trip: an idle process makes one in two


class Pulse(msgspec.Struct, frozen=True):
    """What is known of one process; times are monotonic seconds.

    Attributes:
        exchanged: when it last had an answer from the store; None for never.
    """

    pid: int
    started: float
    exchanged: float | None


class Health:
    """Tells whether a worker is well.

    Args:
        ready_file: is there while it is well, and only then.
        address: where it answers `GET` with 200 or 503, and JSON.
        notify: the socket of systemd's `sd_notify`, as in NOTIFY_SOCKET.
        patience: seconds without an exchange after which a process is not well.

    Raises:
        ConfigurationError: the file cannot be made, or the address is taken or none.
    """

    def __init__(
        self,
        *,
        ready_file: Path | None = None,
        address: tuple[str, int] | None = None,
        notify: str | None = None,
    ) -> None:
        self.patience = 2 * LEAST_PATIENCE
        self._ready_file, self._notify = ready_file, notify
        self._ready = self._was_ready = False
        self._report: dict[str, Any] = {"ready": False, "processes": []}
        self._write_file()
        self._server = None if address is None else self._serve(*address)

    def _serve(self, host: str, port: int) -> ThreadingHTTPServer:
        try:
            server = ThreadingHTTPServer((host, port), _handler_of(self))
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"the health of the worker cannot be told at {host}:{port}: {error}"
            ) from error
        threading.Thread(target=server.serve_forever, name="celeriac-health", daemon=True).start()
        return server

    @property
    def port(self) -> int:
        """The port where it answers; 0 for none."""
        return 0 if self._server is None else int(self._server.server_address[1])

    # --- telling ------------------------------------------------------------------------------------

    def update(self, pulses: Sequence[Pulse], now: float, *, stopping: bool) -> None:
        """Tell how the processes are at the monotonic moment *now*."""
        well = [pulse for pulse in pulses if self._is_fresh(pulse, now)]
        sick = [pulse for pulse in pulses if pulse not in well and not self._is_new(pulse, now)]
        self._ready = bool(well) and not sick and not stopping
        self._report = {
            "ready": self._ready,
            "stopping": stopping,
            "processes": [_shown(pulse, now) for pulse in pulses],
        }
        if self._ready is not self._was_ready:
            if not stopping:
                phrase = "ready" if self._ready else "not ready"
                log.warning(phrase, extra={"processes": len(pulses), "sick": len(sick)})
            self._was_ready = self._ready
            self._write_file()
        if stopping:
            self._say("STOPPING=1")
        elif self._ready:
            self._say("READY=1\nWATCHDOG=1")

    def _is_fresh(self, pulse: Pulse, now: float) -> bool:
        return pulse.exchanged is not None and now - pulse.exchanged <= self.patience

    def _is_new(self, pulse: Pulse, now: float) -> bool:
        return pulse.exchanged is None and now - pulse.started <= FIRST_TRIP

    def _write_file(self) -> None:
        if self._ready_file is None:
            return
        try:
            if self._ready:
                self._ready_file.write_text(f"{os.getpid()}\n")
            else:
                self._ready_file.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigurationError(f"the ready file cannot be written: {error}") from error

    def _say(self, words: str) -> None:
        """Tell systemd; see sd_notify(3)."""
        if not self._notify:
            return
        path = "\0" + self._notify[1:] if self._notify.startswith("@") else self._notify
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(words.encode(), path)

    def answer(self) -> tuple[int, bytes]:
        """Return the status and the body of an answer."""
        report = self._report
        return (200 if report["ready"] else 503), json.dumps(report).encode() + b"\n"

    def close(self) -> None:
        """Tell nobody any more."""
        self._ready = False
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        with contextlib.suppress(ConfigurationError):
            self._write_file()


def _shown(pulse: Pulse, now: float) -> dict[str, Any]:
    ago = None if pulse.exchanged is None else round(max(0.0, now - pulse.exchanged), 3)
    return {"pid": pulse.pid, "exchanged_seconds_ago": ago}


def _handler_of(health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers every path alike."""

        timeout = 5.0
        server_version = "celeriac"
        sys_version = ""

        def do_GET(self) -> None:
            status, body = health.answer()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the base class's name

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: probes come every few seconds."""

    return Handler
