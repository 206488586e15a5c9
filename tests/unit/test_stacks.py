"""Where a task is, seen from another thread."""

import asyncio
import threading

import pytest

from celeriac.steering import Stack
from celeriac.worker import stacks
from celeriac.worker.runner import steered


@pytest.fixture
def waiting():
    """A thread that waits some calls deep, until the test lets it go."""
    here, go_on = threading.Event(), threading.Event()

    def inner(secret: str) -> None:
        here.set()
        go_on.wait(20)

    def deep(calls: int) -> None:
        deep(calls - 1) if calls else inner("top secret")

    threads = []

    def start(calls: int) -> threading.Thread:
        threads.append(threading.Thread(target=deep, args=(calls,)))
        threads[0].start()
        assert here.wait(20)
        return threads[0]

    yield start
    go_on.set()
    for thread in threads:
        thread.join(20)


def frames(text: str):
    return Stack("t", 0.0, text).frames


def test_the_calls_of_a_thread_the_innermost_last_and_no_values(waiting):
    thread = waiting(2)

    text = stacks.of_thread(thread.ident)

    found = frames(text)
    assert "inner" in [frame.function for frame in found]
    inner = next(frame for frame in found if frame.function == "inner")
    assert (inner.file, inner.source) == (__file__, "go_on.wait(20)")
    assert [frame.function for frame in found].count("deep") == 3
    assert "'top secret'" not in text.replace(inner.source, "").replace('inner("top secret")', "")


def test_of_very_many_calls_the_innermost_are_shown(waiting):
    thread = waiting(300)

    text = stacks.of_thread(thread.ident)

    assert len(frames(text)) == stacks.MOST_CALLS
    assert "calls before these)" in text.splitlines()[0]


def test_a_thread_that_is_gone_has_none(waiting):
    assert stacks.of_thread(None) is None
    assert stacks.of_thread(1) is None


class SoftRun:
    """What `steered` needs of a run."""

    verdict = interrupted = None


@pytest.mark.parametrize("has_limit", [False, True])
def test_a_coroutine_that_waits_has_the_calls_that_it_awaits(has_limit):
    async def inner() -> None:
        await asyncio.Event().wait()

    async def outer() -> None:
        await inner()

    async def look() -> str | None:
        call = outer()
        task = asyncio.ensure_future(_driven(call) if has_limit else call)
        await asyncio.sleep(0)
        found = stacks.of_coroutine(task, threading.get_ident())
        task.cancel()
        return found

    async def _driven(call) -> None:
        await steered(SoftRun(), call)

    functions = [frame.function for frame in frames(asyncio.run(look()))]

    assert functions[-3:] == ["outer", "inner", "wait"]


def test_a_coroutine_that_computes_has_the_calls_of_its_thread():
    here, go_on, found = threading.Event(), threading.Event(), []

    async def computes() -> None:
        here.set()
        go_on.wait(20)

    async def run() -> None:
        task = asyncio.ensure_future(computes())
        found.append((task, threading.get_ident()))
        await task

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert here.wait(20)
    [(task, ident)] = found

    functions = [frame.function for frame in frames(stacks.of_coroutine(task, ident))]
    go_on.set()
    thread.join(20)

    assert "computes" in functions
    assert stacks.of_coroutine(task, ident) is None
