"""Soft and hard time limits in threads and on the loop; test_executors has those of isolated processes."""

import asyncio
import threading
import time

import pytest

from celeriac.errors import SoftTimeLimitExceeded, TimeLimitExceeded

SOON = 10.0
never = threading.Event()


def wait_in_python() -> None:
    while not never.wait(0.01):
        continue


# --- soft -------------------------------------------------------------------------------------------------


def test_a_def_gets_its_soft_limit_as_an_exception(app):
    @app.task(soft_time_limit=0.1)
    def work():
        try:
            wait_in_python()
        except SoftTimeLimitExceeded:
            return "cleaned up"

    with app.embedded():
        assert work.delay().get(timeout=SOON) == "cleaned up"


def test_an_async_def_gets_its_soft_limit_as_an_exception(app):
    @app.task(soft_time_limit=0.1)
    async def work():
        try:
            await asyncio.sleep(60)
        except SoftTimeLimitExceeded:
            await asyncio.sleep(0)  # it may go on
            return "cleaned up"

    with app.embedded():
        assert work.delay().get(timeout=SOON) == "cleaned up"


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
def test_a_soft_limit_that_is_not_caught_fails_the_task(memory_app, is_async):
    if is_async:

        @memory_app.task(soft_time_limit=0.1)
        async def work():
            await asyncio.sleep(60)
    else:

        @memory_app.task(soft_time_limit=0.1)
        def work():
            wait_in_python()

    with memory_app.embedded(), pytest.raises(SoftTimeLimitExceeded):
        work.delay().get(timeout=SOON)


def test_a_soft_limit_can_be_retried(memory_app):
    @memory_app.task(bind=True, soft_time_limit=0.1)
    async def work(self):
        if self.request.retries:
            return "again"
        try:
            await asyncio.sleep(60)
        except SoftTimeLimitExceeded as error:
            raise self.retry(exc=error, countdown=0) from error

    with memory_app.embedded():
        assert work.delay().get(timeout=SOON) == "again"


def test_a_soft_limit_reaches_what_a_coroutine_waits_for_in_a_thread(memory_app):
    @memory_app.task(soft_time_limit=0.1)
    async def work():
        try:
            await asyncio.to_thread(may_end.wait, SOON)
        except SoftTimeLimitExceeded:
            may_end.set()
            return "cleaned up"

    may_end = threading.Event()
    with memory_app.embedded():
        assert work.delay().get(timeout=SOON) == "cleaned up"


def test_a_coroutines_own_timeouts_still_work_under_a_soft_limit(memory_app):
    @memory_app.task(soft_time_limit=5)
    async def work():
        try:
            async with asyncio.timeout(0.05):
                await asyncio.sleep(60)
        except TimeoutError:
            return "my own timeout"

    with memory_app.embedded():
        assert work.delay().get(timeout=SOON) == "my own timeout"


# --- hard -------------------------------------------------------------------------------------------------


def test_a_hard_limit_ends_a_def(app):
    @app.task(time_limit=0.2)
    def work():
        wait_in_python()

    with app.embedded(), pytest.raises(TimeLimitExceeded, match=r"longer than its limit of 0.2 s"):
        work.delay().get(timeout=SOON)


def test_a_hard_limit_ends_an_async_def(app):
    @app.task(time_limit=0.2)
    async def work():
        await asyncio.sleep(60)

    with app.embedded(), pytest.raises(TimeLimitExceeded):
        work.delay().get(timeout=SOON)


DEFIANCE = {}


def defiant(function):
    DEFIANCE[function.__name__] = function
    return function


@defiant
def a_thread_that_swallows_it():
    while True:
        try:
            wait_in_python()
        except BaseException:  # noqa: BLE001 - that is the point
            if never.is_set():
                return


@defiant
def a_thread_that_sleeps_in_c():
    time.sleep(3)


@defiant
async def a_coroutine_that_swallows_it():
    while not never.is_set():
        try:
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            continue


@defiant
async def a_coroutine_that_blocks_the_loop():
    never.wait(2.5)


@pytest.mark.parametrize("function", DEFIANCE.values(), ids=[name.replace("_", " ") for name in DEFIANCE])
def test_a_hard_limit_does_not_depend_on_the_tasks_good_will(memory_app, function):
    work = memory_app.task(time_limit=0.2, name="work")(function)
    after = memory_app.task(name="after")(lambda: "alive")

    async def light():
        return "alive too"

    after_async = memory_app.task(name="light")(light)

    with memory_app.embedded(concurrency=2):
        before = time.monotonic()
        with pytest.raises(TimeLimitExceeded):
            work.delay().get(timeout=SOON)
        assert time.monotonic() - before < 2.5
        assert after.delay().get(timeout=SOON) == "alive"
        assert after_async.delay().get(timeout=SOON) == "alive too"
        never.set()
    never.clear()


def test_what_a_defiant_task_says_in_the_end_is_dropped(memory_app):
    may_end, ended = threading.Event(), threading.Event()

    @memory_app.task(time_limit=0.1)
    def work():
        while not may_end.is_set():
            try:
                wait_in_python_until(may_end)
            except BaseException:  # noqa: BLE001
                continue
        ended.set()
        return "too late"

    with memory_app.embedded():
        result = work.delay()
        with pytest.raises(TimeLimitExceeded):
            result.get(timeout=SOON)
        may_end.set()
        assert ended.wait(SOON)
    assert memory_app.AsyncResult(result.id).state == "FAILURE"


def wait_in_python_until(event):
    while not event.wait(0.01):
        continue


def test_the_soft_limit_comes_first_and_the_hard_one_if_that_did_not_help(memory_app):
    seen = []

    @memory_app.task(soft_time_limit=0.1, time_limit=0.3)
    def work():
        try:
            wait_in_python()
        except SoftTimeLimitExceeded:
            seen.append("soft")
            wait_in_python()

    with memory_app.embedded(), pytest.raises(TimeLimitExceeded):
        work.delay().get(timeout=SOON)
    assert seen == ["soft"]


def test_limits_come_from_the_call_the_task_or_the_application(memory_app):
    memory_app.conf.task_time_limit = 0.1

    @memory_app.task
    def follows():
        wait_in_python()

    @memory_app.task(time_limit=60)
    def own(rounds):
        for _ in range(rounds):
            never.wait(0.01)
        return "in time"

    with memory_app.embedded():
        with pytest.raises(TimeLimitExceeded, match=r"0.1 s"):
            follows.delay().get(timeout=SOON)
        assert own.delay(20).get(timeout=SOON) == "in time"
        with pytest.raises(TimeLimitExceeded, match=r"0.05 s"):
            own.apply_async((6000,), time_limit=0.05).get(timeout=SOON)
        with pytest.raises(SoftTimeLimitExceeded):
            own.apply_async((6000,), soft_time_limit=0.05, time_limit=0).get(timeout=SOON)


def test_a_limit_counts_from_the_start_not_from_the_claim(memory_app):
    @memory_app.task(time_limit=0.5)
    def work():
        never.wait(0.3)
        return "in time"

    with memory_app.embedded(concurrency=1):
        results = [work.delay() for _ in range(3)]
        assert [result.get(timeout=SOON) for result in results] == ["in time"] * 3


def test_a_limit_that_is_over_disturbs_no_later_task(memory_app):
    @memory_app.task(soft_time_limit=0.05, time_limit=0.1)
    def quick():
        return "quick"

    @memory_app.task
    def slow():
        never.wait(0.3)
        return "undisturbed"

    with memory_app.embedded(concurrency=1):
        assert quick.delay().get(timeout=SOON) == "quick"
        assert slow.delay().get(timeout=SOON) == "undisturbed"


def test_many_short_tasks_right_at_their_limit_each_end_once(app):
    @app.task(soft_time_limit=0.02)
    def edge():
        never.wait(0.0199)
        return "done"

    with app.embedded(concurrency=4):
        results = [edge.delay() for _ in range(60)]
        for result in results:
            result.get(timeout=SOON, propagate=False)
        after = edge.apply_async(soft_time_limit=0)
        assert after.get(timeout=SOON) == "done"

    assert {result.state for result in results} <= {"SUCCESS", "FAILURE"}
    assert {type(result.info) for result in results} <= {str, SoftTimeLimitExceeded}
