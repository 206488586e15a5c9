"""The picture of a flow: nothing overlaps, no line crosses a box, the same flow is always drawn alike."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac.dashboard.layout import FOLDED_ABOVE, folded, laid_out
from celeriac.graphs import Graph, Node

STATES = ["PENDING", "SUCCESS", "FAILURE", "PROGRESS"]


@st.composite
def flows(draw):
    """Graphs without circles, of up to 25 tasks."""
    count = draw(st.integers(1, 25))
    names = draw(st.lists(st.sampled_from("abc"), min_size=count, max_size=count))
    nodes = {
        f"t{at}": Node(f"t{at}", names[at], draw(st.sampled_from(STATES)), draw(st.booleans()))
        for at in range(count)
    }
    pairs = [(f"t{first}", f"t{second}") for first in range(count) for second in range(first + 1, count)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=40)) if pairs else []
    return Graph(nodes, edges)


@settings(max_examples=60, deadline=None)
@given(flows())
def test_no_box_overlaps_another_one_and_all_are_inside(graph):
    picture = laid_out(graph)

    for box in picture.boxes:
        assert 0 <= box.x <= box.x + box.width <= picture.width
        assert 0 <= box.y <= box.y + box.height <= picture.height
    for at, one in enumerate(picture.boxes):
        for other in picture.boxes[at + 1 :]:
            apart = one.x + one.width <= other.x or other.x + other.width <= one.x
            assert apart or one.y + one.height <= other.y or other.y + other.height <= one.y


@settings(max_examples=60, deadline=None)
@given(flows())
def test_no_line_crosses_a_box_that_it_does_not_belong_to(graph):
    picture = laid_out(graph)

    for line in picture.lines:
        straight = [(line.points[at], line.points[at + 1]) for at in range(1, len(line.points) - 1, 2)]
        for (x1, y), (x2, _) in straight:  # bends are in the gaps, where no box is
            for place in picture.boxes:
                if place.box.key not in (line.parent, line.child):
                    beside = place.x >= x2 or place.x + place.width <= x1
                    assert beside or not place.y < y < place.y + place.height


@settings(max_examples=60, deadline=None)
@given(flows())
def test_every_task_stands_behind_all_that_it_waits_for(graph):
    picture = laid_out(graph, fold_above=100)

    place = {box.box.key: box for box in picture.boxes}
    assert set(place) == set(graph.nodes)
    assert all(place[parent].x + place[parent].width < place[child].x for parent, child in graph.edges)
    assert len(picture.lines) == len(graph.edges)


@settings(max_examples=30, deadline=None)
@given(flows(), st.integers())
def test_the_order_in_which_a_flow_was_read_does_not_change_its_size(graph, seed):
    shuffled = list(graph.edges)
    random.Random(seed).shuffle(shuffled)

    assert laid_out(graph) == laid_out(graph)
    assert laid_out(graph).width == laid_out(Graph(graph.nodes, shuffled)).width


def fan(members, failed=0):
    nodes = {
        "root": Node("root", "start", "SUCCESS"),
        "join": Node("join", "celeriac.group", "PENDING", True),
    }
    for at in range(members):
        nodes[f"m{at}"] = Node(f"m{at}", "resize", "FAILURE" if at < failed else "SUCCESS")
    edges = [("root", f"m{at}") for at in range(members)] + [(f"m{at}", "join") for at in range(members)]
    return Graph(nodes, edges)


def test_a_small_group_is_drawn_one_by_one_and_a_large_one_as_one_box():
    small, large = laid_out(fan(FOLDED_ABOVE)), laid_out(fan(1_000, failed=3))

    assert len(small.boxes) == FOLDED_ABOVE + 2
    [box] = [place.box for place in large.boxes if len(place.box.ids) > 1]
    assert len(large.boxes) == 3
    assert box.counts == (("FAILURE", 3), ("SUCCESS", 997))
    assert box.state == "FAILURE"


def test_a_circle_which_only_a_broken_store_could_have_is_drawn_too():
    nodes = {key: Node(key, key, "PENDING") for key in "abc"}

    picture = laid_out(Graph(nodes, [("a", "b"), ("b", "c"), ("c", "a")]))

    assert len(picture.boxes) == 3


def test_an_empty_flow_is_an_empty_picture():
    assert laid_out(Graph({}, [])).boxes == ()
    assert folded(Graph({}, []), 12) == ({}, [])
