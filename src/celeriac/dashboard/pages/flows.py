"""Flows: chains, groups and chords as a picture, and as a nested list of the same."""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec

from celeriac import graphs
from celeriac.broker import PENDING_AT_ONCE
from celeriac.dashboard.layout import FOLDED_ABOVE, Layout, folded, laid_out
from celeriac.dashboard.roles import Role
from celeriac.dashboard.visit import Action, Done, Missing, Page, Question, Visit
from celeriac.errors import DecodeError
from celeriac.graphs import Graph
from celeriac.message import check_id, decode_options
from celeriac.states import State

MOST: Final = 1_000  # tasks of a flow that are read
DRAWN: Final = 200  # boxes that are drawn without being asked
LOOKED_AT: Final = 4 * PENDING_AT_ONCE  # of what waits, to find flows
LISTED: Final = 100
DEEPEST: Final = 60  # levels of the nested list


class FlowRow(msgspec.Struct, frozen=True):
    """A flow in a list: *waiting* of its tasks wait for others; *id* is of one of them."""

    id: str
    name: str
    waiting: int


class FlowsView(msgspec.Struct, frozen=True):
    """Flows in which tasks wait for others. *more*: whether not all that waits was looked at."""

    flows: list[FlowRow]
    more: bool


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


class FlowView(msgspec.Struct, frozen=True):
    """One flow.

    Attributes:
        id: of the task by which it was asked for. total, done, share: how far it is.
        counts: how many tasks are in which state. complete: whether these are all.
        layout: the picture; None when it is too large to be drawn unasked.
    """

    id: str
    name: str
    total: int
    done: int
    counts: list[tuple[str, int]]
    complete: bool
    layout: Layout | None
    boxes: int
    outline: tuple[Twig, ...]
    can: tuple[str, ...]


def look(visit: Visit) -> FlowsView:
    """Look for flows among what waits."""
    broker = visit.app.broker
    found: Counter[str] = Counter()
    first: dict[str, tuple[str, str]] = {}
    after, looked = "", 0
    while looked < LOOKED_AT:
        page = broker.pending(after, PENDING_AT_ONCE)
        looked += PENDING_AT_ONCE
        for record in page.records:
            if record.state is State.WAITING:
                try:
                    root = decode_options(record.message.options).root_id or record.id
                except DecodeError:
                    root = record.id
                found[root] += 1
                first.setdefault(root, (record.id, record.message.name))
        after = page.after
        if not after:
            break
    rows = [FlowRow(first[root][0], first[root][1], count) for root, count in found.most_common(LISTED)]
    return FlowsView(rows, bool(after) or len(found) > LISTED)


def look_at_one(visit: Visit) -> FlowView:
    """Look at all that hangs together with the task that the address names."""
    task_id = check_id(visit.path["id"])
    graph = graphs.read(visit.app.broker, [task_id], MOST)
    if task_id not in graph.nodes:
        raise Missing(visit.site.say("flow.missing", id=task_id))
    boxes, _ = folded(graph, FOLDED_ABOVE)
    is_drawn = len(boxes) <= DRAWN or visit.query.get("draw") == "yes"
    tasks = [node for node in graph.nodes.values() if not node.join]
    counts = Counter(node.state for node in tasks)
    done = sum(counts[state] for state in ("SUCCESS", "FAILURE", "REVOKED"))
    return FlowView(
        id=task_id,
        name=next((box.name for box in boxes.values() if not box.join), graph.nodes[task_id].name),
        total=len(tasks),
        done=done,
        counts=sorted(counts.items()),
        complete=graph.complete,
        layout=laid_out(graph) if is_drawn else None,
        boxes=len(boxes),
        outline=_outline(graph),
        can=(*(("retry",) if counts["FAILURE"] else ()), *(("cancel",) if done < len(tasks) else ())),
    )


def _outline(graph: Graph) -> tuple[Twig, ...]:
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


# --- actions --------------------------------------------------------------------------------------------


def _graph(visit: Visit) -> Graph:
    return graphs.read(visit.app.broker, [check_id(visit.path["id"])], MOST)


def _page(visit: Visit) -> str:
    return f"/flows/{visit.path['id']}"


def retry(visit: Visit) -> Done:
    """Run the members again that have failed."""
    failed = [node.id for node in _graph(visit).nodes.values() if node.state == "FAILURE"]
    acted = visit.app.dead.requeue(failed) if failed else None
    done, left = (0, 0) if acted is None else (acted.done, acted.left)
    text = visit.site.say("flow.retry.done", n=done, m=left)
    return Done(text, _page(visit), ok=done > 0, data={"done": done, "left": left})


def cancel(visit: Visit) -> Done:
    """Cancel the members that have not ended."""
    ids = _open(_graph(visit))
    answers = visit.app.broker.cancel(ids, visit.now)
    done = sum(answer in ("cancelled", "stopping", "noted") for answer in answers)
    visit.app.acted("revoke", f"the flow of {visit.path['id']}", done)
    return Done(visit.site.say("flow.cancel.done", n=done), _page(visit), ok=done > 0, data={"done": done})


def ask_cancel(visit: Visit) -> Question:
    """Ask before the rest of a flow is cancelled."""
    say, count = visit.site.say, len(_open(_graph(visit)))
    facts = (say("flow.cancel.fact", n=count), say("queue.purge.for_ever"))
    return Question(say("flow.cancel.title"), facts, say("flow.cancel"), _page(visit))


def _open(graph: Graph) -> list[str]:
    ended = ("SUCCESS", "FAILURE", "REVOKED")
    return [node.id for node in graph.nodes.values() if node.state not in ended]


PAGES: Final = (
    Page("/flows", "flows.html", look, "flows", every=2.0),
    Page("/flows/{id}", "flow.html", look_at_one, "flows", every=2.0),
)
ACTIONS: Final = (
    Action("/flows/{id}/retry", Role.OPERATOR, retry),
    Action("/flows/{id}/cancel", Role.OPERATOR, cancel, ask_cancel),
)
