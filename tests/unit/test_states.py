"""The table of moves, the names outside, and the page that shows them."""

import itertools
import re

import pytest

from celeriac import states
from celeriac.states import MOVES, State, outside
from tools.programs import ROOT

PAGE = (ROOT / "docs" / "explanation" / "life-of-a-task.md").read_text()


def test_final_states_are_those_that_nothing_leaves_but_a_requeue():
    left = {before for before, what in MOVES if before is not None and what != "requeue"}

    assert {state for state in State if state.final} == set(State) - left


def test_every_state_can_be_reached_and_every_other_one_left_for_a_final_one():
    assert set(MOVES.values()) == set(State)

    ending = {state for state in State if state.final}
    for _ in State:
        ending |= {before for (before, _), after in MOVES.items() if before is not None and after in ending}
    assert ending == set(State)


@pytest.mark.parametrize("custom", ["", "PROGRESS", "HALFWAY"])
@pytest.mark.parametrize("retries", [0, 1])
def test_final_states_have_celerys_names_whatever_was_said_before(custom, retries):
    names = [outside(state, custom, retries) for state in (State.SUCCEEDED, State.FAILED, State.CANCELLED)]

    assert names == ["SUCCESS", "FAILURE", "REVOKED"]


@pytest.mark.parametrize(
    ("state", "custom", "retries", "name"),
    [
        (State.QUEUED, "", 0, "PENDING"),
        (State.SCHEDULED, "", 0, "PENDING"),
        (State.QUEUED, "", 1, "RETRY"),
        (State.SCHEDULED, "PROGRESS", 2, "RETRY"),
        (State.QUEUED, "PROGRESS", 0, "PENDING"),
        (State.RUNNING, "", 0, "STARTED"),
        (State.RUNNING, "", 3, "STARTED"),
        (State.RUNNING, "PROGRESS", 3, "PROGRESS"),
    ],
)
def test_states_have_celerys_names_outside(state, custom, retries, name):
    assert outside(state, custom, retries) == name


def test_the_names_outside_are_sorted_into_ready_and_unready():
    shown = {outside(*facts) for facts in itertools.product(State, ["", "PROGRESS"], [0, 1])}

    assert shown == states.READY_STATES | states.UNREADY_STATES
    assert not states.READY_STATES & states.UNREADY_STATES


def test_users_may_set_no_state_that_only_a_store_may_give():
    given_by_stores = {outside(*facts) for facts in itertools.product(State, [""], [0, 1])}

    assert given_by_stores <= states.RESERVED
    assert states.PROGRESS not in states.RESERVED


# --- docs/explanation/life-of-a-task.md ---------------------------------------------------------


def test_the_pages_table_is_the_table_of_moves():
    rows = re.findall(r"^\| ([A-Z]+|—) \| ([^|]+?) \| ([A-Z]+) \|", PAGE, re.MULTILINE)

    shown = {(None if before == "—" else State[before], what): State[after] for before, what, after in rows}

    assert shown == MOVES
    assert len(rows) == len(MOVES)


def test_the_pages_diagram_has_every_move_and_no_other():
    [diagram] = re.findall(r"```mermaid\n(.*?)```", PAGE, re.DOTALL)

    arrows = re.findall(r"^ +(\S+) --> (\S+): (.+)$", diagram, re.MULTILINE)
    shown = {
        (None if before == "[*]" else State[before], what): State[after]
        for before, after, labels in arrows
        for what in labels.split(" / ")
    }

    assert shown == MOVES
    ends = re.findall(r"^ +(\w+) --> \[\*\]$", diagram, re.MULTILINE)
    assert {State[name] for name in ends} == {state for state in State if state.final}
