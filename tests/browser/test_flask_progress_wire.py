"""What the example tells a browser about a task, in every state that there is."""

import importlib.util
from types import ModuleType

import pytest

from celeriac import Update
from tests.browser.site import EXAMPLE

BAKING = {"current": 3, "total": 8, "status": "Baking"}


@pytest.fixture(scope="module")
def wire() -> ModuleType:
    spec = importlib.util.spec_from_file_location("flask_progress_wire", EXAMPLE / "wire.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("state", "meta", "told"),
    [
        ("PENDING", None, ("PENDING", 0, 1, "Waiting for a worker")),
        ("PENDING", BAKING, ("PENDING", 3, 8, "Waiting for a worker")),
        ("STARTED", None, ("PROGRESS", 0, 1, "Started")),
        ("STARTED", BAKING, ("PROGRESS", 3, 8, "Baking")),
        ("PROGRESS", BAKING, ("PROGRESS", 3, 8, "Baking")),
        ("IN_THE_OVEN", BAKING, ("PROGRESS", 3, 8, "Baking")),
        ("RETRY", BAKING, ("PENDING", 3, 8, "Waiting to be tried again")),
        ("PROGRESS", {"current": True, "total": float("inf")}, ("PROGRESS", 0, 1, "Started")),
        ("PROGRESS", {"current": -1, "total": 10**400}, ("PROGRESS", 0, 1, "Started")),
        ("PROGRESS", {"current": float("nan"), "total": 8, "status": ""}, ("PROGRESS", 0, 8, "")),
        ("PROGRESS", [1, 2], ("PROGRESS", 0, 1, "Started")),
    ],
)
def test_until_the_end_a_task_is_pending_or_in_progress_and_nothing_else(wire, state, meta, told):
    facts = wire.describe(Update("some-id", state, meta))

    assert (facts["state"], facts["current"], facts["total"], facts["status"]) == told
    assert facts["id"] == "some-id"
    assert "result" not in facts
    assert "error" not in facts


@pytest.mark.parametrize(
    ("returned", "result", "status"),
    [
        ({"current": 8, "total": 8, "status": "Served", "result": 42}, 42, "Served"),
        ({"result": None}, None, "Done"),
        ({"guests": 3}, {"guests": 3}, "Done"),
        ("Soup", "Soup", "Done"),
        (None, None, "Done"),
    ],
)
def test_a_result_comes_with_a_full_bar(wire, returned, result, status):
    facts = wire.describe(Update("some-id", "SUCCESS", BAKING, result=returned, ready=True))

    assert (facts["state"], facts["result"], facts["status"]) == ("SUCCESS", result, status)
    assert facts["current"] == facts["total"] > 0


def test_an_error_keeps_the_bar_where_it_was(wire):
    update = Update("some-id", "FAILURE", BAKING, error="too hot", error_type="kitchen.Burnt", ready=True)

    facts = wire.describe(update)

    assert (facts["state"], facts["current"], facts["total"]) == ("FAILURE", 3, 8)
    assert facts["status"] == "too hot"
    assert facts["error"] == "Burnt: too hot"
    assert "result" not in facts
