"""What programs are told when something is wrong: the same status for the same reason, and always JSON."""

import pytest

from celeriac.clock import SystemClock
from celeriac.dashboard.access import Registered
from celeriac.dashboard.roles import Role
from celeriac.dashboard.site import Site
from celeriac.dashboard.users import Users
from celeriac.dashboard.web import build
from tests.dashboard.client import Client

LACKING = [
    ("/queue/pause", {}),
    ("/queue/pause", {"name": "a b"}),
    ("/schedule/run", {}),
    ("/worker/drain", {}),
    ("/picked", {"action": "retry"}),
    ("/picked", {"action": "explode", "id": "a"}),
    ("/bulk", {"q": "state:failed"}),
    ("/bulk", {"q": "stat:failed", "action": "retry"}),
    ("/dead/drop", {}),
]


@pytest.mark.parametrize(("path", "form"), LACKING)
def test_what_is_missing_and_what_cannot_be_read_is_400(client, path, form):
    answer = client.post(f"/api/v1{path}", form)

    assert (answer.status_code, answer.json()["error"]) == (400, "unclear")


@pytest.mark.parametrize(
    "path", ["/queue", "/worker", "/schedule", "/name", "/dead/group", "/activity?after=x"]
)
def test_a_page_that_is_not_told_of_what_is_400(client, path):
    assert client.get(f"/api/v1{path}").status_code == 400


def test_a_role_that_does_not_reach_is_403_whatever_it_is_for(client_for):
    operator = client_for("operator")

    for path, form in (("/picked", {"action": "delete", "id": "a"}), ("/bulk", {"action": "delete"})):
        answer = operator.post(f"/api/v1{path}", form)
        assert (answer.status_code, answer.json()["error"]) == (403, "role")


@pytest.fixture
def program(app, tmp_path):
    """A client with a token, and the headers that bear it."""
    users = Users(tmp_path / "users.json")
    token = users.add_token("ci", Role.VIEWER)
    return Client(build(Site(app, Registered(SystemClock(), users)))), {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize(("query", "error"), [("q=stat:failed", "unclear"), ("format=xls", "unclear")])
def test_who_comes_with_a_token_is_told_in_json_what_is_wrong_with_an_export(program, query, error):
    client, bearer = program
    answer = client.get(f"/export/tasks?{query}", headers=bearer)

    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_wrong_token_is_told_so_at_an_export_too(program):
    client, _ = program
    answer = client.get("/export/tasks", headers={"authorization": "Bearer nobody"})

    assert (answer.status_code, answer.json()["error"]) == (401, "stranger")


def test_people_are_told_on_a_page(client):
    answer = client.get("/export/tasks?format=xls")

    assert answer.status_code == 400
    assert answer.text.startswith("<!doctype html>")


def test_health_is_told_to_everybody_by_whatever_name_and_nothing_else_is(client_for):
    client = client_for(None, allowed_hosts=["ops.example.org"])
    strange = {"host": "10.0.0.7:8787"}

    assert client.get("/healthz", headers=strange).json() == {"ok": True}
    assert client.get("/queues", headers=strange).status_code == 400
    assert client.get("/healthz/..", headers=strange).status_code == 400
