"""The parts of a page that change, as data: found in its HTML, compared with what they were. Pure.

An element with `data-live="name"` is a region; its child elements are its rows, known by `data-k`, or by
their place. What a browser gets are values: a tree of names, attributes and texts, of which it makes
elements one by one. It never gets markup, so nothing that a task says can become any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from typing import Any, Final

Tree = list[Any]  # [name, {attribute: value}, [Tree | str, …]]
Found = dict[str, dict[str, Tree]]  # region -> key -> row, in order

VOID: Final = frozenset({"input", "br", "hr", "img", "meta", "link", "col", "wbr"})
MOST_ROWS: Final = 500  # that may have changed in one frame; more are told by a reset


class _Reader(HTMLParser):
    """Builds trees of what stands in regions, and looks at nothing else."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: Found = {}
        self._stack: list[Tree] = []  # the open elements, the region's own first

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if not self._stack:
            if "data-live" in given:
                self._stack.append([tag, given, []])
            return
        made: Tree = [tag, given, []]
        self._stack[-1][2].append(made)
        if tag not in VOID:
            self._stack.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self._stack and tag not in VOID and self._stack[-1][0] == tag:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._stack or tag in VOID:
            return
        ended = self._stack.pop()
        if not self._stack:
            self.found[ended[1]["data-live"]] = _rows(ended[2])

    def handle_data(self, data: str) -> None:
        if self._stack and data.strip():
            text = (
                " ".join(data.split()) if "\n" in data and self._stack[-1][0] not in ("pre", "code") else data
            )
            if self._stack[-1][0] != "time":  # the browser writes that itself, and does so every second
                self._stack[-1][2].append(text)


def _rows(children: Iterable[Any]) -> dict[str, Tree]:
    rows: dict[str, Tree] = {}
    for at, child in enumerate(child for child in children if isinstance(child, list)):
        rows[child[1].get("data-k") or f"#{at}"] = child
    return rows


def found_in(html: str) -> Found:
    """Return the regions of a page. The HTML is our own: what needs an end tag has one."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.found


class Versions:
    """The regions of a page as they are, and since which version each row is so.

    Memory is bounded by the page: of what was before nothing is kept, and yet whoever knows some earlier
    version is told exactly what has changed since.
    """

    def __init__(self) -> None:
        self.version = 0
        self._found: Found = {}
        self._changed: dict[tuple[str, str], int] = {}
        self._ordered: dict[str, int] = {}

    def put(self, found: Found) -> bool:
        """Take the page as it is now; say whether anything is different."""
        following, is_different = self.version + 1, False
        for name, rows in found.items():
            before = self._found.get(name, {})
            if name not in self._found or list(rows) != list(before):
                self._ordered[name] = following
                is_different = True
            for key, row in rows.items():
                if before.get(key) != row:
                    self._changed[name, key] = following
                    is_different = True
        self._changed = {
            (name, key): version
            for (name, key), version in self._changed.items()
            if key in found.get(name, {})
        }
        self._found = found
        if is_different:
            self.version = following
        return is_different

    def since(self, version: int) -> dict[str, Any] | None:
        """Return what has changed since *version*; None if that is more than the whole is worth."""
        regions: dict[str, Any] = {}
        for name, rows in self._found.items():
            changed = {key: row for key, row in rows.items() if self._changed[name, key] > version}
            part: dict[str, Any] = {}
            if changed:
                part["rows"] = changed
            if self._ordered[name] > version:
                part["order"] = list(rows)
            if part:
                regions[name] = part
        count = sum(len(part.get("rows", ())) for part in regions.values())
        return None if count > MOST_ROWS else regions

    def whole(self) -> Mapping[str, Any]:
        """Return all regions as they are."""
        return {name: {"rows": rows, "order": list(rows)} for name, rows in self._found.items()}
