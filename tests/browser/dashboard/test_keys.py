"""With the keyboard alone: to every page, through lists, and to what is dangerous, which still asks."""

import pytest
from playwright.sync_api import Page, expect

from celeriac.dashboard.answers import SECTIONS
from celeriac.dashboard.english import ENGLISH


@pytest.fixture
def failed(app, tasks):
    """Ids of three failed tasks, the newest first."""
    sent = []
    with app.embedded():
        for at in range(3):
            sent.append(tasks.fail.delay(f"broken {at}"))
            sent[-1].get(timeout=20, propagate=False)
    return [each.id for each in reversed(sent)]


def press(page: Page, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def heading(page: Page):
    return page.get_by_role("heading", level=1)


def states(app, ids):
    return [app.AsyncResult(each).state for each in ids]


def test_every_page_of_the_navigation_has_its_key_and_the_content_is_one_key_away(page: Page, world):
    page.goto(world.url + SECTIONS[-1][1])  # each key leads to another page, whose address can be waited for
    for name, path, key in SECTIONS:
        press(page, f"g {key}")
        page.wait_for_url(world.url + path)
        expect(page.locator("nav [aria-current=page]")).to_have_text(ENGLISH[f"section.{name}"])

    press(page, "Tab")
    expect(page.locator(".skip")).to_be_focused()
    press(page, "Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_search_is_typed_and_its_letters_are_no_commands(page: Page, world):
    page.goto(f"{world.url}/tasks")

    press(page, "/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("state:failed R D C x g q p t ?")
    expect(page.locator("#q")).to_have_value("state:failed R D C x g q p t ?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator("#q").fill("state:failed")
    press(page, "Enter")

    page.wait_for_url("**/tasks?q=state%3Afailed")
    expect(page.locator("tbody tr")).to_have_count(len(world.failed))


def test_what_is_picked_is_retried_after_a_question(page: Page, app, serve, failed):
    page.goto(f"{serve().url}/tasks?q=state:failed")

    press(page, "j x j j x")
    expect(page.locator("#picked")).to_contain_text("2 picked")
    press(page, "k x x j")
    page.keyboard.press("R")
    expect(heading(page)).to_have_text("Run 2 tasks again?")
    expect(page.locator(".facts")).to_contain_text(failed[0])
    before = states(app, failed)
    page.get_by_role("button", name="Retry").focus()
    press(page, "Enter")
    expect(page.locator(".banner[role=status]")).to_contain_text("Done with 2 of 2 tasks")

    assert before == ["FAILURE"] * 3
    assert states(app, failed) == ["PENDING", "FAILURE", "PENDING"]


def test_the_chosen_task_is_deleted_and_the_one_of_the_page_cancelled(page: Page, app, tasks, serve, failed):
    served = serve()
    page.goto(f"{served.url}/tasks?q=state:failed")
    press(page, "j")
    page.keyboard.press("D")
    expect(heading(page)).to_have_text("Delete 1 task?")
    page.get_by_role("button", name="Delete").press("Enter")
    expect(page.locator(".banner[role=status]")).to_contain_text("Done with 1 of 1")

    waiting = tasks.add.apply_async((1,), queue="nobody").id
    page.goto(f"{served.url}/tasks/{waiting}")
    page.keyboard.press("C")
    expect(heading(page)).to_have_text("Cancel 1 task?")
    between = app.AsyncResult(waiting).state
    page.get_by_role("link", name="No, go back").press("Enter")
    expect(heading(page)).to_have_text("shop.add")
    page.keyboard.press("C")
    page.get_by_role("button", name="Cancel").press("Enter")
    expect(page.locator(".head .badge").first).to_have_text("Cancelled")

    assert states(app, failed) == ["UNKNOWN", "FAILURE", "FAILURE"]
    assert between == "PENDING"


def test_a_group_of_failures_is_found_and_one_of_it_retried(page: Page, app, serve, failed):
    page.goto(serve().url)

    press(page, "g d")
    expect(heading(page)).to_have_text("Failed")
    press(page, "j Enter")
    expect(heading(page)).to_have_text("ValueError")
    press(page, "j j x")
    page.keyboard.press("R")
    page.get_by_role("button", name="Retry").press("Enter")
    expect(page.locator(".banner[role=status]")).to_contain_text("Done with 1 of 1")

    assert states(app, failed) == ["FAILURE", "PENDING", "FAILURE"]


def test_picks_outlive_what_comes_in_by_the_stream(page: Page, app, tasks, serve, failed):
    page.goto(f"{serve().url}/tasks")
    expect(page.locator(".livestate .word")).to_have_text("Live", timeout=15_000)
    page.locator(f'tr[data-k="{failed[1]}"] .pick').check()
    page.locator("main").focus()

    new = tasks.add.apply_async((1,), queue="nobody").id
    row = page.locator(f'tr[data-k="{new}"]')
    expect(row.get_by_role("checkbox")).not_to_be_checked(timeout=15_000)

    expect(page.locator(f'tr[data-k="{failed[1]}"] .pick')).to_be_checked()
    expect(page.locator("#picked")).to_contain_text("1 picked")


def test_who_may_do_nothing_picks_nothing(page: Page, serve, failed):
    page.goto(f"{serve(read_only=True).url}/tasks")

    press(page, "j x")
    page.keyboard.press("D")

    expect(heading(page)).to_have_text("Tasks")
    expect(page.get_by_role("checkbox")).to_have_count(0)


def test_single_keys_can_be_switched_off(page: Page, world):
    page.goto(world.url)
    press(page, "?")
    page.get_by_label("Switch single keys off").press("Space")
    page.get_by_role("button", name="Close").press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)

    press(page, "g t")
    page.keyboard.press("t")
    expect(heading(page)).to_have_text("Overview")
    expect(page.locator("html")).to_have_attribute("data-theme", "system")

    press(page, "?")
    expect(page.get_by_role("dialog")).to_be_visible()
