"""`make bench-peers`: measure all, print one table, write JSON and plots."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from benchmarks.peers import report
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.comparison import Comparison


def main() -> None:
    """Measure and print."""
    options = _options()
    console = Console()
    peers = [peer for peer in PEERS if not options.peers or peer.adapter in options.peers]
    comparison = Comparison(peers, rounds=options.rounds, scale=options.scale, say=console.print)
    comparison.provide()
    outcome = comparison.run(options.measures)
    console.print(report.table(outcome))
    if options.out:
        report.write(outcome, options.out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=__doc__)
    parser.add_argument("peers", nargs="*", metavar="ADAPTER", help="only these, such as on_celery")
    parser.add_argument("--measures", nargs="+", default=None, metavar="MEASURE")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each figure (%(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer tasks (%(default)s times)")
    parser.add_argument("--out", type=Path, help="folder for peers.json, peers.svg and peers.png")
    return parser.parse_args()


if __name__ == "__main__":
    main()
