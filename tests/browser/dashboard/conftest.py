"""A dashboard as a server of its own, and what the browser tests share."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from celeriac import Celeriac
from celeriac.clock import SystemClock
from celeriac.dashboard import guard
from celeriac.dashboard.access import Access, Open
from celeriac.dashboard.live import Live
from celeriac.dashboard.serve import Server, listening
from celeriac.dashboard.site import Site
from tests.browser.dashboard.world import World, build
from tests.dashboard import shop
from tests.leaks import shared_processes

ROOT = Path(__file__).parents[3]


class Served:
    """A dashboard in a thread of this process: tests change the store, and see it in the browser."""

    def __init__(self, app: Celeriac, access: Access | None = None, **options: Any) -> None:
        self.app = app
        self.site = Site(app, access or Open(), allowed_hosts=guard.LOOPBACK, **options)
        self._socket = listening("127.0.0.1", 0)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = Server(self.site)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(15)
        self._socket.close()
        self.site.checkup.wait()

    @property
    def readers(self) -> int:
        """How many pages are looked at again and again for somebody's browser."""
        [live] = [end.__self__ for end in self.site.at_end if isinstance(end.__self__, Live)]
        return len(live._readers)


@contextmanager
def dashboard_of(store: str) -> Iterator[str]:
    """Serve a dashboard of *store* in a process of its own, which tests may share; give its address."""
    process = psutil.Popen(
        [sys.executable, "-m", "tests.browser.dashboard.serving", store],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    shared_processes.add(process.pid)
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A dashboard with something hostile in every field, for those who only look; one for the whole run."""
    made = build(tmp_path_factory.mktemp("world"))
    with dashboard_of(made.store) as made.url:
        yield made


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Celeriac]:
    with Celeriac("shop", broker=f"sqlite:///{tmp_path}/shop.db", clock=SystemClock()) as app:
        yield app


@pytest.fixture
def tasks(app: Celeriac) -> Any:
    return shop.make(app)


@pytest.fixture
def serve(app: Celeriac) -> Iterator[Callable[..., Served]]:
    """Serve the dashboard of the application: `serve(read_only=True)`."""
    with ExitStack() as stack:

        def start(access: Access | None = None, **options: Any) -> Served:
            served = Served(app, access, **options)
            stack.callback(served.stop)
            return served

        yield start


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., psutil.Popen]]:
    """Start `celeriac …`, or `-m module …`, as a process of its own; what it prints is in its `stdout`."""
    with ExitStack() as stack:

        def start(*words: str, **environment: str) -> psutil.Popen:
            module = words if words[0] == "-m" else ("-m", "celeriac", *words)
            process = psutil.Popen(
                [sys.executable, *module],
                cwd=tmp_path,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )

            def end() -> None:
                if process.poll() is None:
                    process.terminate()
                process.communicate(timeout=20)
                process.stdout.close()

            stack.callback(end)
            return process

        yield start


@pytest.fixture(autouse=True)
def _the_page_is_left_before_its_server_ends(page: Any, serve: Any, program: Any) -> Iterator[None]:
    yield
    page.goto("about:blank")
