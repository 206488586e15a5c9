"""What changes is seen without loading the page again: streams, pauses, interruptions, restarts."""

import pytest
from playwright.sync_api import Page, expect

SOON = 15_000


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


def test_after_an_interruption_the_page_is_as_a_fresh_one(page: Page, app, tasks, serve):
    served = serve()
    tasks.add.apply_async((0,), queue="q0")
    page.goto(served.url + "/queues")
    expect(page.locator(".livestate .word")).to_have_text("Live", timeout=SOON)
    page.context.set_offline(True)

    for at in range(300):
        tasks.add.apply_async((at,), queue=f"q{at % 7}")
    app.pause("q3")
    page.context.set_offline(False)
    page.problems.clear()  # the browser tells of the broken connection

    expect(row(page, "q3")).to_contain_text("Paused", timeout=SOON)
    follows = page.locator("tbody[data-live=queues] .n").all_inner_texts()
    page.reload()
    page.problems.clear()
    assert page.locator("tbody[data-live=queues] .n").all_inner_texts() == follows


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
