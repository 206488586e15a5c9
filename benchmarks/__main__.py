"""`make bench`: enqueue and drain on each store, beside the floor of the same run, as one table."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from benchmarks import measure, stores

Opener = Callable[[], AbstractContextManager[str]]
STORES: dict[str, Opener] = {
    "SQLite NORMAL": stores.sqlite,
    "SQLite FULL": lambda: stores.sqlite("full"),
    "Redis": stores.redis,
}


def main() -> None:
    """Measure and print."""
    options = _options()
    console = Console(width=None if os.isatty(1) else 110)
    kind, program = stores.redis_program()
    console.print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {platform.machine()}, {os.cpu_count()} CPUs, "
        f"Python {platform.python_version()}, {kind} {program.version} without persistence. "
        f"Medians of {options.rounds}; processes are not pinned."
    )
    for name in options.stores:
        console.print(_enqueue_table(name, options))
        console.print(_drain_table(name, options))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--tasks", type=int, default=50_000, help="tasks in each drain (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each figure (%(default)s)")
    parser.add_argument("--stores", nargs="+", choices=STORES, default=list(STORES), metavar="STORE")
    return parser.parse_args()


def _median(rounds: int, figure: Callable[[], float]) -> float:
    return statistics.median(figure() for _ in range(rounds))


def _enqueue_table(name: str, options: argparse.Namespace) -> Table:
    table = Table(title=f"{name}: enqueue, tasks/s", title_justify="left")
    for column in ("delay, one by one", "adelay, 100 callers", "delay_many"):
        table.add_column(column, justify="right")
    singles, bulk = options.tasks // 5, options.tasks
    figures = [
        _on(name, options, lambda app: measure.enqueue_singly(app, singles)),
        _on(name, options, lambda app: measure.enqueue_concurrently(app, singles)),
        _on(name, options, lambda app: measure.enqueue_in_bulk(app, bulk)),
    ]
    table.add_row(*(f"{figure:,.0f}" for figure in figures))
    return table


def _on(name: str, options: argparse.Namespace, figure: Callable[[measure.Celeriac], float]) -> float:
    def once() -> float:
        with STORES[name]() as url:
            app = measure.application(url)
            app.broker.open()
            try:
                return figure(app)
            finally:
                app.close()

    return _median(options.rounds, once)


def _drain_table(name: str, options: argparse.Namespace) -> Table:
    table = Table(title=f"{name}: drain of no-ops, results stored, tasks/s", title_justify="left")
    for column in ("processes", "task", "drain", "floor", "drain / floor"):
        table.add_column(column, justify="right")
    for processes in (1, 2):
        for task in ("noop", "anoop"):
            drained, least = _drain_pair(name, task, processes, options)
            label = "def" if task == "noop" else "async def"
            table.add_row(str(processes), label, f"{drained:,.0f}", f"{least:,.0f}", f"{drained / least:.0%}")
    return table


def _drain_pair(name: str, task: str, processes: int, options: argparse.Namespace) -> tuple[float, float]:
    """Measure drain and floor in turn, so that a machine that drifts drifts for both."""
    drains, floors = [], []
    for _ in range(options.rounds):
        with STORES[name]() as url:
            drains.append(measure.drain(url, name=task, count=options.tasks, processes=processes))
        with STORES[name]() as url:
            floors.append(measure.floor(url, count=options.tasks, processes=processes))
    return statistics.median(drains), statistics.median(floors)


if __name__ == "__main__":
    main()
