"""The browser that other tests rely on does what it promises."""

import asyncio
from urllib.parse import quote

import pytest


def local_page(body: str) -> str:
    return "data:text/html," + quote(f"<!doctype html><title>A page</title>{body}")


async def forty_two() -> int:
    await asyncio.sleep(0)
    return 42


def test_a_page_runs_scripts_and_can_be_pictured(page, tmp_path):
    page.goto(local_page("<p id=here>before</p><script>here.textContent = 'after'</script>"))

    assert page.title() == "A page"
    assert page.text_content("#here") == "after"
    assert page.screenshot(path=tmp_path / "page.png").startswith(b"\x89PNG")


def test_an_event_loop_can_run_after_a_browser_test():
    assert asyncio.run(forty_two()) == 42


@pytest.mark.parametrize(
    ("script", "complaint"),
    [("console.error('a complaint')", "a complaint"), ("throw new Error('a mishap')", "a mishap")],
)
def test_what_a_page_complains_of_is_noted(page, script, complaint):
    page.goto(local_page(f"<script>{script}</script><p>done</p>"))
    page.wait_for_selector("p")

    assert len(page.problems) == 1
    assert complaint in page.problems[0]
    page.problems.clear()


def test_each_test_has_a_browser_context_of_its_own(page):
    assert len(page.context.browser.contexts) == 1
    assert page.context.cookies() == []
    assert page.problems == []
