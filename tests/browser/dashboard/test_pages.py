"""Every page in a real browser: by the rules of accessibility, on a phone and a screen, light and dark."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from celeriac.dashboard import pages

WIDTHS = (320, 1280)
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
TOO_WIDE = """[...document.querySelectorAll("body *")]
    .filter(each => each.getBoundingClientRect().right > 320).map(each => each.outerHTML.slice(0, 200))"""
SIZES = (375, 768, 1024, 1280)
CUT_OFF = """[...document.querySelectorAll("main table")].filter(each => each.checkVisibility())
    .map(each => [each.caption?.textContent, each.offsetWidth, each.parentElement.clientWidth])
    .filter(([, wide, room]) => wide > room)"""
TOUCHING = """[...document.querySelectorAll("nav a")].filter((each, at, all) => {
    const own = each.getBoundingClientRect(), next = all[at + 1]?.getBoundingClientRect();
    return each.scrollWidth > each.clientWidth
        || next && next.top < own.bottom && next.bottom > own.top && next.left < own.right;
}).map(each => each.textContent)"""
COLOURS = {"runOnly": ["color-contrast"]}  # all that a theme changes


def violations(page: Page, options: dict[str, Any]) -> list[str]:
    """What axe, which is in the page already, has against it."""
    found = page.evaluate("options => axe.run(options)", {**options, "resultTypes": ["violations"]})
    return [
        f"{one['id']}: {node['target']} {node['html'][:200]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def test_no_page_breaks_a_rule_of_accessibility_at_either_width_in_either_theme(page: Page, world):
    wrong = []
    for path in world.paths:
        page.goto(world.url + path)
        page.evaluate(Axe().axe_script)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme="light")
            wrong += [(path, width, "light", one) for one in violations(page, RULES)]
            page.emulate_media(color_scheme="dark")
            wrong += [(path, width, "dark", one) for one in violations(page, COLOURS)]

    assert wrong == []


def test_no_page_scrolls_sideways_on_a_phone(page: Page, world):
    page.set_viewport_size({"width": 320, "height": 800})
    wide = {}
    for path in world.paths:
        page.goto(world.url + path)
        if page.evaluate("document.documentElement.scrollWidth") > 320:
            wide[path] = page.evaluate(TOO_WIDE)

    assert wide == {}


def test_no_table_is_wider_than_its_place_so_that_no_column_hides(page: Page, world):
    wide = {}
    for path in world.paths:
        page.goto(world.url + path)
        for width in SIZES:
            page.set_viewport_size({"width": width, "height": 800})
            if found := page.evaluate(CUT_OFF):
                wide[path, width] = found

    assert wide == {}


def test_no_word_of_the_navigation_runs_into_the_next_one(page: Page, world):
    page.goto(world.url)
    touching = {}
    for width in (320, *SIZES):
        page.set_viewport_size({"width": width, "height": 800})
        if found := page.evaluate(TOUCHING):
            touching[width] = found

    assert touching == {}


def test_the_numbers_of_the_overview_take_the_whole_width_in_rows_without_a_gap(page: Page, world):
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(world.url)

    for row in page.locator(".tiles").all():
        edges = row.evaluate(
            "row => [row.lastElementChild, row].map(each => Math.round(each.getBoundingClientRect().right))"
        )
        assert edges[0] == edges[1]
    heights = page.locator(".tiles dt").evaluate_all(
        "all => [...new Set(all.map(each => each.offsetHeight))]"
    )
    assert len(heights) == 1  # no name of a number takes two lines


def test_every_page_of_the_dashboard_is_among_those_that_are_looked_at(world):
    seen = {path.partition("?")[0] for path in world.paths}

    assert {page.path for page in pages.PAGES if "{" not in page.path} <= seen


def test_the_theme_is_changed_at_once_and_remembered(page: Page, world):
    page.emulate_media(color_scheme="light")
    page.goto(world.url + "/queues")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)

    with page.expect_response("**/settings/theme"):
        page.keyboard.press("t")
    dark = page.evaluate(ground)
    page.reload()

    assert light != dark
    assert page.evaluate(ground) == dark
