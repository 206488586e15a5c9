"""What came out: tables for people, JSON for programs, Markdown for the documents."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure
from benchmarks.plan import Plan
from benchmarks.stores import STORES, version

PINNING: Final = (
    "Where a process waits for another by round trips (enqueue, latency), caller, worker and server share "
    "CPU 0; all else is not pinned."
)
COLUMNS: Final = ("what", "figure", "rounds", "floor", "of floor", "goal", "met")


def now() -> str:
    """Say when it is."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def head(plan: Plan, began: str) -> str:
    """Say when and where this is measured."""
    versions = ", ".join(dict.fromkeys(version(store) for store in plan.stores))
    rounds = "one round" if plan.rounds == 1 else f"medians of {plan.rounds} rounds"
    size = "; a quick run, too small to trust" if plan.quick else ""
    return (
        f"{began}, {machine()}, {os.cpu_count()} CPUs, "
        f"Python {platform.python_version()}, {versions}; {rounds}{size}. {PINNING}"
    )


def machine() -> str:
    """Name the processor and the system."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(errors="replace").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{model or platform.processor()} ({platform.system()} {platform.release()}, {platform.machine()})"


def number(value: float | None) -> str:
    """Write a figure with as many digits as mean something."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def row(figure: Figure) -> tuple[str, ...]:
    """Return the cells of one figure."""
    share = figure.of_floor
    met = {None: "", True: "yes", False: "NO"}[figure.met]
    return (
        figure.what,
        f"{number(figure.value)} {figure.unit}",
        f"{number(figure.low)} – {number(figure.high)}",
        number(figure.floor),
        "" if share is None else f"{share:.0%}",
        figure.goal,
        met,
    )


def table(console: Console, measure: str, store: str, figures: Iterable[Figure]) -> None:
    """Print the figures of one measure on one store."""
    shown = Table(
        title=f"{measure}: {STORES[store].label if store in STORES else store}", title_justify="left"
    )
    for column in COLUMNS:
        shown.add_column(column, justify="left" if column in ("what", "goal", "met") else "right")
    for figure in figures:
        style = "red" if figure.met is False else None
        shown.add_row(*row(figure), style=style)
    console.print(shown)


def write(folder: Path, top: str, figures: Sequence[Figure]) -> None:
    """Write `bench.json` and `bench.md` into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = msgspec.json.encode({"head": top, "figures": figures})
    (folder / "bench.json").write_bytes(msgspec.json.format(whole) + b"\n")
    (folder / "bench.md").write_text(markdown(top, figures), encoding="utf-8")


def read(folder: Path) -> list[Figure]:
    """Read the figures that `write` wrote; none when there are none."""
    path = folder / "bench.json"
    return msgspec.json.decode(path.read_bytes(), type=_Written).figures if path.exists() else []


class _Written(msgspec.Struct):
    head: str
    figures: list[Figure]


def markdown(top: str, figures: Sequence[Figure]) -> str:
    """Return the report as Markdown: a table for each measure and store."""
    parts = ["# Benchmarks", top]
    for (measure, store), group in groupby(figures, key=lambda figure: (figure.measure, figure.store)):
        of_table = list(group)
        label = STORES[store].label if store in STORES else store
        lines = [f"| {' | '.join(COLUMNS)} |", "|---|--:|--:|--:|--:|---|---|"]
        lines += [f"| {' | '.join(row(figure))} |" for figure in of_table]
        parts.append(f"## {measure}: {label}")
        if of_table[0].run and not top.startswith(of_table[0].run):
            parts.append(f"Of a run that began at {of_table[0].run}.")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
