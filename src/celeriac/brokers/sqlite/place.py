"""The directory beside the file: sockets to ring, locks that prove life, the turnstile of writers.

Everything in it belongs to running processes; it may be deleted when none runs, and goes when it is empty.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final

from celeriac.brokers.alive import LONGEST_NAME, Directory, file_name, temporary
from celeriac.errors import StoreReadOnly

_LONGEST_SOCKET_PATH: Final = 100  # the system's limit is 108 bytes on Linux, 104 on macOS
_CHECK_EVERY: Final = 1.0
_NEVER: Final = float("-inf")


class Place(Directory):
    """The run directory of the store at *path*.

    Attributes:
        sockets: where the sockets are: beside the locks, elsewhere when their path would be too long.
    """

    def __init__(self, path: Path) -> None:
        locks = path.with_name(path.name + "-run")
        self.sockets = _short_enough(locks)
        super().__init__(locks, self.sockets)

    def bell(self, name: str) -> Path:
        """Return the path of the socket whose address is *name*."""
        return self.sockets / f"{file_name(name)}.bell"


def _short_enough(directory: Path) -> Path:
    if len(os.fsencode(directory)) + len("/.bell") + LONGEST_NAME <= _LONGEST_SOCKET_PATH:
        return directory
    return temporary(os.fsencode(directory))


class Turnstile:
    """Lets the writers of all processes in one by one, so that none that is fast can shut the others out.

    Whoever waits for the database's write lock holds the turnstile; whoever wants to write passes through it
    first. It is a courtesy: where it does not work, writers still exclude each other, only less fairly.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._descriptor = -1
        self._checked = _NEVER

    def enter(self, moment: float) -> bool:
        """Take the turnstile if nobody has it; say whether writing may be tried."""
        if moment - self._checked > _CHECK_EVERY:
            self._check(moment)
        if self._descriptor < 0:
            return True
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # no locks here
            return True
        return True

    def leave(self) -> None:
        """Let the next one in."""
        if self._descriptor < 0:
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        except OSError:  # no locks here
            return

    def _check(self, moment: float) -> None:
        """Open the directory, or open it anew when it was removed meanwhile."""
        self._checked = moment
        with contextlib.suppress(OSError):
            if self._descriptor >= 0 and os.fstat(self._descriptor).st_ino == self._place.locks.stat().st_ino:
                return
        self.close()
        self._checked = moment
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        with contextlib.suppress(OSError, StoreReadOnly):
            self._descriptor = self._place.within(lambda: os.open(self._place.locks, flags))

    def close(self) -> None:
        """Let go of the directory."""
        descriptor, self._descriptor, self._checked = self._descriptor, -1, _NEVER
        if descriptor >= 0:
            os.close(descriptor)
