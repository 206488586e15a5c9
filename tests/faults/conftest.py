"""What the fault tests share: a store, the shop's application on it, and worker commands that always end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from celeriac import Celeriac
from tests.faults.workers import WorkerCommand


@pytest.fixture(params=["sqlite", "redis"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shop.db"
    return str(request.getfixturevalue("start_redis")().url)


@pytest.fixture
def shop(store_url: str, tmp_path: Path) -> Iterator[Celeriac]:
    os.environ["SHOP_MARKS"] = str(tmp_path)
    from tests.faults.shop import app

    app.close()
    app.conf.broker_url = store_url
    yield app
    app.close()


@pytest.fixture
def start_beat(start_worker: Callable[..., WorkerCommand]) -> Callable[..., WorkerCommand]:
    return lambda: start_worker(command="beat")


@pytest.fixture
def start_worker(store_url: str, tmp_path: Path) -> Iterator[Callable[..., WorkerCommand]]:
    started: list[WorkerCommand] = []

    def start(*args: str, **options: str) -> WorkerCommand:
        worker = WorkerCommand(store_url, tmp_path, *args, **options)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()
