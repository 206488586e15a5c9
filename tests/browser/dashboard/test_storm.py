"""While a thousand tasks a second begin and end, a page can be used, and tells the truth."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from celeriac import Celeriac
from celeriac.broker import WorkerInfo
from celeriac.outcome import Settlement
from celeriac.states import Verdict
from tests.browser.dashboard.conftest import dashboard_of
from tests.browser.dashboard.going import look_for
from tests.waiting import wait_until

SOON = 30_000
A_STEP = 100  # tasks that begin, and as many that end, each tenth of a second
WATCH = """
window.longest = 0;
new PerformanceObserver(list => {
    for (const each of list.getEntries()) window.longest = Math.max(window.longest, each.duration);
}).observe({ type: "longtask", buffered: true });
"""


class Storm(threading.Thread):
    """Sends, claims and settles, until it is told to stop; `steps` rises meanwhile."""

    def __init__(self, app: Celeriac, send: object) -> None:
        super().__init__(name="storm")
        self._app, self._send, self._over, self.steps = app, send, threading.Event(), 0

    def run(self) -> None:
        now, broker, held = self._app.clock.now, self._app.broker, []
        broker.enlist(
            WorkerInfo(
                "storm", "storm", queues=("storm",), names=frozenset({"shop.add"}), lease=600.0, slots=A_STEP
            ),
            now(),
        )
        while not self._over.wait(0.1):
            self._send([(self.steps,)] * A_STEP, queue="storm")
            ended = [Settlement(each.id, each.fence, Verdict.SUCCEEDED, b'"fine"') for each in held]
            trip = {"trip": self.steps + 1, "finished": ended, "want": A_STEP, "now": now()}
            held = broker.exchange("storm", **trip, queues=("storm",)).claims
            self.steps += 1

    def end(self) -> None:
        self._over.set()
        self.join(30)


@contextmanager
def storm_on(app: Celeriac, tasks: object) -> Iterator[Storm]:
    storm = Storm(app, tasks.add.delay_many)
    storm.start()
    try:
        yield storm
    finally:
        storm.end()


@pytest.fixture
def url(app: Celeriac, page: Page) -> Iterator[str]:
    """A dashboard in a process of its own: it shall not have to share one with the storm."""
    app.broker.ping()
    with dashboard_of(app.broker_url) as url:
        yield url
        page.goto("about:blank")  # before its server ends


def test_a_page_of_a_storm_can_be_used_and_is_right_when_it_is_over(page: Page, app, tasks, url):
    page.add_init_script(WATCH)
    with storm_on(app, tasks) as storm:
        page.goto(f"{url}/tasks")
        expect(page.locator("tbody tr")).to_have_count(50, timeout=SOON)
        first = page.locator("tbody tr").first.get_attribute("data-k")
        expect(page.locator(f'tr[data-k="{first}"]')).to_have_count(0, timeout=SOON)
        before = page.evaluate("document.querySelectorAll('*').length")
        began = storm.steps
        wait_until(lambda: storm.steps > began + 30, timeout=60, what="thirty more steps of the storm")

        page.keyboard.press("p")
        expect(page.locator(".livestate .word")).to_have_text("Paused")
        page.keyboard.press("p")
        nodes, longest = page.evaluate("[document.querySelectorAll('*').length, window.longest]")
        look_for(page, "state:succeeded")
        expect(page.locator("tbody tr")).to_have_count(50)
        page.get_by_role("link", name="Queues").click()
        expect(page.locator('tr[data-k="storm"]')).to_be_visible()
        still = storm.is_alive()
        page.evaluate("window.marked = true")
    print(f"the longest task of the page took {longest:.0f} ms")

    [queue] = app.queues()
    expect(page.locator('tr[data-k="storm"] td').nth(1)).to_have_text(f"{queue.queued}", timeout=SOON)
    assert still
    assert page.evaluate("window.marked")
    assert nodes < before * 1.2
