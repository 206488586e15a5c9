"""An application whose tasks wait for the test, and the command line beside it; a plugin of pytest."""

import itertools
import os
import sys
import threading
from pathlib import Path

import pytest

from celeriac import Celeriac
from tests.integration.command_line import invoke, run

STORES = ("sqlite", pytest.param("redis", marks=pytest.mark.redis))

_numbers = itertools.count(1)


class Shop:
    """An application whose tasks wait for the test, and the command line beside it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.app = Celeriac(f"cli-{next(_numbers)}", broker=url, set_as_current=False)
        self.where = ("-b", url, "--namespace", self.app.main)
        self.folder = folder
        self.reached, self.go_on = threading.Event(), threading.Event()
        shop = self

        @self.app.task(name="shop.add")
        def add(x: int, y: int = 0) -> int:
            return x + y

        @self.app.task(name="shop.greet")
        def greet(name: str) -> str:
            return name

        @self.app.task(name="shop.fail")
        def fail(message: str) -> None:
            raise ValueError(message)

        @self.app.task(name="shop.long", bind=True)
        def long(self) -> str:
            self.update_state(
                state="PROGRESS", meta={"current": 3, "total": 4, "status": "three \x1b[31m of four"}
            )
            shop.reached.set()
            assert shop.go_on.wait(20)
            return "done"

        self.add, self.greet, self.fail, self.long = add, greet, fail, long

    def cli(self, *words: str, **more):
        return invoke(*self.where, *words, **more)

    def run(self, *words: str, **more):
        return run(*self.where, *words, cwd=self.folder, **more)

    def close(self) -> None:
        self.go_on.set()
        self.app.close()


@pytest.fixture(params=STORES)
def shop(request, url_of, tmp_path, monkeypatch):
    for name in ("CELERIAC_APP", "CELERIAC_BROKER_URL", "CELERIAC_NAMESPACE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    shop = Shop(url_of(request.param), tmp_path)
    shop.app.broker.open()
    yield shop
    shop.close()


@pytest.fixture
def working(shop):
    with shop.app.embedded(queues=["default", "other"]):
        yield shop
        shop.go_on.set()


@pytest.fixture
def empty_project(tmp_path, monkeypatch):
    """An empty folder is the current one, nothing comes from the environment, its modules are forgotten."""
    for name in [name for name in os.environ if name.startswith("CELERIAC_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]
