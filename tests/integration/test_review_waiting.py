"""Waiting at the edges: no time at all, timers that fire early, and somebody's callback that raises."""

from __future__ import annotations

import asyncio
import logging

import pytest

from celeriac.errors import TimeoutError as WaitTimeout

SOON = 10.0


def test_uvloops_early_timers_do_not_disturb_a_wait(memory_app):
    import uvloop  # a part of the test extra: where it is missing this fails

    @memory_app.task
    def add(x, y):
        return x + y

    async def main() -> None:
        result = add.delay(1, 2)
        for number in range(60):
            with pytest.raises(WaitTimeout):
                await result.aget(timeout=0.01 + number * 0.00005)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_a_result_that_is_there_can_be_had_without_waiting(memory_app):
    @memory_app.task
    def add(x, y):
        return x + y

    with memory_app.embedded():
        done = add.delay(1, 2)
        done.get(timeout=SOON)
    asked_anew = memory_app.AsyncResult(done.id)

    async def main() -> int:
        return await asked_anew.aget(timeout=0)

    assert asyncio.run(main()) == 3


def test_a_follower_whose_callback_raises_does_not_silence_the_others(memory_app, caplog):
    @memory_app.task
    def add(x, y):
        return x + y

    def refuse(*_: object) -> None:
        raise RuntimeError("the loop is closed")

    first, second = add.delay(1, 2), add.delay(3, 4)
    caplog.set_level(logging.CRITICAL, "celeriac")
    with memory_app.hub.follow([first.id], refuse), memory_app.embedded():
        assert first.get(timeout=SOON) == 3
        assert second.get(timeout=SOON) == 7
