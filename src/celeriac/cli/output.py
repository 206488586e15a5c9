"""How things are written: JSON lines, plain tables, spans of time. Pure: it makes text and shows none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from celeriac import codec
from celeriac.clock import as_datetime
from celeriac.pace import span as span  # one way to write spans, for all


def visible(text: str, *, tabs: bool = False, lines: bool = False) -> str:
    """Return *text* with everything escaped that a terminal would act on or not show.

    What a task reports, or an error quotes, may hold anything, such as sequences that move the cursor.

    Args:
        tabs: leave tabs. lines: leave ends of lines, and tabs.
    """
    if text.isprintable():
        return text
    kept = "\n\t" if lines else "\t" if tabs else ""
    return "".join(c if c.isprintable() or c in kept else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def json_line(value: Any) -> str:
    """Write *value* as one line of JSON in which everything can be seen: the rest is escaped."""
    return codec.readable(value, what="the output")


def short(value: Any, *, most: int = 0) -> str:
    """Write *value* for people: text as it is, the rest as JSON; cut to *most* characters if not 0."""
    text = value if isinstance(value, str) else json_line(value)
    return text if not most or len(text) <= most else f"{text[: most - 1]}…"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Align *rows* below *head*; numbers to the right."""
    cells = [[visible(str(cell)) for cell in row] for row in rows]
    numeric = [bool(cells) and all(_is_number(row[i]) for row in cells) for i in range(len(head))]
    widths = [max(len(row[i]) for row in [list(head), *cells]) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        return "  ".join(padded).rstrip()

    return [line(head), *(line(row) for row in cells)]


def _is_number(text: str) -> bool:
    return text.replace(",", "").isdigit()


def moment(seconds: float | None) -> str | None:
    """Write seconds since 1970 as ISO 8601 in UTC; None stays None."""
    return None if seconds is None else as_datetime(seconds).isoformat(timespec="milliseconds")


def local(seconds: float) -> str:
    """Write seconds since 1970 for people: in their zone, to the second."""
    return as_datetime(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def count(number: int, one: str, many: str = "") -> str:
    """Write a number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
