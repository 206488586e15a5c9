"""Runs whose message, rules or limits are broken end like any other, and cost nobody a slot or a limit."""

from __future__ import annotations

import asyncio
import math
import threading

import pytest

from celeriac import Celeriac
from celeriac.errors import DecodeError, TimeLimitExceeded
from celeriac.message import Message

SOON = 10.0
never = threading.Event()


def send_broken(app: Celeriac, name: str, number: int) -> str:
    message = Message(id=f"broken-{number}", name=name, options=b'{"max_retries": "two"}')
    app.broker.send([message], app.clock.now())
    return message.id


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
def test_tasks_whose_options_cannot_be_read_fail_and_give_their_slots_free(memory_app, is_async):
    if is_async:

        @memory_app.task
        async def work():
            return "done"
    else:

        @memory_app.task
        def work():
            return "done"

    with memory_app.embedded(concurrency=2):
        for number in range(4):
            broken = memory_app.AsyncResult(send_broken(memory_app, work.name, number))
            with pytest.raises(DecodeError):
                broken.get(timeout=SOON)

        assert work.delay().get(timeout=SOON) == "done"


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
def test_a_task_whose_rules_hold_no_type_fails_and_gives_its_slot_free(memory_app, is_async):
    def fail():
        raise ValueError("no")

    async def afail():
        raise ValueError("no")

    broken = memory_app.task(afail if is_async else fail)
    broken.throws = ("ValueError",)  # after it was made, where nobody looks

    with memory_app.embedded(concurrency=1):
        for _ in range(2):
            with pytest.raises(TypeError):
                broken.delay().get(timeout=SOON)


def test_an_infinite_limit_leaves_the_limits_of_others_in_force(memory_app):
    @memory_app.task
    def free():
        return "ended"

    free.time_limit = math.inf  # after it was made, where nobody looks

    @memory_app.task(time_limit=0.2)
    def limited():
        while not never.wait(0.01):
            continue

    with memory_app.embedded():
        assert free.delay().get(timeout=SOON) == "ended"
        with pytest.raises(TimeLimitExceeded):
            limited.delay().get(timeout=SOON)


def test_tasks_that_another_one_cancelled_before_they_began_are_run_again(memory_app):
    @memory_app.task
    async def cancel_all():
        for other in asyncio.all_tasks() - {asyncio.current_task()}:
            other.cancel()

    @memory_app.task
    async def work():
        return "done"

    cancel_all.delay()
    cancelled = [work.delay() for _ in range(3)]

    with memory_app.embedded(concurrency=4):
        assert [result.get(timeout=SOON) for result in cancelled] == ["done"] * 3
