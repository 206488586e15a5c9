"""A schedule in the browser: a rule is tried, changed, refused, paused, run, and removed."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.dashboard.going import follow


@pytest.fixture
def nightly(app, tasks, serve, page: Page):
    """The page of a schedule that is kept in the store."""
    app.schedules.add("nightly", "30 2 * * *", "shop.add", (1, 1), timezone="Europe/Berlin")
    page.goto(f"{serve().url}/schedules")
    page.get_by_role("link", name="nightly").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Schedule nightly")
    return page


def said(page: Page):
    return page.locator(".banner[role=status]")


def test_a_rule_is_tried_and_then_saved_and_the_runs_to_come_are_its_own(nightly: Page, app):
    address = nightly.url
    follow(nightly, nightly.get_by_role("link", name="Schedules"))
    follow(nightly, nightly.get_by_role("link", name="Try a rule"))
    nightly.get_by_label("Rule").fill("15 6 * * 1")
    nightly.get_by_label("Time zone").fill("Europe/Berlin")
    follow(nightly, nightly.get_by_role("button", name="Show runs"))
    tried = nightly.locator("tbody th").all_inner_texts()

    nightly.goto(address)
    nightly.get_by_label("Rule").fill("15 6 * * 1")
    nightly.get_by_label("Runs that were missed").select_option("skip")
    follow(nightly, nightly.get_by_role("button", name="Save"))
    expect(said(nightly)).to_have_text("The schedule nightly is changed.")
    nightly.goto(address)

    [kept] = app.schedules.list()
    assert len(tried) == 20
    assert nightly.locator("tbody th").all_inner_texts() == tried
    assert "06:15" in tried[0]
    expect(nightly.locator(".head code")).to_contain_text("15 6 * * 1")
    expect(nightly.get_by_label("Runs that were missed")).to_have_value("skip")
    assert kept.name == "nightly"


def test_a_rule_that_cannot_be_read_is_told_and_changes_nothing(nightly: Page):
    address = nightly.url
    nightly.get_by_label("Rule").fill("61 2 * * *")
    follow(nightly, nightly.get_by_role("button", name="Save"))
    expect(nightly.get_by_role("main")).to_contain_text("61")
    nightly.problems.clear()  # the browser tells of the answer 400

    nightly.goto(address)
    expect(nightly.locator(".head code")).to_contain_text("30 2 * * *")


def test_it_is_paused_resumed_run_at_once_and_removed_after_a_question(nightly: Page, app):
    address, main = nightly.url, nightly.locator(".head")
    follow(nightly, main.get_by_role("button", name="Pause"))
    nightly.goto(address)
    follow(nightly, main.get_by_role("button", name="Resume"))
    nightly.goto(address)
    follow(nightly, main.get_by_role("button", name="Run now"))
    expect(said(nightly)).to_contain_text("has sent task")
    sent = len(app.search("name:shop.add").tasks)

    nightly.goto(address)
    follow(nightly, main.get_by_role("button", name="Remove"))
    expect(nightly.get_by_role("heading", level=1)).to_have_text("Remove the schedule nightly?")
    before = len(app.schedules.list())
    follow(nightly, nightly.get_by_role("button", name="Remove"))
    expect(said(nightly)).to_have_text("The schedule nightly is removed.")

    assert (sent, before, len(app.schedules.list())) == (1, 1, 0)
