"""The bells of idle workers: datagram sockets beside the file, rung by whoever queues work."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Final

from celeriac.broker import Bell
from celeriac.brokers.sqlite.place import Place

WORK: Final = b"w"
STOP: Final = b"s"
NEWS: Final = b"n"

_POSSIBLE: Final = hasattr(socket, "AF_UNIX")


def new_ear(place: Place, address: str) -> socket.socket | None:
    """Return a socket that hears what is rung at *address*; None where the system has no such sockets."""
    if not _POSSIBLE:
        return None
    path = place.bell(address)
    path.unlink(missing_ok=True)
    ear = _new_socket()
    try:
        place.within(lambda: ear.bind(str(path)))
    except OSError:
        ear.close()
        return None
    return ear


def drain(ear: socket.socket) -> set[bytes]:
    """Take all that was rung and not heard yet."""
    heard = set()
    with contextlib.suppress(OSError):  # nothing left
        while True:
            heard.add(ear.recv(16))
    return heard


class Ringer:
    """Rings others; never waits, and does not mind if nobody is there."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._mouth: socket.socket | None = None
        self._guard = threading.Lock()

    def ring(self, address: str, what: bytes) -> bool:
        """Ring at *address*; say whether anybody can have heard it."""
        mouth = self._mouth or self._open()
        try:
            mouth.sendto(what, str(self._place.bell(address)))
        except BlockingIOError:  # full: it rings already
            return True
        except OSError:
            return False
        return True

    def _open(self) -> socket.socket:
        fresh = _new_socket()
        with self._guard:
            mouth = self._mouth = self._mouth or fresh
        if mouth is not fresh:  # another thread was faster
            fresh.close()
        return mouth

    def reaches(self, address: str) -> bool:
        """Say whether somebody listens at *address*, without ringing."""
        with _new_socket() as probe:
            try:
                probe.connect(str(self._place.bell(address)))
            except OSError:
                return False
        return True

    def close(self) -> None:
        """Let go of the socket."""
        mouth, self._mouth = self._mouth, None
        if mouth is not None:
            mouth.close()


def _new_socket() -> socket.socket:
    mouth = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    mouth.setblocking(False)
    return mouth


class SqliteBell(Bell):
    """One worker's ear."""

    def __init__(self, place: Place, address: str, pass_on: Callable[[], None]) -> None:
        self._path = place.bell(address)
        self._ear = new_ear(place, address)
        self._pass_on = pass_on

    def fileno(self) -> int:
        """Return the socket's descriptor, -1 where there are no sockets."""
        return -1 if self._ear is None else self._ear.fileno()

    def arm(self, hungry: bool) -> None:
        """Nothing to do: the exchange has noted who is hungry."""

    def heard(self) -> bool:
        """Take what was rung; see `Bell.heard`."""
        return self._ear is not None and WORK in drain(self._ear)

    def pass_on(self) -> None:
        """Ring for another worker; see `Bell.pass_on`."""
        self._pass_on()

    def close(self) -> None:
        """Let go of the socket and its file."""
        ear, self._ear = self._ear, None
        if ear is not None:
            self._path.unlink(missing_ok=True)
            ear.close()
