"""A dashboard of a site as a process of its own, those who look at it, and a browser."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import psutil

from benchmarks.site import Site
from tools import chromium

ROOT: Final = Path(__file__).resolve().parents[1]
PATIENCE: Final = 30.0


class Dashboard:
    """A running `celeriac dashboard`, and the cookie that it has given us."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self._process = process
        parts = urlsplit(address)
        self.host, self.port = parts.hostname or "", parts.port or 0
        self.url = f"http://{self.host}:{self.port}"
        self.process = psutil.Process(process.pid)
        self.cookie = self._let_in(f"/?{parts.query}")

    def cpu(self) -> float:
        """Return the seconds that it has computed."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection to it."""
        return http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)

    def time_of(self, connection: http.client.HTTPConnection, path: str) -> tuple[float, str]:
        """Return the milliseconds until a page was here, and the page."""
        began = time.monotonic()
        connection.request("GET", path, headers={"cookie": self.cookie})
        answer = connection.getresponse()
        body = answer.read()
        spent = 1e3 * (time.monotonic() - began)
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path} was answered with {answer.status}")
        return spent, body.decode()

    def end(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.communicate(timeout=PATIENCE)

    def _let_in(self, path: str) -> str:
        connection = self.connect()
        connection.request("GET", path)
        cookie = connection.getresponse().getheader("set-cookie") or ""
        connection.close()
        return cookie.partition(";")[0]


@contextlib.contextmanager
def dashboard(here: Site) -> Iterator[Dashboard]:
    """Run the dashboard of *here*."""
    process = subprocess.Popen(
        [sys.executable, "-m", "celeriac", "--json", "-A", "benchmarks.work:app", "dashboard", "--port", "0"],
        cwd=ROOT,
        env=os.environ | {"CELERIAC_BROKER_URL": here.url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    running = Dashboard(process, msgspec.json.decode(process.stdout.readline())["url"])
    try:
        yield running
    finally:
        running.end()


@contextlib.contextmanager
def watched(here: Site, pages: Sequence[str]) -> Iterator[None]:
    """Run the dashboard of *here* with these pages held open, each by a stream as a browser holds it."""
    with dashboard(here) as running:
        connections = [running.connect() for _ in pages]
        readers = []
        for connection, page in zip(connections, pages, strict=True):
            connection.request("GET", f"/live?view={page}&since=", headers={"cookie": running.cookie})
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                raise RuntimeError(f"the stream of {page} was answered with {answer.status}")
            readers.append(threading.Thread(target=_read_on, args=(answer,), daemon=True))
            readers[-1].start()
        try:
            yield
        finally:
            running.end()
            for reader in readers:
                reader.join(PATIENCE)


def _read_on(answer: http.client.HTTPResponse) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        while answer.read1(65_536):
            pass


@contextlib.contextmanager
def browser(running: Dashboard, home: Path) -> Iterator[Any]:
    """Yield a page of a browser that the dashboard knows."""
    from tests.browsers import Chromium

    program = chromium.find()
    if program is None:
        raise SystemExit(chromium.HOW_TO_GET)
    started = Chromium(program.path, home)
    try:
        with started.page() as page:
            name, _, value = running.cookie.partition("=")
            page.context.add_cookies([{"name": name, "value": value, "url": running.url}])
            yield page
            page.goto("about:blank")
    finally:
        started.close()
