"""A worker inside the caller's process: how it starts, works and stops."""

import asyncio
import threading
import time

import pytest

from celeriac import Celeriac
from celeriac.errors import BrokerUnavailable, CeleriacError
from tests.waiting import wait_until

SOON = 10.0


def test_a_task_sent_right_after_the_start_is_run_at_once(app):
    @app.task
    def work():
        return "done"

    with app.embedded():
        before = time.monotonic()
        work.delay().get(timeout=SOON)
        assert time.monotonic() - before < 1.0  # an idle worker looks every two seconds; a bell is faster


def test_tasks_that_were_sent_before_the_start_are_run_too(app):
    work = app.task(lambda n: n)
    results = [work.delay(n) for n in range(5)]

    with app.embedded():
        assert [result.get(timeout=SOON) for result in results] == list(range(5))


def test_it_can_be_started_and_stopped_again_and_again(app):
    work = app.task(lambda n: n)
    worker = app.embedded()

    for n in range(3):
        worker.start()
        assert work.delay(n).get(timeout=SOON) == n
        worker.stop()
    worker.stop()  # once too often: nothing happens

    assert app.broker.workers(app.clock.now()) == []


def test_it_cannot_be_started_twice_at_once(memory_app):
    with memory_app.embedded() as worker, pytest.raises(CeleriacError, match="runs already"):
        worker.start()


def test_it_works_inside_async_with(app):
    @app.task
    async def work(n: int) -> int:
        return n + 1

    async def main():
        async with app.embedded():
            return await (await work.adelay(1))

    assert asyncio.run(main()) == 2


def test_it_is_known_to_the_store_while_it_runs(app):
    app.task(lambda: None)
    with app.embedded(queues=["a", "b"], concurrency=3) as worker:
        [info] = app.broker.workers(app.clock.now())
        assert (info.name, info.queues, info.slots) == (worker.options.hostname, ("a", "b"), 3)

    assert app.broker.workers(app.clock.now()) == []


def test_running_tasks_finish_and_the_rest_is_given_back_with_no_attempt_burnt(app):
    running, may_end = threading.Event(), threading.Event()

    @app.task(bind=True)
    def work(self, n):
        if n == 0:
            running.set()
            assert may_end.wait(SOON)
        return (n, self.request.retries, self.request.crashes)

    results = [work.delay(n) for n in range(4)]
    with app.embedded(concurrency=1) as worker:
        assert running.wait(SOON)
        stopper = threading.Thread(target=worker.stop)
        stopper.start()
        may_end.set()
        stopper.join(SOON)

    assert results[0].state == "SUCCESS"
    assert {result.state for result in results[1:]} == {"PENDING"}
    records = app.broker.get([result.id for result in results[1:]])
    assert [(record.retries, record.crashes) for record in records] == [(0, 0)] * 3

    with app.embedded():
        assert [result.get(timeout=SOON) for result in results] == [[n, 0, 0] for n in range(4)]


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
def test_what_does_not_finish_within_the_grace_period_is_run_again_elsewhere(app, is_async):
    app.conf.worker_soft_shutdown_timeout = 0.1
    running, never = threading.Event(), threading.Event()
    runs = []

    def begin(self):
        runs.append((self.request.retries, self.request.crashes))
        running.set()
        return len(runs) > 1

    if is_async:

        @app.task(bind=True)
        async def work(self):
            if begin(self):
                return "done"
            return await asyncio.sleep(60)
    else:

        @app.task(bind=True)
        def work(self):
            if begin(self):
                return "done"
            while not never.wait(0.01):
                continue
            return "stopped"

    result = work.delay()
    with app.embedded():
        assert running.wait(SOON)
    assert not result.ready()

    with app.embedded():
        assert result.get(timeout=SOON) == "done"
    assert runs == [(0, 0), (0, 0)]


def test_a_stop_in_a_hurry_ends_the_grace_period(app):
    running, never = threading.Event(), threading.Event()

    @app.task
    def work():
        running.set()
        while not never.wait(0.01):
            continue

    result = work.delay()
    with app.embedded() as worker:  # its grace period is eight seconds
        assert running.wait(SOON)
        worker.worker.stop()
        before = time.monotonic()
        worker.worker.stop(hurry=True)
        assert worker.worker.join(SOON)
        assert time.monotonic() - before < 3.0

    assert not result.ready()


def test_a_start_without_a_store_is_an_error_and_can_be_tried_again(start_redis):
    server = start_redis()
    url = server.url
    server.stop()

    with Celeriac("away", broker=url, broker_connection_timeout=0.3) as app:
        work = app.task(lambda: "done")
        worker = app.embedded()
        with pytest.raises(BrokerUnavailable):
            worker.start()
        worker.stop()
        with pytest.raises(BrokerUnavailable):
            worker.start()

        server.start()
        with worker:
            assert work.delay().get(timeout=SOON) == "done"


def test_a_module_that_fails_to_import_stops_the_start_with_its_own_error(memory_app, tmp_path, monkeypatch):
    (tmp_path / "broken_tasks.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    memory_app.conf.imports = ["broken_tasks"]
    worker = memory_app.embedded()

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            worker.start()
    worker.stop()


def test_it_claims_only_what_it_can_start(app):
    running, may_end = threading.Semaphore(0), threading.Event()

    @app.task
    def work():
        running.release()
        assert may_end.wait(SOON)

    results = [work.delay() for _ in range(6)]
    with app.embedded(concurrency=2):
        for _ in range(2):
            assert running.acquire(timeout=SOON)
        wait_until(
            lambda: [(q.running, q.queued) for q in app.broker.queues()] == [(2, 4)], what="2 of 6 claimed"
        )
        may_end.set()
        for result in results:
            result.get(timeout=SOON)


def test_two_embedded_workers_share_the_work(app):
    barrier = threading.Barrier(2)

    @app.task
    def work():
        barrier.wait(SOON)
        return threading.current_thread().name

    with app.embedded(concurrency=1), app.embedded(concurrency=1):
        results = [work.delay(), work.delay()]
        for result in results:
            result.get(timeout=SOON)

    assert len({result.worker for result in results}) == 2


def test_def_tasks_can_have_fewer_slots_than_async_ones(memory_app):
    together, highest, lock = 0, 0, threading.Lock()

    @memory_app.task
    def plain():
        nonlocal together, highest
        with lock:
            together += 1
            highest = max(highest, together)
        threading.Event().wait(0.01)
        with lock:
            together -= 1

    @memory_app.task
    async def light():
        return "light"

    with memory_app.embedded(concurrency=8, threads=2):
        results = [*plain.delay_many([()] * 20), *light.delay_many([()] * 20)]
        for result in results:
            result.get(timeout=SOON)

    assert highest == 2


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_an_exit_in_a_coroutines_own_child_does_not_end_the_worker(memory_app, kind):
    async def child():
        raise kind

    @memory_app.task
    async def careless():
        await asyncio.gather(asyncio.create_task(child()))

    @memory_app.task
    async def next_one():
        return "alive"

    with memory_app.embedded():
        result = careless.delay()
        with pytest.raises(Exception, match=kind.__name__):
            result.get(timeout=SOON)
        assert next_one.delay().get(timeout=SOON) == "alive"


def test_it_is_never_replaced_whatever_it_ran(app):
    app.conf.update(worker_max_tasks_per_child=3, worker_max_memory_per_child=1)
    work = app.task(lambda n: n)

    with app.embedded(concurrency=1):
        results = [work.delay(n) for n in range(10)]
        assert [result.get(timeout=SOON) for result in results] == list(range(10))
    assert len({result.worker for result in results}) == 1


def test_the_threads_end_with_the_worker(memory_app):
    @memory_app.task(soft_time_limit=60)
    def plain():
        return None

    @memory_app.task
    async def light():
        return None

    before = {thread.name for thread in threading.enumerate()}
    with memory_app.embedded():
        for task in (plain, light):
            task.delay().get(timeout=SOON)
    memory_app.close()
    for thread in threading.enumerate():
        if thread.name.startswith("celeriac") and thread.name not in before:
            thread.join(SOON)

    assert {thread.name for thread in threading.enumerate()} <= before
