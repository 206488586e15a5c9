"""Inside applications of Flask, FastAPI and Django, below a prefix, each served as its users do."""

import os

import pytest
from playwright.sync_api import Page, expect

from tests.browser.dashboard.conftest import ROOT
from tests.browser.dashboard.mounted import KINDS, PREFIX

SOON = 20_000


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_mounted_dashboard_is_read_followed_and_acts_below_its_prefix(
    page: Page, app, tasks, program, kind
):
    tasks.add.apply_async((1,), queue="mail")
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    process = program("-m", "tests.browser.dashboard.mounted", kind, app.broker_url, PYTHONPATH=path)
    port = process.stdout.readline().strip()
    assert port.isdecimal(), port + process.stdout.read()
    url, asked = f"http://127.0.0.1:{port}", []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(url + PREFIX)
    page.get_by_role("link", name="Queues").first.click()
    expect(page).to_have_url(f"{url}{PREFIX}/queues")
    expect(page.locator(".livestate .word")).to_have_text("Live", timeout=SOON)
    page.evaluate("window.marked = true")
    tasks.add.apply_async((2,), queue="mail")
    expect(page.locator('tr[data-k="mail"] td').nth(1)).to_have_text("2", timeout=SOON)
    assert page.evaluate("window.marked")
    page.get_by_role("row", name="mail").get_by_role("button", name="Pause").click()
    expect(page.locator(".banner[role=status]")).to_contain_text("is paused")
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.locator("tbody .task-link").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("shop.add")

    assert [queue.paused for queue in app.queues()] == [True]
    assert [each for each in asked if not each.startswith((f"{url}{PREFIX}", "data:"))] == []
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))  # the shop has none
    page.goto(url)
    expect(page.get_by_role("heading", level=1)).to_have_text("the shop")
