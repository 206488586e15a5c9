"""`make bench-peers`: measure everybody, print one table, write JSON, Markdown and a picture."""

from __future__ import annotations

import argparse
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.peers import plot, report
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.comparison import MEASURES, Comparison
from benchmarks.report import machine
from benchmarks.stores import STORES, version

PINNING = (
    "Enqueueing one by one and latency: caller, worker and server share one processor, because a round trip "
    "between two costs more than what is measured. All else: nothing is pinned; worker processes and server "
    "share the machine. Of several settings, the one that is best in a first round."
)


def main() -> None:
    """Measure and print."""
    options = _options()
    console = Console(width=None if os.isatty(1) else 240)
    outcome = report.read(options.out) if options.draw else _measure(options, console)
    console.print(outcome.head, highlight=False)
    console.print(report.table(outcome), report.shapes(outcome), report.guarantees(outcome))
    for what, why in outcome.missing.items():
        console.print(f"not measured: {what}: {why}", style="red", markup=False)
    if options.out:
        report.write(outcome, options.out)
        plot.draw(outcome, options.out)


def _measure(options: argparse.Namespace, console: Console) -> report.Outcome:
    peers = [peer for peer in PEERS if not options.peers or peer.adapter.split(".")[0] in options.peers]
    comparison = Comparison(
        peers,
        rounds=options.rounds,
        scale=options.scale,
        say=lambda line: console.print(line, highlight=False, markup=False),
    )
    comparison.outcome.head = _head(options.rounds)
    if options.keep and options.out:
        comparison.keep(report.read(options.out), options.measures or MEASURES)
    comparison.provide()
    for outcome in comparison.run(options.measures):
        if options.out:  # what there is, in case that the rest is interrupted
            report.write(outcome, options.out)
    return comparison.outcome


def _head(rounds: int) -> str:
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}, {os.cpu_count()} CPUs, Python "
        f"{platform.python_version()}, {version(STORES['redis'])}; medians of {rounds}. {PINNING}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=__doc__)
    parser.add_argument("peers", nargs="*", metavar="ADAPTER", help="only these, such as on_celery")
    parser.add_argument("--measures", nargs="+", choices=MEASURES, metavar="MEASURE")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each figure (%(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer tasks (%(default)s times)")
    parser.add_argument("--out", type=Path, help="folder for peers.json, peers.md, peers.svg and peers.png")
    parser.add_argument(
        "--keep", action="store_true", help="keep what is in --out of other peers and measures"
    )
    parser.add_argument("--draw", action="store_true", help="measure nothing: show what is in --out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
