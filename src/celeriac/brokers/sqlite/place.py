"""The directory beside the file: sockets to ring, locks that prove life, the turnstile of writers.

Everything in it belongs to running processes; it may be deleted when none runs, and goes when it is empty.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from celeriac.errors import StoreReadOnly

T = TypeVar("T")

_LONGEST_SOCKET_PATH: Final = 100  # the system's limit is 108 bytes on Linux, 104 on macOS
_LONGEST_NAME: Final = 32
_CHECK_EVERY: Final = 1.0
_REMOVALS: Final = 5
_NEVER: Final = float("-inf")
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


def file_name(owner: str) -> str:
    """Return a short name that is safe for a file, everywhere the same for the same *owner*."""
    if _PLAIN.fullmatch(owner):
        return owner
    return hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:_LONGEST_NAME]


class Place:
    """The run directory of the store at *path*.

    Attributes:
        locks: where the lock files are. sockets: where the sockets are; elsewhere when its path is too long.
    """

    def __init__(self, path: Path) -> None:
        self.locks = path.with_name(path.name + "-run")
        self.sockets = self._short_enough(self.locks)

    @staticmethod
    def _short_enough(directory: Path) -> Path:
        if len(os.fsencode(directory)) + len("/.bell") + _LONGEST_NAME <= _LONGEST_SOCKET_PATH:
            return directory
        digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"celeriac-{os.getuid()}-{digest}"

    def make(self) -> None:
        """Create what is missing, for this user only.

        Raises:
            StoreReadOnly: it cannot be created, or somebody else owns it.
        """
        for directory in {self.locks, self.sockets}:
            try:
                directory.mkdir(mode=0o700, exist_ok=True)
                status = directory.lstat()
            except OSError as error:
                raise StoreReadOnly(
                    f"the directory {directory} cannot be created: {error.strerror}"
                ) from error
            if status.st_uid != os.getuid() or status.st_mode & 0o170077 != 0o040000:
                raise StoreReadOnly(
                    f"{directory} must be a directory that only this user may use; remove it or chmod it 700"
                )

    def within(self, work: Callable[[], T]) -> T:
        """Return what *work*, which makes a file in the directory, returned.

        The directory is made if it is missing, also when another process that closes just removed it.
        """
        for _ in range(_REMOVALS):
            self.make()
            with contextlib.suppress(FileNotFoundError):
                return work()
        self.make()
        return work()

    def lock(self, worker: str) -> Path:
        """Return the path of a worker's lock file."""
        return self.locks / f"{file_name(worker)}.lock"

    def bell(self, name: str) -> Path:
        """Return the path of the socket whose address is *name*."""
        return self.sockets / f"{file_name(name)}.bell"

    def tidy(self) -> None:
        """Remove the directories if nothing is in them."""
        for directory in {self.locks, self.sockets}:
            with contextlib.suppress(OSError):
                directory.rmdir()


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
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

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
