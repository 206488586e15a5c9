"""Without JavaScript: everything can be read and done, with forms and links alone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.dashboard.conftest import Served
from tests.browser.dashboard.going import follow, look_for


@pytest.fixture
def served(app, tasks, serve) -> Served:
    """Sixty tasks that wait in a paused queue, and two that have failed."""
    for at in range(2):
        tasks.fail.delay(f"broken {at}")
    with app.embedded():
        for each in app.search("name:shop.fail").tasks:
            app.AsyncResult(each.id).get(timeout=20, propagate=False)
    app.pause("slow")
    for at in range(60):
        tasks.add.apply_async((at,), queue="slow")
    return serve()


@pytest.fixture
def plain(page: Page, served: Served) -> Iterator[Page]:
    """A page of a browser that runs no scripts."""
    context = page.context.browser.new_context(java_script_enabled=False)
    made = context.new_page()
    made.goto(served.url)
    yield made
    context.close()


def ids_on(page: Page) -> list[str]:
    return page.locator("tbody tr .task-link .id").all_inner_texts()


def test_tasks_are_listed_filtered_and_paged(plain: Page):
    plain.get_by_role("link", name="Tasks").click()
    look_for(plain, "queue:slow state:queued")
    first = ids_on(plain)
    follow(plain, plain.get_by_role("link", name="Older"))
    second = ids_on(plain)
    follow(plain, plain.get_by_role("link", name="Newest"))

    assert (len(first), len(second)) == (50, 10)
    assert len({*first, *second}) == 60
    assert ids_on(plain) == first
    expect(plain.get_by_label("Filter")).to_have_value("queue:slow state:queued")


def test_a_filter_that_cannot_be_read_is_told_beside_the_box(plain: Page, served: Served):
    plain.goto(f"{served.url}/tasks")
    look_for(plain, "stat:failed")

    expect(plain.get_by_role("alert")).to_contain_text("did you mean state:")
    expect(plain.get_by_label("Filter")).to_have_value("stat:failed")


def test_a_failed_task_is_retried_and_a_waiting_one_is_cancelled(plain: Page, served: Served, app):
    plain.goto(f"{served.url}/tasks?q=state:failed")
    follow(plain, plain.locator("tbody tr .task-link").first)
    expect(plain.locator(".error-said")).to_contain_text("broken")
    failed = plain.locator(".head .id").inner_text()
    plain.get_by_role("button", name="Retry").click()
    expect(plain.locator(".banner[role=status]")).to_contain_text("was queued again")

    plain.goto(f"{served.url}/tasks?q=queue:slow")
    follow(plain, plain.locator("tbody tr .task-link").first)
    waiting = plain.locator(".head .id").inner_text()
    plain.get_by_role("button", name="Cancel").click()
    expect(plain.locator(".banner[role=status]")).to_contain_text("cancelled")

    assert app.AsyncResult(failed).state == "PENDING"
    assert app.AsyncResult(waiting).state == "REVOKED"


def test_a_queue_is_paused_resumed_and_purged_after_a_question(plain: Page, served: Served, app):
    plain.goto(f"{served.url}/queues")
    row = plain.get_by_role("row", name="slow")
    row.get_by_role("button", name="Resume").click()
    expect(row.get_by_role("button", name="Pause")).to_be_visible()
    row.get_by_role("button", name="Pause").click()
    expect(row.get_by_role("button", name="Resume")).to_be_visible()

    row.get_by_role("button", name="Purge").click()
    expect(plain.get_by_role("heading", level=1)).to_contain_text("Cancel all")
    before = [queue.queued for queue in app.queues() if queue.name == "slow"]
    plain.get_by_role("button", name="Purge").click()
    expect(plain.get_by_text("60 tasks of the queue slow were cancelled")).to_be_visible()

    assert before == [60]
    assert list(app.search("queue:slow state:queued").tasks) == []


def test_the_theme_is_chosen(plain: Page):
    plain.get_by_label("Theme").select_option("dark")
    plain.get_by_role("button", name="Set").click()

    expect(plain.locator("html")).to_have_attribute("data-theme", "dark")
    plain.reload()
    expect(plain.locator("html")).to_have_attribute("data-theme", "dark")
