"""What real workers count of real tasks, on each store."""

import threading
from datetime import timedelta


def test_what_ran_is_counted_when_the_worker_has_stopped(app):
    @app.task(name="good")
    def good() -> None: ...

    @app.task(name="bad", queue="other")
    def bad() -> None:
        raise ValueError

    @app.task(name="again", bind=True, max_retries=1)
    def again(self) -> None:
        raise self.retry(countdown=0)

    with app.embedded(queues=["default", "other"]):
        sent = [good.delay() for _ in range(20)] + [bad.delay(), again.delay()]
        for each in sent:
            each.get(20, propagate=False)

    found = app.stats(since=timedelta(minutes=5), by="name")
    good_ones, bad_ones, retried = (found.series[name].total for name in ("good", "bad", "again"))
    assert (good_ones.started, good_ones.succeeded, good_ones.wait.count, good_ones.run.count) == (20,) * 4
    assert (bad_ones.started, bad_ones.failed) == (1, 1)
    assert (retried.started, retried.retried, retried.failed, retried.wait.count) == (2, 1, 1, 1)
    assert app.stats(since=timedelta(minutes=5), queue="other").total.total.ended == 1
    assert sum(tally.numbers.get(1, 0) for tally in app.broker.counted()) == 20


def test_calls_of_a_batch_count_one_by_one(app):
    @app.task(name="many", batch_size=5, batch_wait=0.05)
    def many(calls: list[int]) -> None: ...

    with app.embedded():
        for each in many.delay_many((number,) for number in range(10)):
            each.get(20)

    total = app.stats().total.total
    assert (total.started, total.succeeded, total.run.count) == (10, 10, 10)


def test_the_second_task_of_a_chain_has_not_waited_for_a_worker(app):
    @app.task(name="step")
    def step(*args: int) -> int:
        return 1

    with app.embedded():
        (step.si(1) | step.si(2) | step.s()).delay().get(20)

    total = app.stats().total.total
    assert (total.succeeded, total.wait.count) == (3, 1)


def test_nothing_is_counted_where_it_is_switched_off(app):
    app.conf.worker_statistics = 0

    @app.task(name="good")
    def good() -> None: ...

    with app.embedded():
        good.delay().get(20)

    assert app.broker.counted() == []


def test_what_the_store_refuses_to_settle_is_counted_by_the_other_worker_only(app):
    started, go_on = threading.Event(), threading.Event()

    @app.task(name="slow")
    def slow() -> int:
        started.set()
        go_on.wait(20)
        return 1

    with app.embedded():
        sent = slow.delay()
        assert started.wait(20)
        [worker] = app.broker.workers(app.clock.now())
        app.broker.retire([worker.id], app.clock.now())  # taken for dead
        go_on.set()
        assert sent.get(20) == 1

    assert app.stats().total.total.succeeded == 1
