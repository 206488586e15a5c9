"""Talking to the server: connections, a small pool of them, and one retry loop with a deadline.

The client library's own retries are off: it would run a script twice and tell nobody. Every verb may be
repeated, so here it is: until the deadline, on fresh connections. A connection that met any error but a
plain error reply is closed, so that no reply is ever read by somebody else.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar, cast

import hiredis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from celeriac.brokers.redis.faults import Fault, code_of, fault_of
from celeriac.brokers.redis.scripts import Script
from celeriac.brokers.redis.url import Address
from celeriac.clock import SystemClock
from celeriac.errors import OperationalError

T = TypeVar("T")
Command = Sequence[str | bytes | int | float]

IDLE_LINKS: Final = 8
FIRST_PAUSE: Final = 0.005
LONGEST_PAUSE: Final = 0.2
# The share of the deadline after which the first try counts as lost: the rest is for a fresh connection.
FIRST_SHARE: Final = 0.6
READ_SIZE: Final = 65_536
_MORE: Final = object()  # what the reader says when a reply is not complete yet
SHORTEST_LIMIT: Final = 0.05

monotonic: Final = SystemClock.monotonic


class Link(Protocol):
    """A connection to one server; owned by one thread at a time."""

    socket_timeout: float

    def ask(self, command: Command) -> Any:
        """Send one command, return its reply, raise its error reply."""

    def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Send several commands at once; an error reply stands in its place among the replies."""

    def tell(self, command: Command) -> None:
        """Send one command and wait for nothing."""

    def hear(self) -> Any:
        """Read the next reply, raise it if it is an error."""

    def readable(self) -> bool:
        """Say whether something can be read at once: a reply, news, or the end of the connection."""

    def fileno(self) -> int:
        """Return the socket's descriptor; -1 when it is closed."""

    def limit(self, seconds: float) -> None:
        """Let no read or write take longer than *seconds* from now on."""

    def disconnect(self) -> None:
        """Close the socket."""


def _packed(command: Command) -> bytes:
    packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]
    return packed


class _Talk:
    """A `Link` made of the client library's connection, which connects and logs in; then we talk ourselves.

    The kernel keeps the time limit. Python's own time-outs would ask it before each read and write whether
    that would wait; and a `delay` is hardly more than one of each.
    """

    _sock: Any
    _parser: Any

    def limit(self, seconds: float) -> None:
        setattr(self, "socket_timeout", seconds)  # noqa: B010 - a property of the library's class
        if self._sock is not None:
            span = struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))
            self._sock.settimeout(None)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, span)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)

    def begin(self) -> None:
        """Take over from the library, which has read all that was answered so far."""
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=self._parser.parse_error, notEnoughData=_MORE
        )

    def ask(self, command: Command) -> Any:
        self._write(_packed(command))
        return self.hear()

    def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        self._write(b"".join(_packed(command) for command in commands))
        return [self._read() for _ in commands]

    def tell(self, command: Command) -> None:
        self._write(_packed(command))

    def hear(self) -> Any:
        reply = self._read()
        if isinstance(reply, RedisError):
            raise reply
        return reply

    def readable(self) -> bool:
        if self._reader.has_data() or self._sock is None:
            return True
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))

    def fileno(self) -> int:
        return -1 if self._sock is None else int(self._sock.fileno())

    def _write(self, packed: bytes) -> None:
        try:
            self._sock.sendall(packed)
        except (BlockingIOError, TimeoutError) as error:
            raise RedisTimeoutError("Timeout writing to socket") from error
        except (OSError, AttributeError) as error:  # no socket: it was closed
            raise RedisConnectionError(f"Error while writing to socket: {error}") from error

    def _read(self) -> Any:
        """Return the next reply, also one that is an error; raise one after which nothing can be asked."""
        try:
            while (reply := self._reader.gets()) is _MORE:
                self._reader.feed(self._receive())
        except (BlockingIOError, TimeoutError) as error:
            raise RedisTimeoutError("Timeout reading from socket") from error
        except (OSError, AttributeError) as error:
            raise RedisConnectionError(f"Error while reading from socket: {error}") from error
        if isinstance(reply, RedisConnectionError):
            raise reply
        return reply

    def _receive(self) -> bytes:
        data: bytes = self._sock.recv(READ_SIZE)
        if not data:
            raise RedisConnectionError("Connection closed by server.")
        return data


class _TcpLink(_Talk, Connection):
    pass


class _UnixLink(_Talk, UnixDomainSocketConnection):
    pass


class _TlsLink(_Talk, SSLConnection):
    """Over TLS the time limit is Python's, and a record may hold more than was asked for."""

    def limit(self, seconds: float) -> None:
        setattr(self, "socket_timeout", seconds)  # noqa: B010 - as above
        if self._sock is not None:
            self._sock.settimeout(seconds)

    def readable(self) -> bool:
        return super().readable() or bool(self._sock.pending())


class Client:
    """All connections of one broker object to one server (or to the primary that sentinels name).

    Safe to use from any thread, and in a forked child: it leaves the parent's connections alone.

    Args:
        where: how errors name the server. deadline: seconds after which a verb gives up.
        greet: called with every new pooled connection.

    Attributes:
        losses: how often a connection was found broken. One that is older may be dead too, without a sign of
            it: whoever only listens asks here.
    """

    def __init__(
        self, address: Address, *, where: str, deadline: float, greet: Callable[[Link], None]
    ) -> None:
        self.where = where
        self._address = address
        self._deadline = deadline
        self._greet = greet
        self._sentinels = list(address.hosts) if address.service else []
        self._idle: deque[Link] = deque()
        self.losses = 0
        self._pid = os.getpid()
        self._pause = threading.Event()

    # --- verbs ------------------------------------------------------------------------------------

    def call(
        self,
        script: Script,
        arguments: Callable[[int], Command],
        *,
        patience: float = 0.0,
    ) -> Any:
        """Run *script*.

        Args:
            arguments: makes the arguments of EVALSHA for the first try (0) and later ones (1, 2, …).
            patience: seconds that the script itself may take on top of the deadline.
        """

        def run(link: Link, attempt: int) -> Any:
            command = ("EVALSHA", script.sha, *arguments(attempt))
            try:
                return link.ask(command)
            except NoScriptError:
                link.ask(("SCRIPT", "LOAD", script.source))
                return link.ask(command)

        return self.run(run, patience=patience)

    def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands that only read, or may be repeated, and return their replies.

        An error reply is raised; but that a key is of another type stands in its place among the replies.
        """

        def ask(link: Link, _: int) -> list[Any]:
            replies = link.ask_all(commands)
            for reply in replies:
                if isinstance(reply, RedisError) and code_of(reply) != "WRONGTYPE":
                    raise reply
            return replies

        return self.run(ask)

    def run(self, work: Callable[[Link, int], T], *, patience: float = 0.0) -> T:
        """Do *work* with a connection, again until the deadline while the server is away or busy.

        Raises:
            OperationalError: it is away for longer than the deadline, or trying again cannot help.
        """
        until = monotonic() + self._deadline + patience
        limit = self._deadline * FIRST_SHARE + patience
        attempt, pause = 0, FIRST_PAUSE
        while True:
            try:
                return self._try(work, attempt, limit)
            except Fault as fault:
                if not fault.transient or monotonic() + pause >= until:
                    raise self._final(fault) from fault.__cause__
            self._pause.wait(pause)
            attempt, pause = attempt + 1, min(pause * 2, LONGEST_PAUSE)
            limit = max(SHORTEST_LIMIT, until - monotonic())

    def _final(self, fault: Fault) -> OperationalError:
        if not fault.transient:
            return fault.error
        return type(fault.error)(f"{fault.error} (tried for {self._deadline:g} s)")

    def _try(self, work: Callable[[Link, int], T], attempt: int, limit: float) -> T:
        link: Link | None = None
        try:
            link = self._take(limit)
            result = work(link, attempt)
        except RedisError as error:
            fault = fault_of(error, self.where)
            self._after(link, fault)
            raise fault from error
        except BaseException:  # a KeyboardInterrupt amid a reply, say
            if link is not None:
                link.disconnect()
            raise
        self._give_back(link)
        return result

    def _after(self, link: Link | None, fault: Fault) -> None:
        """Keep the connection only when the server has answered plainly."""
        if fault.reconnect:
            self.losses += 1
            self.drop()
        if link is None:
            return
        if fault.reconnect:
            link.disconnect()
        else:
            self._give_back(link)

    # --- the pool ---------------------------------------------------------------------------------

    def _take(self, limit: float) -> Link:
        if self._pid != os.getpid():
            self._abandon()
        link: Link | None
        try:
            link = self._idle.pop()
        except IndexError:
            link = None
        if link is None:  # not among the handlers: the error of a server that is away shall stand alone
            return self._new(limit)
        if link.socket_timeout != limit:
            link.limit(limit)
        return link

    def _new(self, limit: float) -> Link:
        link = self.connect(limit)
        try:
            self._greet(link)
        except BaseException:
            link.disconnect()
            raise
        return link

    def _give_back(self, link: Link) -> None:
        if len(self._idle) < IDLE_LINKS and link.fileno() >= 0:
            self._idle.append(link)
        else:
            link.disconnect()

    def _abandon(self) -> None:
        """Forget the parent's connections: closing them here would not, using them would, disturb it."""
        self._idle, self._pid = deque(), os.getpid()

    def drop(self) -> None:
        """Close the idle connections."""
        while True:
            try:
                self._idle.pop().disconnect()
            except IndexError:
                return

    # --- new connections --------------------------------------------------------------------------

    def connect(self, limit: float) -> Link:
        """Return a new connection, logged in; no step of it takes longer than *limit* seconds.

        Raises:
            RedisError: what the library raises.
        """
        address = self._address
        if address.family == "unix":
            settings = self._settings(limit, address.login)
            return _connected(_UnixLink, settings | {"path": address.path, "db": address.db})
        host, port = self._primary(limit) if self._sentinels else address.hosts[0]
        return self._tcp(host, port, limit, address.login, db=address.db)

    def _tcp(self, host: str, port: int, limit: float, login: dict[str, str], *, db: int = 0) -> Link:
        settings = self._settings(limit, login)
        settings |= {"host": host, "port": port, "db": db, "socket_keepalive": True}
        if self._address.family == "tls":
            return _connected(_TlsLink, settings | self._address.tls)
        return _connected(_TcpLink, settings)

    def _settings(self, limit: float, login: dict[str, str]) -> dict[str, Any]:
        return {
            "socket_timeout": limit,
            "socket_connect_timeout": limit,
            "retry": Retry(NoBackoff(), 0),
            "retry_on_timeout": False,
            "health_check_interval": 0,
            "protocol": 2,
            **login,
        }

    def _primary(self, limit: float) -> tuple[str, int]:
        """Ask the sentinels, the one that answered last first, where the primary is."""
        share = max(0.05, limit / len(self._sentinels))
        reasons = []
        for sentinel in list(self._sentinels):
            try:
                found = self._ask_sentinel(sentinel, share)
            except RedisError as error:
                reasons.append(f"{sentinel[0]}:{sentinel[1]}: {error}")
                continue
            if found is not None:
                self._sentinels.remove(sentinel)
                self._sentinels.insert(0, sentinel)
                return found
            reasons.append(f"{sentinel[0]}:{sentinel[1]} knows no {self._address.service!r}")
        raise RedisConnectionError(f"no sentinel names the primary ({'; '.join(reasons)})")

    def _ask_sentinel(self, sentinel: tuple[str, int], limit: float) -> tuple[str, int] | None:
        link = self._tcp(*sentinel, limit, self._address.sentinel_login)
        try:
            found = link.ask(("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.service))
        finally:
            link.disconnect()
        return (found[0].decode(), int(found[1])) if found else None


def _connected(kind: Callable[..., Any], settings: dict[str, Any]) -> Link:
    link = kind(**settings)
    # Nobody needs the library's name on the server: two round trips less, and two permissions.
    for name in ("driver_info", "lib_name", "lib_version"):
        setattr(link, name, None)
    try:
        link.connect()
    except BaseException:
        link.disconnect()
        raise
    connected: Any = link
    connected.begin()
    connected.limit(settings["socket_timeout"])
    return cast("Link", connected)
