"""The tutorial is true: its files are made, its commands run, and its page does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.site import Site

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial" / "progress-page.md"
FILES = re.compile(r'^```\w+ title="(.+?)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
SESSION = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MINUTE = 60_000


@pytest.fixture
def kitchen(tmp_path):
    """A folder as it is when the tutorial has been followed, with the worker and the page running."""
    for name, content in FILES.findall(TUTORIAL.read_text()):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    site = Site(f"sqlite:///{tmp_path / 'celeriac.db'}", tmp_path, project=tmp_path)
    site.start_worker()
    site.start_web()
    yield site
    site.stop()


def test_the_commands_of_the_tutorial_are_those_that_are_tested():
    text = TUTORIAL.read_text()

    assert "$ celeriac -A tasks worker\n" in text
    assert "$ flask --app web run\n" in text
    assert [name for name, _ in FILES.findall(text)] == [
        "tasks.py",
        "web.py",
        "templates/index.html",
    ]


def test_the_session_at_the_prompt_goes_as_printed(kitchen, tmp_path):
    [session] = SESSION.findall(TUTORIAL.read_text())
    (tmp_path / "session.txt").write_text(session)

    run = subprocess.run(
        [sys.executable, "-m", "doctest", "session.txt"],
        cwd=tmp_path,
        env=kitchen.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr


def test_three_bars_move_and_come_back_after_a_reload(kitchen, page):
    page.goto(kitchen.url)
    for count in (1, 2, 3):
        page.get_by_role("button", name="Peel 20 carrots").click()
        expect(page.locator("progress")).to_have_count(count)
    page.wait_for_function(
        """() => [...document.querySelectorAll('celeriac-progress')]
            .every(({ bar }) => bar.value > 0 && bar.value < 1)"""
    )

    page.reload()

    expect(page.locator("[part=status]", has_text=re.compile(r"^Peeling number \d+$"))).to_have_count(3)
    expect(page.get_by_text("20 carrots, peeled")).to_have_count(3, timeout=MINUTE)
