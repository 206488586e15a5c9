"""Fresh stores to measure: a SQLite file in a temporary folder, a private Redis server that saves nothing."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import msgspec

from tests.servers import RedisServer
from tools.programs import Program
from tools.redis_server import KINDS, find


@contextlib.contextmanager
def sqlite(synchronous: str = "normal") -> Iterator[str]:
    """Yield the URL of a new SQLite file."""
    with tempfile.TemporaryDirectory(prefix="celeriac-bench-", ignore_cleanup_errors=True) as folder:
        yield f"sqlite:///{folder}/bench.db?synchronous={synchronous}"


@contextlib.contextmanager
def redis(cpus: Iterable[int] = ()) -> Iterator[str]:
    """Yield the URL of a new server, Redis where there is one, else Valkey; it runs on *cpus*, if any."""
    kind, program = redis_program()
    with tempfile.TemporaryDirectory(prefix="celeriac-bench-") as folder:
        server = RedisServer(kind, program, Path(folder), args=(), config="")
        server.start()
        pin(cpus, server.pid)
        try:
            yield server.url
        finally:
            server.stop()


class Store(msgspec.Struct, frozen=True):
    """A kind of store. *opener* makes a fresh one, its server on the CPUs that it gets."""

    name: str
    label: str
    opener: Callable[[Iterable[int]], AbstractContextManager[str]]

    @property
    def has_server(self) -> bool:
        """Whether a process of its own does the store's work."""
        return self.name == "redis"


STORES: Final = {
    store.name: store
    for store in (
        Store("redis", "Redis", redis),
        Store("sqlite", "SQLite NORMAL", lambda _: sqlite()),
        Store("sqlite-full", "SQLite FULL", lambda _: sqlite("full")),
    )
}


def pin(cpus: Iterable[int], pid: int = 0) -> None:
    """Let a process run on *cpus* only (this one, if *pid* is 0); without any, or on macOS, do nothing."""
    wanted = set(cpus) & set(range(os.cpu_count() or 1))
    if wanted and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, wanted)


@contextlib.contextmanager
def pinned(cpus: Iterable[int]) -> Iterator[None]:
    """Let this process, and the threads that it starts meanwhile, run on *cpus* only."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    pin(cpus)
    try:
        yield
    finally:
        pin(before)


def used_memory(url: str) -> int:
    """Return how many bytes the server's data takes."""
    import redis as client

    with client.Redis.from_url(url) as server:
        return int(server.info("memory")["used_memory"])


def redis_program() -> tuple[str, Program]:
    """Return the server that `redis` starts, with its kind."""
    for kind in KINDS:
        if (program := find(kind)) is not None:
            return kind, program
    raise SystemExit("no Redis or Valkey server here: install redis-server")


def version(store: Store) -> str:
    """Return what runs the store, and its version."""
    if not store.has_server:
        return f"SQLite {sqlite3.sqlite_version}"
    kind, program = redis_program()
    return f"{kind} {program.version} without persistence"
