"""Running the command line: in this process where that will do, as a real one, or in a pseudo-terminal."""

import json
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner

from celeriac.cli.program import program
from tests.waiting import wait_until

DEADLINE = 30.0
UPDATE_KEYS = {
    *("id", "state", "ready", "current", "total", "status", "meta", "result", "error", "error_type"),
}


class Answer(msgspec.Struct, frozen=True):
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[Any]:
        """The JSON objects that it said; fails when a line is none."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def attempts(self) -> list[str]:
        """The commands that it said to try."""
        return [line.removeprefix("try: ") for line in self.err.splitlines() if line.startswith("try: ")]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what would configure the command, and with *more*."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CELERIAC_") and name not in ("NO_COLOR", "PYTHONWARNINGS")
    } | more


def assert_attempts_parse(answer: Answer) -> None:
    """Fail unless every `try:` line is a command that can be typed."""
    for line in answer.attempts:
        words = shlex.split(line)
        if words[:2] == ["pip", "install"]:
            continue
        assert words[0] == "celeriac", line
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(click.Command, "invoke", lambda _self, _context: 0)
            result = CliRunner().invoke(program, words[1:])
        assert result.exit_code == 0, f"{line!r} does not parse: {result.stderr}"


def invoke(*words: str, stdin: str | None = None, env: dict[str, str] | None = None) -> Answer:
    """Run the program in this process."""
    result = CliRunner().invoke(program, list(words), input=stdin, env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    answer = Answer(result.exit_code, result.stdout, result.stderr)
    assert_told_well(answer)
    return answer


def run(*words: str, cwd: Path, stdin: str = "", **env: str) -> Answer:
    """Run the program as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "celeriac", *words],
        cwd=cwd,
        input=stdin,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    answer = Answer(done.returncode, done.stdout, done.stderr)
    assert_told_well(answer)
    return answer


def assert_told_well(answer: Answer) -> None:
    """Fail for a traceback of our own, for control characters, and for commands that do not parse."""
    assert answer.code != 70, answer.err
    assert "celeriac/cli" not in answer.err
    shown = (answer.out + answer.err).replace("\n", "").replace("\t", "")
    assert all(character >= " " and character != "\x7f" for character in shown)
    assert_attempts_parse(answer)


class Terminal:
    """A program in a pseudo-terminal."""

    def __init__(self, process: "subprocess.Popen[bytes]", master: int) -> None:
        self.process = process
        self._master = master
        self.shown = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def wait_for(self, text: str) -> None:
        """Read until *text* is on the terminal."""
        deadline = time.monotonic() + DEADLINE
        while text not in self.shown:
            assert time.monotonic() < deadline, f"{text!r} never came: {self.shown!r}"
            assert self._read(), f"{text!r} never came, the program has ended: {self.shown!r}"

    def end(self) -> int:
        """Read until the program has ended; return its exit code."""
        while self._read():
            pass
        return self.process.wait(DEADLINE)

    def _read(self) -> bool:
        readable, _, _ = select.select([self._master], [], [], DEADLINE)
        assert readable, f"nothing came for {DEADLINE} s: {self.shown!r}"
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)


@contextmanager
def terminal(*words: str, cwd: Path, **env: str) -> Iterator[Terminal]:
    """Run the program in a pseudo-terminal of 100 columns and 12 lines."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "celeriac", *words],
        cwd=cwd,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(TERM="xterm-256color", COLUMNS="100", LINES="12", **env),
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(DEADLINE)
        os.close(master)


class Reader:
    """A program whose output is read line by line while it runs."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []

    def wait_for(self, text: str) -> None:
        """Read until a line with *text* has come."""
        while not any(text in line for line in self.lines):
            line = self.process.stdout.readline()
            assert line, f"{text!r} never came: {self.lines}"
            self.lines.append(line.rstrip("\n"))

    def end(self) -> int:
        """Read the rest; return the exit code."""
        self.lines += self.process.stdout.read().splitlines()
        return self.process.wait(DEADLINE)


@contextmanager
def reading(*words: str, cwd: Path) -> Iterator[Reader]:
    """Run the program as a process of its own, and look on."""
    command = [sys.executable, "-m", "celeriac", *words]
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            yield Reader(process)
        finally:
            process.kill()


class Worker:
    """A command that runs on, such as `celeriac worker`, and what it writes."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.log or self._ended(), 30, what=f"{text!r} in the worker's log")
        assert text in self.log, self.log

    def _ended(self) -> bool:
        return self.process.poll() is not None

    def stop(self, sign: int = signal.SIGTERM) -> int:
        self.process.send_signal(sign)
        return self.process.wait(30)


@contextmanager
def started(*words: str, cwd: Path, **env: str) -> Iterator[Worker]:
    """Start a command that runs on; it ends with the block."""
    log = cwd / "worker.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "celeriac", *words],
            cwd=cwd,
            env=environment(PYTHONDONTWRITEBYTECODE="1", **env),
            stdout=file,
            stderr=file,
            text=True,
        )
    try:
        yield Worker(process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait(20)


def write_app(folder: Path, name: str = "tasks", **settings: object) -> Path:
    """Write a module with an application and one task on a SQLite file."""
    path = folder / f"{name}.py"
    path.write_text(
        "from celeriac import Celeriac\n"
        f"app = Celeriac({name!r}, broker='sqlite:///{folder}/{name}.db', **{settings!r})\n"
        f"@app.task(name='{name}.add')\n"
        "def add(x: int, y: int) -> int:\n"
        "    return x + y\n"
    )
    return path
