"""From page to page: what is read after a click shall be read off the next page, not off this one."""

from playwright.sync_api import Locator, Page


def follow(page: Page, what: Locator) -> None:
    """Click *what*; return when the page that it leads to is there."""
    with page.expect_navigation():
        what.click()


def look_for(page: Page, query: str) -> None:
    """Use the filter of the list of tasks."""
    page.get_by_label("Filter").fill(query)
    follow(page, page.get_by_role("button", name="Find"))
