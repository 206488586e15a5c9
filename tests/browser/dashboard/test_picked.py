"""Tasks that are ticked one by one, by pointer or finger: buttons of their own act on exactly those."""

import pytest
from playwright.sync_api import Page, expect

from celeriac.dashboard.access import Open
from celeriac.dashboard.roles import Role, User
from tests.browser.dashboard.going import follow


class Operators(Open):
    """Lets everybody in, as an operator."""

    async def user_of(self, request):
        return User("ole", Role.OPERATOR)


@pytest.fixture
def failed(app, tasks):
    """Ids of three failed tasks, the newest first."""
    with app.embedded():
        sent = tasks.fail.delay_many([(f"broken {at}",) for at in range(3)])
        for each in sent:
            each.get(timeout=20, propagate=False)
    return [each.id for each in reversed(sent)]


def tick(page: Page, *ids: str) -> None:
    for each in ids:
        page.locator(f'tr[data-k="{each}"]').get_by_role("checkbox").check()


def button(page: Page, name: str):
    return page.locator("#picked").get_by_role("button", name=name)


def states(app, ids):
    return [app.AsyncResult(each).state for each in ids]


@pytest.mark.parametrize("width", [375, 1280])
def test_what_is_ticked_is_retried_by_a_button_and_the_rest_of_the_filter_is_not(
    page: Page, app, serve, failed, width
):
    page.set_viewport_size({"width": width, "height": 700})
    page.goto(f"{serve().url}/tasks?q=state:failed")
    expect(button(page, "Retry picked")).to_have_count(0)

    tick(page, failed[0], failed[2])
    expect(page.locator("#picked").get_by_role("status")).to_have_text("2 picked")
    assert is_within(page, width)
    follow(page, button(page, "Retry picked"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Run 2 tasks again?")
    before = states(app, failed)
    follow(page, page.get_by_role("button", name="Retry"))

    assert before == ["FAILURE"] * 3
    assert states(app, failed) == ["PENDING", "FAILURE", "PENDING"]


def is_within(page: Page, width: int) -> bool:
    """Whether all buttons can be seen and touched."""
    boxes = [each.bounding_box() for each in page.locator("#picked button").all()]
    return all(box and box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)


def test_what_is_ticked_is_deleted_or_cancelled_after_a_question_too(page: Page, app, tasks, serve, failed):
    waiting = tasks.add.apply_async((1,), queue="nobody").id
    url = serve().url
    page.goto(f"{url}/tasks")
    tick(page, failed[1])
    follow(page, button(page, "Delete picked"))
    follow(page, page.get_by_role("button", name="Delete"))

    page.goto(f"{url}/tasks")
    tick(page, waiting)
    follow(page, button(page, "Cancel picked"))
    between = app.AsyncResult(waiting).state
    follow(page, page.get_by_role("button", name="Cancel"))

    assert between == "PENDING"
    assert states(app, [waiting, *failed]) == ["REVOKED", "FAILURE", "UNKNOWN", "FAILURE"]


def test_each_box_says_which_task_it_picks(page: Page, serve, failed):
    page.goto(f"{serve().url}/tasks?q=state:failed")

    for each in failed:
        expect(page.get_by_role("checkbox", name=f"pick shop.fail {each}")).to_have_count(1)


def test_an_operator_is_offered_to_cancel_and_retry_and_not_to_delete(page: Page, app, serve, failed):
    page.goto(f"{serve(Operators()).url}/tasks?q=state:failed")
    tick(page, failed[0])

    expect(page.locator("#picked button")).to_have_text(["Cancel picked", "Retry picked"])
    page.keyboard.press("D")
    expect(page.get_by_role("heading", level=1)).to_have_text("Tasks")


def test_without_scripts_there_is_nothing_to_tick_and_no_button_for_it(page: Page, serve, failed):
    context = page.context.browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{serve().url}/tasks?q=state:failed")

    expect(plain.locator("tbody tr")).to_have_count(3)
    expect(plain.get_by_role("checkbox")).to_have_count(0)
    expect(plain.locator("#picked button:visible")).to_have_count(0)
    context.close()
