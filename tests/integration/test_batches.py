"""batch_size: one call of the function works on many, and each ends by itself; on each store."""

import asyncio
import itertools
import threading

import pytest

from celeriac import Middleware, chain, group
from celeriac.errors import (
    ConfigurationError,
    InvalidArguments,
    Reject,
    SoftTimeLimitExceeded,
    TaskRevokedError,
    TimeLimitExceeded,
)
from tests.waiting import wait_until

SOON = 10.0
FOREVER = 3_600.0


def test_calls_that_wait_are_worked_on_together_and_each_gets_its_own_result(app):
    seen = []

    @app.task(batch_size=5, batch_wait=FOREVER)
    def double(numbers):
        seen.append(numbers)
        return [number * 2 for number in numbers]

    results = double.delay_many([(number,) for number in range(10)])
    with app.embedded(concurrency=1):
        assert [result.get(timeout=SOON) for result in results] == [2 * number for number in range(10)]

    assert seen == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_a_coroutine_works_on_a_batch_too(app):
    seen = []

    @app.task(batch_size=3, batch_wait=FOREVER)
    async def double(numbers: list[int]) -> list[int]:
        await asyncio.sleep(0)
        seen.append(len(numbers))
        return [number * 2 for number in numbers]

    results = double.delay_many([(number,) for number in range(6)])
    with app.embedded():
        assert [result.get(timeout=SOON) for result in results] == [0, 2, 4, 6, 8, 10]

    assert seen == [3, 3]


def test_a_batch_that_is_not_full_starts_when_its_first_call_has_waited_long_enough(app):
    seen = []
    notify = app.task(batch_size=100, batch_wait=0.05, name="notify")(lambda mails: seen.append(len(mails)))

    with app.embedded():
        results = [notify.delay(number) for number in range(3)]
        assert [result.get(timeout=SOON) for result in results] == [None, None, None]

    assert sum(seen) == 3


def test_other_work_that_needs_the_slot_starts_what_has_been_gathered(app):
    seen = []
    gathered = app.task(batch_size=100, batch_wait=FOREVER, name="gathered")(
        lambda items: seen.append(len(items))
    )
    other = app.task(name="other")(lambda: "done")

    with app.embedded(concurrency=1):
        waiting = gathered.delay(1)
        wait_until(lambda: waiting.state == "STARTED")
        assert other.delay().get(timeout=SOON) == "done"
        assert waiting.get(timeout=SOON) is None

    assert seen == [1]


def test_errors_in_the_list_fail_only_their_own_calls(app):
    @app.task(batch_size=3, batch_wait=FOREVER, throws=(KeyError,))
    def work(items):
        return ["good", ValueError("bad"), KeyError("unknown")]

    results = work.delay_many([(number,) for number in range(3)])
    with app.embedded():
        assert results[0].get(timeout=SOON) == "good"
        with pytest.raises(ValueError, match="bad"):
            results[1].get(timeout=SOON)
        with pytest.raises(KeyError):
            results[2].get(timeout=SOON)


def test_an_error_that_is_raised_fails_all_of_them(app):
    @app.task(batch_size=2, batch_wait=FOREVER)
    def work(items):
        raise ValueError("all are bad")

    results = work.delay_many([(1,), (2,)])
    with app.embedded():
        for result in results:
            with pytest.raises(ValueError, match="all are bad"):
                result.get(timeout=SOON)


def test_errors_that_are_retried_are_retried_call_by_call(app):
    seen = []

    @app.task(
        batch_size=3, batch_wait=0.02, autoretry_for=(OSError,), default_retry_delay=0, retry_jitter=False
    )
    def work(items):
        seen.append(items)
        return [OSError("once more") if len(seen) == 1 and item == 2 else item for item in items]

    results = work.delay_many([(1,), (2,), (3,)])
    with app.embedded():
        assert [result.get(timeout=SOON) for result in results] == [1, 2, 3]

    assert seen == [[1, 2, 3], [2]]
    assert [result.retries for result in results] == [0, 1, 0]


def test_a_retry_in_the_list_is_that_of_its_call_and_a_reject_too(app):
    seen = []

    @app.task(bind=True, batch_size=3, batch_wait=0.02)
    def work(self, items):
        seen.append(items)
        if len(seen) > 1:
            return items
        return ["done", self.retry(countdown=0, throw=False), Reject("not mine")]

    results = work.delay_many([(1,), (2,), (3,)])
    with app.embedded():
        assert results[0].get(timeout=SOON) == "done"
        assert results[1].get(timeout=SOON) == 2
        assert results[2].get(timeout=SOON, propagate=False).args == ("not mine",)

    assert seen == [[1, 2, 3], [2]]


@pytest.mark.parametrize(("returned", "says"), [([1], "2 calls, but returned 1"), (7, "not 7")])
def test_a_result_that_is_not_one_for_each_call_fails_all_with_what_was_expected(memory_app, returned, says):
    work = memory_app.task(batch_size=2, batch_wait=FOREVER, name="work")(lambda items: returned)

    results = work.delay_many([(1,), (2,)])
    with memory_app.embedded():
        for result in results:
            with pytest.raises((TypeError, ValueError), match=says):
                result.get(timeout=SOON)


def test_a_call_whose_item_does_not_fit_the_annotation_fails_alone(memory_app):
    seen = []

    @memory_app.task(batch_size=3, batch_wait=FOREVER)
    def work(items: list[int]) -> list[int]:
        seen.append(items)
        return items

    results = work.delay_many([(1,), ("two",), (3,)])
    with memory_app.embedded():
        assert [results[0].get(timeout=SOON), results[2].get(timeout=SOON)] == [1, 3]
        with pytest.raises(InvalidArguments, match="item"):
            results[1].get(timeout=SOON)

    assert seen == [[1, 3]]


def test_a_result_that_cannot_be_stored_fails_only_its_call(memory_app):
    work = memory_app.task(batch_size=2, batch_wait=FOREVER, name="work")(lambda items: [1, object()])

    good, bad = work.delay_many([(1,), (2,)])
    with memory_app.embedded():
        assert good.get(timeout=SOON) == 1
        assert "object" in str(bad.get(timeout=SOON, propagate=False))


def test_each_call_has_its_own_request_and_its_own_progress(app):
    go_on = threading.Event()

    @app.task(bind=True, batch_size=2, batch_wait=FOREVER)
    def work(self, items):
        self.progress(1, 2, "all of them")
        self.update_state(self.requests[1].id, "PROGRESS", {"current": 2, "total": 2, "status": "the second"})
        go_on.wait(SOON)
        return [request.headers["who"] for request in self.requests]

    first = work.apply_async((1,), headers={"who": "ada"})
    second = work.apply_async((2,), headers={"who": "bob"})
    with app.embedded():
        wait_until(lambda: second.info and second.info["status"] == "the second")
        assert first.info["status"] == "all of them"
        go_on.set()
        assert [first.get(timeout=SOON), second.get(timeout=SOON)] == ["ada", "bob"]


def test_progress_for_a_call_of_another_batch_is_refused(memory_app):
    work = memory_app.task(bind=True, batch_size=1, name="work")(
        lambda self, items: self.update_state("another", "PROGRESS", {})
    )

    with memory_app.embedded(), pytest.raises(ValueError, match="no call of this batch"):
        work.delay(1).get(timeout=SOON)


def test_a_batch_has_no_checkpoint_and_cannot_be_replaced(memory_app):
    @memory_app.task(bind=True, batch_size=1)
    def saves(self, items):
        self.checkpoint(1)

    @memory_app.task(bind=True, batch_size=1)
    def replaces(self, items):
        raise self.replace(saves.s(1))

    with memory_app.embedded():
        with pytest.raises(TypeError, match="no checkpoint"):
            saves.delay(1).get(timeout=SOON)
        with pytest.raises(TypeError, match="cannot be replaced"):
            replaces.delay(1).get(timeout=SOON)


def test_hooks_and_middleware_are_told_of_each_call(memory_app):
    told = []

    class Tells(Middleware):
        def before_run(self, request):
            told.append(("before_run", request.args))

        def on_success(self, request, result):
            told.append(("on_success", result))

    memory_app.add_middleware(Tells())

    class Base(memory_app.Task):
        def on_failure(self, exc, task_id, args, kwargs, einfo):
            told.append(("on_failure", args))

    @memory_app.task(base=Base, batch_size=2, batch_wait=FOREVER)
    def work(items):
        return ["good", ValueError("bad")]

    results = work.delay_many([(1,), (2,)])
    with memory_app.embedded():
        for result in results:
            result.get(timeout=SOON, propagate=False)

    assert told == [
        ("before_run", (1,)),
        ("before_run", (2,)),
        ("on_success", "good"),
        ("on_failure", (2,)),
    ]


def test_a_call_that_is_revoked_while_it_is_gathered_is_not_in_the_batch(app):
    seen = []
    work = app.task(batch_size=3, batch_wait=FOREVER, name="work")(lambda items: seen.append(items))

    with app.embedded():
        first, second = work.delay(1), work.delay(2)
        wait_until(lambda: first.state == second.state == "STARTED")
        second.revoke(terminate=True)
        with pytest.raises(TaskRevokedError):
            second.get(timeout=SOON)
        others = work.delay_many([(3,), (4,)])
        for result in (first, *others):
            result.get(timeout=SOON)

    assert seen == [[1, 3, 4]]


def test_a_call_that_is_revoked_while_the_batch_runs_ends_so_and_the_others_go_on(app):
    started, go_on = threading.Event(), threading.Event()

    @app.task(batch_size=2, batch_wait=FOREVER)
    def work(items):
        started.set()
        go_on.wait(SOON)
        return items

    kept, revoked = work.delay_many([(1,), (2,)])
    with app.embedded():
        assert started.wait(SOON)
        revoked.revoke(terminate=True)
        with pytest.raises(TaskRevokedError):
            revoked.get(timeout=SOON)
        go_on.set()
        assert kept.get(timeout=SOON) == 1


def test_a_soft_limit_is_raised_once_in_the_batch_and_what_it_returns_counts(memory_app):
    raised = []

    @memory_app.task(batch_size=2, batch_wait=FOREVER, soft_time_limit=0.05)
    async def work(items):
        try:
            await asyncio.sleep(FOREVER)
        except SoftTimeLimitExceeded as error:
            raised.append(error)
        return items

    results = work.delay_many([(1,), (2,)])
    with memory_app.embedded():
        assert [result.get(timeout=SOON) for result in results] == [1, 2]
    assert len(raised) == 1


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_hard_limit_ends_all_calls_of_the_batch(memory_app, kind):
    stuck = threading.Event()

    def blocks(items):
        while not stuck.wait(0.01):
            pass

    async def waits(items):
        await asyncio.sleep(FOREVER)

    work = memory_app.task(batch_size=2, batch_wait=FOREVER, time_limit=0.05, name="work")(
        blocks if kind == "def" else waits
    )
    results = work.delay_many([(1,), (2,)])
    with memory_app.embedded():
        for result in results:
            with pytest.raises(TimeLimitExceeded):
                result.get(timeout=SOON)


def test_a_worker_that_stops_gives_back_what_it_has_gathered_and_no_attempt_is_burnt(app):
    seen = []

    @app.task(bind=True, batch_size=3, batch_wait=FOREVER)
    def work(self, items):
        seen.append((sorted(items), [request.retries + request.crashes for request in self.requests]))

    with app.embedded():
        results = [work.delay(1), work.delay(2)]
        wait_until(lambda: all(result.state == "STARTED" for result in results))
    assert seen == []
    assert [result.state for result in results] == ["PENDING", "PENDING"]

    results.append(work.delay(3))
    with app.embedded():
        for result in results:
            result.get(timeout=SOON)
    assert seen == [([1, 2, 3], [0, 0, 0])]


def test_a_call_that_expires_soon_does_not_wait_for_the_others_until_then(memory_app):
    seen = []
    work = memory_app.task(batch_size=9, batch_wait=FOREVER, name="work")(lambda items: seen.append(items))

    with memory_app.embedded():
        result = work.apply_async((1,), expires=0.2)
        assert result.get(timeout=SOON) is None
    assert seen == [[1]]


def test_batches_are_parts_of_chains_and_groups(app):
    add = app.task(name="add")(lambda x, y: x + y)
    double = app.task(batch_size=2, batch_wait=0.02, name="double")(
        lambda items: [2 * item for item in items]
    )
    total = app.task(name="total")(sum)

    with app.embedded():
        assert chain(add.s(1, 2), double.s(), add.s(1)).delay().get(timeout=SOON) == 7
        assert (group(double.s(n) for n in range(5)) | total.s()).delay().get(timeout=SOON) == 20


def test_what_a_batch_sends_are_children_of_its_first_call(app):
    child = app.task(name="child")(lambda: "child")

    @app.task(batch_size=2, batch_wait=FOREVER)
    def work(items):
        return [child.delay().id, None]

    first, second = work.delay_many([(1,), (2,)])
    with app.embedded():
        sent = first.get(timeout=SOON)
        wait_until(lambda: [each.id for each in first.children or []] == [sent])
        assert not second.children


def test_here_and_now_a_batch_has_one_call(memory_app):
    work = memory_app.task(batch_size=9, name="work")(lambda items: [len(items)])

    assert work.apply((1,)).get() == 1
    assert work([1, 2, 3]) == [3]
    memory_app.conf.task_always_eager = True
    assert work.delay(7).get() == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batch_size": 0}, "from 1 to 10,000"),
        ({"batch_size": True}, "from 1 to 10,000"),
        ({"batch_size": 10_001}, "from 1 to 10,000"),
        ({"batch_size": 2, "batch_wait": -1}, "from 0 up"),
        ({"batch_size": 2, "batch_wait": "1"}, "from 0 up"),
        ({"batch_wait": 1}, "without batch_size"),
        ({"batch_size": 2, "executor": "process"}, "executor='process'"),
        ({"batch_size": 2, "concurrency": 1}, "never be full"),
    ],
)
def test_options_that_cannot_be_are_refused_when_the_task_is_made(memory_app, options, says):
    with pytest.raises(ConfigurationError, match=says):
        memory_app.task(**options)(lambda items: None)


@pytest.mark.parametrize(
    "function", [lambda: None, lambda a, b: None, lambda a, b=1: None, lambda *, a: None]
)
def test_a_function_that_does_not_take_one_list_is_refused(memory_app, function):
    with pytest.raises(ConfigurationError, match="one parameter"):
        memory_app.task(batch_size=2)(function)


@pytest.mark.parametrize("call", [((), {}), ((1, 2), {}), ((), {"items": 1})])
def test_a_call_of_another_number_of_arguments_is_refused_when_it_is_sent(memory_app, call):
    work = memory_app.task(batch_size=2, name="work")(lambda items: None)

    with pytest.raises(InvalidArguments, match=r"work\(item: Any, /\)"):
        work.apply_async(*call)


def test_a_limit_counts_the_calls_of_a_batch(app):
    numbers = itertools.count()
    work = app.task(batch_size=4, batch_wait=0.02, concurrency=4, name="work")(
        lambda items: [next(numbers) for _ in items]
    )

    results = work.delay_many([(number,) for number in range(12)])
    with app.embedded():
        assert sorted(result.get(timeout=SOON) for result in results) == list(range(12))
