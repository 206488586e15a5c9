"""A task that blocks the event loop is named in the log, with the line that it stands at."""

import asyncio
import logging
import threading

import pytest

from celeriac import Celeriac
from tests.waiting import wait_until

SOON = 10.0


@pytest.fixture
def app():
    with Celeriac("watched", broker="memory://", worker_slow_callback_duration=0.05) as app:
        yield app


def lines(caplog, phrase):
    return [record for record in caplog.records if record.message == phrase]


@pytest.mark.parametrize("batched", [False, True])
def test_a_task_that_blocks_the_loop_is_named_with_its_line(app, caplog, batched):
    go_on = threading.Event()

    async def blocks(given):
        await asyncio.sleep(0)
        go_on.wait(SOON)  # here it stands

    task = app.task(name="blocks", **({"batch_size": 1} if batched else {}))(blocks)
    with caplog.at_level(logging.WARNING, "celeriac"), app.embedded():
        result = task.delay(1)
        [told] = wait_until(lambda: lines(caplog, "task blocks the event loop"))
        go_on.set()
        result.get(timeout=SOON)
        [ended] = wait_until(lambda: lines(caplog, "event loop goes on"))

    line = blocks.__code__.co_firstlineno + 2
    assert told.at.startswith(f"{__file__}:{line} in ")
    assert (told.task, told.id) == ("blocks", result.id) == (ended.task, ended.id)
    assert ended.blocked >= 0.05


def test_a_task_that_awaits_is_not_blamed_however_long_it_takes(app, caplog):
    seen = threading.Event()

    @app.task
    async def waits():
        for _ in range(20):
            await asyncio.sleep(0.01)
        seen.set()

    with caplog.at_level(logging.WARNING, "celeriac"), app.embedded():
        waits.delay().get(timeout=SOON)

    assert seen.is_set()
    assert lines(caplog, "task blocks the event loop") == []


def test_a_def_may_block_its_thread_for_as_long_as_it_likes(app, caplog):
    go_on = threading.Event()
    waits = app.task(name="waits")(lambda: go_on.wait(0.2))

    with caplog.at_level(logging.WARNING, "celeriac"), app.embedded():
        waits.delay().get(timeout=SOON)

    assert lines(caplog, "task blocks the event loop") == []


def test_with_zero_nobody_watches(app):
    app.conf.worker_slow_callback_duration = 0

    @app.task
    async def where():
        return [thread.name for thread in threading.enumerate()]

    with app.embedded():
        assert "celeriac-loopwatch" not in where.delay().get(timeout=SOON)


def test_the_watch_ends_with_the_worker(app):
    @app.task
    async def where():
        return [thread.name for thread in threading.enumerate()]

    with app.embedded():
        assert "celeriac-loopwatch" in where.delay().get(timeout=SOON)
    wait_until(lambda: "celeriac-loopwatch" not in [thread.name for thread in threading.enumerate()])
