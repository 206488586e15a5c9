"""An application with a dashboard, on a store in memory."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from celeriac import Celeriac
from celeriac.dashboard import dashboard
from tests.dashboard.client import Client


@pytest.fixture
def app() -> Iterator[Celeriac]:
    with Celeriac("shop", broker="memory://") as app:

        @app.task(name="shop.add")
        def add(a, b=0):
            return a + b

        yield app


@pytest.fixture
def client_for(app: Celeriac) -> Callable[..., Client]:
    """Make a client of a dashboard for somebody: `client_for("viewer", read_only=True)`."""

    def make(role: Any = "admin", **options: Any) -> Client:
        return Client(dashboard(app, access=lambda request: role, **options))

    return make


@pytest.fixture
def client(client_for: Callable[..., Client]) -> Client:
    return client_for()
