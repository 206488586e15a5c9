"""An application on each store, and what its tests share."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from celeriac import Celeriac
from tests.integration import isolated_jobs
from tests.plugin import redis_program_or_give_up
from tests.servers import RedisServer
from tools import redis_server as redis_programs

STORES = ("memory", "sqlite", pytest.param("redis", marks=pytest.mark.redis))

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def integration_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for all tests here, Redis before Valkey; applications are kept apart by their names."""
    from tests.plugin import redis_program

    kind = next(filter(redis_program, redis_programs.KINDS), "redis")
    server = RedisServer(
        kind, redis_program_or_give_up(kind), tmp_path_factory.mktemp(kind), args=(), config=""
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
def url_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Return the URL of an empty store of a kind."""

    def url_of(kind: str) -> str:
        if kind == "memory":
            return "memory://"
        if kind == "sqlite":
            return f"sqlite:///{tmp_path}/{next(_numbers)}.db"
        return request.getfixturevalue("integration_redis").url

    return url_of


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, url_of: Callable[[str], str]) -> str:
    """The URL of an empty store, for each kind."""
    return url_of(request.param)


@pytest.fixture
def app(url: str) -> Iterator[Celeriac]:
    """An application on each store."""
    with Celeriac(f"test-{next(_numbers)}", broker=url) as app:
        yield app


@pytest.fixture
def memory_app() -> Iterator[Celeriac]:
    """An application on the memory store, for what does not depend on the store."""
    with Celeriac(f"test-{next(_numbers)}", broker="memory://") as app:
        yield app


@pytest.fixture
def isolated(url_of: Callable[[str], str]) -> Iterator[Callable[..., AbstractContextManager[Celeriac]]]:
    """Run a worker of the application in `isolated_jobs`, whose tasks fresh processes can find."""

    @contextmanager
    def isolated(kind: str = "memory", **options) -> Iterator[Celeriac]:
        app = isolated_jobs.app
        app.close()  # a result of the test before may have opened its store again
        app.conf.update(broker_url=url_of(kind), namespace=f"isolated-{next(_numbers)}")
        try:
            with app.embedded(**options):
                yield app
        finally:
            app.close()

    return isolated
