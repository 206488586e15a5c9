"""How much is measured: which stores, how many rounds, and how many tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from benchmarks.stores import Store

T = TypeVar("T")
F = TypeVar("F")


class Plan(msgspec.Struct, frozen=True):
    """What was asked for on the command line.

    Attributes:
        backlog: how many tasks `scale` lets wait.
    """

    stores: Sequence[Store]
    rounds: int = 3
    quick: bool = False
    backlog: int = 1_000_000

    @property
    def of_any_disk(self) -> Sequence[Store]:
        """The stores without SQLite FULL, where waiting for the disk has no part in what is measured."""
        return [store for store in self.stores if store.name != "sqlite-full"] or self.stores

    def count(self, full: int, quick: int) -> int:
        """Return how many, in a full run or a quick one."""
        return quick if self.quick else full


def in_turn(rounds: int, floor: Callable[[], F], ours: Callable[[], T]) -> tuple[list[F], list[T]]:
    """Measure the floor, ours, the floor, ours …: a machine that drifts drifts for both."""
    pairs = [(floor(), ours()) for _ in range(rounds)]
    return [first for first, _ in pairs], [second for _, second in pairs]
