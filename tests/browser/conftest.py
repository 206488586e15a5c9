"""The example's site on each store, and what the browser tests read off its page."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.browser.site import Site

OpenSite = Callable[..., Site]


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.redis)])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store of each kind. Ask for it before ``open_site``, so that it ends later."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'celeriac.db'}"
    return str(request.getfixturevalue("start_redis")().url)


@pytest.fixture
def open_site(tmp_path: Path) -> Iterator[OpenSite]:
    """Start a web page and a worker: ``open_site(broker, task_seconds=4)``; a SQLite file by default."""
    with ExitStack() as stack:

        def start(broker: str = "", *, task_seconds: float = 4, worker: bool = True) -> Site:
            site = Site(
                broker or f"sqlite:///{tmp_path / 'celeriac.db'}", tmp_path, task_seconds=task_seconds
            )
            stack.callback(site.stop)
            site.start_web()
            if worker:
                site.start_worker()
            return site

        yield start
