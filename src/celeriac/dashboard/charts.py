"""Charts, as shapes in a picture that is 1,000 wide and 100 high, and as tables of the same. Pure.

A picture has no text in it: what stands beside it is HTML, so that it can be stretched to any width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

WIDTH: Final = 1_000.0
HEIGHT: Final = 100.0
GAP: Final = 0.12  # of a bar's room that stays empty
DOT: Final = 1.0  # how long the line is of a value that stands alone
_ROUND: Final = (1, 2, 5, 10)

Values = Sequence[float | None]


class Line(msgspec.Struct, frozen=True):
    """One series: *key* names it, *colour* is its class, *path* the way of its line or of its bars."""

    key: str
    colour: str
    path: str


class Row(msgspec.Struct, frozen=True):
    """What a chart shows of one moment; *moment* in seconds since 1970."""

    moment: float
    cells: tuple[str, ...]


class Chart(msgspec.Struct, frozen=True):
    """A chart.

    Attributes:
        key: what is shown. title, summary: one sentence each.
        kind: `bars` or `lines`. top, middle: what the upper edge and half of the height stand for; "" for an
            empty chart.
        ticks: what stands below, from left to right, at even distances.
        rows: the same as a table, the newest first.
    """

    key: str
    title: str
    summary: str
    kind: str
    lines: tuple[Line, ...]
    top: str
    middle: str
    ticks: tuple[str, ...]
    rows: tuple[Row, ...]


def ceiling(most: float, *, whole: bool = False) -> float:
    """Return the round number that a scale which holds *most* ends at; *whole*: and half of it is whole."""
    if most <= 0 or not math.isfinite(most):
        return 0.0
    if whole:
        most = max(most, 2)
    step = 10.0 ** math.floor(math.log10(most))
    found = next(step * each for each in _ROUND if step * each >= most * (1 - 1e-9))
    return 10.0 if whole and found == 5 else found


def highest(series: Sequence[Values]) -> float:
    """Return the largest value of all of them; 0.0 without any."""
    return max((value for values in series for value in values if value is not None), default=0.0)


def line(values: Values, top: float) -> str:
    """Draw *values* as a line, broken where there is none."""
    step, parts, is_open = WIDTH / max(1, len(values)), list[str](), False
    for at, value in enumerate(values):
        if value is None:
            is_open = False
            continue
        x, y = (at + 0.5) * step, _y(value, top)
        if is_open:
            parts.append(f"L{_n(x)} {_n(y)}")
        else:
            alone = at + 1 == len(values) or values[at + 1] is None
            parts.append(f"M{_n(x)} {_n(y)}" + (f"h{_n(DOT)}" if alone else ""))
        is_open = True
    return "".join(parts)


def stacked(series: Sequence[Sequence[float]], top: float) -> list[str]:
    """Draw each of *series* as bars that stand on those of the ones before."""
    count = max((len(values) for values in series), default=0)
    step, base, paths = WIDTH / max(1, count), [0.0] * count, list[str]()
    for values in series:
        parts = []
        for at, value in enumerate(values):
            if value > 0 and top > 0:
                lower, upper = _y(base[at], top), _y(base[at] + value, top)
                x, width = (at + GAP / 2) * step, step * (1 - GAP)
                parts.append(f"M{_n(x)} {_n(lower)}V{_n(upper)}h{_n(width)}V{_n(lower)}z")
                base[at] += value
        paths.append("".join(parts))
    return paths


def spark(values: Values) -> str:
    """Draw *values* small, on a scale of their own; "" where nothing was counted."""
    most = highest([values])
    return line(values, most or 1.0) if any(value is not None for value in values) else ""


def _y(value: float, top: float) -> float:
    return HEIGHT - (HEIGHT * min(max(value / top, 0.0), 1.0) if top > 0 else 0.0)


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def lines_of(named: Sequence[tuple[str, str, Values]], top: float) -> tuple[Line, ...]:
    """Make lines of names, colours and values."""
    return tuple(Line(key, colour, line(values, top)) for key, colour, values in named)


def bars_of(named: Sequence[tuple[str, str, Sequence[float]]], top: float) -> tuple[Line, ...]:
    """Make stacked bars of names, colours and values."""
    paths = stacked([values for _, _, values in named], top)
    return tuple(Line(key, colour, path) for (key, colour, _), path in zip(named, paths, strict=True))


def rows_of(
    moments: Sequence[float], series: Sequence[Values], write: Callable[[float], str]
) -> tuple[Row, ...]:
    """Make a table of the same, the newest first; nothing where nothing was counted."""
    table = [
        Row(moment, tuple("" if value is None else write(value) for value in values))
        for moment, *values in zip(moments, *series, strict=True)
        if any(value is not None for value in values)
    ]
    return tuple(reversed(table))
