"""Who comes in and what each may do, end to end: passwords, roles, and requests from pages elsewhere."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect

from celeriac.dashboard import pages
from celeriac.dashboard.roles import Role
from celeriac.dashboard.users import Users
from tests.servers import free_port

PASSWORD = "correct horse battery"
PEOPLE = {"val": Role.VIEWER, "ole": Role.OPERATOR, "ada": Role.ADMIN}
# Sends a request from the page's own scripts, as an attacker who got some onto the page could.
SEND = """([path, fields]) =>
    fetch(path, {method: "POST", redirect: "manual", body: new URLSearchParams(fields)})
    .then(answer => answer.type === "opaqueredirect" ? 303 : answer.status)"""
FORM = """<!doctype html><form method="post" action="{url}/queue/pause"><input name="name" value="mail">
<button>Win a prize</button></form>"""


class Guarded(NamedTuple):
    """A dashboard with users of its own, on 127.0.0.1, and what opens browsers for people."""

    url: str
    browser: Browser

    def enter(self, name: str, stack: ExitStack) -> Page:
        """A page of a fresh browser in which *name* has logged in."""
        context = self.browser.new_context()
        stack.callback(context.close)
        page = context.new_page()
        page.goto(f"{self.url}/queues")
        log_in(page, name, PASSWORD)
        expect(page.get_by_role("heading", level=1)).to_have_text("Queues")
        return page


def log_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


@pytest.fixture
def guarded(page: Page, app, tasks, tmp_path: Path, program) -> Guarded:
    users, port = Users(tmp_path / "users.json"), free_port()
    for name, role in PEOPLE.items():
        users.add(name, PASSWORD, role)
    tasks.add.apply_async((1,), queue="mail")
    words = ("-b", app.broker_url, "dashboard", "--users", str(tmp_path / "users.json"), "--port", str(port))
    assert "dashboard of" in program(*words).stdout.readline()
    return Guarded(f"http://127.0.0.1:{port}", page.context.browser)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_the_buttons_and_what_the_server_does_fit_the_role_of_who_has_logged_in(guarded: Guarded, stack):
    refused, drawn, needed = {}, {}, {action.path: action.role for action in pages.ACTIONS}

    for name in PEOPLE:
        page = guarded.enter(name, stack)
        sent = {path: path.replace("{id}", "some-id") for path in needed}
        answers = {
            path: page.evaluate(SEND, [url, {"name": "q", "sure": "yes"}]) for path, url in sent.items()
        }
        refused[name] = {path for path, status in answers.items() if status == 403}
        page.reload()
        drawn[name] = page.locator("main td button").all_inner_texts()

    assert refused == {
        name: {path for path, least in needed.items() if role < least} for name, role in PEOPLE.items()
    }
    assert drawn == {"val": [], "ole": ["Pause"], "ada": ["Pause", "Purge"]}


def test_a_wrong_password_is_told_and_lets_nobody_in_nor_does_who_has_gone(
    guarded: Guarded, stack, page: Page
):
    page.goto(f"{guarded.url}/queue?name=mail")
    log_in(page, "ole", "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    page.problems.clear()  # the browser tells of the answer 403
    log_in(page, "ole", PASSWORD)
    expect(page).to_have_url(f"{guarded.url}/queue?name=mail")

    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    [session] = [cookie for name, cookie in cookies.items() if name.startswith("celeriac_session")]
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.goto(f"{guarded.url}/queues")

    expect(page.get_by_label("Password")).to_be_visible()
    assert session["httpOnly"]
    assert session["sameSite"] == "Lax"
    assert page.evaluate("document.cookie") == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_page_from_elsewhere_changes_nothing_for_somebody_who_is_logged_in(
    guarded: Guarded, stack, app, tmp_path: Path, host
):
    (tmp_path / "prize").mkdir()
    (tmp_path / "prize" / "index.html").write_text(FORM.format(url=guarded.url))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "prize"))
    handler.func.log_message = lambda *_: None
    elsewhere = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
    serving = Thread(target=elsewhere.serve_forever)
    serving.start()
    stack.callback(serving.join)
    stack.callback(elsewhere.shutdown)
    page = guarded.enter("ada", stack)

    page.goto(f"http://{host}:{elsewhere.server_port}/")
    page.get_by_role("button", name="Win a prize").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    forged = [queue.paused for queue in app.queues()]
    page.goto(f"{guarded.url}/queues")
    page.get_by_role("button", name="Pause", exact=True).last.click()
    expect(page.locator(".banner[role=status]")).to_contain_text("paused")

    assert forged == [False]
    assert [queue.paused for queue in app.queues()] == [True]


def test_the_address_of_the_terminal_lets_in_one_browser_once(page: Page, app, tasks, program, stack):
    tasks.add.delay(1)
    port = free_port()
    running = program("-b", app.broker_url, "dashboard", "--port", str(port))
    assert "dashboard of" in running.stdout.readline()
    address = running.stdout.readline().strip()
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")

    other = page.context.browser.new_context()
    stack.callback(other.close)
    stranger = other.new_page()
    stranger.goto(address)

    assert "token" not in page.url
    expect(stranger.get_by_role("heading", level=1)).not_to_have_text("Overview")
    assert stranger.goto(f"http://127.0.0.1:{port}/queues").status == 403
