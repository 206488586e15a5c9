"""Proof of life and of death on one host: a file lock that the kernel drops when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import sys
import weakref
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from celeriac.brokers.sqlite.place import Place

_all: weakref.WeakSet[Proofs] = weakref.WeakSet()


@cache
def boot_id() -> str:
    """Return what tells this running kernel from all others, "" where the system does not say."""
    for source in ("/proc/sys/kernel/random/boot_id", "/etc/machine-id"):
        with contextlib.suppress(OSError):
            return Path(source).read_text("ascii").strip()
    return f"{sys.platform}:{os.uname().nodename}"


class Proofs:
    """The lock files of the workers that live in this process, and a look at those of others."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._held: dict[str, int] = {}
        _all.add(self)

    def hold(self, worker: str) -> None:
        """Hold the lock of *worker* until this process dies or `drop`s it."""
        if worker in self._held:
            return
        self._held[worker] = self._place.within(lambda: _new_lock(self._place.lock(worker)))

    def drop(self, workers: Iterable[str]) -> None:
        """Let go of the locks of *workers* and remove their files, whoever held them."""
        for worker in workers:
            with contextlib.suppress(OSError):
                self._place.lock(worker).unlink()
            with contextlib.suppress(OSError):
                self._place.bell(worker).unlink()
            descriptor = self._held.pop(worker, None)
            if descriptor is not None:
                os.close(descriptor)

    def dead(self, workers: Iterable[str]) -> list[str]:
        """Return those whose lock file is there and nobody holds it."""
        return [worker for worker in workers if worker not in self._held and self._is_free(worker)]

    def _is_free(self, worker: str) -> bool:
        try:
            descriptor = os.open(self._place.lock(worker), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

    def drop_all(self) -> None:
        """Let go of all locks of this process."""
        self.drop(list(self._held))

    def abandon(self) -> None:
        """In a forked child: the locks are the parent's; a child must not keep them held after its death."""
        held, self._held = self._held, {}
        for descriptor in held.values():
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _new_lock(path: Path) -> int:
    """Make the file *path*, which appears locked: nobody can find it free before its owner has it."""
    draft = path.with_name(f".{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.rename(path)
    except BaseException:
        os.close(descriptor)
        draft.unlink(missing_ok=True)
        raise
    return descriptor


def _abandon_all() -> None:
    for proofs in list(_all):
        proofs.abandon()


os.register_at_fork(after_in_child=_abandon_all)
