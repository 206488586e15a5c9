"""What people see of flows, in browser and terminal: those in which tasks wait, and one as a nested list."""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec

from celeriac.broker import PENDING_AT_ONCE, Broker
from celeriac.dashboard.layout import FOLDED_ABOVE, folded
from celeriac.errors import DecodeError
from celeriac.graphs import Graph
from celeriac.message import Record, decode_options
from celeriac.states import State

MOST: Final = 1_000  # tasks of a flow that are read
LOOKED_AT: Final = 4 * PENDING_AT_ONCE  # of what waits, to find flows
LISTED: Final = 100
DEEPEST: Final = 60  # levels of the nested list
ENDED: Final = ("SUCCESS", "FAILURE", "REVOKED")


class FlowRow(msgspec.Struct, frozen=True):
    """A flow in a list: *waiting* of its tasks wait for others; *id* is of one of them."""

    id: str
    name: str
    waiting: int


class Twig(msgspec.Struct, frozen=True):
    """A box in the nested list. *seen*: its children stand where it was first."""

    key: str
    name: str
    state: str
    count: int
    counts: tuple[tuple[str, int], ...]
    join: bool
    seen: bool
    children: tuple[Twig, ...]


def waiting(broker: Broker) -> tuple[list[FlowRow], bool]:
    """Look for flows among what waits; also say whether there may be more."""
    records, more = _waiting(broker)
    joins = {record.id for record in records if _is_join(record)}
    roots, parents, goes_on = dict[str, str](), dict[str, str](), dict[str, str]()
    for record in records:
        roots[record.id], parents[record.id] = _origin(record)
        if (
            parent := parents[record.id]
        ) in joins:  # a join knows nothing of the others; who waits for it belongs to its flow
            goes_on[parent] = roots[record.id]
    found: Counter[str] = Counter()
    first: dict[str, Record] = {}
    later = roots.keys() - joins  # behind one of these a flow does not begin
    for record in sorted(records, key=lambda one: (one.id in joins, parents[one.id] in later)):
        root = goes_on.get(record.id, roots[record.id])
        found[root] += record.id not in joins
        first.setdefault(root, record)
    rows = [
        FlowRow(first[root].id, first[root].message.name, count) for root, count in found.most_common(LISTED)
    ]
    return rows, more or len(found) > LISTED


def _waiting(broker: Broker) -> tuple[list[Record], bool]:
    records: list[Record] = []
    after, looked = "", 0
    while looked < LOOKED_AT:
        page = broker.pending(after, PENDING_AT_ONCE)
        looked += PENDING_AT_ONCE
        records += (record for record in page.records if record.state is State.WAITING)
        after = page.after
        if not after:
            break
    return records, bool(after)


def _is_join(record: Record) -> bool:
    after = record.message.after
    return after is not None and after.join


def _origin(record: Record) -> tuple[str, str]:
    """Return the ids of the task at the beginning, and of the one before it; "" for none."""
    try:
        options = decode_options(record.message.options)
    except DecodeError:
        return record.id, ""
    return options.root_id or record.id, options.parent_id or ""


def states_of(graph: Graph) -> Counter[str]:
    """Count the tasks of a flow by their state; joins are none."""
    return Counter(node.state for node in graph.nodes.values() if not node.join)


def done_of(counts: Counter[str]) -> int:
    """Return how many have ended."""
    return sum(counts[state] for state in ENDED)


def name_of(graph: Graph) -> str:
    """Call a flow as its first task, before which there is none."""
    boxes, edges = folded(graph, FOLDED_ABOVE)
    later = {child for _, child in edges}
    names = [box.name for key, box in boxes.items() if not box.join and key not in later]
    return next(iter(names), next(iter(graph.nodes.values())).name)


def outline(graph: Graph) -> tuple[Twig, ...]:
    """Make the nested list: each box once with what comes of it, then by name only."""
    boxes, edges = folded(graph, FOLDED_ABOVE)
    children: dict[str, list[str]] = {key: [] for key in boxes}
    inner: set[str] = set()
    for parent, child in edges:
        children[parent].append(child)
        inner.add(child)
    seen: set[str] = set()

    def twig(key: str, depth: int) -> Twig:
        box, again = boxes[key], key in seen or depth == DEEPEST
        seen.add(key)
        below = () if again else tuple(twig(child, depth + 1) for child in children[key])
        is_seen = again and bool(children[key])
        return Twig(key, box.name, box.state, len(box.ids), box.counts, box.join, is_seen, below)

    return tuple(twig(key, 0) for key in boxes if key not in inner)
