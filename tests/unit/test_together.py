"""Commands that run as one: whose line it is, who is started again, and how all of it ends."""

import os
import signal
import sys
import threading
from pathlib import Path

import psutil
import pytest

from celeriac.cli import together
from celeriac.cli.codes import Exit
from celeriac.cli.together import FINAL, Part, Together

SOON = 20.0
WAIT = "import signal; print('here', flush=True); signal.pause()"
STUBBORN = "import signal; signal.signal(15, lambda *_: print('no', flush=True)); print('here', flush=True)\n"
STUBBORN += "while True: signal.pause()"


class Stage:
    """Runs parts in this process's main thread, and does what was ordered when a line comes."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[tuple[str, str]] = []
        self.orders: list[tuple[str, int]] = []
        self.folder = folder

    def say(self, name: str, line: str) -> None:
        self.lines.append((name, line))
        for order in [each for each in self.orders if each[0] in line][:1]:
            self.orders.remove(order)
            os.kill(os.getpid(), order[1])

    def run(self, **parts: str) -> int:
        made = [Part(name, (code,)) for name, code in parts.items()]
        return Together(made, self.say, command=(sys.executable, "-c")).run()

    def of(self, name: str) -> list[str]:
        return [line for who, line in self.lines if who == name]


@pytest.fixture
def stage(monkeypatch, tmp_path) -> Stage:
    monkeypatch.setattr(together, "FIRST_PAUSE", 0.01)
    stage, before = Stage(tmp_path), psutil.Process().children(recursive=True)
    wait = threading.Timer(SOON, os.kill, (os.getpid(), signal.SIGTERM))  # a test that hangs says so
    wait.daemon = True
    wait.start()
    yield stage
    wait.cancel()
    assert not set(psutil.Process().children(recursive=True)) - set(before)


def test_each_line_is_told_with_its_name(stage):
    code = stage.run(a="import sys; print('one'); print('two', file=sys.stderr)")

    assert code == 0
    assert sorted(stage.of("a")) == ["one", "two"]
    assert stage.of("") == ["a ended with status 0"]


def test_bytes_that_are_no_text_are_told_all_the_same(stage):
    stage.run(a=r"import os; os.write(1, b'\xff\xfe\n')")

    assert stage.of("a") == ["\ufffd\ufffd"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_ends_all_and_is_no_failure(stage, number):
    stage.orders = [("here", number)]

    assert stage.run(a=WAIT, b=WAIT) == 0
    assert stage.of("") == ["stopping; once more: at once"]


def test_the_third_signal_kills(stage):
    stage.orders = [("here", signal.SIGINT), ("no", signal.SIGINT), ("no", signal.SIGINT)]

    assert stage.run(a=STUBBORN) == 0
    assert stage.of("")[-1] == "killing"


def test_what_dies_is_started_again(stage, tmp_path):
    file = tmp_path / "starts"
    died = f"file = {str(file)!r}; open(file, 'a').write('x'); "
    died += "import sys; sys.exit(9 if len(open(file).read()) < 3 else 0)"

    assert stage.run(a=died) == 0
    assert Path(file).read_text() == "xxx"
    assert stage.of("") == [
        "a ended with status 9: starting it again in 0.01 s",
        "a ended with status 9: starting it again in 0.02 s",
        "a ended with status 0",
    ]


def test_what_is_killed_is_told_with_the_signal(stage, tmp_path):
    file = tmp_path / "once"
    died = f"import os, pathlib; file = pathlib.Path({str(file)!r}); was = file.exists(); file.touch()"
    died += "; was or os.kill(os.getpid(), 9)"

    stage.run(a=died)

    assert stage.of("")[0] == "a was killed by signal 9: starting it again in 0.01 s"


@pytest.mark.parametrize("code", [Exit.USAGE, Exit.APPLICATION])
def test_a_code_that_nothing_mends_ends_all_with_it(stage, code):
    assert stage.run(a=WAIT, b=f"import sys; sys.exit({int(code)})") == code
    assert stage.of("") == [f"b ended with status {int(code)}: so does everything else"]


def test_pauses_grow_to_an_end(stage, monkeypatch):
    monkeypatch.setattr(together, "LONGEST_PAUSE", 0.02)
    stage.orders = [("in 0.02 s", 0), ("in 0.02 s", 0), ("in 0.02 s", signal.SIGTERM)]

    assert stage.run(a="import sys; sys.exit(9)") == 0
    assert [line.rpartition(" in ")[2] for line in stage.of("")][:4] == [
        "0.01 s",
        "0.02 s",
        "0.02 s",
        "0.02 s",
    ]


def test_what_only_a_change_can_mend_waits_for_one_and_is_started_then(stage):
    changes = []

    def watch(changed):
        changes.append(changed)
        return lambda: changes.append("ended")

    def say(name, line):
        stage.say(name, line)
        if "waiting for a file" in line:
            Path(mended).touch()
            changes[0]()

    mended = stage.folder / "mended"
    code = f"import os, sys; sys.exit(0 if os.path.exists({str(mended)!r}) else {Exit.APPLICATION:d})"
    parts = [Part("a", (code,))]

    ended = Together(
        parts,
        say,
        final=FINAL - {Exit.APPLICATION},
        watch=watch,
        mended={Exit.APPLICATION},
        command=(sys.executable, "-c"),
    ).run()

    assert ended == 0
    assert stage.of("") == ["a ended with status 5: waiting for a file to change", "a ended with status 0"]
    assert changes[-1] == "ended"
