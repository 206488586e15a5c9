"""Proof of life and of death on one host: a file lock that the kernel drops when its holder dies.

Knows no store: the store says where the lock files are, and whom it knows. A lock file that is there and
free proves a death; one that is missing proves nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

from celeriac.errors import StoreReadOnly

T = TypeVar("T")

LONGEST_NAME: Final = 32

_SUFFIX: Final = ".lock"
_LONGEST_ID: Final = 4096
_REMOVALS: Final = 5
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")

_all: weakref.WeakSet[Proofs] = weakref.WeakSet()


@cache
def boot_id() -> str:
    """Return what tells this running kernel from all others, "" where the system does not say."""
    for source in ("/proc/sys/kernel/random/boot_id", "/etc/machine-id"):
        with contextlib.suppress(OSError):
            return Path(source).read_text("ascii").strip()
    return f"{sys.platform}:{os.uname().nodename}"


def file_name(owner: str) -> str:
    """Return a short name that is safe for a file, everywhere the same for the same *owner*."""
    if _PLAIN.fullmatch(owner):
        return owner
    return hashlib.sha256(_bytes(owner)).hexdigest()[:LONGEST_NAME]


def temporary(what: bytes) -> Path:
    """Return the path of this user's own directory for *what* in the temporary directory; make nothing."""
    try:
        parent = tempfile.gettempdir()
    except OSError:  # nothing can be written anywhere: whoever makes it will be told
        parent = "/tmp"  # noqa: S108 - its owner and its rights are checked
    return Path(parent) / f"celeriac-{os.getuid()}-{hashlib.sha256(what).hexdigest()[:16]}"


class Directory:
    """Where the processes of one store leave files for one another; only this user may use it.

    Attributes:
        locks: where the lock files are.
    """

    def __init__(self, locks: Path, *others: Path) -> None:
        self.locks = locks
        self._paths = {locks, *others}

    def make(self) -> None:
        """Create what is missing, for this user only.

        Raises:
            StoreReadOnly: it cannot be created, or somebody else owns it.
        """
        for path in self._paths:
            try:
                with contextlib.suppress(FileExistsError):
                    path.mkdir(mode=0o700)
                    path.chmod(0o700)  # an odd umask may have taken the owner's own rights
                status = path.lstat()
            except OSError as error:
                raise StoreReadOnly(f"the directory {path} cannot be created: {error.strerror}") from error
            if status.st_uid != os.getuid() or status.st_mode & 0o170077 != 0o040000:
                raise StoreReadOnly(
                    f"{path} must be a directory that only this user may use; remove it or chmod it 700"
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
        return self.locks / f"{file_name(worker)}{_SUFFIX}"

    def tidy(self) -> None:
        """Remove the directory if nothing is in it."""
        for path in self._paths:
            with contextlib.suppress(OSError):
                path.rmdir()


class Proofs:
    """The lock files of the workers that live in this process, and a look at those of others."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._held: dict[str, int] = {}
        _all.add(self)

    def hold(self, worker: str) -> None:
        """Hold the lock of *worker* until this process dies or `drop`s it.

        Raises:
            StoreReadOnly, OSError: there can be no lock file.
        """
        if worker in self._held:
            return
        self._held[worker] = self._directory.within(lambda: _new_lock(self._directory.lock(worker), worker))

    def drop(self, workers: Iterable[str]) -> None:
        """Let go of the locks of *workers* and remove their files, whoever held them."""
        for worker in workers:
            with contextlib.suppress(OSError):
                self._directory.lock(worker).unlink()
            descriptor = self._held.pop(worker, None)
            if descriptor is not None:
                os.close(descriptor)

    def dead(self, workers: Iterable[str]) -> list[str]:
        """Return those whose lock file is there and nobody holds it."""
        return [
            worker
            for worker in workers
            if worker not in self._held and _last_holder(self._directory.lock(worker)) is not None
        ]

    def all_dead(self) -> list[str]:
        """Return all whose lock file is in the directory and nobody holds it; looks at nothing else."""
        ours = {self._directory.lock(worker).name for worker in list(self._held)}
        found = []
        for name in _names(self._directory.locks):
            if not name.endswith(_SUFFIX) or name in ours:
                continue
            worker = _last_holder(self._directory.locks / name)
            if worker is not None and self._directory.lock(worker).name == name:
                found.append(worker)
        return found

    def drop_all(self) -> None:
        """Let go of all locks of this process."""
        self.drop(list(self._held))

    def abandon(self) -> None:
        """In a forked child: the locks are the parent's; a child must not keep them held after its death."""
        held, self._held = self._held, {}
        for descriptor in held.values():
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _new_lock(path: Path, worker: str) -> int:
    """Make the file *path*, which appears locked: nobody can find it free before its owner has it."""
    draft = path.with_name(f".{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, _bytes(worker))
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.rename(path)
    except BaseException:
        os.close(descriptor)
        draft.unlink(missing_ok=True)
        raise
    return descriptor


def _last_holder(path: Path) -> str | None:
    """Return who had the lock file at *path*; None if it has him still, or is not there."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Shared: others that look at the same moment must not take our look for a sign of life.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return os.read(descriptor, _LONGEST_ID).decode("utf-8", "replace")
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _names(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.iterdir()]
    except OSError:  # nobody has made it
        return []


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _abandon_all() -> None:
    for proofs in list(_all):
        proofs.abandon()


os.register_at_fork(after_in_child=_abandon_all)
