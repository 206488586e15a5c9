"""The story of the demo, with its dashboard, on each store: watch, find what failed, mend it, retry it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from celeriac.dashboard.roles import Role
from celeriac.dashboard.users import Users
from tests.browser.site import EXAMPLE, Site, end
from tests.browser.test_flask_progress import (
    AFTER_A_LEASE,
    SOON,
    card,
    start,
    wait_for_line,
    wait_for_percent,
)
from tests.servers import free_port
from tests.waiting import wait_until

BUG = '"The bill: " + each * guests'
MENDED = 'f"The bill: {each * guests} cents"'
NAME, PASSWORD = "ana", "correct horse"


class Demo:
    """A copy of the example whose code may be changed, run as `make demo` runs it."""

    def __init__(self, folder: Path, broker: str) -> None:
        self.code = folder / "demo"
        shutil.copytree(EXAMPLE, self.code, ignore=shutil.ignore_patterns("celeriac.db*", "__pycache__"))
        self.log = folder / "run.log"
        with self.log.open("wb") as output:
            self.process = psutil.Popen(
                [sys.executable, "run.py", "--port", str(free_port()), "--broker", broker],
                cwd=self.code,
                env={**os.environ, "TASK_SECONDS": "2", "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait(self) -> None:
        """Return when it has told where its pages are."""
        self.url = wait_for_line(self.log, r"Open (http://\S+)").group(1)
        self.dashboard = wait_for_line(self.log, r"(http://\S+\?token=\S+)").group(1)

    def mend(self) -> None:
        """Save the task's code without its bug; return when the worker has loaded it."""
        before = self._workers()
        file = self.code / "tasks.py"
        file.write_text(file.read_text().replace(BUG, MENDED))
        wait_until(lambda: not before & self._workers(), timeout=30, what="new processes of the worker")

    def _workers(self) -> set[int]:
        worker = psutil.Process(int(wait_for_line(self.log, r"worker is process (\d+)").group(1)))
        return {child.pid for child in worker.children()}


@pytest.fixture
def demo(any_store: str, tmp_path: Path, page: Page) -> Iterator[Demo]:
    demo = Demo(tmp_path, any_store)
    try:
        demo.wait()
        yield demo
    finally:
        leave(page)
        end(demo.process, signal.SIGINT)


def leave(page: Page) -> None:
    """Close what the pages hold open, before the servers end."""
    for each in page.context.pages:
        each.goto("about:blank")


def test_a_newcomer_finds_why_a_task_failed_mends_it_and_retries_it(demo: Demo, page: Page):
    page.goto(demo.dashboard)
    visitor = page.context.new_page()
    visitor.goto(demo.url)
    start(visitor, "bill")
    expect(card(visitor, "failed")).to_contain_text("TypeError", timeout=SOON)

    page.get_by_role("link", name="TypeError").click(timeout=SOON)
    page.locator("tbody[data-live=tasks] a").first.click()
    task = page.url
    line = page.locator(".frames li").last

    expect(line).to_contain_text("tasks.py")
    expect(line).to_contain_text(BUG)
    expect(page.locator(".error-said")).to_contain_text("can only concatenate str")
    assert visitor.get_by_role("link", name="See in the dashboard").get_attribute("href") == task

    demo.mend()
    page.get_by_role("button", name="Retry").click()

    expect(page.locator(".head .badge").first).to_have_text("Done", timeout=SOON)
    expect(page.locator("[data-k=result]")).to_contain_text(re.compile(r"The bill: \d+ cents"))
    visitor.reload()
    expect(card(visitor, "done").locator(".outcome")).to_have_text(
        re.compile(r"^Result: The bill: \d+ cents$"), timeout=SOON
    )


def test_a_visitor_whom_the_dashboard_does_not_know_is_told_how_to_come_in(demo: Demo, page: Page):
    page.goto(demo.url)

    page.get_by_role("link", name="the dashboard").click()

    expect(page.locator("main")).to_contain_text("printed in its terminal")
    page.problems.clear()  # the browser notes the refusal


def test_without_the_extra_the_demo_says_so_and_runs(open_run: Callable[..., Path], page: Page):
    log = open_run(lacking="starlette")

    line = wait_for_line(log, r"No dashboard: .*")
    page.goto(wait_for_line(log, r"Open (http://\S+)").group(1))

    assert "pip install 'celeriac[dashboard]'" in line.group()
    expect(page.get_by_role("link")).to_have_count(0)
    start(page, "classic")
    expect(card(page, "done")).to_be_visible(timeout=SOON)


@pytest.fixture
def open_run(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Run the demo where a module cannot be found; what it prints is in the file that is returned."""
    with ExitStack() as stack:

        def run(lacking: str) -> Path:
            (tmp_path / "sitecustomize.py").write_text(
                "import importlib.util as util\n"
                "find = util.find_spec\n"
                f"util.find_spec = lambda name, *more: None if name == {lacking!r} else find(name, *more)\n"
            )
            log = tmp_path / "run.log"
            paths = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
            with log.open("wb") as output:
                process = psutil.Popen(
                    [sys.executable, str(EXAMPLE / "run.py"), "--port", str(free_port())],
                    cwd=tmp_path,
                    env={
                        **os.environ,
                        "CELERIAC_BROKER_URL": f"sqlite:///{tmp_path}/celeriac.db",
                        "TASK_SECONDS": "1",
                        "PYTHONPATH": paths,
                    },
                    stdout=output,
                    stderr=output,
                )
            stack.callback(end, process, signal.SIGINT)
            return log

        yield run


# --- the dashboard beside a page, each a program of its own ---------------------------------------


class Watched(Site):
    """The example with a dashboard whose users log in, so that one may come back after its restart."""

    def __init__(self, broker: str, folder: Path, **options: object) -> None:
        super().__init__(broker, folder, **options)  # type: ignore[arg-type]
        self._users = folder / "users.json"
        self._watcher: psutil.Popen | None = None
        Users(self._users).add(NAME, PASSWORD, Role.OPERATOR)
        self.dashboard_port = free_port()
        self.dashboard = f"http://127.0.0.1:{self.dashboard_port}"

    def start_dashboard(self) -> None:
        words = ["--users", str(self._users), "--port", str(self.dashboard_port)]
        said = self.log("dashboard").count("dashboard of")
        self._watcher = self._start("dashboard", "celeriac", "-A", "tasks", "dashboard", *words)
        wait_until(
            lambda: self.log("dashboard").count("dashboard of") > said, timeout=40, what="the dashboard"
        )

    def kill_dashboard(self) -> None:
        assert self._watcher is not None
        self._watcher.kill()
        self._watcher.wait(10)

    def stop(self) -> None:
        end(self._watcher)
        super().stop()


@pytest.fixture
def watched(any_store: str, tmp_path: Path, page: Page) -> Iterator[Watched]:
    site = Watched(any_store, tmp_path, task_seconds=25)
    try:
        site.start_web()
        site.start_worker()
        site.start_dashboard()
        yield site
    finally:
        leave(page)
        site.stop()


def log_in(page: Page, site: Watched) -> None:
    page.goto(site.dashboard)
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def at_least(page: Page, share: float) -> None:
    """Wait until the bar on the task's page has come so far."""
    page.wait_for_function(
        "share => { const bar = document.querySelector('main progress');"
        " return bar && bar.value / bar.max >= share; }",
        arg=share,
        timeout=AFTER_A_LEASE,
    )


def test_a_task_moves_on_its_page_while_the_dashboard_is_killed_and_started_again(
    watched: Watched, page: Page
):
    log_in(page, watched)
    visitor = page.context.new_page()
    visitor.goto(watched.url)
    start(visitor, "classic")
    task = visitor.locator(".card").get_attribute("data-id")
    page.goto(f"{watched.dashboard}/tasks/{task}")
    page.evaluate("window.marked = true")
    at_least(page, 0.1)

    watched.kill_dashboard()
    expect(page.locator(".livestate .word")).to_have_text("Reconnecting", timeout=SOON)
    behind = wait_for_percent(visitor, 20)
    watched.start_dashboard()

    at_least(page, behind / 100)
    assert page.evaluate("window.marked")
    expect(page.locator(".head .badge").first).to_have_text("Done", timeout=AFTER_A_LEASE)
    expect(page.locator("[data-k=result]")).to_contain_text("Soup for")
    assert page.evaluate("window.marked")
    expect(card(visitor, "done")).to_be_visible(timeout=SOON)
    page.problems.clear()  # connections that were refused meanwhile
