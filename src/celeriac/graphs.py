"""Who waits for whom, as it is in the store: for people who want to look at a chain or chord."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Final

import msgspec

from celeriac.broker import Broker
from celeriac.message import Record

MOST: Final = 1_000  # tasks that are drawn

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _EDGE = 190, 44, 22, 46, 20
_COLOURS: Final = {
    "SUCCESS": "#c9ebc9",
    "FAILURE": "#f4c7c3",
    "REVOKED": "#dddddd",
    "PENDING": "#ffffff",
    "RETRY": "#fde9b8",
}
_RUNNING: Final = "#cfe2fa"


class Node(msgspec.Struct, frozen=True):
    """One task. *join*: it only brings others together."""

    id: str
    name: str
    state: str
    join: bool = False


class Graph(msgspec.Struct, frozen=True):
    """Tasks, and for each that waits for another one a pair of ids: parent, dependant.

    Attributes:
        complete: whether these are all that hang together; else there were more than were asked for.
    """

    nodes: dict[str, Node]
    edges: list[tuple[str, str]]
    complete: bool = True

    def dot(self) -> str:
        """Write it in Graphviz's language: `dot -Tpng`."""
        lines = ["digraph celeriac {", "  rankdir=TB;", '  node [shape=box, style="rounded,filled"];']
        for node in self.nodes.values():
            label = _quoted("join" if node.join else f"{node.name}\n{node.state}")
            shape = ", shape=circle" if node.join else ""
            lines.append(f'  {_quoted(node.id)} [label={label}, fillcolor="{_colour(node)}"{shape}];')
        lines += [f"  {_quoted(parent)} -> {_quoted(child)};" for parent, child in self.edges]
        return "\n".join([*lines, "}"]) + "\n"

    def svg(self) -> str:
        """Draw it: parents above those that wait for them. Names are text, whatever is in them."""
        rows = self._rows()
        places = {
            task_id: (_EDGE + at * (_WIDTH + _GAP_X), _EDGE + depth * (_HEIGHT + _GAP_Y))
            for depth, row in enumerate(rows)
            for at, task_id in enumerate(row)
        }
        width = 2 * _EDGE + max(map(len, rows), default=0) * (_WIDTH + _GAP_X) - (_GAP_X if rows else 0)
        height = 2 * _EDGE + len(rows) * (_HEIGHT + _GAP_Y) - (_GAP_Y if rows else 0)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" font-family="sans-serif" font-size="12">'
        )
        parts = [head, f"<title>{len(self.nodes)} tasks</title>"]
        parts += [_line(places[parent], places[child]) for parent, child in self.edges]
        parts += [_box(node, *places[node.id]) for node in self.nodes.values()]
        return "\n".join([*parts, "</svg>"]) + "\n"

    def _rows(self) -> list[list[str]]:
        """Put each task below all that it waits for, near the middle of them."""
        parents: defaultdict[str, list[str]] = defaultdict(list)
        children: defaultdict[str, list[str]] = defaultdict(list)
        for parent, child in self.edges:
            parents[child].append(parent)
            children[parent].append(child)
        left = {task_id: len(parents[task_id]) for task_id in self.nodes}
        row = [task_id for task_id, count in left.items() if count == 0]
        rows: list[list[str]] = []
        while row:
            at = {task_id: place for place, task_id in enumerate(rows[-1])} if rows else {}
            row.sort(key=lambda task_id: _middle([at[one] for one in parents[task_id] if one in at]))
            rows.append(row)
            row = []
            for task_id in rows[-1]:
                for child in children[task_id]:
                    left[child] -= 1
                    if left[child] == 0:
                        row.append(child)
        return rows


def _middle(places: list[int]) -> float:
    return sum(places) / len(places) if places else 0.0


def _colour(node: Node) -> str:
    return _COLOURS.get(node.state, _RUNNING)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _line(parent: tuple[int, int], child: tuple[int, int]) -> str:
    x1, y1, x2, y2 = parent[0] + _WIDTH // 2, parent[1] + _HEIGHT, child[0] + _WIDTH // 2, child[1]
    middle = (y1 + y2) // 2
    return f'<path d="M{x1} {y1}C{x1} {middle} {x2} {middle} {x2} {y2}" fill="none" stroke="#888888"/>'


def _box(node: Node, x: int, y: int) -> str:
    from html import escape  # its table of names is large, and few programs draw

    name = node.name if len(node.name) <= 28 else f"…{node.name[-27:]}"
    words = ["join", node.state] if node.join else [name, node.state]
    text = "".join(
        f'<text x="{x + _WIDTH // 2}" y="{y + 18 + 16 * number}" text-anchor="middle">{escape(word)}</text>'
        for number, word in enumerate(words)
    )
    frame = (
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="{22 if node.join else 6}" '
        f'fill="{_colour(node)}" stroke="#555555"/>'
    )
    return f"<g><title>{escape(f'{node.name} {node.id} {node.state}')}</title>{frame}{text}</g>"


def read(broker: Broker, ids: Iterable[str], most: int = MOST) -> Graph:
    """Read all that hangs together with *ids*, up to *most* tasks."""
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str], None] = {}
    queue, seen = deque(dict.fromkeys(ids)), set[str]()
    while queue and len(nodes) < most:
        some = [queue.popleft() for _ in range(min(len(queue), most - len(nodes)))]
        seen.update(some)
        for task_id, record in zip(some, broker.get(some), strict=True):
            if record is None:
                continue
            nodes[task_id] = _node(record)
            links = [(parent, task_id) for parent in broker.parents(task_id, 0, most)]
            links += [(task_id, child) for child in broker.dependants(task_id, 0, most)]
            edges.update(dict.fromkeys(links))
            for other in dict.fromkeys(end for link in links for end in link):
                if other not in seen:
                    seen.add(other)
                    queue.append(other)
    drawn = [link for link in edges if link[0] in nodes and link[1] in nodes]
    return Graph(nodes, drawn, complete=not queue)


def _node(record: Record) -> Node:
    after = record.message.after
    return Node(record.id, record.message.name, record.outside, after is not None and after.join)
