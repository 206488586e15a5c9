"""The directory beside the file: sockets to ring, locks that prove life, the turnstile of writers.

Everything in it belongs to running processes; it may be deleted when none runs, and goes when it is empty.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from celeriac.brokers.alive import LONGEST_NAME, Directory, file_name, temporary
from celeriac.errors import StoreReadOnly

_LONGEST_SOCKET_PATH: Final = 100  # the system's limit is 108 bytes on Linux, 104 on macOS
_CHECK_EVERY: Final = 1.0
_PASSED_BY: Final = 10.0  # seconds
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
    first. Who finds it taken sits down in the waiting room, a file that all who are there lock together. A
    worker, which writes again and again, looks into it before each trip and lets them go first. Else it would
    be back each time before they, who sleep, have noticed that it was away.

    All of it is courtesy: where it does not work, writers still exclude each other, only less fairly. So
    nobody waits for long behind one that was frozen in there.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._descriptor = -1
        self._checked = _NEVER
        self._passed_by = _NEVER  # until then nobody in there is waited for

    def enter(self, moment: float) -> bool:
        """Take the turnstile if nobody has it; say whether writing may be tried."""
        if moment - self._checked > _CHECK_EVERY:
            self._check(moment)
        if self._descriptor < 0 or moment < self._passed_by:
            return True
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # no locks here
            return True
        return True

    def pass_by(self, moment: float) -> None:
        """Wait for nobody in there for a while: who has it does not go on."""
        self._passed_by = moment + _PASSED_BY

    def leave(self) -> None:
        """Let the next one in."""
        if self._descriptor < 0:
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        except OSError:  # no locks here
            return

    @contextlib.contextmanager
    def waiting_room(self) -> Iterator[None]:
        """Be seen to wait, until the end of the block."""
        try:
            room = os.open(self._room, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:  # nothing can be created here
            room = -1
        try:
            _try_lock(room, fcntl.LOCK_SH)
            yield
        finally:
            if room >= 0:
                if _try_lock(room, fcntl.LOCK_EX):  # the last one to go
                    self._room.unlink(missing_ok=True)
                os.close(room)

    def others_wait(self) -> bool:
        """Say whether anybody is in the waiting room."""
        try:
            room = os.open(self._room, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # nobody has ever waited, or all have gone
            return False
        try:
            return not _try_lock(room, fcntl.LOCK_EX)
        finally:
            os.close(room)

    @property
    def _room(self) -> Path:
        return self._place.locks / "waiting"

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


def _try_lock(descriptor: int, how: int) -> bool:
    """Lock a file, together with others or alone; False if others have it, or if there are no locks here."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except (OSError, ValueError):
        return False
    return True
