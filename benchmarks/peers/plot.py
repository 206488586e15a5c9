"""The figures as a picture, for the README: bars, the longest on top, ours in another colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from benchmarks.peers.catalogue import OURS, PEERS
from benchmarks.peers.comparison import LESS_IS_MORE, Outcome
from benchmarks.report import number

PANELS: Final = {
    "drain": ("Tasks per second, end to end", ("drain def", "drain async")),
    "send": ("Enqueued per second, one by one", ("send",)),
    "latency": ("Milliseconds from call to start, median", ("latency",)),
}
OURS_COLOUR: Final = "#2f7d4f"
COLOUR: Final = "#9aa5b1"
LOST: Final = "#d8b4a0"  # at-most-once: it is faster to lose tasks


def draw(outcome: Outcome, folder: Path) -> None:
    """Write `peers.svg` and `peers.png` into *folder*."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.patches import Patch

    mpl.rcParams["svg.hashsalt"] = "celeriac"  # the same figures make the same file
    shown = [(title, measures) for title, measures in PANELS.values() if _bars(outcome, measures)]
    if not shown:
        return
    rows = max(len(_bars(outcome, measures)) for _, measures in shown)
    figure, panels = plt.subplots(
        1, len(shown), figsize=(5 * len(shown), 0.34 * rows + 1.4), layout="constrained", squeeze=False
    )
    for panel, (title, measures) in zip(panels[0], shown, strict=True):
        _draw_panel(panel, title, _bars(outcome, measures), less=measures[0] in LESS_IS_MORE)
    legend = {"Celeriac": OURS_COLOUR, "at-least-once": COLOUR, "at-most-once: loses tasks": LOST}
    figure.legend(
        handles=[Patch(color=colour, label=label) for label, colour in legend.items()],
        loc="outside lower center",
        ncols=3,
        frameon=False,
    )
    figure.savefig(folder / "peers.svg", metadata={"Date": None})
    figure.savefig(folder / "peers.png", dpi=110)
    plt.close(figure)


def _bars(outcome: Outcome, measures: tuple[str, ...]) -> list[tuple[str, float, str]]:
    """Return name, length and colour of each bar; the best of several measures counts."""
    choose = min if measures[0] in LESS_IS_MORE else max
    own = [value for measure in measures if (value := outcome.ours(measure)) is not None]
    bars = [(OURS.name, choose(own), OURS_COLOUR)] if own else []
    for peer in PEERS:
        found = [figure.median() for one in measures if (figure := outcome.best(peer.name, one))]
        if found:
            bars.append((peer.name, choose(found), COLOUR if peer.guarantee == "at-least-once" else LOST))
    return bars


def _draw_panel(panel: Any, title: str, bars: list[tuple[str, float, str]], *, less: bool) -> None:
    ordered = sorted(bars, key=lambda bar: bar[1], reverse=not less)[::-1]
    names, lengths, colours = zip(*ordered, strict=True)
    drawn = panel.barh(names, lengths, color=colours)
    panel.bar_label(drawn, labels=[number(length) for length in lengths], padding=3, fontsize=8)
    panel.set_title(title, fontsize=10, loc="left")
    panel.set_xlim(0, max(lengths) * 1.18)
    panel.tick_params(axis="y", length=0, labelsize=8)
    panel.xaxis.set_visible(False)
    for side in ("top", "right", "bottom", "left"):
        panel.spines[side].set_visible(False)
