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
        return _try_lock(self._descriptor, fcntl.LOCK_EX)

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
    def waiting_room(self) -> Iterator[Seat]:
        """Be seen to wait, until the end of the block."""
        seat = Seat(self._room)
        try:
            seat.take()
            yield seat
        finally:
            seat.leave()

    def others_wait(self) -> bool:
        """Say whether anybody is in the waiting room."""
        try:
            room = os.open(self._room, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # nobody has ever waited, or all have gone
            return False
        try:
            return not _is_empty(room, self._room)
        finally:
            os.close(room)

    @property
    def _room(self) -> Path:
        return self._place.locks / "waiting"

    def _check(self, moment: float) -> None:
        """Open the directory, or open it anew when it was removed meanwhile."""
        self._checked = moment
        if self._descriptor >= 0 and _is_at(self._descriptor, self._place.locks):
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


class Seat:
    """One's place in the waiting room at *room*."""

    def __init__(self, room: Path) -> None:
        self._room = room
        self._descriptor = -1

    def take(self) -> None:
        """Sit down, where one does not sit yet.

        Call it again while you wait: at the moment at which somebody looks into the room, or takes it away
        because it is empty, nobody can sit down.
        """
        if self._descriptor >= 0:
            return
        try:
            room = os.open(self._room, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:  # nothing can be created here
            return
        if _try_lock(room, fcntl.LOCK_SH) and _is_at(room, self._room):
            self._descriptor = room
        else:
            os.close(room)

    def leave(self) -> None:
        """Get up; the last one to go leaves nothing behind."""
        room, self._descriptor = self._descriptor, -1
        if room >= 0:
            _is_empty(room, self._room)
            os.close(room)


def _is_empty(descriptor: int, room: Path) -> bool:
    """Say whether nobody sits in the open *room*; take it away if so."""
    if not _try_lock(descriptor, fcntl.LOCK_EX):
        return False
    if _is_at(descriptor, room):  # so nobody sits in another one there
        with contextlib.suppress(OSError):
            room.unlink()
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Say whether the open file is still the one at *path*."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _try_lock(descriptor: int, how: int) -> bool:
    """Lock a file, together with others or alone; False if others have it."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks here: nobody is seen to be in the way
        return True
    return True
