"""A guard: a test that leaves a process or a thread behind fails, instead of disturbing a later test."""

import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from tests.waiting import wait_until

GRACE = 3.0
# Python's own servants of multiprocessing stay until the interpreter ends, by design.
SERVANTS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
# What the whole run shares says so here: ids of processes, and the beginning of threads' names.
shared_processes: set[int] = set()
SHARED_THREADS = "shared-"


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Raise AssertionError when the block ends and processes or non-daemon threads of its making live on."""
    children, threads = _children(), _threads()
    yield
    left_threads = _lingering(lambda: _threads() - threads)
    left_children = _lingering(lambda: {child for child in _children() - children if not _is_harmless(child)})
    described = [_describe(child) for child in left_children]
    for child in left_children:
        child.kill()
    assert not described, f"processes left behind: {described}"
    assert not left_threads, f"threads left behind: {sorted(thread.name for thread in left_threads)}"


def _lingering(remaining: Callable[[], set[Any]]) -> set[Any]:
    """Return what is still there after a moment's grace."""
    if remaining():
        try:
            wait_until(lambda: not remaining(), timeout=GRACE, what="the test's last processes and threads")
        except AssertionError:
            return remaining()
    return set()


class _Begun:
    """How many processes this one has begun. To find children means to look at every process of the machine,
    which takes longer than most tests; as long as none is begun there are no new ones."""

    AUDITED = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn"})

    def __init__(self) -> None:
        self.number = 0
        sys.addaudithook(self._hear)

    def _hear(self, event: str, _: tuple[Any, ...]) -> None:
        if event in self.AUDITED:
            self.number += 1


_begun = _Begun()
_last: tuple[int, set[psutil.Process]] = (-1, set())


def _children() -> set[psutil.Process]:
    global _last
    number = _begun.number
    if number != _last[0] or multiprocessing.active_children():  # its processes are begun unheard
        _last = number, set(psutil.Process().children())
    return {child for child in _last[1] if child.pid not in shared_processes and child.is_running()}


def _threads() -> set[threading.Thread]:
    alive = threading.enumerate()
    return {thread for thread in alive if not thread.daemon and not thread.name.startswith(SHARED_THREADS)}


def _is_harmless(child: psutil.Process) -> bool:
    """Say whether *child* may stay: it is a servant, or it has ended and only its exit code waits."""
    try:
        if child.status() == psutil.STATUS_ZOMBIE:
            return True
        return any(name in " ".join(child.cmdline()) for name in SERVANTS)
    except psutil.NoSuchProcess:
        return True


def _describe(child: psutil.Process) -> str:
    try:
        return f"{child.pid} ({child.status()}): {' '.join(child.cmdline())}"
    except psutil.NoSuchProcess:
        return f"{child.pid} (just ended)"
