"""The dashboard as a program of its own: a socket, a server, an end when it is told to."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import uvicorn

from celeriac.dashboard import pages
from celeriac.dashboard.web import build

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from celeriac.dashboard.site import Site

# First words of addresses besides those of pages and actions.
OTHERS: Final = frozenset(
    {"static", "healthz", "export", "api", "login", "logout", "settings", "live", "changes"}
)
GRACE: Final = 3  # seconds for requests that are being answered when it ends


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 takes a free one.

    Raises:
        OSError: it cannot be listened there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=128)


class Uncut:
    """Lets addresses be as they are behind the proxy, too: without one, nobody cuts off the prefix.

    What a proxy has cut is told from it by the first word behind the prefix, which is that of a page; so a
    prefix that begins as a page does (`/tasks`) is only understood when it was cut off.
    """

    def __init__(self, inner: ASGIApp, prefix: str) -> None:
        paths = *(page.path for page in pages.PAGES), *(action.path for action in pages.ACTIONS)
        own = {path.split("/")[1] for path in paths} | OTHERS
        self._inner, self._prefix = inner, prefix
        self._is_clear = bool(prefix) and prefix.split("/")[1] not in own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the server has put the prefix before its path."""
        twice = self._prefix * 2
        path: str = scope.get("path", "")
        if self._is_clear and (path == twice or path.startswith(f"{twice}/")):
            scope = {**scope, "path": path.removeprefix(self._prefix)}
        await self._inner(scope, receive, send)


class Server(uvicorn.Server):
    """Ends at a signal as a worker does, and at once at the second one; streams are told before.

    Args:
        site: the dashboard. prefix: what a proxy in front has cut off from the addresses.
    """

    def __init__(self, site: Site, prefix: str = "") -> None:
        self._site = site
        config = uvicorn.Config(
            Uncut(build(site), prefix.rstrip("/")),
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
