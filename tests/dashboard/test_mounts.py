"""The dashboard inside other applications: Flask, FastAPI, Starlette, Django, below any prefix."""

import io
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from celeriac.dashboard import dashboard, shells
from celeriac.dashboard.roles import Role, User
from celeriac.errors import ConfigurationError
from tests.dashboard.client import SAME, Client

ROLES = {"ana": "admin", "bob": "viewer"}


@pytest.fixture(autouse=True)
def _no_loop_is_left():
    yield
    shells.LOOP.close()


def role_of(headers: Any) -> Any:
    return ROLES.get(headers.get("x-user", ""))


def addresses(text: str, prefix: str) -> list[str]:
    """The addresses on a page that do not stay below the prefix."""
    import re

    found = re.findall(r'(?:href|src|action)="([^"#]*)', text)
    return [each for each in found if not each.startswith((f"{prefix}/", "data:")) and each != ""]


# --- ASGI -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["/celeriac", "/a/b"])
@pytest.mark.parametrize("kind", ["starlette", "fastapi"])
def test_mounted_below_a_prefix_every_address_stays_below_it(app, prefix, kind):
    inner = dashboard(app, access=lambda request: role_of(request.headers))
    if kind == "starlette":
        outer: Any = Starlette(routes=[Mount(prefix, inner)])
    else:
        import fastapi

        outer = fastapi.FastAPI()
        outer.mount(prefix, inner)
    client, ana = Client(outer), {"x-user": "ana"}

    page = client.get(f"{prefix}/queues", headers=ana)
    bare = client.get(prefix, headers=ana, follow=True)
    paused = client.post(f"{prefix}/queue/pause", {"name": "mail"}, headers=ana)
    told = client.get(paused.headers["location"], headers=ana)
    foreign = client.get(f"{prefix}/queues")

    assert page.status_code == bare.status_code == 200
    assert addresses(page.text, prefix) == []
    assert paused.headers["location"] == f"{prefix}/queues"
    assert f"Path={prefix};" in paused.headers["set-cookie"] + ";"
    assert "is paused" in told.text
    assert foreign.status_code == 403


def test_behind_a_proxy_that_cuts_the_prefix_off_addresses_have_it(app):
    client = Client(dashboard(app, access="open"), root="/ops")

    page = client.get("/ops/queues")

    assert page.status_code == 200
    assert addresses(page.text, "/ops") == []


# --- WSGI -------------------------------------------------------------------------------------------------


def wsgi_client(wsgi: Any) -> httpx.Client:
    return httpx.Client(transport=httpx.WSGITransport(wsgi), base_url="http://127.0.0.1")


def test_in_flask_the_dashboard_answers_below_its_prefix_and_flask_everywhere_else(app):
    import flask

    web = flask.Flask("shop")
    web.add_url_rule("/", view_func=lambda: "the shop")
    web.wsgi_app = dashboard.wsgi(
        app, "/celeriac", web.wsgi_app, access=lambda environ: ROLES.get(environ.get("HTTP_X_USER", ""))
    )
    with wsgi_client(web) as client:
        ana = {"x-user": "ana"}

        shop = client.get("/")
        pages = [client.get(path, headers=ana) for path in ("/celeriac", "/celeriac/", "/celeriac/queues")]
        paused = client.post("/celeriac/queue/pause", data={"name": "mail"}, headers={**ana, **SAME})
        refused = client.post(
            "/celeriac/queue/pause", data={"name": "mail"}, headers={"x-user": "bob", **SAME}
        )
        news = client.get("/celeriac/changes?view=/queues", headers=ana)
        stream = client.get("/celeriac/live?view=/queues", headers=ana)

        assert shop.text == "the shop"
        assert [page.status_code for page in pages] == [200, 200, 200]
        assert all(addresses(page.text, "/celeriac") == [] for page in pages)
        assert 'data-live-mode="poll"' in pages[2].text
        assert paused.headers["location"] == "/celeriac/queues"
        assert refused.status_code == 403
        assert news.json()["kind"] == "reset"
        assert stream.status_code == 404
        assert client.get("/celeriacs").status_code == 404
        assert client.get("/celeriac/queues").status_code == 403


def test_a_header_of_the_request_cannot_name_a_user_that_the_function_does_not(app):
    wsgi = dashboard.wsgi(app, access=lambda environ: None)
    with wsgi_client(wsgi) as client:
        answer = client.get("/queues", headers={"celeriac.user": "admin", "celeriac-user": "admin"})

    assert answer.status_code == 403


@pytest.mark.parametrize("make", [dashboard.wsgi, dashboard.django])
def test_no_shell_lets_anybody_in_by_default(app, make):
    with pytest.raises(ConfigurationError, match="access="):
        make(app)


def test_a_prefix_begins_with_a_slash(app):
    with pytest.raises(ConfigurationError, match="'/celeriac'"):
        dashboard.wsgi(app, "celeriac", access="open")


def test_a_large_body_is_refused_before_it_is_read_whole(app):
    wsgi = dashboard.wsgi(app, access="open")
    with wsgi_client(wsgi) as client:
        answer = client.post("/queue/pause", content=io.BytesIO(b"x=" + b"y" * 1_100_000), headers=SAME)

    assert answer.status_code == 413


# --- Django -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def django():
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=None, SECRET_KEY="x", MIDDLEWARE=[])
        django.setup()
    return django


def test_in_django_the_dashboard_is_a_part_of_the_urls(app, django):
    from django.http import HttpResponse
    from django.test import RequestFactory
    from django.urls import URLResolver, include, path
    from django.urls.resolvers import RegexPattern

    def access(request: Any) -> Any:
        role = role_of(request.headers)
        return User("<ana>", Role.ADMIN) if role == "admin" else role

    urls = [path("celeriac/", include(dashboard.django(app, access=access)))]
    root = URLResolver(RegexPattern(r"^/"), urls)

    def ask(method: str, address: str, **options: Any) -> HttpResponse:
        headers = options.pop("headers", {"x-user": "ana"})
        factory = getattr(RequestFactory(headers={**headers, **SAME}), method)
        request = factory(address, **options)
        match = root.resolve(request.path_info)
        return match.func(request, *match.args, **match.kwargs)

    page = ask("get", "/celeriac/queues")
    first = ask("get", "/celeriac/")
    paused = ask(
        "post", "/celeriac/queue/pause", data="name=mail", content_type="application/x-www-form-urlencoded"
    )
    files = ask("post", "/celeriac/queue/pause", data={"name": "mail"})

    assert files.status_code == 415
    assert page.status_code == first.status_code == 200
    assert addresses(page.content.decode(), "/celeriac") == []
    assert "&lt;ana&gt;, administrator" in page.content.decode()
    assert paused.status_code == 303
    assert paused.headers["Location"] == "/celeriac/queues"
    assert "celeriac_session_said" in paused.cookies
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert ask("get", "/celeriac/queues", headers={}).status_code == 403
    assert [queue.paused for queue in app.broker.queues()] == [True]
