"""What came out: a table for people, JSON for programs, Markdown and plots for the documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.table import Table

from benchmarks.peers.catalogue import OURS, PEERS, Peer
from benchmarks.peers.comparison import SHAPES, Figure, Outcome
from benchmarks.report import number

HEADINGS: Final = {
    "drain def": "drain, def /s",
    "drain async": "drain, async /s",
    "send": "enqueue one by one /s",
    "callers": "enqueue, 100 coroutines /s",
    "bulk": "enqueue in bulk /s",
    "latency": "latency p50 / p99 ms",
    "naps": "10 ms tasks, 100 at once /s",
    "bytes": "bytes per queued task",
}
WAYS: Final = ("drain def", "drain async", "latency", "naps")
SHAPE_COLUMNS: Final = ("shape of no-ops", "peer", "peer's", "Celeriac's", "", "fastest setting")
EXPLAINED: Final = (
    "In brackets: how many times better Celeriac was a moment later, the median of the pairs. In each figure "
    "Celeriac keeps a record of each task, stores results and is at-least-once."
)


def table(outcome: Outcome) -> Table:
    """Return all figures as a table."""
    shown = Table(title="Celeriac and its peers", title_justify="left", caption=EXPLAINED)
    for column in ("", *HEADINGS.values()):
        shown.add_column(column, justify="right" if column else "left")
    for line in _figures(outcome):
        shown.add_row(*line)
    return shown


def shapes(outcome: Outcome) -> Table:
    """Return the figures of groups, chords and chains as a table."""
    shown = Table(title="Canvas: tasks a second of one shape", title_justify="left")
    for column in SHAPE_COLUMNS:
        shown.add_column(column)
    for line in _shapes(outcome):
        shown.add_row(*line)
    return shown


def guarantees(outcome: Outcome) -> Table:
    """Return what each promises, and how it was run, as a table."""
    shown = Table(title="Guarantees, settings and versions", title_justify="left")
    for column in ("", "a killed worker's tasks", "results", "fastest settings", "versions", "note"):
        shown.add_column(column)
    for line in _facts(outcome):
        shown.add_row(*line)
    return shown


def _measured(outcome: Outcome) -> list[Peer]:
    return [peer for peer in PEERS if any(figure.peer == peer.name for figure in outcome.figures)]


def _figures(outcome: Outcome) -> Iterator[list[str]]:
    yield [OURS.name, *(_our_cell(outcome, measure) for measure in HEADINGS)]
    for peer in _measured(outcome):
        yield [peer.name, *(_cell(outcome.best(peer.name, measure)) for measure in HEADINGS)]


def _shapes(outcome: Outcome) -> Iterator[list[str]]:
    for shape in SHAPES:
        for peer in PEERS:
            figure = outcome.best(peer.name, shape)
            if figure is not None:
                ours = outcome.ours(shape)
                cells = number(figure.median()), number(ours), f"× {number(figure.ratio())}", figure.setting
                yield [shape, peer.name, *cells]


def _our_cell(outcome: Outcome, measure: str) -> str:
    parts = [outcome.ours(measure, part) for part in range(2 if measure == "latency" else 1)]
    return " / ".join(number(part) for part in parts) or "–"


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    parts = range(len(figure.values[0]))
    values = " / ".join(number(figure.median(part)) for part in parts)
    return f"{values} (× {' / '.join(number(figure.ratio(part)) for part in parts)})"


def _facts(outcome: Outcome) -> Iterator[list[str]]:
    for peer in [OURS, *_measured(outcome)]:
        versions = ", ".join(f"{name} {text}" for name, text in outcome.versions.get(peer.name, {}).items())
        guarantee = {"at-least-once": "run again", "at-most-once": "are lost"}[peer.guarantee]
        yield [peer.name, guarantee, peer.results, _settings(outcome, peer), versions, peer.note]


def _settings(outcome: Outcome, peer: Peer) -> str:
    found = {measure: outcome.best(peer.name, measure) for measure in WAYS}
    return "; ".join(f"{measure}: {figure.setting}" for measure, figure in found.items() if figure)


def markdown(outcome: Outcome) -> str:
    """Return the report as Markdown."""
    parts = ["# Celeriac and its peers", outcome.head, EXPLAINED, "![The same as a picture](peers.svg)"]
    parts.append(_grid(["", *HEADINGS.values()], list(_figures(outcome)), right=True))
    if lines := list(_shapes(outcome)):
        parts.append("## Canvas: tasks a second of one shape")
        parts.append(_grid(SHAPE_COLUMNS, lines, right=False))
    parts.append("## Guarantees, settings and versions")
    columns = ["", "a killed worker's tasks", "results", "fastest settings", "versions", "note"]
    parts.append(_grid(columns, list(_facts(outcome)), right=False))
    if outcome.missing:
        parts.append("## Not measured")
        parts.append("\n".join(f"- {what}: {why.splitlines()[0]}" for what, why in outcome.missing.items()))
    return "\n\n".join(parts) + "\n"


def _grid(columns: Sequence[str], lines: Sequence[Sequence[str]], *, right: bool) -> str:
    rule = "|---|" + ("--:|" if right else "---|") * (len(columns) - 1)
    return "\n".join([f"| {' | '.join(columns)} |", rule, *(f"| {' | '.join(line)} |" for line in lines)])


def write(outcome: Outcome, folder: Path) -> None:
    """Write `peers.json` and `peers.md` into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peers.json").write_bytes(msgspec.json.format(msgspec.json.encode(outcome)) + b"\n")
    (folder / "peers.md").write_text(markdown(outcome), encoding="utf-8")


def read(folder: Path) -> Outcome:
    """Read what `write` wrote."""
    return msgspec.json.decode((folder / "peers.json").read_bytes(), type=Outcome)
