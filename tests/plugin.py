"""The fixtures that every test may use: real servers, a real browser, and a guard against leaks.

Nothing is imported or started before a test asks for it. What is missing on a laptop skips the tests that
need it; where CI or CELERIAC_REQUIRE_ALL is set it fails them.
"""

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.leaks import nothing_left_behind
from tests.servers import RedisServer
from tools import chromium as chromium_program
from tools import redis_server as redis_programs
from tools.programs import ROOT, Program

FIXTURE_MARKS = {
    "redis_server": "redis",
    "start_redis": "redis",
    "page": "browser",
    "chromium_path": "browser",
}
SCREENSHOTS = ROOT / "build" / "screenshots"

_shared: dict[str, tuple[RedisServer, TemporaryDirectory[str]]] = {}

failed_call = pytest.StashKey[bool]()

# A shell starts what runs in its background with these ignored, and a test's processes would inherit that.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)


# --- What the machine offers -----------------------------------------------------------------------------


@cache
def redis_program(kind: str) -> Program | None:
    return redis_programs.find(kind)


@cache
def browser_program() -> Program | None:
    return chromium_program.find()


def everything_is_required() -> bool:
    return bool(os.environ.get("CI") or os.environ.get("CELERIAC_REQUIRE_ALL"))


def give_up(reason: str, *, required: bool) -> None:
    """Fail the test when what it lacks is *required*, else skip it."""
    if required:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def redis_program_or_give_up(kind: str) -> Program:
    """Return the server of that kind. One of Redis and Valkey must be there; the other may be skipped."""
    program = redis_program(kind)
    if program is None:
        none_at_all = not any(redis_program(other) for other in redis_programs.KINDS)
        give_up(redis_programs.HOW_TO_GET[kind], required=none_at_all and everything_is_required())
    assert program is not None
    return program


# --- Redis and Valkey ------------------------------------------------------------------------------------


@pytest.fixture(scope="session", params=redis_programs.KINDS)
def redis_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisServer]:
    """A running server without persistence, shared by the run's tests; each test gets it once per kind.

    Call ``redis_server.flush()`` for an empty one. A test that stops or kills it must start it again.
    """
    kind = request.param
    program = redis_program_or_give_up(kind)
    server = RedisServer(kind, program, tmp_path_factory.mktemp(kind), args=(), config="")
    server.start()
    yield server
    server.stop()


def shared_server(kind: str) -> RedisServer:
    """Return the run's own server of that kind, for those who keep to a namespace; the first starts it."""
    if kind not in _shared:
        program = redis_program_or_give_up(kind)
        with ExitStack() as if_it_fails:
            folder = TemporaryDirectory(prefix=f"{kind}-")
            if_it_fails.callback(folder.cleanup)
            server = RedisServer(kind, program, Path(folder.name), args=(), config="")
            if_it_fails.callback(server.stop)
            server.start()
            if_it_fails.pop_all()
        _shared[kind] = server, folder
    return _shared[kind][0]


def pytest_unconfigure() -> None:
    """Stop the servers that were shared."""
    while _shared:
        server, folder = _shared.popitem()[1]
        server.stop()
        folder.cleanup()


@pytest.fixture
def start_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RedisServer]]:
    """Start private servers: ``start_redis("--appendonly", "yes", kind="valkey", config="...")``.

    *args* override the defaults (loopback, no persistence). *config* becomes the server's configuration file,
    which Sentinel needs. Without *kind* the first that is installed is taken, Redis before Valkey.
    """
    with ExitStack() as stack:

        def start(*args: str, kind: str | None = None, config: str = "") -> RedisServer:
            kind = kind or next(filter(redis_program, redis_programs.KINDS), "redis")
            program = redis_program_or_give_up(kind)
            server = RedisServer(kind, program, tmp_path_factory.mktemp(kind), args=args, config=config)
            stack.callback(server.stop)
            server.start()
            return server

        yield start


# --- The browser -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The path of the Chromium to drive."""
    program = browser_program()
    if program is None:
        give_up(chromium_program.HOW_TO_GET, required=everything_is_required())
    assert program is not None
    return program.path


@pytest.fixture(scope="session")
def chromium(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The running browser, shared by the run's tests; tests use ``page``."""
    from tests.browsers import Chromium

    browser = Chromium(chromium_path, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def page(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A Playwright page in a fresh context.

    A console error or an uncaught exception on any of the context's pages fails the test at its end; a test
    that expects one looks at ``page.problems`` and clears it. A failed test leaves a picture of the page in
    build/screenshots.
    """
    with chromium.page() as page:
        yield page
        if request.node.stash.get(failed_call, False):
            page.screenshot(path=SCREENSHOTS / f"{re.sub(r'[^a-zA-Z0-9_-]+', '-', request.node.name)}.png")
    assert not page.problems, f"the browser complained: {page.problems}"


# --- Guards and reports ----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def leave_nothing_behind() -> Iterator[None]:
    with nothing_left_behind():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Remember a failure, so that the ``page`` fixture can take a picture of it."""
    report = yield
    if report.when == "call":
        item.stash[failed_call] = report.failed
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by what it needs: ``-m "not redis and not browser"`` then leaves the servers alone."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in FIXTURE_MARKS:
                item.add_marker(FIXTURE_MARKS[fixture])


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which servers and browser this run uses: a pass on Valkey is not a pass on Redis."""
    return [
        *(
            _header(kind, redis_program(kind), redis_programs.HOW_TO_GET[kind])
            for kind in redis_programs.KINDS
        ),
        _header("browser", browser_program(), chromium_program.HOW_TO_GET),
    ]


def _header(name: str, program: Program | None, advice: str) -> str:
    return f"{name}: {program.version} ({program.path})" if program else f"{name}: MISSING, {advice}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Leave the counts for tools/run_tests.py, which adds up several runs."""
    if file := os.environ.get("CELERIAC_TALLY"):
        counts = {outcome: len(reports) for outcome, reports in terminalreporter.stats.items() if outcome}
        Path(file).write_text(json.dumps(counts))
