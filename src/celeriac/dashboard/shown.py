"""How values are written for people: text without tricks, spans of time, trees of arguments. Pure.

Whatever a task is called, is given, reports or raises may have been chosen by an attacker. The templates
escape HTML; here is made visible what a browser would act on or not show: control characters, marks that
turn the direction of writing around.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from celeriac import codec
from celeriac.clock import as_datetime

UNITS: Final = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))
SHORT: Final = 160  # characters of arguments in a list
LONGEST: Final = 4_000  # characters of one text in a tree
MOST: Final = 200  # members of one list or object in a tree
DEEPEST: Final = 24
NODES: Final = 3_000  # in a whole tree


def visible(text: str) -> str:
    """Return *text* with what cannot be seen written as an escape; ends of lines and tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def span(seconds: float) -> str:
    """Write a span of time: `0.25 s`, `3 s`, `2 min 5 s`, `4 h 10 min`, `3 d 2 h`."""
    if 0 < seconds < 1:
        return f"{max(seconds, 0.001):.3f}".rstrip("0").rstrip(".") + " s"
    whole = max(0, round(seconds))
    for size, unit, smaller, name in UNITS:
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {name}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def size(count: int) -> str:
    """Write a number of bytes: `512 B`, `1.5 MB`, `3.2 GB`."""
    if count < 1_000:
        return f"{count} B"
    amount, unit = count / 1_000, "kB"
    for larger in ("MB", "GB"):
        if amount >= 999.5:
            amount, unit = amount / 1_000, larger
    return f"{amount:,.0f} {unit}" if amount >= 99.5 else f"{amount:.3g} {unit}"


def moment(seconds: float | None) -> str | None:
    """Write seconds since 1970 as ISO 8601 in UTC; None stays None."""
    return None if seconds is None else as_datetime(seconds).isoformat(timespec="milliseconds")


def clock_time(seconds: float) -> str:
    """Write a moment for people, in UTC, as they see it before a script has put it into their own zone."""
    return as_datetime(seconds).strftime("%Y-%m-%d %H:%M:%S UTC")


def number(value: Any) -> str:
    """Write a number with every digit that it has; thousands are grouped in whole ones."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.15g}"


def text_of(value: Any) -> str:
    """Write any value: text as it is, the rest as JSON."""
    if isinstance(value, str):
        return value
    try:
        return codec.encode(value, what="a value").decode("utf-8", "replace")
    except Exception:  # noqa: BLE001 - a value of the user's own type, shown as well as may be
        return repr(value)


def short(value: Any, most: int = SHORT) -> str:
    """Write *value* on one line, cut to *most* characters."""
    text = text_of(value)
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    return " ".join(text.split()) if "\n" in text or "\t" in text else text


def tail(text: str, most: int) -> str:
    """Return the last *most* characters: the end of a dotted name says most."""
    return text if len(text) <= most else f"…{text[1 - most :]}"


def call(args: list[Any], kwargs: Mapping[str, Any], most: int = SHORT) -> str:
    """Write arguments as in a call: `3, "a", size=4`, cut to *most* characters."""
    parts = [_literal(value) for value in args[:50]]
    parts += [f"{name}={_literal(value)}" for name, value in list(kwargs.items())[:50]]
    return short(", ".join(parts), most)


def _literal(value: Any) -> str:
    text = text_of(value)
    return f'"{text[:500]}"' if isinstance(value, str) else text[:500]


# --- trees ----------------------------------------------------------------------------------------------


class Leafy(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value and what is in it.

    Attributes:
        key: where it stands in what holds it; "" for the outermost.
        kind: text, number, bool, null, list, object.
        text: of a plain value, cut if it is long; of a list or an object, how many it has. cut: how much more
            there is than is shown, characters or members.
    """

    key: str
    kind: str
    text: str
    members: tuple[Leafy, ...] = ()
    cut: int = 0


def tree(value: Any, key: str = "") -> Leafy:
    """Describe *value*, however large or deep; what is too much is counted, and not shown."""
    left = [NODES]
    return _tree(value, key, DEEPEST, left)


def _tree(value: Any, key: str, depth: int, left: list[int]) -> Leafy:
    left[0] -= 1
    if isinstance(value, Mapping):
        pairs: list[tuple[str, Any]] = [(str(name), each) for name, each in value.items()]
        return _branch("object", pairs, key, depth, left)
    if isinstance(value, list | tuple):
        return _branch("list", [(str(at), each) for at, each in enumerate(value)], key, depth, left)
    kind = "null" if value is None else "bool" if isinstance(value, bool) else "text"
    if kind == "text" and isinstance(value, int | float):
        return Leafy(key, "number", str(value) if isinstance(value, int) else repr(value))
    text = {None: "null", True: "true", False: "false"}[value] if kind != "text" else text_of(value)
    return Leafy(key, kind, text[:LONGEST], cut=max(0, len(text) - LONGEST))


def _branch(kind: str, pairs: list[tuple[str, Any]], key: str, depth: int, left: list[int]) -> Leafy:
    members: list[Leafy] = []
    for name, each in pairs[:MOST] if depth else ():
        if left[0] <= 0:
            break
        members.append(_tree(each, name, depth - 1, left))
    return Leafy(key, kind, str(len(pairs)), tuple(members), cut=len(pairs) - len(members))
