"""`<celeriac-progress>` in a real browser: on a page of each framework, and on bad days."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from celeriac import Celeriac
from tests.browser.site import Site
from tests.browser.test_flask_progress import AFTER_A_LEASE, SOON, forgive_broken_connections
from tests.waiting import wait_until

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "progress.md"
FILES = re.compile(r'^```python title="(.+?)".*?\n(.*?)^```$', re.MULTILINE | re.DOTALL)

SERVERS = {
    "flask": ("flask", "--app", "flask_page:web", "run", "--port", "{port}"),
    "fastapi": ("uvicorn", "--port", "{port}", "--log-level", "warning", "fastapi_page:web"),
    "django": ("django", "runserver", "--noreload", "--settings", "settings", "127.0.0.1:{port}"),
}

DJANGO_SETTINGS = """
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "django_page"
SECRET_KEY = "only for this test"
"""

TASKS = """
import os, threading, time
from celeriac import Celeriac

app = Celeriac("kitchen", worker_lease=2)

@app.task(bind=True)
def report(self, meta, result=None, error=None, until=None):
    self.update_state(state="PROGRESS", meta=meta)
    while until and not os.path.exists(until):
        time.sleep(0.05)
    if error:
        raise RuntimeError(error)
    return result

@app.task(bind=True)
def count(self, numbers, pause):
    for number in self.track(range(numbers), status="counting"):
        time.sleep(pause)
    return "counted"
"""

WEB = """
import os
from celeriac.contrib import progress
from flask import Flask, request
from tasks import app

web = Flask(__name__)
web.register_blueprint(progress.blueprint(app, streams=int(os.environ.get("STREAMS", "50"))))

@web.get("/")
def page():
    given = request.args
    options = {"label": given.get("label", "Work"), "expires": float(given.get("expires", 600))}
    bars = [progress.element(app, id, outcome="hush" not in given, **options) for id in given.getlist("id")]
    head = '<!doctype html><html lang="en"><meta name="color-scheme" content="light dark">'
    return head + '<title>Bars</title><link rel="icon" href="data:,"><main><h1>Bars</h1>' + "<hr>".join(bars)

@web.after_request
def strict(response):
    if not request.path.startswith("/progress"):
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; "
            "require-trusted-types-for 'script'")
    return response
"""

HOSTILE = "</p><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def part(page: Page, name: str) -> Any:
    return page.locator(f"celeriac-progress [part={name}]")


# --- the pages of the documentation -----------------------------------------------------------------


@pytest.mark.parametrize("framework", SERVERS)
def test_the_page_of_the_documentation_shows_progress_and_result(page, tmp_path, framework):
    for name, code in FILES.findall(HOWTO.read_text()):
        (tmp_path / name).write_text(code)
    (tmp_path / "settings.py").write_text(DJANGO_SETTINGS)
    site = Site(f"sqlite:///{tmp_path}/celeriac.db", tmp_path, project=tmp_path, server=SERVERS[framework])
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    try:
        site.start_worker()
        site.start_web()
        page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        page.goto(site.url)

        expect(part(page, "amount")).to_have_text(re.compile(r"^\d+ of 60 · [1-9]\d* %$"), timeout=SOON)
        expect(part(page, "status")).to_have_text("peeling")
        page.wait_for_function("() => document.querySelector('celeriac-progress').bar.value > 0.1")
        expect(part(page, "note")).to_have_text(re.compile("left$"), timeout=SOON)
        expect(part(page, "word")).to_have_text("Done", timeout=SOON)
        expect(part(page, "outcome")).to_have_text("60 carrots, peeled")
    finally:
        site.stop()

    assert not [url for url in asked if "/progress/state" in url]
    assert "Traceback" not in site.log("web")


# --- a kitchen of the tests' own --------------------------------------------------------------------


class Kitchen:
    """A web page, and tasks that do as they are told."""

    def __init__(self, folder: Path, page: Page) -> None:
        (folder / "tasks.py").write_text(TASKS)
        (folder / "web.py").write_text(WEB)
        self.site = Site(f"sqlite:///{folder}/celeriac.db", folder, project=folder)
        self.app = Celeriac("kitchen", broker=self.site.broker, set_as_current=False)
        self._folder, self._page = folder, page

    def report(self, meta: Any, **options: Any) -> str:
        """Send a task that reports *meta*, and goes on when `go_on` is called."""
        until = str(self._folder / "go-on")
        return str(self.app.send_task("tasks.report", (meta,), {"until": until, **options}).id)

    def count(self, numbers: int, pause: float) -> str:
        return str(self.app.send_task("tasks.count", (numbers, pause)).id)

    def go_on(self) -> None:
        (self._folder / "go-on").touch()

    def show(self, *ids: str, **options: Any) -> None:
        """Open a page with these tasks."""
        query = "&".join(
            [*(f"id={each}" for each in ids), *(f"{name}={text}" for name, text in options.items())]
        )
        self._page.goto(f"{self.site.url}/?{query}")

    def stop(self) -> None:
        self._page.goto("about:blank")  # else it would complain of the end of its stream
        self.go_on()
        self.site.stop()
        self.app.close()


@pytest.fixture
def open_kitchen(page, tmp_path) -> Iterator[Callable[..., Kitchen]]:
    kitchens: list[Kitchen] = []

    def start(*, worker: bool = True, **environment: str) -> Kitchen:
        kitchen = Kitchen(tmp_path, page)
        kitchens.append(kitchen)
        kitchen.site.environment.update(environment)
        kitchen.site.start_web()
        if worker:
            kitchen.site.start_worker()
        return kitchen

    yield start
    for kitchen in kitchens:
        kitchen.stop()


def test_hostile_words_are_shown_as_words(open_kitchen, page):
    kitchen = open_kitchen()
    kitchen.show(
        kitchen.report({"current": 1, "total": 4, "status": HOSTILE}, result=HOSTILE), label="<b>%22"
    )

    expect(part(page, "status")).to_have_text(HOSTILE, timeout=SOON)
    kitchen.go_on()
    expect(part(page, "outcome")).to_have_text(HOSTILE, timeout=SOON)

    assert page.locator("celeriac-progress progress").get_attribute("aria-label") == '<b>"'
    assert page.locator("celeriac-progress img").count() == 0
    assert page.title() == "Bars"


def test_an_error_and_a_secret_result_are_told_only_to_those_who_may_know(open_kitchen, page):
    kitchen = open_kitchen()
    ids = [kitchen.report({"current": 1, "total": 4}, error="too hot"), kitchen.report({}, result="s3cret")]
    kitchen.show(*ids)
    kitchen.go_on()

    expect(part(page, "outcome")).to_have_text(["RuntimeError: too hot", "s3cret"], timeout=SOON)
    expect(part(page, "word")).to_have_text(["Failed", "Done"])

    kitchen.show(*ids, hush="1")

    expect(part(page, "word")).to_have_text(["Failed", "Done"], timeout=SOON)
    expect(part(page, "outcome")).to_have_text(["", ""])


@pytest.mark.parametrize(
    ("meta", "amount", "value", "visible"),
    [
        ({"current": 82, "total": 80}, "82 of 80 · 100 %", 1, True),
        ({"current": -5, "total": 80}, "-5 of 80 · 0 %", 0, True),
        ({"current": 7}, "7", None, True),
        ({"status": "thinking"}, "", None, False),
        ({}, "", None, True),
    ],
)
def test_odd_numbers_are_said_as_they_are_and_drawn_as_they_can_be(
    open_kitchen, page, meta, amount, value, visible
):
    kitchen = open_kitchen()
    kitchen.show(kitchen.report(meta))
    expect(part(page, "word")).to_have_text("Running", timeout=SOON)

    bar = part(page, "bar")
    expect(part(page, "amount")).to_have_text(amount)
    assert bar.get_attribute("value") == (None if value is None else str(value))
    assert bar.is_visible() == visible


def test_a_token_that_ends_while_it_is_looked_at_shows_nothing_more(open_kitchen, page):
    kitchen = open_kitchen()
    task = kitchen.report({"current": 1, "total": 4})
    wait_until(lambda: kitchen.app.AsyncResult(task).info, timeout=20, what="the report")
    kitchen.show(task, expires="4")
    expect(part(page, "amount")).to_have_text("1 of 4 · 25 %", timeout=SOON)

    expect(part(page, "word")).to_have_text("This can no longer be shown. Reload the page.", timeout=SOON)
    expect(part(page, "amount")).to_have_text("")


def test_a_token_that_is_worth_nothing_shows_nothing_and_is_not_asked_for_again(open_kitchen, page):
    kitchen = open_kitchen(worker=False)
    kitchen.show(kitchen.report({}), expires="0.001")

    expect(part(page, "word")).to_have_text("This can no longer be shown. Reload the page.", timeout=SOON)

    forgive_broken_connections(page, "403")


def test_silence_loss_and_end_have_words_of_their_own(open_kitchen, page):
    kitchen = open_kitchen()
    task = kitchen.report({"current": 1, "total": 4})
    kitchen.show(task)
    expect(part(page, "amount")).to_have_text("1 of 4 · 25 %", timeout=SOON)

    expect(part(page, "note")).to_have_text(
        re.compile(r"^No news for 3\d s\. The worker is alive\.$"), timeout=AFTER_A_LEASE
    )
    kitchen.site.kill_worker()
    expect(part(page, "note")).to_have_text(
        "The worker was lost. The task will be run again.", timeout=AFTER_A_LEASE
    )
    assert page.locator("celeriac-progress").get_attribute("data-stalled") == ""
    kitchen.go_on()
    kitchen.site.start_worker()
    expect(part(page, "word")).to_have_text("Done", timeout=AFTER_A_LEASE)
    expect(part(page, "note")).to_have_text("")


def test_without_scripts_a_link_leads_to_a_line_that_renews_itself(open_kitchen, page, chromium):
    kitchen = open_kitchen()
    task = kitchen.report({"current": 34, "total": 80, "status": HOSTILE})
    wait_until(lambda: kitchen.app.AsyncResult(task).info, timeout=20, what="the report")
    plain = page.context.browser.new_context(java_script_enabled=False)
    try:
        other = plain.new_page()
        other.goto(f"{kitchen.site.url}/?id={task}&label=Peeling")

        other.get_by_role("link", name="Peeling").click()

        expect(other.locator("body")).to_have_text(re.compile(r"^Running · 34 of 80 · 42 % · </p><img"))
        kitchen.go_on()
        expect(other.locator("body")).to_have_text("Done · 100 %", timeout=SOON)
    finally:
        plain.close()


def test_many_elements_share_one_stream_which_ends_with_the_last_task(open_kitchen, page):
    kitchen = open_kitchen()
    streams: set[object] = set()
    page.on("request", lambda it: "/progress/events" in it.url and streams.add(it))
    page.on("requestfinished", lambda it: streams.discard(it))
    page.on("requestfailed", lambda it: streams.discard(it))

    kitchen.show(*[kitchen.report({"current": n, "total": 10}) for n in range(9)])

    expect(part(page, "amount")).to_have_text([f"{n} of 10 · {10 * n} %" for n in range(9)], timeout=SOON)
    assert len(streams) == 1
    kitchen.go_on()
    expect(part(page, "word")).to_have_text(["Done"] * 9, timeout=SOON)
    assert not streams


@pytest.mark.parametrize("how", ["capped", "held back"])
def test_where_no_stream_gets_through_it_asks(open_kitchen, page, how):
    kitchen = open_kitchen(STREAMS="0" if how == "capped" else "50")
    if how == "held back":
        page.route("**/progress/events*", lambda route: route.abort())

    kitchen.show(kitchen.report({"current": 1, "total": 4}))

    expect(part(page, "amount")).to_have_text("1 of 4 · 25 %", timeout=SOON)
    kitchen.go_on()
    expect(part(page, "word")).to_have_text("Done", timeout=SOON)
    forgive_broken_connections(page, "503" if how == "capped" else "net::ERR_")


def test_it_goes_on_when_the_web_process_comes_back(open_kitchen, page):
    kitchen = open_kitchen()
    kitchen.show(kitchen.report({"current": 1, "total": 4}))
    expect(part(page, "amount")).to_have_text("1 of 4 · 25 %", timeout=SOON)

    kitchen.site.stop_web()
    expect(part(page, "note")).to_have_text("Connection lost. Trying again.", timeout=SOON)
    kitchen.site.start_web()
    expect(part(page, "note")).to_have_text("", timeout=SOON)

    kitchen.go_on()
    expect(part(page, "word")).to_have_text("Done", timeout=SOON)
    forgive_broken_connections(page)


def test_a_tab_that_is_hidden_lets_go_and_resumes_when_it_is_seen(open_kitchen, page):
    kitchen = open_kitchen()
    streams: set[object] = set()
    page.on("request", lambda it: "/progress/" in it.url and streams.add(it))
    page.on("requestfinished", lambda it: streams.discard(it))
    page.on("requestfailed", lambda it: streams.discard(it))
    page.clock.install()
    kitchen.show(kitchen.report({"current": 1, "total": 4}))
    expect(part(page, "amount")).to_have_text("1 of 4 · 25 %", timeout=SOON)

    hide(page, hidden=True)
    page.clock.fast_forward(9_000)
    assert len(streams) == 1
    page.clock.fast_forward(2_000)
    wait_until(lambda: page.evaluate("1") and not streams, timeout=10, what="the end of the stream")
    kitchen.go_on()
    hide(page, hidden=False)

    expect(part(page, "word")).to_have_text("Done", timeout=SOON)


def hide(page: Page, *, hidden: bool) -> None:
    """Let the page believe that its tab is hidden, or seen again."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
            document.dispatchEvent(new Event('visibilitychange'));
        }""",
        hidden,
    )


def test_a_screen_reader_hears_of_quarters_and_of_the_end(open_kitchen, page):
    kitchen = open_kitchen()
    kitchen.show(kitchen.count(40, 0.25), label="Peeling")

    spoken = page.get_by_role("status")
    expect(spoken).to_have_text(re.compile(r"^Peeling: Running (25|50|75) %$"), timeout=SOON)
    expect(spoken).to_have_text("Peeling: Done", timeout=AFTER_A_LEASE)


def test_a_page_hears_of_each_change(open_kitchen, page):
    kitchen = open_kitchen()
    page.add_init_script(
        "window.heard = []; addEventListener('celeriac-progress', event => heard.push(event.detail.state))"
    )
    kitchen.show(kitchen.report({"current": 1, "total": 4}))
    expect(part(page, "word")).to_have_text("Running", timeout=SOON)
    kitchen.go_on()
    expect(part(page, "word")).to_have_text("Done", timeout=SOON)

    assert set(page.evaluate("heard")) <= {"PENDING", "PROGRESS", "SUCCESS"}
    assert page.evaluate("heard.at(-1)") == "SUCCESS"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_accessibility_checker_finds_nothing(open_kitchen, page, tmp_path, scheme):
    from axe_playwright_python.sync_playwright import Axe

    kitchen = open_kitchen()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 320, "height": 640})
    kitchen.show(
        kitchen.report({"current": 1, "total": 4, "status": "unbreakable" * 60}, error="too hot"),
        kitchen.report({"current": 3, "total": 4, "status": "peeling"}, result="peeled"),
    )
    expect(part(page, "word")).to_have_text(["Running", "Running"], timeout=SOON)

    assert not checked(Axe(), page)
    kitchen.go_on()
    expect(part(page, "word")).to_have_text(["Failed", "Done"], timeout=SOON)
    assert not checked(Axe(), page)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert page.screenshot(path=tmp_path / f"{scheme}.png", full_page=True)


def checked(axe: Any, page: Page) -> list[str]:
    return [violation["id"] for violation in axe.run(page).response["violations"]]
