"""How many processes a worker should have: from what waits and runs, and what others can do. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Final

from celeriac.broker import QueueInfo, WorkerInfo

PERIOD: Final = 2.0  # seconds between two looks at the queues
PATIENCE: Final = 30.0  # seconds for which less has to do before a process is stopped
STEP: Final = 5.0  # seconds until the next one may be


def load_of(queues: Iterable[QueueInfo], served: Collection[str] | None = None) -> int:
    """Return how many slots the tasks of *queues* could use now: those that may start, and those that run.

    Args:
        served: only these queues; None for all.
    """
    load = 0
    for queue in queues:
        if served is None or queue.name in served:
            ready = 0 if queue.paused else queue.queued - queue.held - queue.parked
            load += max(0, ready) + queue.running
    return load


def processes_for(load: int, slots: int) -> int:
    """Return how many processes of so many *slots* that *load* keeps busy."""
    return math.ceil(load / max(1, slots))


class Scaler:
    """Says when to start or stop processes of one worker.

    Args:
        most, least: how many there may be. slots: of each. queues: that they serve.
    """

    def __init__(self, most: int, least: int, *, slots: int, queues: Collection[str]) -> None:
        self._most, self._least = most, least
        self._slots, self._queues = slots, frozenset(queues)
        self._low_since: float | None = None

    def change(
        self,
        now: float,
        count: int,
        ours: Collection[str],
        queues: Iterable[QueueInfo],
        workers: Iterable[WorkerInfo],
    ) -> int:
        """Return how many processes to start; negative for how many to stop.

        Args:
            now: any clock that never goes back. count: how many there are. ours: ids of those.
            workers: all that are alive; what others can do need not be done here.
        """
        others = sum(
            worker.slots
            for worker in workers
            if worker.id not in ours and not self._queues.isdisjoint(worker.queues)
        )
        load = max(0, load_of(queues, self._queues) - others)
        want = min(self._most, max(self._least, processes_for(load, self._slots)))
        if want >= count:
            self._low_since = None
            return want - count
        if self._low_since is None:
            self._low_since = now
        if now - self._low_since < PATIENCE:
            return 0
        self._low_since = now - PATIENCE + STEP
        return -1
