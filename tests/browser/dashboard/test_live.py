"""What changes is seen without loading the page again: streams, pauses, interruptions, restarts."""

from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from tests.proxy import Proxy
from tests.waiting import wait_until

SOON = 15_000
NO_LIMIT = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}


def row(page: Page, name: str):
    return page.locator(f'tr[data-k="{name}"]')


def mark(page: Page) -> None:
    """So that a page which was loaded again is known."""
    page.evaluate("window.marked = true")


@pytest.mark.parametrize("live", ["stream", "poll"])
def test_rows_come_change_and_go_without_a_reload(page: Page, app, tasks, serve, live):
    app.pause("b")
    served = serve(live=live)
    page.goto(served.url + "/queues")
    expect(page.locator(".livestate .word")).to_have_text("Live", timeout=SOON)
    mark(page)

    tasks.add.apply_async((1,), queue="a")
    expect(row(page, "a").locator("td").nth(1)).to_have_text("1", timeout=SOON)
    tasks.add.apply_async((1,), queue="a")
    expect(row(page, "a").locator("td").nth(1)).to_have_text("2", timeout=SOON)
    app.resume("b")
    expect(row(page, "b")).to_have_count(0, timeout=SOON)

    assert page.evaluate("window.marked")
    assert [each.get_attribute("data-k") for each in page.locator("tbody tr").all()] == ["a"]


def test_the_page_of_a_task_follows_its_progress_to_the_result(page: Page, app, serve):
    import threading

    go_on = threading.Event()

    @app.task(name="shop.slow", bind=True)
    def slow(self):
        self.update_state(state="PROGRESS", meta={"current": 3, "total": 4, "status": "<b>third</b>"})
        go_on.wait(30)
        return {"sum": 42}

    served = serve()
    result = slow.delay()
    page.goto(f"{served.url}/tasks/{result.id}")
    mark(page)
    try:
        with app.embedded():
            expect(page.locator("progress")).to_have_attribute("value", "3", timeout=SOON)
            expect(page.locator(".status")).to_have_text("<b>third</b>")
            expect(page.get_by_role("button", name="Stop")).to_be_visible()
            go_on.set()
            expect(page.locator(".head .badge").first).to_have_text("Done", timeout=SOON)
            expect(page.locator("[data-k=result]")).to_contain_text("42")
    finally:
        go_on.set()

    assert page.evaluate("window.marked")
    expect(page.locator("progress")).to_have_count(0)


def test_what_is_no_longer_so_is_taken_away_when_a_retried_task_fails_again(page: Page, app, tasks, serve):
    task = tasks.fail.delay("no").id
    with app.embedded():
        app.AsyncResult(task).get(timeout=20, propagate=False)
    page.goto(f"{serve().url}/tasks/{task}")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".banner[role=status]")).to_contain_text("was queued again")
    expect(page.locator(".terminal")).to_contain_text(f"celeriac watch {task}")
    expect(page.locator(".livestate .word")).to_have_text("Live", timeout=SOON)
    mark(page)

    page.mouse.move(0, 0)
    with app.embedded():
        app.AsyncResult(task).get(timeout=20, propagate=False)

    expect(page.locator(".head .badge").first).to_have_text("Failed", timeout=SOON)
    expect(page.locator(".banner[role=status]")).to_have_count(0, timeout=SOON)
    expect(page.locator(".terminal")).to_contain_text(f"celeriac result {task}")
    expect(page.locator(".terminal")).not_to_contain_text("watch")
    expect(page.locator(".terminal").get_by_role("button", name="Copy")).to_have_count(3)
    assert page.evaluate("window.marked")


def test_a_paused_page_makes_no_request_and_goes_on_where_it_was(page: Page, app, tasks, serve):
    app.pause("a")
    served = serve()
    page.goto(served.url + "/queues")
    expect(page.locator(".livestate .word")).to_have_text("Live", timeout=SOON)
    page.keyboard.press("p")
    expect(page.locator(".livestate .word")).to_have_text("Paused")
    requests = []
    page.on("request", lambda request: requests.append(request.url))

    tasks.add.apply_async((1,), queue="a")
    page.evaluate("new Promise(resolve => setTimeout(resolve, 2500))")
    before = list(requests), row(page, "a").locator("td").nth(1).inner_text()
    page.get_by_role("button", name="Pause", exact=True).first.click()

    expect(row(page, "a").locator("td").nth(1)).to_have_text("1", timeout=SOON)
    assert before == ([], "0")
    assert any("/live?" in url and "since=" in url for url in requests)


def test_what_has_the_focus_is_left_alone_until_it_is_left(page: Page, app, tasks, serve):
    app.pause("a")
    app.pause("b")
    served = serve()
    page.goto(served.url + "/queues")
    expect(page.locator(".livestate .word")).to_have_text("Live", timeout=SOON)
    row(page, "a").get_by_role("button", name="Resume").focus()

    app.resume("a")
    tasks.add.apply_async((1,), queue="b")
    expect(row(page, "b").locator("td").nth(1)).to_have_text("1", timeout=SOON)
    held = page.evaluate("document.activeElement.innerText")
    page.locator("main").focus()

    assert held.strip() == "Resume"
    expect(row(page, "a")).to_have_count(0, timeout=SOON)


def shape(page: Page) -> list[str]:
    """All that is in the regions that change, but for the times, which pass."""
    return page.locator("[data-live]").evaluate_all(
        """all => all.map(each => {
            const copy = each.cloneNode(true);
            copy.querySelectorAll("time, [data-js]").forEach(one => one.remove());
            return copy.textContent.replace(/\\s+/g, "");
        })"""
    )


def test_after_an_interruption_the_page_is_as_a_fresh_one(page: Page, app, tasks, serve):
    served = serve()
    for at in range(3):
        tasks.add.apply_async((at,), queue=f"q{at}")
    network = page.context.new_cdp_session(page)
    with closing(Proxy(served.port)) as proxy:  # the browser's own "offline" leaves open streams alone
        page.goto(f"http://127.0.0.1:{proxy.port}/queues")
        expect(page.locator(".livestate .word")).to_have_text("Live", timeout=SOON)
        mark(page)

        network.send("Network.emulateNetworkConditions", {"offline": True, **NO_LIMIT})
        proxy.refuse()
        for at in range(200):
            tasks.add.apply_async((at,), queue=f"q{at % 7}")
        app.broker.purge("q1", app.clock.now())
        app.pause("q3")
        expect(page.locator(".livestate .word")).to_have_text("Reconnecting", timeout=SOON)
        stale = row(page, "q3").count()
        proxy.resume()
        network.send("Network.emulateNetworkConditions", {"offline": False, **NO_LIMIT})

        expect(row(page, "q3")).to_contain_text("Paused", timeout=30_000)
        expect(page.locator(".livestate .word")).to_have_text("Live", timeout=SOON)
        fresh = page.context.new_page()
        fresh.goto(served.url + "/queues")
        assert stale == 0
        assert page.evaluate("window.marked")
        assert shape(page) == shape(fresh)
        page.goto("about:blank")
    page.problems.clear()  # the browser tells of the broken connections


def test_the_page_outlives_the_death_of_its_server(page: Page, app, tasks, tmp_path, program):
    from tests.servers import free_port

    assert app.broker_url.startswith("sqlite:")
    app.pause("a")
    users, port = tmp_path / "users.json", free_port()
    from celeriac.dashboard.roles import Role
    from celeriac.dashboard.users import Users

    Users(users).add("ana", "correct horse", Role.OPERATOR)
    words = ("-b", app.broker_url, "dashboard", "--users", str(users), "--port", str(port))
    first = program(*words)
    assert "dashboard of" in first.stdout.readline()
    page.goto(f"http://127.0.0.1:{port}/queues")
    page.get_by_label("Name").fill("ana")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".livestate .word")).to_have_text("Live", timeout=SOON)
    mark(page)

    first.kill()
    first.wait(20)
    expect(page.locator(".livestate .word")).to_have_text("Reconnecting", timeout=SOON)
    second = program(*words)
    assert "dashboard of" in second.stdout.readline()
    tasks.add.apply_async((1,), queue="a")

    expect(row(page, "a").locator("td").nth(1)).to_have_text("1", timeout=30_000)
    assert page.evaluate("window.marked")
    page.problems.clear()  # connections that were refused meanwhile


# --- who does not look costs nothing ----------------------------------------------------------------------

HIDES = """
window.away = false;
Object.defineProperty(document, "hidden", { get: () => window.away });
window.turn = away => { window.away = away; document.dispatchEvent(new Event("visibilitychange")); };
"""


def test_a_hidden_tab_asks_for_nothing_and_its_page_is_read_no_more(
    page: Page, app, tasks, serve, monkeypatch
):
    monkeypatch.setattr("celeriac.dashboard.live.LINGER", 0.1)
    served, asked = serve(), []
    page.clock.install()
    page.add_init_script(HIDES)
    tasks.add.apply_async((1,), queue="a")
    page.goto(served.url + "/queues")
    expect(page.locator(".livestate .word")).to_have_text("Live", timeout=SOON)
    mark(page)

    page.evaluate("window.turn(true)")
    page.clock.run_for(9_000)
    looked_at = served.readers
    page.clock.run_for(2_000)
    wait_until(lambda: served.readers == 0, timeout=15, what="the reader's end")
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(600_000)
    tasks.add.apply_async((2,), queue="a")
    page.clock.run_for(600_000)
    hidden = list(asked), served.readers
    page.evaluate("window.turn(false)")

    expect(row(page, "a").locator("td").nth(1)).to_have_text("2", timeout=SOON)
    assert looked_at == 1
    assert hidden == ([], 0)
    assert page.evaluate("window.marked")


def test_a_page_is_read_once_for_all_who_look_and_not_at_all_for_nobody(page: Page, app, serve, monkeypatch):
    monkeypatch.setattr("celeriac.dashboard.live.LINGER", 0.1)
    served, others = serve(), [page.context.new_page() for _ in range(3)]
    for each in [page, *others]:
        each.goto(served.url + "/queues")
        expect(each.locator(".livestate .word")).to_have_text("Live", timeout=SOON)

    together = served.readers
    for each in others:
        each.close()
    page.goto(served.url + "/schedules/try")

    wait_until(lambda: served.readers == 0, timeout=15, what="the end of the readers")
    assert together == 1
