"""Who comes in, and what each role may do: made from the table of routes, so that no action is forgotten."""

import re

import pytest

from celeriac.clock import ManualClock
from celeriac.dashboard import dashboard, guard, pages
from celeriac.dashboard.access import Local, Registered
from celeriac.dashboard.roles import Role, User
from celeriac.dashboard.sessions import OneTime
from celeriac.dashboard.site import Site
from celeriac.dashboard.users import Users
from celeriac.dashboard.web import build
from celeriac.errors import ConfigurationError
from tests.dashboard.client import Client

ROLES = [role.word for role in Role]


def filled(path: str) -> str:
    """An address of that shape."""
    return re.sub(r"{\w+}", "some-id", path)


ACTIONS = [(filled(action.path), action.role) for action in pages.ACTIONS]
PAGES = [filled(page.path) for page in pages.PAGES]
TWINS = [f"/api/v1{filled(page.api or page.path)}" for page in pages.PAGES]
ADDRESSES = [*PAGES, *TWINS, "/live?view=/queues", "/changes?view=/queues"]


# --- roles ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "needed"), ACTIONS)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("api", ["", "/api/v1"])
def test_an_action_is_refused_to_those_whose_role_does_not_reach(client_for, path, needed, role, api):
    answer = client_for(role).post(api + path, {"name": "default", "sure": "yes"})

    if Role[role.upper()] < needed:
        assert answer.status_code == 403
        assert needed.word in answer.text
    else:
        assert answer.status_code != 403


@pytest.mark.parametrize(("path", "needed"), ACTIONS)
@pytest.mark.parametrize("api", ["", "/api/v1"])
def test_nothing_can_be_done_where_nothing_may_be_changed(client_for, path, needed, api):
    answer = client_for("admin", read_only=True).post(api + path, {"name": "default", "sure": "yes"})

    assert answer.status_code == 403
    assert "read-only" in answer.text


@pytest.mark.parametrize("options", [{"role": "viewer"}, {"role": "admin", "read_only": True}])
def test_who_may_do_nothing_sees_no_button(app, client_for, options):
    app.send_task("shop.add", (1,))
    client = client_for(options["role"], read_only=options.get("read_only", False))

    text = client.get("/queues").text

    assert "shop" in text
    assert not [path for path, _ in ACTIONS if f'action="{path}"' in text]


@pytest.mark.parametrize(("path", "needed"), ACTIONS)
@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "cross-site"}, {}, {"origin": "https://evil.example"}]
)
@pytest.mark.parametrize("api", ["", "/api/v1"])
def test_no_other_page_can_make_a_browser_do_anything(client, path, needed, headers, api):
    answer = client.ask("POST", api + path, data={"name": "default", "sure": "yes"}, headers=headers)

    assert answer.status_code == 403
    assert "nothing was changed" in answer.text


@pytest.mark.parametrize(("path", "needed"), ACTIONS)
def test_an_action_is_no_address_to_look_at(client, path, needed):
    assert client.get(path).status_code in (404, 405)


# --- mounted in an application ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ADDRESSES)
def test_a_stranger_sees_nothing(client_for, path):
    answer = client_for(None).get(path)

    assert answer.status_code in (401, 403)
    assert "location" not in answer.headers
    assert "celeriac.db" not in answer.text


@pytest.mark.parametrize("answer", [True, 1, "root", "Admin", {"role": "admin"}])
def test_an_access_function_that_answers_something_else_lets_nobody_in(app, answer):
    client = Client(dashboard(app, access=lambda request: answer))

    assert client.get("/queues").status_code == 500


@pytest.mark.parametrize("role", ["operator", Role.OPERATOR])
def test_what_a_user_does_who_was_named_is_noted_under_that_name(app, role):
    client = Client(dashboard(app, access=lambda request: User("ana", role)))

    client.post("/queue/pause", {"name": "default"})

    assert [(deed.who, deed.verb) for deed in app.activity()] == [("ana", "pause")]


def test_a_user_has_a_role_that_there_is():
    with pytest.raises(ConfigurationError, match="'boss' is no role"):
        User("ana", "boss")


def test_an_access_function_may_be_a_coroutine_and_name_the_user(app):
    async def access(request):
        return User(request.headers["x-user"], Role.VIEWER)

    text = Client(dashboard(app, access=access)).get("/queues", headers={"x-user": "<b>ana"}).text

    assert "&lt;b&gt;ana, viewer" in text
    assert "<b>ana" not in text


@pytest.mark.parametrize("access", [None, "admin", True, object()])
def test_mounting_without_saying_who_may_see_it_is_an_error(app, access):
    with pytest.raises(ConfigurationError, match="access="):
        dashboard(app, access=access)


# --- by itself: one-time addresses ------------------------------------------------------------------------


@pytest.fixture
def clock():
    return ManualClock()


def test_an_address_is_exchanged_for_a_cookie_and_vanishes(app, clock):
    once = OneTime()
    asgi = build(Site(app, Local(clock, once, port=8787), allowed_hosts=guard.LOOPBACK))
    client, token = Client(asgi), once.token

    first = client.get(f"/queues?token={token}&x=1")
    second = client.get("/queues")

    assert first.status_code == 303
    assert first.headers["location"] == "/queues?x=1"
    cookie = first.headers["set-cookie"]
    assert "celeriac_session_8787=" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert second.status_code == 200
    assert "local, administrator" in second.text
    assert Client(asgi).get(f"/queues?token={token}").status_code == 403


def test_an_address_opened_twice_by_the_same_browser_leads_to_the_page(app, clock):
    once = OneTime()
    client, token = Client(build(Site(app, Local(clock, once)))), once.token
    client.get(f"/queues?token={token}")

    again = client.get(f"/queues?token={token}")

    assert again.status_code == 303
    assert again.headers["location"] == "/queues"


def test_a_cookie_of_another_process_is_worth_nothing(app, clock):
    tokens = OneTime(), OneTime()
    clients = [Client(build(Site(app, Local(clock, once)))) for once in tokens]
    clients[0].get(f"/queues?token={tokens[0].token}")

    clients[1].cookies = clients[0].cookies

    assert clients[0].get("/queues").status_code == 200
    assert clients[1].get("/queues").status_code == 403


def test_a_name_that_somebody_else_gave_this_host_is_not_answered(app, clock):
    asgi = build(Site(app, Local(clock, OneTime()), allowed_hosts=guard.LOOPBACK))

    answer = Client(asgi, base="http://rebound.example").get("/queues")

    assert answer.status_code == 400
    assert "rebound.example" in answer.text
    assert "content-security-policy" in answer.headers


# --- by itself: users -------------------------------------------------------------------------------------


@pytest.fixture
def users(tmp_path):
    users = Users(tmp_path / "users.json")
    users.add("ana", "correct horse", Role.OPERATOR)
    return users


@pytest.fixture
def guarded(app, clock, users):
    return build(Site(app, Registered(clock, users)))


def log_in(client, **form):
    return client.post("/login", {"name": "ana", "password": "correct horse", **form})


def test_a_stranger_is_asked_to_log_in_and_comes_back_to_the_page(guarded):
    client = Client(guarded)

    asked = client.get("/queue?name=a")
    form = client.get(asked.headers["location"])
    inside = log_in(client, next="/queue?name=a")

    assert asked.status_code == inside.status_code == 303
    assert 'value="/queue?name=a"' in form.text
    assert inside.headers["location"] == "/queue?name=a"
    assert "ana, operator" in client.get("/queues").text


@pytest.mark.parametrize(
    "to", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "/\n/x"]
)
def test_logging_in_leads_to_no_other_site(guarded, to):
    assert log_in(Client(guarded), next=to).headers["location"] == "/"


def test_a_wrong_password_lets_nobody_in_and_many_are_not_even_tried(guarded, clock):
    client = Client(guarded)

    answers = [log_in(client, password="wrong") for _ in range(11)]

    assert {answer.status_code for answer in answers[:10]} == {403}
    assert answers[10].status_code == 429
    assert not client.cookies
    assert client.get("/queues").status_code == 303


def test_logging_in_and_out_needs_a_page_of_ours_too(guarded):
    client = Client(guarded)

    foreign = client.ask("POST", "/login", data={"name": "ana", "password": "correct horse"})

    assert foreign.status_code == 403
    assert not client.cookies


def test_who_logs_out_is_a_stranger_again(guarded):
    client = Client(guarded)
    log_in(client)

    client.post("/logout")

    assert client.get("/queues").headers["location"].startswith("/login")


@pytest.mark.parametrize("change", ["password", "removed"])
def test_a_session_ends_with_the_password_or_the_user(guarded, users, change):
    client = Client(guarded)
    log_in(client)

    if change == "password":
        users.add("ana", "another horse", Role.OPERATOR)
    else:
        users.remove("ana")

    assert client.get("/queues").status_code == 303


def test_a_session_outlives_a_restart_and_ends_in_time(app, guarded, users, clock):
    client = Client(guarded)
    log_in(client)

    restarted = Client(build(Site(app, Registered(clock, users))))
    restarted.cookies = client.cookies
    before = restarted.get("/queues").status_code
    clock.advance(hours=24 * 31)

    assert before == 200
    assert restarted.get("/queues").status_code == 303


def test_a_program_uses_a_token_and_needs_no_origin(app, guarded, users):
    token = users.add_token("ci", Role.OPERATOR)
    client = Client(guarded)
    headers = {"authorization": f"Bearer {token}"}

    seen = client.get("/api/v1/queues", headers=headers)
    done = client.ask("POST", "/api/v1/queue/pause", json={"name": "mail"}, headers=headers)

    assert seen.status_code == done.status_code == 200
    assert done.json()["changed"] is True
    assert [queue.paused for queue in app.broker.queues()] == [True]


@pytest.mark.parametrize("token", ["", "x", "correct horse"])
def test_a_wrong_token_is_told_so(guarded, token):
    answer = Client(guarded).get("/api/v1/queues", headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 401
    assert answer.json()["error"] == "stranger"


def test_a_junk_token_does_not_open_the_way_around_the_check_of_origins(guarded, app):
    client = Client(guarded)
    log_in(client)

    answer = client.ask(
        "POST", "/queue/pause", data={"name": "mail"}, headers={"authorization": "Bearer x", "origin": "null"}
    )

    assert answer.status_code in (401, 303)
    assert app.broker.queues() == []


# --- what every answer says -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/queues", "/nowhere", "/api/v1/queues", "/healthz", "/api/v1/nowhere"])
@pytest.mark.parametrize("role", ["admin", None])
def test_every_answer_has_the_headers_that_keep_a_browser_safe(client_for, path, role):
    headers = client_for(role).get(path).headers

    assert headers["content-security-policy"] == guard.POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers
