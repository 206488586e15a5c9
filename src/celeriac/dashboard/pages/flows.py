"""Flows: chains, groups and chords as a picture, and as a nested list of the same."""

from __future__ import annotations

from typing import Final

import msgspec

from celeriac import graphs
from celeriac.dashboard import flows
from celeriac.dashboard.flows import ENDED, MOST, FlowRow, Twig
from celeriac.dashboard.layout import FOLDED_ABOVE, Layout, folded, laid_out
from celeriac.dashboard.roles import Role
from celeriac.dashboard.visit import Action, Done, Missing, Page, Question, Visit
from celeriac.graphs import Graph
from celeriac.message import check_id

DRAWN: Final = 200  # boxes that are drawn without being asked


class FlowsView(msgspec.Struct, frozen=True):
    """Flows in which tasks wait for others. *more*: whether not all that waits was looked at."""

    flows: list[FlowRow]
    more: bool


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
    return FlowsView(*flows.waiting(visit.app.broker))


def look_at_one(visit: Visit) -> FlowView:
    """Look at all that hangs together with the task that the address names."""
    task_id = check_id(visit.path["id"])
    graph = graphs.read(visit.app.broker, [task_id], MOST)
    if task_id not in graph.nodes:
        raise Missing(visit.site.say("flow.missing", id=task_id))
    boxes, _ = folded(graph, FOLDED_ABOVE)
    is_drawn = len(boxes) <= DRAWN or visit.query.get("draw") == "yes"
    counts = flows.states_of(graph)
    total, done = counts.total(), flows.done_of(counts)
    return FlowView(
        id=task_id,
        name=flows.name_of(graph),
        total=total,
        done=done,
        counts=sorted(counts.items()),
        complete=graph.complete,
        layout=laid_out(graph) if is_drawn else None,
        boxes=len(boxes),
        outline=flows.outline(graph),
        can=(*(("retry",) if counts["FAILURE"] else ()), *(("cancel",) if done < total else ())),
    )


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
    return Done(visit.site.say("flow.cancel.done", n=done), _page(visit), ok=done > 0, data={"done": done})


def ask_cancel(visit: Visit) -> Question:
    """Ask before the rest of a flow is cancelled."""
    say, count = visit.site.say, len(_open(_graph(visit)))
    facts = (say("flow.cancel.fact", n=count), say("queue.purge.for_ever"))
    return Question(say("flow.cancel.title"), facts, say("flow.cancel"), _page(visit))


def _open(graph: Graph) -> list[str]:
    return [node.id for node in graph.nodes.values() if node.state not in ENDED]


PAGES: Final = (
    Page("/flows", "flows.html", look, "flows", every=2.0),
    Page("/flows/{id}", "flow.html", look_at_one, "flows", every=2.0),
)
ACTIONS: Final = (
    Action("/flows/{id}/retry", Role.OPERATOR, retry),
    Action("/flows/{id}/cancel", Role.OPERATOR, cancel, ask_cancel),
)
