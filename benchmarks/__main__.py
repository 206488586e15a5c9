"""`make bench`: what Celeriac costs here, beside the floor of the same run and beside its goals."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from benchmarks import report
from benchmarks.figures import Figure
from benchmarks.goals import judged
from benchmarks.plan import Plan
from benchmarks.site import Stuck
from benchmarks.stores import STORES

MEASURES: Final = (
    "drain",
    "enqueue",
    "latency",
    "beside",
    "naps",
    "waiting",
    "idle",
    "start",
    "size",
    "recovery",
    "payloads",
    "scale",
    "canvas",
    "limits",
    "beat",
    "dashboard",
    "history",
)
QUICK_STORES: Final = ("redis", "sqlite")


def main() -> None:
    """Measure what was asked for, print it as it comes, and write it down."""
    options = _options()
    plan = Plan(
        stores=[STORES[name] for name in options.stores or (QUICK_STORES if options.quick else STORES)],
        rounds=options.rounds or (1 if options.quick else 3),
        quick=options.quick,
        backlog=options.backlog or (20_000 if options.quick else 1_000_000),
    )
    console = Console(width=None if os.isatty(1) else 150)
    began = report.now()
    top = report.head(plan, began)
    console.print(top, highlight=False)
    figures: list[Figure] = []
    kept = report.read(options.out) if options.keep and options.out else []
    stuck = False
    for name in options.measures or MEASURES:
        try:
            _measure(console, name, plan, figures, began)
        except Stuck as error:
            stuck = True
            console.print(f"{name} is not complete: {error}", style="red", highlight=False)
        if options.out:
            report.write(options.out, top, _with(kept, figures))
    _missed(console, figures)
    sys.exit(stuck)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=f"of {', '.join(MEASURES)} (all)")
    parser.add_argument("--stores", nargs="+", choices=STORES, help="(all; quick: redis, sqlite)")
    parser.add_argument("--rounds", type=int, help="rounds of each figure (3)")
    parser.add_argument("--quick", action="store_true", help="small counts and one round: does it run?")
    parser.add_argument("--backlog", type=int, help="tasks that wait in `scale` (1,000,000)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write bench.json and bench.md")
    parser.add_argument(
        "--keep", action="store_true", help="keep what is in --out of other measures and stores"
    )
    options = parser.parse_args()
    if unknown := set(options.measures) - set(MEASURES):
        parser.error(f"no measure is called {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    return options


def _with(kept: list[Figure], figures: list[Figure]) -> list[Figure]:
    """Return *figures* and those of *kept* that are of other tables, in the order of the measures."""
    again = {(figure.measure, figure.store) for figure in figures}
    others = [figure for figure in kept if (figure.measure, figure.store) not in again]
    stores = list(STORES)
    return sorted(
        [*figures, *others],
        key=lambda figure: (
            MEASURES.index(figure.measure),
            stores.index(figure.store) if figure.store in stores else -1,
        ),
    )


def _measure(console: Console, name: str, plan: Plan, figures: list[Figure], began: str) -> None:
    """Add the figures of one measure to *figures*; print a table for each store as soon as it is whole."""
    started = time.monotonic()
    module = importlib.import_module(f"benchmarks.measures.{name}")
    for store, group in groupby(map(judged, module.measure(plan)), key=lambda figure: figure.store):
        of_store = list(group)
        report.table(console, name, store, of_store)
        figures += [msgspec.structs.replace(figure, run=began) for figure in of_store]
    console.print(f"{name} took {time.monotonic() - started:.0f} s\n", style="dim", highlight=False)


def _missed(console: Console, figures: list[Figure]) -> None:
    judgeable = [figure for figure in figures if figure.met is not None]
    missed = [figure for figure in judgeable if not figure.met]
    console.print(f"{len(judgeable) - len(missed)} of {len(judgeable)} goals are met.")
    for figure in missed:
        console.print(
            f"  {figure.measure}, {figure.store}: {figure.what}: "
            f"{report.number(figure.value)} {figure.unit}, goal {figure.goal}",
            style="red",
            highlight=False,
        )


if __name__ == "__main__":
    main()
