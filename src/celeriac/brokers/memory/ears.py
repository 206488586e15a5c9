"""How the memory store wakes those who wait: the bell of a worker, the ear of a process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence

from celeriac.broker import Bell, Listener
from celeriac.message import Record


class MemoryBell(Bell):
    """A pair of sockets: rung by writing a byte into one, heard by reading the other."""

    def __init__(self, pass_on: Callable[[], None]) -> None:
        self._ear, self._mouth = socket.socketpair()
        self._ear.setblocking(False)
        self._mouth.setblocking(False)
        self._pass_on = pass_on

    def ring(self, *, work: bool) -> None:
        """Wake the owner, for new work or for a stop request."""
        try:
            self._mouth.send(b"w" if work else b"s")
        except (BlockingIOError, OSError):  # full: it rings already; closed: nobody is there
            return

    def fileno(self) -> int:
        """Return the descriptor of the ear."""
        return self._ear.fileno()

    def arm(self, hungry: bool) -> None:
        """Nothing to do: the exchange has noted who is hungry."""

    def heard(self) -> bool:
        """Empty the ear; see `Bell.heard`."""
        try:
            return b"w" in self._ear.recv(4096)
        except (BlockingIOError, OSError):
            return False

    def pass_on(self) -> None:
        """Ring for another worker."""
        self._pass_on()

    def close(self) -> None:
        """Close both sockets."""
        self._ear.close()
        self._mouth.close()


class MemoryListener(Listener):
    """A set of changed ids under a condition."""

    def __init__(
        self,
        watch: Callable[[MemoryListener, Sequence[str]], list[Record | None]],
        unwatch: Callable[[MemoryListener], None],
    ) -> None:
        self._watch, self._unwatch = watch, unwatch
        self._changed: set[str] = set()
        self._woken = False
        self._condition = threading.Condition()

    def hear(self, task_id: str) -> None:
        """Note that *task_id* changed."""
        with self._condition:
            self._changed.add(task_id)
            self._condition.notify_all()

    def watch(self, ids: Sequence[str]) -> list[Record | None]:
        """Return the records, and hear of their changes from here on."""
        return self._watch(self, ids)

    def wait(self, timeout: float) -> set[str] | None:
        """Wait for news; see `Listener.wait`."""
        with self._condition:
            self._condition.wait_for(lambda: self._changed or self._woken, timeout)
            changed, self._changed, self._woken = self._changed, set(), False
            return changed

    def wake(self) -> None:
        """Make `wait` return at once."""
        with self._condition:
            self._woken = True
            self._condition.notify_all()

    def close(self) -> None:
        """Hear nothing more."""
        self._unwatch(self)
        self.wake()
