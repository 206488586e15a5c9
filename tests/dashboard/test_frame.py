"""What is around every page: its title, which store it is of, and how little of that a stranger is told."""

import html
import re

import pytest

from celeriac import Celeriac
from celeriac.clock import SystemClock
from celeriac.dashboard import dashboard
from celeriac.dashboard.access import Open, Registered
from celeriac.dashboard.site import Site
from celeriac.dashboard.users import Users
from celeriac.dashboard.web import build
from celeriac.version import __version__
from tests.dashboard.client import Client

ODD = """it's "q" <b>&amp;"""


def title(answer) -> str:
    """What the browser writes on the tab."""
    [found] = re.findall(r"<title>(.*?)</title>", answer.text)
    return html.unescape(found)


def test_a_title_is_escaped_once_and_stays_text(app, client):
    app.schedules.add(ODD, 3_600, "shop.add", (1,))
    app.send_task("evil/<script>/../:@x", task_id="evil")

    schedule, task = client.get("/schedule", params={"name": ODD}), client.get("/tasks/evil")

    assert title(schedule) == f"Schedule {ODD} · shop"
    assert title(task) == "evil/<script>/../:@x · shop"
    for answer in (schedule, task):
        assert "<script>/" not in answer.text
        assert "<b>" not in answer.text


@pytest.mark.parametrize(
    ("name", "url", "namespace", "tab"),
    [
        ("celeriac", "redis://me:secret@cache:6379/0", "orders", "orders"),
        ("celeriac", "redis://me:secret@cache:6379/0", "mail", "mail"),
        ("celeriac", "redis://me:secret@cache:6379/0?ssl=no", None, "celeriac · cache:6379/0"),
        ("celeriac", "redis://cache:6379/1", None, "celeriac · cache:6379/1"),
        ("celeriac", "sqlite:////srv/orders.db", None, "celeriac · orders.db"),
        ("shop", "sqlite:////srv/orders.db", None, "shop"),
    ],
)
def test_two_dashboards_are_told_apart_by_their_tabs(name, url, namespace, tab):
    app = Celeriac(name, broker=url, namespace=namespace, set_as_current=False)

    assert Site(app, Open()).name == tab


def test_the_foot_of_a_page_names_the_share_of_a_store_that_may_have_several(app):
    of_redis = Site(Celeriac("a", broker="redis://cache", namespace="b", set_as_current=False), Open())

    assert of_redis.namespace == "b"
    assert Site(app, Open()).namespace == ""


@pytest.mark.parametrize("path", ["/login", "/nowhere"])
def test_a_stranger_is_told_neither_the_store_nor_the_version(app, tmp_path, path):
    users = Registered(SystemClock(), Users(tmp_path / "users.json"))
    answer = Client(build(Site(app, users))).get(path)

    assert "memory://" not in answer.text
    assert __version__ not in answer.text


def test_whom_the_application_does_not_know_is_told_neither(app):
    answer = Client(dashboard(app, access=lambda request: None)).get("/")

    assert "memory://" not in answer.text
    assert __version__ not in answer.text
