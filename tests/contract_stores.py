"""The kinds of stores that the contract is checked on here: `celeriac_stores` in pyproject.toml."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from msgspec.structs import replace

from celeriac.brokers import connect
from celeriac.keyring import Security
from celeriac.testing.contract import StoreKind
from celeriac.testing.contract.kinds import MEMORY, SQLITE, Connect
from tests.plugin import shared_server

KEYS = ("k" * 32,)

_numbers = itertools.count(1)


def on_server(kind: str) -> Callable[[], AbstractContextManager[Connect]]:
    """Return what makes stores on the run's own server of a kind, each under a name of its own."""

    @contextmanager
    def new() -> Iterator[Connect]:
        yield partial(connect, shared_server(kind).url, namespace=f"contract-{next(_numbers)}")

    return new


REDIS = StoreKind(name="redis", new=on_server("redis"), expires_by_itself=True, marks=("redis",))

# Valkey runs the very scripts that Redis runs, so lockstep needs to show only that it runs them alike.
VALKEY = replace(REDIS, name="valkey", new=on_server("valkey"), lockstep=0.2)

ALL = (
    MEMORY,
    replace(MEMORY, name="signed memory", security=Security(KEYS, max_age=None)),
    replace(MEMORY, name="encrypted memory", security=Security(KEYS, encrypt=True, max_age=None)),
    SQLITE,
    REDIS,
    VALKEY,
)
