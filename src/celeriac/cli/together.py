"""Several commands as one: each a process whose lines are told with its name before them, ended together.

What dies is started again, after a pause that grows, unless it says that this would be in vain.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from celeriac.cli.codes import Exit

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
LIVED: Final = 10.0  # seconds after which a death is the first one again
LAST_LINES: Final = 2.0  # seconds for what a part's own processes still say after its end
LOOK: Final = 0.2

# What nothing but another command line or other code mends; and an end without an error was meant.
FINAL: Final = frozenset({Exit.OK, Exit.USAGE, Exit.APPLICATION})

Say = Callable[[str, str], None]
Watch = Callable[[Callable[[], None]], Callable[[], None]]


class Part(msgspec.Struct, frozen=True):
    """One of the commands.

    Attributes:
        words: what stands behind `celeriac`.
    """

    name: str
    words: tuple[str, ...]


class _Running:
    """A part's process, while there is one."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.process: subprocess.Popen[str] | None = None
        self.reader: threading.Thread | None = None
        self.started = 0.0
        self.pause = FIRST_PAUSE
        self.due: float | None = 0.0  # when to start it; None: it runs, waits, or has ended for good
        self.waits = False  # for a file to change

    @property
    def runs(self) -> bool:
        return self.process is not None


class Together:
    """Runs *parts* until a signal comes, or one of them ends for good.

    Args:
        say: is told the name of a part, "" for none of them, and a line.
        final: exit codes after which a part is not started again, and everything ends.
        watch: calls what it is given after each change of a file, in a thread, and returns what ends that;
            None where changes are not noticed. A part that ends with one of *mended* waits for the next one.
        command: what runs the words of a part; for tests.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        say: Say,
        *,
        final: Collection[int] = FINAL,
        watch: Watch | None = None,
        mended: Collection[int] = (),
        command: Sequence[str] = (sys.executable, "-m", "celeriac"),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._parts = [_Running(part) for part in parts]
        self._command = tuple(command)
        self._environment = {**(os.environ if environment is None else environment), "PYTHONUNBUFFERED": "1"}
        self._told, self._final = say, final
        self._watch, self._mended = watch, mended
        self._changed = threading.Event()
        self._speaking = threading.Lock()
        self._signals = self._handled = 0
        self._code: int | None = None  # how all of it ends, once that is known

    def run(self) -> int:
        """Run; return the exit code."""
        ear, mouth = socket.socketpair()
        for end in (ear, mouth):
            end.setblocking(False)
        before = self._take_signals(mouth)
        unwatch = None if self._watch is None else self._watch(self._changed.set)
        try:
            while self._code is None or any(part.runs for part in self._parts):
                self._obey_signals()
                self._take_changes()
                self._start_due()
                select.select([ear], [], [], LOOK)
                with contextlib.suppress(BlockingIOError):
                    ear.recv(4096)
                self._bury()
        finally:
            if unwatch is not None:
                unwatch()
            for part in self._parts:  # only after an error of ours
                self._signal(part, signal.SIGKILL)
            signal.set_wakeup_fd(-1)
            for number, handler in before:
                signal.signal(number, handler)
            ear.close()
            mouth.close()
        return self._code

    # --- signals ------------------------------------------------------------------------------------

    def _take_signals(self, mouth: socket.socket) -> list[Any]:
        def on_signal(number: int, _: Any) -> None:
            if number != signal.SIGCHLD:
                self._signals += 1

        numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGCHLD]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` has it
            numbers.append(signal.SIGHUP)
        before: list[Any] = [(number, signal.signal(number, on_signal)) for number in numbers]
        signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
        return before

    def _obey_signals(self) -> None:
        """Stop at the first one; the second one is handed on as such; the third one kills."""
        while self._handled < self._signals:
            self._handled += 1
            words = ("stopping; once more: at once", "stopping at once; once more: kill", "killing")
            self._say("", words[min(self._handled, 3) - 1])
            self._stop(Exit.OK, signal.SIGTERM if self._handled < 3 else signal.SIGKILL)

    def _stop(self, code: int, number: signal.Signals = signal.SIGTERM) -> None:
        if self._code is None:
            self._code = int(code)
        for part in self._parts:
            part.due = None
            self._signal(part, number)

    def _signal(self, part: _Running, number: signal.Signals) -> None:
        """Signal a part: the process itself, which tells its own; but all of them to kill."""
        if part.process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if number is signal.SIGKILL:
                os.killpg(part.process.pid, number)
            else:
                part.process.send_signal(number)

    # --- starting and burying -----------------------------------------------------------------------

    def _take_changes(self) -> None:
        """Start what has waited for a change."""
        if not self._changed.is_set():
            return
        self._changed.clear()
        for part in self._parts:
            if part.waits and self._code is None:
                part.waits, part.due = False, 0.0

    def _start_due(self) -> None:
        for part in self._parts:
            if part.due is not None and part.due <= time.monotonic():
                part.due = None
                self._start(part)

    def _start(self, part: _Running) -> None:
        part.started = time.monotonic()
        part.process = process = subprocess.Popen(  # noqa: S603 - our own program, by our own interpreter
            [*self._command, *part.part.words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            cwd=Path.cwd(),
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C comes to us alone: a part has it from us, once
        )
        part.reader = threading.Thread(
            target=self._read, args=(part.part.name, process), name=f"celeriac-{part.part.name}", daemon=True
        )
        part.reader.start()

    def _read(self, name: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._say(name, line.rstrip("\r\n"))

    def _say(self, name: str, line: str) -> None:
        with self._speaking:
            self._told(name, line)

    def _bury(self) -> None:
        for part in self._parts:
            if part.process is not None and (code := part.process.poll()) is not None:
                self._end(part, code)

    def _end(self, part: _Running, code: int) -> None:
        name, part.process = part.part.name, None
        if part.reader is not None:
            part.reader.join(LAST_LINES)
        if self._code is not None:
            return
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        if code in self._final:
            others = "" if len(self._parts) == 1 else ": so does everything else"
            self._say("", f"{name} {how}{others}")
            self._stop(code)
            return
        if self._watch is not None and code in self._mended:
            self._say("", f"{name} {how}: waiting for a file to change")
            part.waits = True
            return
        if time.monotonic() - part.started > LIVED:
            part.pause = FIRST_PAUSE
        self._say("", f"{name} {how}: starting it again in {part.pause:g} s")
        part.due = time.monotonic() + part.pause
        part.pause = min(LONGEST_PAUSE, part.pause * 2)
