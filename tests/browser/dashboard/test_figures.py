"""Charts, logs, stacks and workers in a real browser: they change without a reload, and steer."""

import threading

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from celeriac.broker import WorkerInfo
from celeriac.steering import Line, body_of
from celeriac.tally import QUEUED, RUN, RUNNING, SUCCEEDED, WAIT, Tally, begin
from tests.dashboard.shop import HOSTILE

SOON = 15_000
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture
def count(app):
    """Count so many tasks in this minute: `count(5)`."""
    numbers = iter(range(1, 1_000))

    def more(done: int) -> None:
        now = app.clock.now()
        tallies = [
            Tally(begin(now), "default", "shop.add", {SUCCEEDED: done, RUN + 6: done, WAIT + 3: done}),
            Tally(begin(now), "default", "", {QUEUED: done, RUNNING: 2}),
        ]
        app.broker.count("test", next(numbers), tallies, now)

    return more


def test_charts_follow_what_is_counted_and_their_tables_stay_open(page: Page, count, serve):
    count(5)
    page.goto(serve().url)
    chart = page.locator("#chart-ended").locator("xpath=..")
    page.evaluate("window.marked = true")
    chart.get_by_text("Show as table").click()
    before = chart.locator("path.good").first.get_attribute("d")

    count(495)
    expect(chart.locator("[data-k=summary]")).to_contain_text("500 tasks ended", timeout=SOON)
    expect(chart.locator("tbody tr").first).to_contain_text("500")

    assert page.evaluate("window.marked")
    assert before
    assert chart.locator("path.good").first.get_attribute("d") != ""
    assert chart.locator("svg").first.evaluate("node => node.getBBox().height") > 0
    expect(page.locator("[data-live=numbers] [data-k=waiting] svg")).to_be_visible()


def test_another_span_of_time_is_a_link(page: Page, count, serve):
    count(5)
    page.goto(serve().url)

    page.get_by_role("link", name="Last week").click()

    expect(page.get_by_role("heading", name="Tasks that ended, each three hours")).to_be_visible()
    expect(page.get_by_role("link", name="Last week")).to_have_attribute("aria-current", "true")


def test_what_a_task_logs_appears_on_its_page(page: Page, app, tasks, serve):
    worker = WorkerInfo(id="w", name="w", lease=60.0, names=frozenset({"shop.add"}))
    app.broker.enlist(worker, app.clock.now())
    sent = tasks.add.delay(1)
    [claim] = app.broker.exchange("w", trip=1, want=1, now=app.clock.now()).claims
    page.goto(f"{serve().url}/tasks/{sent.id}")
    expect(page.get_by_text("It has logged nothing.")).to_be_visible()
    page.evaluate("window.marked = true")

    for at, level in enumerate((20, 40)):
        now = app.clock.now()
        line = Line(sent.id, claim.fence, now, level, body_of("shop", f"<b>line {at}</b>"))
        app.broker.write_log("w", [line], now)
        expect(page.locator("[data-live=log] tr").nth(at)).to_contain_text(f"<b>line {at}</b>", timeout=SOON)
    expect(page.get_by_text("It has logged nothing.")).to_be_hidden()
    assert page.evaluate("window.marked")

    page.get_by_label("From level").select_option("error")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("[data-live=log] tr")).to_have_count(1)


def test_a_running_task_shows_where_it_is_and_its_worker_is_drained(page: Page, app, serve):
    entered, go_on = threading.Event(), threading.Event()

    @app.task(name="shop.stay")
    def stay():
        entered.set()
        go_on.wait(60)

    served = serve()
    with app.embedded():
        sent = stay.delay()
        assert entered.wait(20)
        try:
            page.goto(f"{served.url}/tasks/{sent.id}")
            page.get_by_role("button", name="Show live stack").click()
            expect(page.locator("[data-k=stack] pre")).to_contain_text("go_on.wait", timeout=SOON)

            page.goto(served.url + "/workers")
            page.get_by_role("button", name="Drain").click()
            expect(page.locator(".banner[role=status]")).to_contain_text("was told to claim nothing more")
            expect(page.locator(".head .badge").first).to_have_text("Draining", timeout=SOON)
            page.get_by_role("button", name="Claim again").click()
            expect(page.locator(".head .badge").first).to_have_text("Alive", timeout=SOON)
        finally:
            go_on.set()
        sent.get(timeout=20)
    page.goto(served.url + "/activity")

    expect(page.locator("[data-live=entries] th")).to_have_text(["resume", "drain", "stack"])


def test_no_page_with_charts_or_logs_breaks_a_rule_of_accessibility(page: Page, app, tasks, count, serve):
    count(5)
    worker = WorkerInfo(id="w", name="w", lease=600.0, names=frozenset({"shop.add"}))
    app.broker.enlist(worker, app.clock.now())
    sent = tasks.add.delay(1)
    [claim] = app.broker.exchange("w", trip=1, want=1, now=app.clock.now()).claims
    now = app.clock.now()
    said = [Line(sent.id, claim.fence, now, level, body_of("shop", HOSTILE[0])) for level in (20, 30, 40)]
    app.broker.write_log("w", said, now)
    with app.acting(HOSTILE[1]):
        app.acted("revoke", HOSTILE[2])
    served = serve()
    page.emulate_media(color_scheme="dark")  # the light ones are looked at in test_pages

    for width, path in [
        *((320, path) for path in ("/names", f"/tasks/{sent.id}", "/workers", "/queue?name=default")),
        *((1280, path) for path in ("/", "/name?name=shop.add", "/activity", "/worker?id=w")),
    ]:
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(served.url + path)

        found = Axe().run(page, options={"runOnly": RULES})

        assert found.response["violations"] == [], path
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), path
    assert page.problems == []
