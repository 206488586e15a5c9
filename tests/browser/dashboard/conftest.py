"""A dashboard as a server of its own, and what the browser tests share."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from celeriac import Celeriac
from celeriac.clock import SystemClock
from celeriac.dashboard import guard
from celeriac.dashboard.access import Access, Open
from celeriac.dashboard.serve import Server, listening
from celeriac.dashboard.site import Site
from tests.dashboard import shop


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
    """Start `celeriac …` as a process of its own; what it prints is in `program.out`."""
    with ExitStack() as stack:

        def start(*words: str, **environment: str) -> psutil.Popen:
            process = psutil.Popen(
                [sys.executable, "-m", "celeriac", *words],
                cwd=tmp_path,
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
