"""The pages in a real browser: they look as they shall, obey the policy, and can be used by everybody."""

import json
from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.dashboard import shop
from tests.dashboard.shop import HOSTILE

WIDTHS = (320, 1280)


@pytest.fixture
def full(app, tasks, serve):
    """A dashboard with something on every page."""
    app.pause("slow")
    ids = SimpleNamespace(
        queued=tasks.echo.apply_async((HOSTILE[0],), queue="slow").id,
        failed=[tasks.fail.delay(text).id for text in HOSTILE],
        done=tasks.echo.delay({"texts": list(HOSTILE), "n": shop.BIG}, token="abc").id,
        later=tasks.add.apply_async((1, 2), countdown=3_600).id,
    )
    from celeriac import chord

    with app.embedded():
        flow = chord([tasks.add.s(at, 1) for at in range(4)], tasks.total.s()).apply_async()
        flow.get(timeout=20)
        app.AsyncResult(ids.done).get(timeout=20)
        for each in ids.failed:
            app.AsyncResult(each).get(timeout=20, propagate=False)
    app.schedules.add("nightly <b>", "30 2 * * *", "shop.add", (1, 1), timezone="Europe/Berlin")
    served = serve()
    [group, *_] = [
        group["key"] for group in json.loads(_get(served, "/api/v1/dead"))["groups"] if group["count"] > 1
    ]
    ids.paths = [
        *(
            "/",
            "/tasks",
            "/queues",
            "/queue?name=slow",
            "/workers",
            "/schedules",
            "/schedule?name=nightly+%3Cb%3E",
        ),
        *(
            "/schedules/try?rule=0+3+*+*+*",
            "/dead",
            f"/dead/group?key={group}",
            "/flows",
            f"/flows/{flow.id}",
        ),
        *(f"/tasks/{ids.done}", f"/tasks/{ids.failed[0]}", f"/tasks/{ids.queued}"),
    ]
    ids.served = served
    return ids


def _get(served, path):
    from urllib.request import urlopen

    with urlopen(served.url + path, timeout=10) as answer:
        return answer.read()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_breaks_a_rule_of_accessibility_or_scrolls_sideways_on_a_phone(page: Page, full, theme):
    page.emulate_media(color_scheme=theme)
    axe = Axe()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        for path in full.paths:
            page.goto(full.served.url + path)

            found = axe.run(
                page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
            )

            assert found.violations_count == 0, f"{path} {width} {theme}\n{found.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)


def test_hostile_text_does_nothing_in_a_browser(page: Page, full):
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.add_init_script(
        "addEventListener('securitypolicyviolation', event => console.error(event.violatedDirective))"
    )

    for path in [*full.paths, *(f"/tasks/{each}" for each in full.failed)]:
        page.goto(full.served.url + path)
        expect(page.locator("main h1")).to_be_visible()

    assert dialogs == []
    assert page.problems == []
    page.goto(f"{full.served.url}/tasks/{full.failed[1]}")
    expect(page.locator(".error-said")).to_contain_text("</script><script>alert(1)</script>")


def test_every_action_works_without_javascript(page: Page, full, app):
    context = page.context.browser.new_context(java_script_enabled=False)
    try:
        plain = context.new_page()
        plain.goto(f"{full.served.url}/tasks/{full.failed[0]}")
        plain.get_by_role("button", name="Retry").click()
        expect(plain.locator(".banner[role=status]")).to_contain_text("is queued again")

        plain.get_by_role("link", name="Queues").click()
        plain.get_by_role("row", name="slow").get_by_role("button", name="Purge").click()
        expect(plain.get_by_role("heading", level=1)).to_contain_text("Cancel all")
        plain.get_by_role("button", name="Purge").click()
        expect(plain.get_by_text("1 tasks of the queue slow were cancelled")).to_be_visible()

        plain.get_by_label("Theme").select_option("dark")
        plain.get_by_role("button", name="Set").click()
        expect(plain.locator("html")).to_have_attribute("data-theme", "dark")
    finally:
        context.close()

    assert app.AsyncResult(full.failed[0]).state == "PENDING"
    assert app.AsyncResult(full.queued).state == "REVOKED"


def test_a_failure_is_found_and_retried_by_keys_alone(page: Page, full, app):
    page.goto(full.served.url)

    page.keyboard.press("g")
    page.keyboard.press("d")
    expect(page.get_by_role("heading", level=1)).to_have_text("Failed")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("ValueError")
    page.get_by_role("row").nth(1).get_by_role("button", name="Retry").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".banner[role=status]")).to_contain_text("queued again")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_label("Switch single keys off").check()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("g")
    page.keyboard.press("o")

    expect(page.get_by_role("heading", level=1)).to_have_text("Failed")
    assert [app.AsyncResult(each).state for each in full.failed].count("PENDING") == 1


def test_the_theme_is_changed_at_once_and_remembered(page: Page, full):
    page.emulate_media(color_scheme="light")
    page.goto(full.served.url + "/queues")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)

    with page.expect_response("**/settings/theme"):
        page.keyboard.press("t")
    dark = page.evaluate(ground)
    page.reload()

    assert light != dark
    assert page.evaluate(ground) == dark
