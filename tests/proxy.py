"""A TCP proxy that stands between a client and a real server and harms the traffic on request."""

import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK = 65_536


class Proxy:
    """Forwards bytes both ways until it is told to do harm. All settings may be changed while it runs.

    Attributes:
        port: where it listens, on the loopback address.
        connections: how many it has accepted.
        latency: seconds by which each request is delayed.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._refusing = False
        self._stalled = False
        self._stranded: set[socket.socket] = set()
        self.latency = 0.0
        self._cut: tuple[bytes, int] | None = None
        self.cuts = 0
        self._changed = threading.Condition()
        self._open = True
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    # --- harm ------------------------------------------------------------------------------------

    def cut_reply(self, *, to: bytes, after: int = 0) -> None:
        """Close the connection amid the next reply to a request that contains *to*: let *after* bytes pass.

        The server has then done what was asked. It happens once.
        """
        self._cut = (to, after)

    def stall(self) -> None:
        """Forward nothing any more, keep every connection."""
        self._set(stalled=True)

    def strand(self) -> None:
        """Forward nothing any more on the connections that there are, nor close them; new ones work."""
        with self._changed:
            self._stranded |= self._sockets

    def resume(self) -> None:
        """End a stall, and accept again."""
        self._refusing = False
        self._set(stalled=False)

    def refuse(self) -> None:
        """Close all connections, and each new one at once."""
        self._refusing = True
        self.close_all()

    def close_all(self) -> None:
        """Close the connections that there are."""
        for end in list(self._sockets):
            _shut(end)

    def close(self) -> None:
        """End everything."""
        self._open = False
        _shut(self._listener)
        self._listener.close()
        self.close_all()
        self._set(stalled=False)
        for thread in self._threads:
            thread.join(10)

    # --- threads ---------------------------------------------------------------------------------

    def _set(self, *, stalled: bool) -> None:
        with self._changed:
            self._stalled = stalled
            self._stranded &= self._sockets if self._open else set()
            self._changed.notify_all()

    def _start(self, target, *args) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while self._open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self._refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self._sockets |= {client, server}
            self._start(self._forward, client, server)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        """Carry one connection's bytes; requests and replies take turns, as the client speaks in turn."""
        doomed: int | None = None  # how many bytes of this reply may still pass
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(client, selectors.EVENT_READ)
                selector.register(server, selectors.EVENT_READ)
                while True:
                    for key, _ in selector.select():
                        source = key.fileobj
                        data = source.recv(CHUNK)
                        with self._changed:
                            self._changed.wait_for(lambda: not self._stalled and client not in self._stranded)
                        if not data:
                            return
                        if source is client:
                            time.sleep(self.latency)
                            server.sendall(data)
                            if self._cut and self._cut[0] in data:
                                doomed, self._cut = self._cut[1], None
                        elif doomed is None:
                            client.sendall(data)
                        else:
                            client.sendall(data[:doomed])
                            self.cuts += 1
                            return
        except OSError:
            return
        finally:
            self._sockets -= {client, server}
            for end in (client, server):
                _shut(end)
                end.close()


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """Run a proxy to the server on *port* of the loopback address."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
