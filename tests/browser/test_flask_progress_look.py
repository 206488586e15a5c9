"""How the example page looks, reads and answers to keys, and that whatever a task says is only text."""

import re
import threading
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from celeriac import Celeriac
from tests.browser.test_flask_progress import AFTER_A_LEASE, SOON, card, start, wait_for_percent

HOSTILE = "</p><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
LONG_WORD = "unbreakable" * 60

# The contrast of every visible text with what is painted behind it.
PALE_TEXTS = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const rgba = colour => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = colour => {
        const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        const [r, g, b] = rgba(colour).map(v => linear(v / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = node => {
        for (; node; node = node.parentElement) {
            const colour = getComputedStyle(node).backgroundColor;
            if (rgba(colour)[3] === 255) return colour;
        }
    };
    const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
    const pale = [];
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !node.checkVisibility()) continue;
        const [a, b] = [light(getComputedStyle(node).color), light(behind(node))].sort((x, y) => y - x);
        if ((a + 0.05) / (b + 0.05) < 4.5) pale.push(walker.currentNode.data.trim());
    }
    return pale;
}"""


def test_hostile_words_are_shown_as_words(open_site, page, tmp_path):
    site = open_site(worker=False)
    with one_report(site.broker, {"current": 1, "total": 4, "status": HOSTILE}, result=HOSTILE) as task:
        show_only(page, site.url, task, title=HOSTILE)

        expect(page.locator(".status")).to_have_text(HOSTILE, timeout=SOON)
        task.go_on()
        expect(page.locator(".outcome-text")).to_have_text(HOSTILE, timeout=SOON)

    expect(page.locator(".title")).to_have_text(HOSTILE)
    assert page.locator("main img:not([src$='icon.svg'])").count() == 0
    assert page.title() != "owned"


@pytest.mark.parametrize(
    ("meta", "shown"),
    [
        ({"current": 82, "total": 80}, "100%"),
        ({"current": -5, "total": 80}, "0%"),
        ({"current": "7", "total": None}, "0%"),
        ({"current": 1, "total": 0}, "0%"),
        ({"current": 1e300, "total": 1e-300}, "100%"),
        ({"current": 1, "total": 3, "status": {"deep": [1]}}, "33%"),
    ],
)
def test_odd_numbers_do_not_break_the_bar(open_site, page, meta, shown):
    site = open_site(worker=False)
    with one_report(site.broker, meta) as task:
        show_only(page, site.url, task)

        expect(card(page, "running").locator(".percent")).to_have_text(shown, timeout=SOON)


def test_a_task_that_falls_silent_is_marked_until_it_speaks_again(open_site, page):
    site = open_site(worker=False)
    with one_report(site.broker, {"current": 1, "total": 4, "status": "Begun"}) as task:
        show_only(page, site.url, task)
        expect(page.locator(".status")).to_have_text("Begun", timeout=SOON)
        expect(page.locator(".warning")).to_be_hidden()

        expect(page.locator(".warning")).to_have_text(
            re.compile(r"^No news for 3\d s\. The worker is alive\.$"), timeout=AFTER_A_LEASE
        )
        task.go_on()
        expect(card(page, "done")).to_be_visible(timeout=SOON)
        expect(page.locator(".warning")).to_be_hidden()


def test_a_task_that_nobody_takes_asks_for_a_worker(open_site, page):
    site = open_site(worker=False)
    page.clock.install()
    page.goto(site.url)
    start(page, "classic")

    page.clock.fast_forward(15_000)

    expect(page.locator(".warning")).to_have_text(
        "Nobody has taken it yet. Is a worker running?", timeout=SOON
    )


def test_a_task_that_the_store_has_forgotten_is_shown_as_unknown(open_site, page):
    site = open_site(worker=False)
    with Celeriac("flask_progress", broker=site.broker, set_as_current=False) as app:
        show_only(page, site.url, app.AsyncResult("gone"), app=app)

    expect(card(page, "unknown").locator(".outcome")).to_contain_text(
        "No task has the id 'gone'", timeout=SOON
    )


def test_everything_can_be_done_with_the_keyboard_alone(open_site, page):
    site = open_site(task_seconds=30)
    page.goto(site.url)

    page.keyboard.press("Tab")
    expect(page.locator("input[value=classic]")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("input[value=async]")).to_be_checked()
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    cancel = page.get_by_role("button", name="Cancel Async task 1")
    expect(cancel).to_be_visible()
    wait_for_percent(page, 1)
    page.keyboard.press("Tab")
    expect(cancel).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove Async task 1")).to_be_focused(timeout=SOON)
    page.keyboard.press("Space")

    expect(page.locator(".card")).to_have_count(0)
    expect(page.get_by_role("heading", name="Tasks", exact=True)).to_be_focused()


def test_finished_tasks_can_be_cleared_and_stay_away(open_site, page):
    site = open_site(task_seconds=1)
    page.goto(site.url)
    start(page, "classic", "burning")
    expect(page.locator("#summary")).to_have_text("2 finished", timeout=SOON)

    page.get_by_role("button", name="Clear finished").click()
    expect(page.get_by_text("Nothing here yet")).to_be_visible()
    page.reload()

    expect(page.get_by_text("Nothing here yet")).to_be_visible()
    expect(page.locator(".card")).to_have_count(0)


def test_the_list_has_an_end_but_never_drops_a_running_task(open_site, page):
    site = open_site(worker=False)
    page.goto(site.url)
    start(page, *["classic"] * 20)

    page.get_by_role("button", name="Start task").click()

    expect(page.get_by_role("alert")).to_contain_text("20 tasks are running already")
    expect(page.locator(".card")).to_have_count(20)
    page.get_by_role("button", name="Cancel Classic task 7").click()
    expect(card(page, "cancelled")).to_be_visible(timeout=SOON)
    page.get_by_role("button", name="Start task").click()
    expect(page.get_by_role("button", name="Cancel Classic task 21")).to_be_visible()
    expect(page.locator(".card")).to_have_count(20)


def test_another_tab_sees_a_new_task_at_once(open_site, page):
    site = open_site(worker=False)
    page.goto(site.url)
    other = page.context.new_page()
    other.goto(site.url)

    start(page, "classic")

    expect(other.locator(".title")).to_have_text("Classic task 1")


def test_a_screen_reader_hears_little_but_enough(open_site, page):
    site = open_site(task_seconds=14)
    page.goto(site.url)

    start(page, "classic")

    bar = page.get_by_role("progressbar", name="Progress of Classic task 1")
    page.wait_for_function(
        "() => /^Running, \\d+ percent, about/.test(document.querySelector('.track').ariaValueText)",
        timeout=SOON,
    )
    expect(page.locator("#spoken")).to_contain_text("Classic task 1: halfway", timeout=SOON)
    expect(page.locator("#spoken")).to_contain_text("Classic task 1: Done", timeout=2 * SOON)
    expect(bar).to_have_attribute("aria-valuetext", "Done, 100 percent")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_in_both_themes_and_fits_a_narrow_screen(open_site, page, tmp_path, scheme):
    site = open_site(task_seconds=4)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(site.url)
    start(page, "burning", "async", "classic")
    wait_for_percent(page, 10)

    assert page.evaluate(PALE_TEXTS) == []
    expect(card(page, "failed")).to_be_visible(timeout=SOON)
    expect(card(page, "done")).to_have_count(2, timeout=SOON)
    assert page.evaluate(PALE_TEXTS) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert is_dark(page) == (scheme == "dark")
    assert page.screenshot(path=tmp_path / f"{scheme}.png", full_page=True)


def test_a_word_without_end_does_not_widen_a_narrow_page(open_site, page):
    site = open_site(worker=False)
    page.set_viewport_size({"width": 320, "height": 640})
    meta = {"current": 1, "total": 4, "status": LONG_WORD}
    with one_report(site.broker, meta, result=LONG_WORD) as task:
        show_only(page, site.url, task, title=LONG_WORD)
        expect(page.locator(".status")).to_have_text(LONG_WORD, timeout=SOON)
        task.go_on()
        expect(card(page, "done")).to_be_visible(timeout=SOON)

    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_nothing_moves_for_those_who_asked_for_calm(open_site, page):
    site = open_site(task_seconds=30)
    page.emulate_media(reduced_motion="reduce")
    page.goto(site.url)
    start(page, "classic")
    wait_for_percent(page, 1)

    assert page.evaluate("document.getAnimations().length") == 0


def test_everything_comes_from_the_page_itself_and_no_inline_script_may_run(open_site, page):
    site = open_site(task_seconds=1)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(site.url)
    start(page, "classic")
    expect(card(page, "done")).to_be_visible(timeout=SOON)

    assert all(url.startswith(f"{site.url}/") for url in asked)
    policy = site.ask("GET", "/").headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy


# --- tasks of the tests' own ---------------------------------------------------------------------


class OneReport:
    """A task in this process that reports once and waits to be told to go on."""

    def __init__(self, broker: str, meta: dict[str, Any], result: Any) -> None:
        self._may_end = threading.Event()
        self.app = Celeriac("flask_progress", broker=broker)

        @self.app.task(bind=True, name="tests.one_report")
        def one_report(task: Any) -> Any:
            task.update_state(state="PROGRESS", meta=meta)
            assert self._may_end.wait(60)
            return result

        self._task = one_report

    def __enter__(self) -> "OneReport":
        self._worker = self.app.embedded()
        self._worker.__enter__()
        self.id = self._task.delay().id
        return self

    def go_on(self) -> None:
        self._may_end.set()

    def __exit__(self, *details: object) -> None:
        self.go_on()
        self._worker.__exit__(None, None, None)
        self.app.close()


def one_report(broker: str, meta: dict[str, Any], result: Any = "the end") -> OneReport:
    return OneReport(broker, meta, result)


def show_only(
    page: Page, url: str, task: Any, title: str = "A task 1", *, app: Celeriac | None = None
) -> None:
    """Open the page in a browser that remembers this one task."""
    token = (app or task.app).progress_token(task.id, outcome=True)
    page.goto(url)
    page.evaluate(
        "tasks => localStorage.setItem('flask-progress.tasks', JSON.stringify(tasks))",
        [{"id": task.id, "title": title, "token": token}],
    )
    page.reload()


def is_dark(page: Page) -> bool:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")) < 200
