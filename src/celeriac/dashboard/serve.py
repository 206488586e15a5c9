"""The dashboard as a program of its own: a socket, a server, an end when it is told to."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import uvicorn

from celeriac.dashboard.web import build

if TYPE_CHECKING:
    from celeriac.dashboard.site import Site

GRACE: Final = 3  # seconds for requests that are being answered when it ends


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 takes a free one.

    Raises:
        OSError: it cannot be listened there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=128)


class Server(uvicorn.Server):
    """Ends at a signal as a worker does, and at once at the second one; streams are told before.

    Args:
        site: the dashboard. prefix: what a proxy in front has cut off from the addresses.
    """

    def __init__(self, site: Site, prefix: str = "") -> None:
        self._site = site
        config = uvicorn.Config(
            build(site),
            log_level="warning",
            access_log=False,
            server_header=False,
            root_path=prefix.rstrip("/"),
            timeout_graceful_shutdown=GRACE,
            lifespan="off",
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, after everybody who listens has been told."""
        for tell in self._site.at_end:
            tell()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Hear of signals while it serves."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(
    site: Site, sock: socket.socket, *, prefix: str = "", started: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        prefix: what a proxy in front has cut off from the addresses.
        started: called when it listens.
    """
    server = Server(site, prefix)
    threading.Thread(target=site.warm, name="celeriac-dashboard-warm", daemon=True).start()
    started()
    server.run(sockets=[sock])
