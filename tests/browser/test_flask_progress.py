"""The story of the example page, in a real browser, on each store: start, watch, cancel, break things."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import EXAMPLE
from tests.servers import free_port
from tests.waiting import wait_until

TUTORIAL_PAGE = Path(__file__).with_name("tutorial_page.html")

SOON = 15_000  # milliseconds
AFTER_A_LEASE = 60_000

ALL_MOVING = """count => {
    const bars = [...document.querySelectorAll('.card .track')];
    const moving = bars.filter(bar => bar.ariaValueNow > 0 && bar.ariaValueNow < 100);
    return moving.length === count;
}"""


def start(page: Page, *kinds: str) -> None:
    """Choose and start one task of each kind."""
    before = page.locator(".card").count()
    for number, kind in enumerate(kinds, start=before + 1):
        page.locator(f"input[value={kind}]").check()
        page.get_by_role("button", name="Start task").click()
        expect(page.locator(".card")).to_have_count(number)


def card(page: Page, state: str) -> Any:
    """The card or cards in that state."""
    return page.locator(f".card[data-state={state}]")


def connection(page: Page) -> Any:
    """What is said of the connection to the server."""
    return page.locator("#connection")


def percent(page: Page) -> int:
    """How far the first card's bar is."""
    return int(page.locator(".track").first.get_attribute("aria-valuenow") or 0)


def wait_for_percent(page: Page, least: int) -> int:
    page.wait_for_function(
        "least => document.querySelector('.track').ariaValueNow >= least", arg=least, timeout=SOON
    )
    return percent(page)


def forgive_broken_connections(page: Page, sign: str = "net::ERR_") -> None:
    """Chromium notes each refused request in the console; tests that break connections expect that."""
    page.problems[:] = [problem for problem in page.problems if sign not in problem]


# --- watching ------------------------------------------------------------------------------------


def test_three_bars_move_at_the_same_time_until_the_results_appear(any_store, open_site, page):
    site = open_site(any_store, task_seconds=14)
    page.goto(site.url)

    start(page, "classic", "async", "classic")

    page.wait_for_function(ALL_MOVING, arg=3, timeout=SOON)
    expect(page.locator(".left", has_text=re.compile(r"^about .+ left$"))).to_have_count(3, timeout=SOON)
    expect(page.locator(".status").first).to_have_text(re.compile(r"^\w+ing the \w+ \w+$"))
    expect(card(page, "done")).to_have_count(3, timeout=2 * SOON)
    for row in page.locator(".card").all():
        expect(row.locator(".outcome")).to_have_text(re.compile(r"^Result: Soup for \d+ guests$"))
        expect(row.locator(".track")).to_have_attribute("aria-valuenow", "100")


def test_all_bars_are_fed_by_one_stream_which_ends_with_the_last_task(open_site, page):
    site = open_site(task_seconds=3)
    streams: set[object] = set()
    polls: list[str] = []
    page.on("request", lambda it: "/events" in it.url and streams.add(it))
    page.on("request", lambda it: "/status/" in it.url and polls.append(it.url))
    page.on("requestfinished", lambda it: streams.discard(it))
    page.on("requestfailed", lambda it: streams.discard(it))
    page.goto(site.url)

    start(page, "classic", "classic", "classic")

    page.wait_for_function(ALL_MOVING, arg=3, timeout=SOON)
    assert len(streams) == 1
    expect(card(page, "done")).to_have_count(3, timeout=SOON)
    assert not streams
    assert not polls


def test_a_failed_task_shows_its_error_where_its_bar_stopped(any_store, open_site, page):
    site = open_site(any_store)
    page.goto(site.url)

    start(page, "burning")

    expect(card(page, "failed").locator(".outcome")).to_have_text(
        re.compile(r"^Error: RuntimeError: The \w+ burned after \d+ of \d+ steps$"), timeout=SOON
    )
    assert 30 <= percent(page) <= 60


def test_a_cancelled_task_is_stopped_and_says_so(any_store, open_site, page):
    site = open_site(any_store, task_seconds=60)
    page.goto(site.url)
    start(page, "classic", "async")
    page.wait_for_function(ALL_MOVING, arg=2, timeout=SOON)

    page.get_by_role("button", name="Cancel Classic task 1").click()
    page.get_by_role("button", name="Cancel Async task 2").click()

    expect(card(page, "cancelled")).to_have_count(2, timeout=SOON)
    expect(page.get_by_role("button", name="Remove Classic task 1")).to_be_visible()
    task = page.locator(".card").first.get_attribute("data-id")
    assert site.ask("GET", f"/status/{task}").json["state"] == "REVOKED"


def test_a_task_that_waits_can_be_cancelled_before_it_runs(open_site, page):
    site = open_site(worker=False)
    page.goto(site.url)
    start(page, "classic")
    expect(card(page, "waiting")).to_be_visible()

    page.get_by_role("button", name="Cancel Classic task 1").click()

    expect(card(page, "cancelled")).to_be_visible(timeout=SOON)


# --- breaking things -----------------------------------------------------------------------------


def test_a_reload_brings_the_bars_back_where_they_were(any_store, open_site, page):
    site = open_site(any_store, task_seconds=6)
    page.goto(site.url)
    start(page, "async", "classic")
    before = wait_for_percent(page, 20)

    page.reload()

    expect(page.locator(".card")).to_have_count(2)
    assert wait_for_percent(page, before) < 100
    expect(page.locator(".title")).to_have_text(["Classic task 2", "Async task 1"])
    expect(card(page, "done")).to_have_count(2, timeout=SOON)

    page.reload()

    expect(card(page, "done").locator(".outcome")).to_have_count(2, timeout=SOON)


def test_the_bars_go_on_when_the_web_process_comes_back(any_store, open_site, page):
    site = open_site(any_store, task_seconds=10)
    page.goto(site.url)
    start(page, "classic")
    before = wait_for_percent(page, 10)

    site.stop_web()

    expect(connection(page)).to_contain_text("Connection lost", timeout=SOON)

    site.start_web()

    wait_for_percent(page, before + 1)
    expect(connection(page)).to_be_hidden()
    expect(card(page, "done").locator(".outcome")).to_contain_text("Soup", timeout=SOON)
    forgive_broken_connections(page)


def test_a_task_whose_worker_is_killed_is_finished_by_the_next_worker(any_store, open_site, page):
    site = open_site(any_store)
    page.goto(site.url)
    start(page, "classic")
    wait_for_percent(page, 20)

    site.kill_worker()
    site.start_worker()

    expect(card(page, "done").locator(".outcome")).to_contain_text("Soup", timeout=AFTER_A_LEASE)


@pytest.mark.redis
def test_a_store_that_does_not_answer_is_told_to_the_visitor(start_redis, open_site, page):
    store = start_redis()
    site = open_site(store.url, task_seconds=20)
    page.goto(site.url)
    start(page, "async")
    before = wait_for_percent(page, 5)

    store.pause()

    expect(connection(page)).to_contain_text("Connection lost", timeout=AFTER_A_LEASE)
    assert site.ask("GET", "/status/any").code == 503

    store.resume()

    expect(connection(page)).to_be_hidden(timeout=SOON)
    wait_for_percent(page, before + 1)
    forgive_broken_connections(page, "503")


def test_without_event_streams_the_page_polls(open_site, page):
    site = open_site(task_seconds=20)
    page.route("**/events*", lambda route: route.abort())
    page.goto(site.url)

    start(page, "classic")

    expect(page.get_by_text("Live updates do not get through")).to_be_visible(timeout=SOON)
    wait_for_percent(page, 20)
    page.unroute("**/events*")
    expect(card(page, "done").locator(".outcome")).to_contain_text("Soup", timeout=AFTER_A_LEASE)
    expect(page.locator("#connection")).to_be_hidden()
    forgive_broken_connections(page)


def test_a_start_that_fails_says_why_and_adds_nothing(open_site, page):
    site = open_site(worker=False)
    page.goto(site.url)
    site.stop_web()

    page.get_by_role("button", name="Start task").click()

    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    expect(page.locator(".card")).to_have_count(0)
    forgive_broken_connections(page)


# --- the server's answers ------------------------------------------------------------------------


def test_starting_answers_202_with_the_address_of_the_status(open_site):
    site = open_site(worker=False)

    answer = site.ask("POST", "/longtask")

    assert answer.code == 202
    assert answer.headers["Location"] == f"/status/{answer.json['id']}"
    told = site.ask("GET", answer.headers["Location"]).json
    assert (told["state"], told["current"], told["total"]) == ("PENDING", 0, 1)
    assert told["status"]
    assert "result" not in told


def test_an_unknown_task_is_not_found_and_the_answer_says_which(open_site):
    site = open_site(worker=False)

    for answer in (site.ask("GET", "/status/nobody"), site.ask("POST", "/cancel/nobody")):
        assert answer.code == 404
        assert "'nobody'" in answer.json["error"]


def test_other_sites_may_not_start_or_cancel_tasks(open_site):
    site = open_site(worker=False)

    assert site.ask("POST", "/longtask", **{"Sec-Fetch-Site": "cross-site"}).code == 403
    assert site.ask("POST", "/longtask", **{"Sec-Fetch-Site": "same-origin"}).code == 202


def test_the_progress_of_a_task_is_only_for_those_who_were_given_its_token(open_site):
    site = open_site(worker=False)

    mine, other = (site.ask("POST", "/longtask").json for _ in range(2))

    [told] = site.ask("GET", f"/progress/state?token={mine['token']}").json
    assert told["id"] == mine["id"]
    assert site.ask("GET", f"/progress/state?token={other['id']}").code == 403


def test_a_page_made_for_the_well_known_tutorial_works_unchanged(any_store, open_site, page):
    site = open_site(any_store)
    page.route(
        f"{site.url}/polling",
        lambda route: route.fulfill(content_type="text/html", body=TUTORIAL_PAGE.read_text()),
    )
    page.goto(f"{site.url}/polling")

    page.get_by_role("button", name="Begin").click()

    expect(page.locator(".percent")).to_have_text(re.compile(r"^[1-9]\d?%$"), timeout=SOON)
    expect(page.locator(".status")).to_have_text(re.compile(r"^\w+ing the \w+ \w+$"))
    expect(page.locator(".result")).to_have_text(re.compile(r"^Result: Soup for \d+ guests$"), timeout=SOON)
    expect(page.locator(".percent")).to_have_text("100%")
    seen = page.evaluate("window.seen")
    assert set(seen[:-1]) <= {"PENDING", "PROGRESS"}
    assert seen[-1] == "SUCCESS"


# --- run.py --------------------------------------------------------------------------------------


@contextmanager
def running(folder: Path, port: int, *, task_seconds: float) -> Iterator[tuple[subprocess.Popen, Path]]:
    """Start run.py; yield its process and the file that it writes to."""
    log = folder / "run.log"
    store = f"sqlite:///{folder / 'celeriac.db'}"
    command = [sys.executable, str(EXAMPLE / "run.py"), "--port", str(port), "--broker", store]
    environment = {**os.environ, "TASK_SECONDS": str(task_seconds)}
    with log.open("wb") as output:
        run = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        yield run, log
    finally:
        left = psutil.Process(run.pid).children(recursive=True) if run.poll() is None else []
        for process in (run, *left):
            process.kill()
        run.wait()


def wait_for_line(file: Path, pattern: str) -> re.Match[str]:
    return wait_until(lambda: re.search(pattern, file.read_text()), timeout=30, what=f"a line like {pattern}")


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_run_starts_worker_and_page_takes_another_port_and_stops_both(page, tmp_path, sign):
    with (
        socket.create_server(("127.0.0.1", free_port())) as taken,
        running(tmp_path, taken.getsockname()[1], task_seconds=2) as (run, log),
    ):
        assert wait_for_line(log, r"Port \d+ is taken; using \d+\.")
        page.goto(wait_for_line(log, r"Open (http://\S+)").group(1))
        start(page, "classic")
        expect(card(page, "done")).to_be_visible(timeout=SOON)
        below = psutil.Process(run.pid).children(recursive=True)

        run.send_signal(sign)

        assert run.wait(timeout=30) == 0, log.read_text()
        assert below
        assert not psutil.wait_procs(below, timeout=5)[1]
        assert "Traceback" not in log.read_text()


def test_run_replaces_a_worker_that_was_killed(page, tmp_path):
    with running(tmp_path, free_port(), task_seconds=4) as (run, log):
        page.goto(wait_for_line(log, r"Open (http://\S+)").group(1))
        start(page, "classic")
        wait_for_percent(page, 20)

        psutil.Process(int(wait_for_line(log, r"worker is process (\d+)").group(1))).kill()

        expect(card(page, "done")).to_be_visible(timeout=AFTER_A_LEASE)
        assert "Starting another" in log.read_text()
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=30) == 0, log.read_text()


def test_run_says_so_when_its_worker_cannot_run(tmp_path):
    (tmp_path / "celeriac.db").write_text("This is no database. " * 500)

    with running(tmp_path, free_port(), task_seconds=1) as (run, log):
        assert run.wait(timeout=30) == 1
        assert "The worker could not run" in log.read_text()
