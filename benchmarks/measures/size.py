"""Size: how many bytes of its store one queued no-op takes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from benchmarks import stores
from benchmarks.figures import Figure, figure
from benchmarks.floors.queues import SqliteQueue, queue
from benchmarks.plan import Plan, in_turn
from benchmarks.site import site
from benchmarks.stores import Store

FIRST: Final = 100  # what a store needs once is there when these are
BATCH: Final = 1_000


def measure(plan: Plan) -> Iterator[Figure]:
    """Fill, and see by how much the server's memory or the file has grown."""
    count = plan.count(20_000, 5_000)
    for store in plan.of_any_disk:
        floors, ours = in_turn(
            plan.rounds,
            lambda: _floor(store, count),  # noqa: B023
            lambda: _ours(store, count),  # noqa: B023
        )
        yield figure("size", store.name, "a queued no-op", "bytes", rounds=ours, floors=floors)


def _ours(store: Store, count: int) -> float:
    with site(store) as here:
        path = Path(here.url.removeprefix("sqlite:///").partition("?")[0])
        return _growth(store, here.url, path, count, lambda size: here.fill("noop", size))


def _floor(store: Store, count: int) -> float:
    with site(store) as here:
        line = queue(store, here.url)
        path = line.path if isinstance(line, SqliteQueue) else Path()
        growth = _growth(store, here.url, path, count, line.send)
        line.close()
        return growth


def _growth(store: Store, url: str, path: Path, count: int, send: Callable[[int], object]) -> float:
    def size() -> int:
        return stores.used_memory(url) if store.has_server else _file(path)

    send(FIRST)
    before = size()
    for _ in range(count // BATCH):
        send(BATCH)
    return (size() - before) / count


def _file(path: Path) -> int:
    """Return the size of a SQLite file when its write-ahead log has been moved into it."""
    connection = sqlite3.connect(path)
    connection.execute("pragma wal_checkpoint(truncate)").fetchall()
    connection.close()
    return path.stat().st_size
