"""The programs beside the page: started, watched, replaced when they die, ended together."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
QUICK_DEATH_SECONDS = 20.0  # on a busy machine it takes that long to find out that it cannot run
STOP_SECONDS = 60.0


class Program:
    """One `celeriac` command as a process. Killed, it is replaced; if it dies at once, there is no hope."""

    def __init__(
        self, name: str, words: Sequence[str], *, on_start: str = "", on_hopeless: Callable[[], None]
    ) -> None:
        """*words* stand behind `celeriac -A tasks`; *on_start* is told at each start, with the process id."""
        self.name = name
        self._words = words
        self._told = on_start
        self._on_hopeless = on_hopeless
        self.hopeless = False
        self._stopping = False
        self._lock = threading.Lock()  # no replacement starts while we stop
        self._process = self._start()
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self, word: str = "") -> None:
        """Let it end in order; a second Ctrl-C makes it quicker. *word* is told if it still runs."""
        with self._lock:
            self._stopping = True
        if self._process.poll() is not None:
            return
        if word:
            say(word)
        deadline = time.monotonic() + STOP_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            self._process.terminate()
            try:
                self._process.wait(max(0.0, deadline - time.monotonic()))
            except (KeyboardInterrupt, subprocess.TimeoutExpired):
                continue
        self._process.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        """Start it in a process group of its own: Ctrl-C in the terminal is for us to pass on."""
        process = subprocess.Popen(
            [sys.executable, "-m", "celeriac", "-A", "tasks", *self._words],
            cwd=HERE,  # where tasks.py is; `worker --reload` watches this folder
            process_group=0,
        )
        if self._told:
            say(self._told.format(pid=process.pid))
        return process

    def _watch(self) -> None:
        while self._outlived(self._process):
            pass

    def _outlived(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait for the end of *process*; return whether another one runs in its place."""
        started = time.monotonic()
        code = process.wait()
        with self._lock:
            if self._stopping:
                return False
            if code > 0 and time.monotonic() - started < QUICK_DEATH_SECONDS:
                say(f"The {self.name} could not run (exit code {code}).")
                self.hopeless = True
                self._on_hopeless()
                return False
            say(f"The {self.name} has ended (exit code {code}). Starting another.")
            self._process = self._start()
            return True


def say(sentence: str) -> None:
    print(sentence, flush=True)
