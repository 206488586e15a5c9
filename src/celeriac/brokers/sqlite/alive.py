"""Proof of life and of death, see `celeriac.brokers.alive`; with a dead worker's lock goes its bell."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from celeriac.brokers import alive
from celeriac.brokers.alive import boot_id
from celeriac.brokers.sqlite.place import Place

__all__ = ["Proofs", "boot_id"]


class Proofs(alive.Proofs):
    """The lock files beside one SQLite file."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._place = place

    def drop(self, workers: Iterable[str]) -> None:
        """Let go of the locks of *workers*; remove their files and their sockets, whoever had them."""
        workers = list(workers)
        super().drop(workers)
        for worker in workers:
            with contextlib.suppress(OSError):
                self._place.bell(worker).unlink()
