"""Fresh stores to measure: a SQLite file in a temporary folder, a private Redis server that saves nothing."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.servers import RedisServer
from tools.programs import Program
from tools.redis_server import KINDS, find


@contextlib.contextmanager
def sqlite(synchronous: str = "normal") -> Iterator[str]:
    """Yield the URL of a new SQLite file."""
    with tempfile.TemporaryDirectory(prefix="celeriac-bench-", ignore_cleanup_errors=True) as folder:
        yield f"sqlite:///{folder}/bench.db?synchronous={synchronous}"


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Yield the URL of a new server: Redis where there is one, else Valkey."""
    kind, program = redis_program()
    with tempfile.TemporaryDirectory(prefix="celeriac-bench-") as folder:
        server = RedisServer(kind, program, Path(folder), args=(), config="")
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


def redis_program() -> tuple[str, Program]:
    """Return the server that `redis` starts, with its kind."""
    for kind in KINDS:
        if (program := find(kind)) is not None:
            return kind, program
    raise SystemExit("no Redis or Valkey server here: install redis-server")
