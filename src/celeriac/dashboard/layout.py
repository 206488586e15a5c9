"""Where the tasks of a flow are drawn: columns from left to right, each task behind all that it waits for.
Pure.

Groups of tasks that are the same in all but their arguments become one box. Edges run in the gaps between
columns; one that passes a column has a lane there of its own, so that no line crosses a box.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from celeriac.graphs import Graph, Node

FOLDED_ABOVE: Final = 12  # members of a group that are drawn one by one
WIDTH: Final = 190.0
HEIGHT: Final = 46.0
JOIN: Final = 74.0  # the width of a box that only brings others together
GAP_X: Final = 70.0
GAP_Y: Final = 16.0
LANE: Final = 10.0  # the height that an edge takes in a column that it passes
EDGE: Final = 12.0
SWEEPS: Final = 6


class Box(msgspec.Struct, frozen=True):
    """What is drawn as one.

    Attributes:
        ids: of the tasks that it stands for; several for a folded group. counts: how many are in which state.
        lane: whether it is only the place where an edge passes.
    """

    key: str
    name: str
    state: str
    ids: tuple[str, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    join: bool = False
    lane: bool = False

    @property
    def width(self) -> float:
        """How wide it is."""
        return 0.0 if self.lane else JOIN if self.join else WIDTH

    @property
    def height(self) -> float:
        """How high it is."""
        return LANE if self.lane else HEIGHT


class Placed(msgspec.Struct, frozen=True):
    """A box and its upper left corner."""

    box: Box
    x: float
    y: float
    width: float
    height: float


class Line(msgspec.Struct, frozen=True):
    """An edge: from which box to which, as an SVG path; *points* are where it goes from gap to gap."""

    parent: str
    child: str
    path: str
    points: tuple[tuple[float, float], ...]
    bad: bool


class Layout(msgspec.Struct, frozen=True):
    """A picture of a flow."""

    width: float
    height: float
    boxes: tuple[Placed, ...]
    lines: tuple[Line, ...]


Edges = Sequence[tuple[str, str]]


def laid_out(graph: Graph, *, fold_above: int = FOLDED_ABOVE) -> Layout:
    """Draw a graph; the same one is always drawn in the same way."""
    boxes, edges = folded(graph, fold_above)
    depth = _depths(boxes, edges)
    columns, steps = _with_lanes(boxes, edges, depth)
    _ordered(columns, steps)
    places, width, height = _placed(columns)
    lines = [_line(chain, places, boxes) for chain in _chains(edges, steps, depth)]
    shown = tuple(place for place in places.values() if not place.box.lane)
    return Layout(width, height, shown, tuple(lines))


# --- folding --------------------------------------------------------------------------------------------


def folded(graph: Graph, above: int) -> tuple[dict[str, Box], Edges]:
    """Put members of a group together that have the same name, parents and children, if there are many."""
    parents: defaultdict[str, set[str]] = defaultdict(set)
    children: defaultdict[str, set[str]] = defaultdict(set)
    for parent, child in graph.edges:
        parents[child].add(parent)
        children[parent].add(child)
    alike: defaultdict[tuple[str, frozenset[str], frozenset[str]], list[Node]] = defaultdict(list)
    for node in graph.nodes.values():
        alike[node.name, frozenset(parents[node.id]), frozenset(children[node.id])].append(node)
    boxes: dict[str, Box] = {}
    into: dict[str, str] = {}
    for nodes in alike.values():
        made = (
            [_group(nodes)] if len(nodes) > above and not nodes[0].join else [_single(node) for node in nodes]
        )
        for box in made:
            boxes[box.key] = box
            into.update(dict.fromkeys(box.ids, box.key))
    edges = dict.fromkeys((into[parent], into[child]) for parent, child in graph.edges)
    return boxes, [edge for edge in edges if edge[0] != edge[1]]


def _single(node: Node) -> Box:
    return Box(node.id, node.name, node.state, (node.id,), join=node.join)


def _group(nodes: Sequence[Node]) -> Box:
    counts = Counter(node.state for node in nodes)
    worst = next((state for state in ("FAILURE", "REVOKED") if counts[state]), "")
    open_ = next((state for state in counts if state not in ("SUCCESS", "FAILURE", "REVOKED")), "")
    return Box(
        key=nodes[0].id,
        name=nodes[0].name,
        state=worst or open_ or "SUCCESS",
        ids=tuple(node.id for node in nodes),
        counts=tuple(sorted(counts.items())),
    )


# --- columns --------------------------------------------------------------------------------------------


def _depths(boxes: Mapping[str, Box], edges: Edges) -> dict[str, int]:
    """Return for each box the length of the longest way to it; what is in a circle stands where it is met."""
    left = Counter(child for _, child in edges)
    children = _grouped(edges)
    depth = dict.fromkeys(boxes, 0)
    ready = [key for key in boxes if not left[key]]
    seen = set(ready)
    while ready or len(seen) < len(boxes):
        if not ready:  # a circle: no store has one, a broken one might
            ready = [next(key for key in boxes if key not in seen)]
            seen.add(ready[0])
        here = ready.pop(0)
        for child in children[here]:
            left[child] -= 1
            if child not in seen:
                depth[child] = max(depth[child], depth[here] + 1)
                if left[child] <= 0:
                    seen.add(child)
                    ready.append(child)
    return depth


def _grouped(edges: Edges) -> defaultdict[str, list[str]]:
    grouped: defaultdict[str, list[str]] = defaultdict(list)
    for first, second in edges:
        grouped[first].append(second)
    return grouped


def _with_lanes(
    boxes: Mapping[str, Box], edges: Edges, depth: Mapping[str, int]
) -> tuple[list[list[Box]], dict[tuple[str, str], list[str]]]:
    """Return the columns, with a lane for each edge that passes one; and each edge's way through them."""
    columns: list[list[Box]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for key, box in boxes.items():
        columns[depth[key]].append(box)
    ways: dict[tuple[str, str], list[str]] = {}
    for number, (parent, child) in enumerate(edges):
        way = [parent]
        for column in range(depth[parent] + 1, depth[child]):
            lane = Box(f"\0{number}.{column}", "", "", lane=True)
            columns[column].append(lane)
            way.append(lane.key)
        ways[parent, child] = [*way, child]
    return columns, ways


def _ordered(columns: list[list[Box]], ways: Mapping[tuple[str, str], list[str]]) -> None:
    """Sort each column by where its neighbours are, to and fro, a fixed number of times."""
    links = [pair for way in ways.values() for pair in pairwise(way)]
    before, after = _grouped([(child, parent) for parent, child in links]), _grouped(links)
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        order = range(1, len(columns)) if forth else range(len(columns) - 2, -1, -1)
        for at in order:
            other = columns[at - 1 if forth else at + 1]
            place = {box.key: (number + 0.5) / len(other) for number, box in enumerate(other)}
            near = before if forth else after
            own = {box.key: (number + 0.5) / len(columns[at]) for number, box in enumerate(columns[at])}
            columns[at].sort(key=lambda box, p=place, n=near, o=own: _middle(n[box.key], p, o[box.key]))  # type: ignore[misc]


def _middle(keys: Iterable[str], place: Mapping[str, float], own: float) -> float:
    found = [place[key] for key in keys if key in place]
    return sum(found) / len(found) if found else own


def _placed(columns: Sequence[Sequence[Box]]) -> tuple[dict[str, Placed], float, float]:
    heights = [sum(box.height for box in column) + GAP_Y * (len(column) - 1) for column in columns]
    height = max(heights, default=0.0)
    places: dict[str, Placed] = {}
    x = EDGE
    for column, own in zip(columns, heights, strict=True):
        widest = max(box.width for box in column)
        y = EDGE + (height - own) / 2
        for box in column:
            width = widest if box.lane else box.width
            places[box.key] = Placed(box, x + (widest - width) / 2, y, width, box.height)
            y += box.height + GAP_Y
        x += widest + GAP_X
    return places, max(2 * EDGE, x - GAP_X + EDGE), height + 2 * EDGE


# --- edges ----------------------------------------------------------------------------------------------


def _chains(
    edges: Edges, ways: Mapping[tuple[str, str], list[str]], depth: Mapping[str, int]
) -> Iterable[list[str]]:
    return (ways[edge] for edge in edges if depth[edge[0]] < depth[edge[1]])


def _line(way: list[str], places: Mapping[str, Placed], boxes: Mapping[str, Box]) -> Line:
    """Draw one edge: straight along boxes and lanes, bent in the gaps only."""
    points: list[tuple[float, float]] = []
    for key in way:
        place = places[key]
        middle = place.y + place.height / 2
        if key != way[0]:
            points.append((place.x, middle))
        if key != way[-1]:
            points.append((place.x + place.width, middle))
    path = f"M{points[0][0]:g} {points[0][1]:g}"
    for at in range(0, len(points) - 1, 2):
        (x1, y1), (x2, y2) = points[at], points[at + 1]
        half = (x1 + x2) / 2
        path += f"C{half:g} {y1:g} {half:g} {y2:g} {x2:g} {y2:g}"
        if at + 2 < len(points):
            path += f"H{points[at + 2][0]:g}"
    bad = boxes[way[0]].state in ("FAILURE", "REVOKED")
    return Line(way[0], way[-1], path, tuple(points), bad)
