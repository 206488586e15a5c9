"""The kinds of stores that the contract is checked on: what is said of each, and where pytest finds them."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final

import msgspec
import pytest

from celeriac.broker import Broker
from celeriac.brokers import connect
from celeriac.keyring import Security

Connect = Callable[..., Broker]

OPTION: Final = "--celeriac-store"
SETTING: Final = "celeriac_stores"

_KINDS: Final = pytest.StashKey["list[StoreKind]"]()


class StoreKind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of store, and what the tests may expect of it.

    Attributes:
        name: what it is called in the names of the tests.
        new: gives a context manager that makes one empty store and removes it at its end. Its value is a
            function that makes a broker object on that store; the function takes the options `retention`
            and `dead_retention`, in seconds.
        between_processes: several broker objects see the same store, in other processes too. `pickle` must
            then be able to take the function there, as it does `functools.partial(MyBroker, url)`. Of other
            kinds only one broker object is made for each store.
        proves_deaths: `locally_dead` knows at once of a process that was killed.
        expires_by_itself: the store drops old records by a clock of its own, and `tend` need not.
        lockstep: how many examples the lockstep test gets, as a share of the usual number. 0 is for the
            memory store itself: that is what the others have to keep in step with.
        security: seal what goes in and open what comes out, as the setting `security_keys` does.
        marks: names of pytest's marks for its tests.
    """

    name: str
    new: Callable[[], AbstractContextManager[Connect]]
    between_processes: bool = True
    proves_deaths: bool = True
    expires_by_itself: bool = False
    lockstep: float = 1.0
    security: Security | None = None
    marks: tuple[str, ...] = ()


# --- those that come with Celeriac ------------------------------------------------------------------


@contextmanager
def _new_memory() -> Iterator[Connect]:
    yield partial(connect, "memory://")


@contextmanager
def _new_sqlite() -> Iterator[Connect]:
    with tempfile.TemporaryDirectory(prefix="contract-") as folder:
        yield partial(connect, f"sqlite:///{folder}/store.db")


MEMORY: Final = StoreKind(
    name="memory", new=_new_memory, between_processes=False, proves_deaths=False, lockstep=0.0
)
SQLITE: Final = StoreKind(name="sqlite", new=_new_sqlite)


# --- those that pytest is told of -------------------------------------------------------------------


def kinds_of(config: pytest.Config) -> list[StoreKind]:
    """Return the kinds that the option names, else those of the setting, else memory and SQLite.

    Raises:
        pytest.UsageError: there is nothing of that name, or it is no kind of store.
    """
    if _KINDS not in config.stash:
        references = config.getoption(OPTION) or config.getini(SETTING)
        kinds = [kind for reference in references for kind in _load(reference)]
        config.stash[_KINDS] = kinds or [MEMORY, SQLITE]
    return config.stash[_KINDS]


def _load(reference: str) -> list[StoreKind]:
    """Return what `module:name` stands for: kinds, one kind, or the function that makes its stores."""
    module, _, name = reference.partition(":")
    if not module or not name:
        raise pytest.UsageError(f"{OPTION} {reference}: write module:name, as in shop.testing:new_store")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise pytest.UsageError(
            f"{OPTION} {reference}: {error}. Is it installed, or is its folder on PYTHONPATH?"
        ) from error
    return [_as_kind(each, reference) for each in (found if isinstance(found, list | tuple) else [found])]


def _as_kind(found: Any, reference: str) -> StoreKind:
    if isinstance(found, StoreKind):
        return found
    if isinstance(found, type) or not callable(found):
        raise pytest.UsageError(
            f"{OPTION} {reference} is {found!r}; it must be a function with @contextmanager that makes one "
            f"empty store, or a celeriac.testing.contract.StoreKind that says more of it"
        )
    return StoreKind(name=reference.partition(":")[2], new=found)
