"""Whatever tasks, workers and people may say: in a browser it is text, to the last digit, and harmless."""

import pytest
from playwright.sync_api import Page, expect

from celeriac.dashboard.shown import visible
from celeriac.errors import EncodeError
from tests.browser.dashboard.world import EXACT, HOSTILE, LONG

SOON = 15_000
WATCH = """
addEventListener("securitypolicyviolation", event => console.error(`policy: ${event.violatedDirective}`));
"""


@pytest.fixture
def watched(page: Page):
    """A page that remembers each dialog, and complains of each thing that the policy had to stop."""
    page.dialogs = []
    page.on("dialog", lambda dialog: (page.dialogs.append(dialog.message), dialog.dismiss()))
    page.add_init_script(WATCH)
    return page


def text_of(page: Page) -> str:
    return page.locator("main").text_content()


def test_nothing_happens_on_any_page(watched: Page, world):
    foreign = []
    watched.on("request", lambda request: foreign.append(request.url))

    for path in [*world.paths, *(f"/tasks/{each}" for each in world.failed)]:
        watched.goto(world.url + path)
        expect(watched.locator("main h1")).to_be_visible()
        made = watched.locator(
            "main :is(script, iframe, img, object, embed, [onerror], [onload], [onmouseover])"
        )
        assert made.count() == 0, path
        bad = watched.locator("main :is(a, form)").evaluate_all(
            """all => all.map(each => each.getAttribute("href") ?? each.getAttribute("action"))
                .filter(url => !/^[/#](?!\\/)/.test(url))"""
        )
        assert bad == [], path

    assert watched.dialogs == []
    assert [url for url in foreign if not url.startswith((world.url, "data:,"))] == []
    assert watched.problems == []


def test_all_of_it_is_there_to_be_read_and_what_cannot_be_seen_is_made_visible(watched: Page, world):
    watched.goto(f"{world.url}/tasks/{world.done}")
    given = text_of(watched)
    watched.goto(f"{world.url}/tasks/{world.running}")
    told = text_of(watched)
    said = []
    for each in world.failed:
        watched.goto(f"{world.url}/tasks/{each}")
        said.append(watched.locator(".error-said").text_content())

    wanted = [visible(text) for text in HOSTILE]
    assert [text for text in wanted if text not in given] == []
    assert [text for text in wanted if text not in told] == []
    assert [text for text, shown in zip(wanted, said, strict=True) if text not in shown] == []
    assert all(character.isprintable() or character in "\n\t" for character in given + told + "".join(said))


def test_every_digit_of_a_number_is_shown_and_of_a_long_text_how_much_is_not(watched: Page, world):
    watched.goto(f"{world.url}/tasks/{world.done}")

    numbers = watched.locator(".tree .number").all_inner_texts()

    assert [number for number in EXACT if str(number) not in numbers] == []
    assert f"{len(LONG) - 4_000:,}" in text_of(watched)
    assert "s3cret" not in watched.content()


def test_half_a_pair_of_surrogates_is_refused_where_it_is_sent(app, tasks):
    with pytest.raises(EncodeError, match="surrogates"):
        tasks.echo.delay("\ud800")


def test_what_comes_by_the_stream_is_text_as_well(watched: Page, app, tasks, serve):
    watched.goto(serve().url + "/tasks")
    expect(watched.locator(".livestate .word")).to_have_text("Live", timeout=SOON)
    watched.evaluate("window.marked = true")

    failing = [tasks.fail.delay(text) for text in HOSTILE]
    with app.embedded():
        for each in failing:
            each.get(timeout=20, propagate=False)
    expect(watched.locator("tbody tr .badge.bad")).to_have_count(len(HOSTILE), timeout=SOON)
    rows = watched.locator("tbody").text_content()

    assert watched.evaluate("window.marked")
    assert [text for text in HOSTILE if visible(" ".join(text.split())) not in rows] == []
    assert watched.dialogs == []
    assert watched.problems == []
