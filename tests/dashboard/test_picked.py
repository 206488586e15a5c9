"""Tasks that were picked one by one: the same is done with them, by their ids, after a question."""

import pytest

from celeriac import Celeriac
from celeriac.dashboard.pages.picked import MOST
from tests.dashboard import shop

SURE = {"sure": "yes"}


@pytest.fixture
def app():
    with Celeriac("shop", broker="memory://") as app:
        yield app


@pytest.fixture
def tasks(app):
    return shop.make(app)


@pytest.fixture
def failed(app, tasks, stage):
    """Ids of two failed tasks; that of the first begins that of the second."""
    for task_id in ("order-1", "order-10"):
        tasks.fail.apply_async(("no",), task_id=task_id)
    stage.run_until_idle()
    return ["order-1", "order-10"]


@pytest.fixture
def stage(app, tasks):
    with app.test() as stage:
        yield stage


def states(app, ids):
    return [app.AsyncResult(each).state for each in ids]


def test_nothing_is_done_before_it_was_asked_and_then_with_exactly_those(app, client, failed):
    asked = client.post("/picked", {"action": "retry", "id": "order-1"})
    before = states(app, failed)
    done = client.post("/picked", {"action": "retry", "id": "order-1", **SURE})

    assert "Run 1 task again?" in asked.text
    assert before == ["FAILURE", "FAILURE"]
    assert states(app, failed) == ["PENDING", "FAILURE"]
    assert done.headers["location"] == "/tasks/order-1"


def test_those_with_which_it_cannot_be_done_are_counted_and_left_alone(app, client, tasks, failed):
    waiting = tasks.add.delay(1).id
    picked = {"action": "revoke", "id": " ".join([waiting, *failed, "gone"])}

    asked = client.post("/picked", picked)
    told = client.post("/api/v1/picked", picked).json()

    assert "Cancel 1 task?" in asked.text
    assert "3 are left alone" in asked.text
    assert (told["done"], told["left"]) == (1, 3)
    assert states(app, [waiting, *failed]) == ["REVOKED", "FAILURE", "FAILURE"]


def test_only_an_administrator_deletes_and_others_are_not_even_asked(app, client_for, failed):
    wanted = {"action": "delete", "id": " ".join(failed)}

    refused = client_for("operator").post("/picked", wanted)
    admin = client_for("admin")
    asked = admin.post("/picked", wanted)
    done = admin.post("/picked", {**wanted, **SURE})

    assert refused.status_code == 403
    assert "admin" in refused.text
    assert "Delete 2 tasks?" in asked.text
    assert done.headers["location"] == "/tasks"
    assert states(app, failed) == ["UNKNOWN", "UNKNOWN"]


@pytest.mark.parametrize(
    "form",
    [
        {"action": "explode", "id": "a"},
        {"id": "a"},
        {"action": "retry"},
        {"action": "retry", "id": " "},
        {"action": "retry", "id": "<b>"},
        {"action": "retry", "id": " ".join(f"t{at}" for at in range(MOST + 1))},
    ],
)
def test_what_is_not_said_well_is_refused(client, failed, form):
    answer = client.post("/picked", {**form, **SURE})

    assert answer.status_code == 400


def test_what_people_do_with_what_they_have_picked_is_noted_once(app, client, failed):
    client.post("/picked", {"action": "retry", "id": " ".join(failed), **SURE})

    assert [(deed.who, deed.verb, deed.count) for deed in app.activity()] == [("somebody", "retry", 2)]
