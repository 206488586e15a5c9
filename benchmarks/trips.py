"""Counts the transactions that a process makes on a SQLite store: each is one trip.

The count goes into a file of the process's own below the folder that the environment names; one costs some
0.2 µs. A Redis server counts for itself.
"""

from __future__ import annotations

import itertools
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

VARIABLE = "BENCH_TRIPS"


def count() -> None:
    """Count from now on, if the environment says where; for a worker's processes."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return
    from celeriac.brokers.sqlite.store import Store

    with (Path(folder) / f"{os.getpid()}.trips").open("w+b") as file:
        file.truncate(8)
        slot = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")
    numbers = itertools.count(1)
    for name in ("read", "write"):
        setattr(Store, name, _counted(getattr(Store, name), slot, numbers))


def _counted(verb: Callable[..., Any], slot: memoryview, numbers: itertools.count[int]) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        slot[0] = next(numbers)
        return verb(*args, **kwargs)

    return counted


def made(folder: Path) -> int:
    """Return how many have been made by all processes that count into *folder*."""
    return sum(int.from_bytes(path.read_bytes(), "little") for path in folder.glob("*.trips"))
