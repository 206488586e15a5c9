"""`celeriac dev`: all of an application in one terminal, new code, broken code, and its end."""

import os
import re
import signal
import socket
import urllib.request
from pathlib import Path

import psutil
import pytest

from celeriac import Celeriac
from celeriac.cli import dev
from celeriac.cli.codes import Exit
from celeriac.cli.together import FINAL, Part
from tests.edits import edit
from tests.integration.command_line import invoke, started, terminal
from tests.waiting import wait_until

MODULE = """
import time
from celeriac import Celeriac

app = Celeriac("shop", broker="sqlite:///shop.db")

@app.task(name="shop.add")
def add(x, y):
    return x + y

@app.periodic(0.5)
@app.task(name="shop.tick")
def tick():
    print("tick", flush=True)
"""


@pytest.fixture
def shop(tmp_path) -> Celeriac:
    """The application from outside; its module is in the test's folder."""
    (tmp_path / "shop.py").write_text(MODULE)
    with Celeriac("shop", broker=f"sqlite:///{tmp_path}/shop.db", set_as_current=False) as app:
        yield app


def is_added(shop: Celeriac, wanted: int) -> bool:
    return shop.send_task("shop.add", (2, 3)).get(timeout=30) == wanted


def test_worker_and_schedules_run_and_ctrl_c_ends_all(shop, tmp_path):
    with terminal("-A", "shop", "dev", "--no-dashboard", cwd=tmp_path) as screen:
        screen.wait_for("Ctrl-C ends all")
        screen.wait_for("no beat is needed")
        screen.wait_for("task succeeded  task=shop.tick")
        family = psutil.Process(screen.process.pid).children(recursive=True)
        os.kill(screen.process.pid, signal.SIGINT)
        screen.wait_for("stopping; once more: at once")

        assert screen.end() == 0

    assert family
    assert not [process for process in family if process.is_running()]


def test_lines_have_before_them_whose_they_are(shop, tmp_path):
    with started("-A", "shop", "dev", "--no-dashboard", cwd=tmp_path) as command:
        assert is_added(shop, 5)
        command.wait_for("task succeeded")
        assert command.stop(signal.SIGINT) == 0

    assert any(
        line.startswith("worker    | ") and "task=shop.add" in line for line in command.log.splitlines()
    )
    assert "dev       | stopping; once more: at once" in command.log.splitlines()


def test_broken_code_is_told_once_and_the_next_change_is_taken(shop, tmp_path):
    path = tmp_path / "shop.py"

    with started("-A", "shop", "dev", "--no-dashboard", cwd=tmp_path) as command:
        assert is_added(shop, 5)
        edit(path, "def broken(:\n")
        command.wait_for("waiting for a file to change")
        edit(path, MODULE.replace("x + y", "x * y"))

        wait_until(lambda: is_added(shop, 6), 30, what="the new code")

    assert command.log.count("cannot be imported") == 1


def test_code_that_is_broken_from_the_start_is_waited_for(shop, tmp_path):
    path = tmp_path / "shop.py"
    edit(path, "def broken(:\n")

    with started("-A", "shop", "dev", "--no-dashboard", cwd=tmp_path) as command:
        command.wait_for("waiting for a file to change")
        edit(path, MODULE)

        assert is_added(shop, 5)


def test_without_reload_broken_code_ends_it(tmp_path):
    (tmp_path / "shop.py").write_text("def broken(:\n")

    with started("-A", "shop", "dev", "--no-dashboard", "--no-reload", cwd=tmp_path) as command:
        assert command.process.wait(30) == Exit.APPLICATION

    assert "worker ended with status 5" in command.log


def test_a_worker_that_dies_is_started_again(shop, tmp_path):
    with started("-A", "shop", "dev", "--no-dashboard", cwd=tmp_path) as command:
        assert is_added(shop, 5)
        [worker] = psutil.Process(command.process.pid).children()
        os.kill(worker.pid, signal.SIGKILL)
        command.wait_for("worker was killed by signal 9: starting it again")

        assert is_added(shop, 5)


# --- with the dashboard ---------------------------------------------------------------------------------


@pytest.fixture
def extra():
    """Give up where the dashboard's extra is not installed."""


def address_in(log: str) -> str:
    return re.search(r"dashboard \| +(http://127\.0\.0\.1:\d+/\?token=\S+)", log)[1]


def family_of(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


@pytest.mark.usefixtures("extra")
def test_the_dashboard_lets_in_shows_the_worker_and_ends_with_all(shop, tmp_path):
    with started("-A", "shop", "dev", "--port", "0", cwd=tmp_path) as command:
        command.wait_for("?token=")
        assert is_added(shop, 5)

        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        first = browser.open(address_in(command.log), timeout=20)
        tasks = browser.open(f"{first.url.partition('?')[0]}tasks", timeout=20).read().decode()
        family = family_of(command.process.pid)
        code = command.stop(signal.SIGTERM)

    assert first.status == 200
    assert "shop.add" in tasks
    assert (code, len(family) >= 3) == (0, True)
    assert not [process for process in family if process.is_running()]


@pytest.mark.usefixtures("extra")
def test_ctrl_c_ends_the_dashboard_too(shop, tmp_path):
    with terminal("-A", "shop", "dev", "--port", "0", cwd=tmp_path) as screen:
        screen.wait_for("?token=")
        screen.wait_for("worker celeriac@")
        family = family_of(screen.process.pid)
        os.kill(screen.process.pid, signal.SIGINT)

        assert screen.end() == 0

    assert len(family) >= 3
    assert not [process for process in family if process.is_running()]


@pytest.mark.usefixtures("extra")
def test_a_dashboard_that_is_killed_comes_back_and_the_worker_works_on(shop, tmp_path):
    with started("-A", "shop", "dev", "--port", "0", cwd=tmp_path) as command:
        command.wait_for("?token=")
        [dashboard] = [
            process
            for process in psutil.Process(command.process.pid).children()
            if "dashboard" in process.cmdline()
        ]
        dashboard.kill()
        command.wait_for("dashboard was killed by signal 9: starting it again")
        wait_until(lambda: command.log.count("?token=") == 2, 30, what="the next dashboard")

        assert is_added(shop, 5)


@pytest.mark.usefixtures("extra")
def test_a_port_that_is_taken_is_told_before_anything_starts(ran, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = invoke("-A", "shop", "dev", "--port", str(taken.getsockname()[1]))

    assert answer.code == Exit.USAGE
    assert "in use; choose another port" in answer.err
    assert answer.attempts == ["celeriac -A shop dev --port 0"]
    assert ran == []


@pytest.mark.usefixtures("extra")
@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_it_shows_the_dashboard_to_this_machine_only(ran, host):
    answer = invoke("-A", "shop", "dev", "--host", host)

    assert answer.code == Exit.USAGE
    assert answer.attempts == [f"celeriac -A shop dashboard --host {host} --users users.json"]
    assert ran == []


# --- what it runs ---------------------------------------------------------------------------------------


@pytest.fixture
def ran(monkeypatch) -> list[tuple[list[Part], frozenset[int]]]:
    """What the command would have run."""
    seen = []

    class Recorder:
        def __init__(self, parts, say, *, final=FINAL, watch=None, mended=()):
            seen.append((parts, final))

        def run(self) -> int:
            return 0

    monkeypatch.setattr(dev, "Together", Recorder)
    for name in [name for name in os.environ if name.startswith("CELERIAC_")]:
        monkeypatch.delenv(name)
    return seen


def words_of(ran) -> dict[str, str]:
    [(parts, _)] = ran
    return {part.name: " ".join(part.words) for part in parts}


def test_every_part_gets_what_is_for_all(ran, monkeypatch):
    monkeypatch.setattr(dev, "_has_dashboard", lambda _: True)

    answer = invoke(
        *("-A", "shop", "-b", "sqlite:///x.db", "--namespace", "n", "-q", "dev", "-Q", "a,b", "-c", "2"),
        *("--processes", "3", "-l", "debug", "--host", "127.0.0.1", "--port", "0"),
    )

    assert answer.code == 0
    shared = "-A shop -b sqlite:///x.db --namespace n -q"
    assert words_of(ran) == {
        "worker": f"{shared} worker --processes 3 --loglevel DEBUG --reload --queues a,b --concurrency 2",
        "dashboard": f"{shared} dashboard --host 127.0.0.1 --port 0",
    }


def test_with_reload_nothing_ends_of_broken_code(ran):
    invoke("-A", "shop", "dev", "--no-dashboard")
    invoke("-A", "shop", "dev", "--no-dashboard", "--no-reload")

    assert [final for _, final in ran] == [FINAL - {Exit.APPLICATION}, FINAL]


def test_what_is_missing_is_told_and_the_rest_runs(ran, monkeypatch):
    monkeypatch.setattr(dev.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setitem(dev_commands(), "dashboard", "dashboard")

    answer = invoke("-A", "shop", "dev")

    assert "pip install 'celeriac[reload]'" in answer.err
    assert "pip install 'celeriac[dashboard]'" in answer.err
    assert words_of(ran) == {"worker": "-A shop worker --processes 1 --loglevel INFO"}


def test_a_version_without_a_dashboard_says_so(ran, monkeypatch):
    monkeypatch.delitem(dev_commands(), "dashboard", raising=False)

    answer = invoke("-A", "shop", "dev")

    assert "this version has no dashboard" in answer.err
    assert list(words_of(ran)) == ["worker"]


def dev_commands() -> dict[str, str]:
    from celeriac.cli.program import COMMANDS

    return COMMANDS


def test_it_is_not_for_production(ran):
    answer = invoke("-A", "shop", "dev", env={"CELERIAC_ENV": "production"})

    assert answer.code == Exit.USAGE
    assert answer.attempts == ["celeriac -A shop worker"]
    assert ran == []


def test_without_an_application_it_says_which_may_be_meant(ran, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("shop.py").write_text(MODULE)

    answer = invoke("dev")

    assert answer.code == Exit.USAGE
    assert answer.attempts == ["celeriac -A shop dev"]
