"""Among 100,000 tasks: what is looked for is found, how far was looked is told, and much is done at once."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from celeriac import Celeriac
from celeriac.clock import SystemClock
from tests.browser.dashboard.conftest import dashboard_of
from tests.browser.dashboard.going import follow, look_for
from tests.dashboard import shop

WAITING, TIMED_OUT, MISSED = 100_000, 150, 120
FAR = 85_000  # the argument of one of those that wait
PATIENCE = 30_000  # ms: what fits is looked for among all, and tests run beside this one


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('many')}/many.db"


@pytest.fixture(scope="module")
def many(store: str) -> Iterator[str]:
    """The address of a dashboard of a store with that many."""
    with Celeriac("shop", broker=store, clock=SystemClock()) as app:
        tasks = shop.make(app)
        failing = tasks.fail.delay_many([("the request timed out",)] * TIMED_OUT, queue="mail")
        failing += tasks.miss.delay_many([(f"k{at}",) for at in range(MISSED)], queue="mail")
        with app.embedded(queues=["mail"]):
            for each in failing:
                each.get(timeout=60, propagate=False)
        for start in range(0, WAITING, 10_000):
            tasks.add.delay_many(((at,) for at in range(start, start + 10_000)), queue="bulk")
    with dashboard_of(store) as url:
        yield url


def rows(page: Page) -> list[str]:
    return page.locator("tbody tr").evaluate_all("all => all.map(each => each.dataset.k)")


def expect_done(page: Page, number: int) -> None:
    """Wait until all is done: what takes a second has a page of its own, which goes on by itself."""
    if "/bulk/" in page.url:
        expect(page.locator(".head .badge.good")).to_be_visible(timeout=PATIENCE)
        expect(page.locator(".head .figures")).to_contain_text(f"{number} of {number}")
    else:
        expect(page.locator(".banner[role=status]")).to_contain_text(f"Done with {number} of {number}")


def test_all_that_a_filter_means_are_found_page_by_page_and_none_twice(page: Page, many):
    page.goto(f"{many}/tasks")
    found = []

    look_for(page, "name:shop.miss|shop.fail state:failed")
    found += rows(page)
    while page.get_by_role("link", name="Older").count():
        follow(page, page.get_by_role("link", name="Older"))
        found += rows(page)

    assert len(found) == len(set(found)) == TIMED_OUT + MISSED
    look_for(page, 'state:failed error:"timed out" since:1d')
    expect(page.locator("tbody tr")).to_have_count(50)
    expect(page.locator("tbody tr").first).to_contain_text("the request timed out")


def test_what_is_only_known_by_reading_is_looked_for_step_by_step_and_each_step_is_told(page: Page, many):
    page.goto(f"{many}/tasks")

    look_for(page, f"arg.0:{FAR}")
    told = page.locator(".empty").text_content()
    steps = 1
    while not rows(page):
        follow(page, page.get_by_role("link", name="Look on"))
        steps += 1

    assert "there are more" in told
    assert steps > 1
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr code")).to_have_text(str(FAR))


def test_all_that_fit_are_retried_after_a_dry_run_and_no_others(page: Page, many, store):
    with Celeriac("shop", broker=store) as app:
        page.goto(f"{many}/tasks")
        look_for(page, 'state:failed error:"timed out"')

        follow(page, page.get_by_role("button", name="Retry all"))
        expect(page.locator("form.card")).to_contain_text(f"{TIMED_OUT} tasks would be queued again")
        before = page.get_by_role("heading", level=1).inner_text(), app.totals()
        follow(page, page.get_by_role("button", name="Retry all"))
        expect_done(page, TIMED_OUT)

        failed = app.search("state:failed", count=1_000).tasks
        again = app.search("queue:mail state:queued", count=1_000).tasks
    assert before[0] == f"Run {TIMED_OUT} tasks again?"
    assert {str(total) for state, total in before[1].items() if state.name == "FAILED"} == {
        str(TIMED_OUT + MISSED)
    }
    assert {task.name for task in failed} == {"shop.miss"}
    assert (len(failed), len(again)) == (MISSED, TIMED_OUT)


def test_before_so_many_are_deleted_their_number_has_to_be_typed(page: Page, many, store):
    with Celeriac("shop", broker=store) as app:
        page.goto(f"{many}/tasks")
        look_for(page, "name:shop.miss")
        expect(page.locator(".empty")).to_contain_text("there are more to look at")
        follow(page, page.get_by_role("button", name="Delete all"))
        page.get_by_label(f"Type {MISSED}").fill("12")
        follow(page, page.get_by_role("button", name="Delete all"))
        expect(page.get_by_role("alert")).to_be_visible()
        before = len(app.search("name:shop.miss state:failed", count=1_000).tasks)

        page.get_by_label(f"Type {MISSED}").fill(str(MISSED))
        follow(page, page.get_by_role("button", name="Delete all"))
        expect_done(page, MISSED)

        assert before == MISSED
        assert list(app.search("name:shop.miss state:failed").tasks) == []
