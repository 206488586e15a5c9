"""Revoking: before the start, while it runs, and on tasks that do not want to end."""

import asyncio
import threading
import time

import pytest

from celeriac.errors import TaskRevokedError

SOON = 10.0
never = threading.Event()


def test_a_task_that_waits_is_never_run(app):
    runs = []
    work = app.task(lambda: runs.append(1))
    queued, later = work.delay(), work.apply_async(countdown=0.2)

    assert (queued.revoke(), later.revoke(terminate=True)) == (True, True)
    assert (queued.state, later.state) == ("REVOKED", "REVOKED")

    with app.embedded():
        app.task(name="after")(lambda: 1)
        time_has_come = work.apply_async(countdown=0.4)
        time_has_come.get(timeout=SOON)
    assert runs == [1]


def test_a_running_task_that_is_revoked_without_terminate_runs_on(app):
    running, may_end = threading.Event(), threading.Event()

    @app.task
    def work():
        running.set()
        assert may_end.wait(SOON)
        return "done"

    with app.embedded():
        result = work.delay()
        assert running.wait(SOON)
        assert result.revoke() is True
        may_end.set()
        assert result.get(timeout=SOON) == "done"


def test_a_task_that_has_ended_cannot_be_revoked(app):
    with app.embedded():
        app.task(name="work")(lambda: 1)
    with app.embedded():
        result = app.tasks["work"].delay()
        result.get(timeout=SOON)
        assert result.revoke(terminate=True) is False
    assert result.state == "SUCCESS"
    assert app.AsyncResult("nobody").revoke() is False


TASKS = {}


def task(function):
    TASKS[function.__name__] = function
    return function


@task
def a_def(running):
    running.set()
    while not never.wait(0.01):
        continue


@task
async def an_async_def(running):
    running.set()
    await asyncio.sleep(60)


@task
async def a_coroutine_that_cleans_up(running):
    try:
        running.set()
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0)


@pytest.mark.parametrize("function", TASKS.values(), ids=[name.replace("_", " ") for name in TASKS])
def test_terminate_ends_a_running_task_at_once(app, function):
    running = threading.Event()
    work = make(app, function, running)

    with app.embedded():
        result = work.delay()
        assert running.wait(SOON)
        before = time.monotonic()
        assert result.revoke(terminate=True) is True
        with pytest.raises(TaskRevokedError):
            result.get(timeout=SOON)
        assert time.monotonic() - before < 0.9  # it need not be written off

    assert result.state == "REVOKED"


def make(app, function, *args):
    if asyncio.iscoroutinefunction(function):

        async def work():
            await function(*args)
    else:

        def work():
            function(*args)

    return app.task(name="work")(work)


DEFIANCE = {}


def defiant(function):
    DEFIANCE[function.__name__] = function
    return function


@defiant
def a_thread_that_swallows_it(running, may_end):
    while not may_end.is_set():
        try:
            running.set()
            while not may_end.wait(0.01):
                continue
        except BaseException:  # noqa: BLE001
            continue


@defiant
def a_thread_that_waits_in_c(running, may_end):
    running.set()
    may_end.wait(SOON)


@defiant
async def a_coroutine_that_swallows_it(running, may_end):
    running.set()
    while not may_end.is_set():
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            continue


@defiant
async def a_coroutine_that_blocks_the_loop(running, may_end):
    running.set()
    may_end.wait(SOON)


@pytest.mark.parametrize("function", DEFIANCE.values(), ids=[name.replace("_", " ") for name in DEFIANCE])
def test_terminate_does_not_depend_on_the_tasks_good_will(memory_app, function):
    running, may_end = threading.Event(), threading.Event()
    work = make(memory_app, function, running, may_end)
    after = memory_app.task(name="after")(lambda: "alive")

    with memory_app.embedded(concurrency=2):
        result = work.delay()
        assert running.wait(SOON)
        result.revoke(terminate=True)
        with pytest.raises(TaskRevokedError):
            result.get(timeout=3)
        assert after.delay().get(timeout=SOON) == "alive"
        may_end.set()
    assert result.state == "REVOKED"


def test_what_the_task_makes_of_the_interruption_does_not_matter(memory_app):
    running = threading.Event()

    @memory_app.task(autoretry_for=(BaseException,), default_retry_delay=0)
    def work():
        try:
            running.set()
            while not never.wait(0.01):
                continue
        except TaskRevokedError:
            raise ValueError("something else") from None

    with memory_app.embedded():
        result = work.delay()
        assert running.wait(SOON)
        result.revoke(terminate=True)
        with pytest.raises(TaskRevokedError):
            result.get(timeout=SOON)


def test_a_revoked_task_that_was_claimed_but_not_started_never_starts(memory_app):
    """Very short tasks are claimed a little ahead; a stop reaches those too."""
    runs, first, may_end = [], threading.Event(), threading.Event()

    @memory_app.task
    def work(n):
        runs.append(n)
        if n == 0:
            first.set()
            assert may_end.wait(SOON)

    results = [work.delay(n) for n in range(3)]
    with memory_app.embedded(concurrency=1):
        assert first.wait(SOON)
        for result in results[1:]:
            assert result.revoke(terminate=True)
        may_end.set()
        results[0].get(timeout=SOON)
        for result in results[1:]:
            with pytest.raises(TaskRevokedError):
                result.get(timeout=SOON)
    assert runs == [0]


def test_the_interruption_of_one_task_disturbs_no_other(memory_app):
    @memory_app.task
    def work(n):
        running.release()
        for _ in range(30):
            never.wait(0.01)
        return n

    running = threading.Semaphore(0)
    with memory_app.embedded(concurrency=2):
        results = [work.delay(n) for n in range(20)]
        for _ in range(4):
            assert running.acquire(timeout=SOON)
        for result in results[::2]:
            result.revoke(terminate=True)
        for n, result in enumerate(results):
            result.get(timeout=SOON, propagate=False)
            if n % 2:
                assert result.result == n
