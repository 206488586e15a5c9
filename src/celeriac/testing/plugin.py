"""The pytest plugin: `celeriac_test`, tasks on their stage; and the names of stores to check.

It is there where Celeriac is installed; nothing of it is imported before a test asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from celeriac.testing.stage import Stage

_NOT_SET = (
    "which application? Set `celeriac_app = shop:app` in pytest's configuration (or CELERIAC_APP in the "
    "environment), or write a fixture `celeriac_app` that returns it"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings, and the option that names the stores to check."""
    parser.addini(
        "celeriac_app", "the application of the fixture celeriac_test, as module:attribute", default=""
    )
    parser.addini(
        "celeriac_stores",
        "the stores that celeriac.testing.contract checks",
        "linelist",
        default=[],
    )
    parser.getgroup("celeriac").addoption(
        "--celeriac-store",
        action="append",
        default=[],
        metavar="MODULE:NAME",
        help="a store for celeriac.testing.contract to check: what makes an empty one; may be repeated",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Look at once whether the stores that the option names are there."""
    if config.getoption("--celeriac-store"):
        from celeriac.testing.contract.kinds import kinds_of

        kinds_of(config)


@pytest.fixture
def celeriac_app(pytestconfig: pytest.Config) -> Any:
    """The application that is tested; override it to make one for a test."""
    from celeriac.loading import load_app

    reference = pytestconfig.getini("celeriac_app") or os.environ.get("CELERIAC_APP", "")
    if not reference:
        raise pytest.UsageError(_NOT_SET)
    return load_app(reference)


@pytest.fixture
def celeriac_test(celeriac_app: Any) -> Iterator[Stage]:
    """The application's tasks on their stage: `celeriac_test.advance(hours=3)` and the like."""
    with celeriac_app.test() as stage:
        yield stage
