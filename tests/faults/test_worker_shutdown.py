"""Stopping and replacing workers: deploys lose nothing, double nothing, and burn no attempt."""

from __future__ import annotations

import signal
import time

import pytest

from tests.edits import edit
from tests.faults import shop as tasks
from tests.faults.workers import marks, until_marked, until_workers
from tests.waiting import wait_until


@pytest.mark.parametrize("task", [tasks.wait_for, tasks.await_for])
def test_sigterm_lets_running_tasks_finish(shop, start_worker, tmp_path, task):
    worker = start_worker("--processes", "1")
    result = task.delay("go")
    until_marked(tmp_path, "start")

    worker.terminate()
    wait_until(lambda: "stopping" in worker.log, what="the worker to begin to stop")
    (tmp_path / "go").touch()

    assert worker.process.wait(20) == 0
    assert result.get(1) == "go"
    assert "worker shutdown" in marks(tmp_path)
    assert shop.broker.workers(time.time()) == []


@pytest.mark.parametrize("task", [tasks.wait_for, tasks.await_for])
def test_what_does_not_finish_in_time_is_given_back_uncounted(shop, start_worker, tmp_path, task):
    worker = start_worker("--processes", "1", CELERIAC_WORKER_SOFT_SHUTDOWN_TIMEOUT="0.3")
    result = task.delay("go")
    until_marked(tmp_path, "start")

    assert worker.end() == 0
    given_back = shop.broker.get([result.id])[0]
    start_worker("--processes", "1")
    [_, again] = until_marked(tmp_path, "start", count=2)
    (tmp_path / "go").touch()

    assert (given_back.state.name, given_back.crashes, given_back.retries) == ("QUEUED", 0, 0)
    assert "crashes=0 retries=0" in again
    assert result.get(20) == "go"


def test_a_worker_that_stops_is_no_reason_to_expect_that_a_task_begins(shop, start_worker, tmp_path):
    worker = start_worker("--processes", "1", "-c", "1", CELERIAC_WORKER_SOFT_SHUTDOWN_TIMEOUT="60")
    tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")
    waits = tasks.wait_for.delay("go")
    worker.terminate()

    reason = wait_until(
        lambda: (found := shop.explain(waits.id)).code == "drained" and found, 5, what="the store to know"
    )

    assert "claim nothing" in str(reason)
    (tmp_path / "go").touch()
    assert worker.process.wait(20) == 0


def test_a_second_signal_gives_back_at_once(shop, start_worker, tmp_path):
    worker = start_worker("--processes", "1", CELERIAC_WORKER_SOFT_SHUTDOWN_TIMEOUT="60")
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")

    worker.terminate()
    wait_until(lambda: "stopping" in worker.log, what="the worker to begin to stop")
    worker.process.send_signal(signal.SIGINT)

    assert worker.process.wait(20) == 0
    assert shop.broker.get([result.id])[0].state.name == "QUEUED"


def test_a_closed_terminal_stops_a_worker_in_good_order(shop, start_worker, tmp_path):
    worker = start_worker("--processes", "1")
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")

    worker.signal_all(signal.SIGHUP)
    wait_until(lambda: "stopping" in worker.log, what="the worker to begin to stop")
    (tmp_path / "go").touch()

    assert worker.process.wait(20) == 0
    assert result.get(1) == "go"
    assert shop.broker.get([result.id])[0].crashes == 0


def test_a_process_is_replaced_after_so_many_tasks(shop, start_worker):
    start_worker("--processes", "1", "--max-tasks-per-child", "5")

    pids = [tasks.pid.delay().get(20) for _ in range(12)]

    assert len(set(pids)) >= 2
    assert len(pids) == 12


def test_a_process_is_replaced_when_it_has_grown_too_large(shop, start_worker):
    start_worker("--processes", "1", "--max-memory-per-child", "150000")
    first = tasks.grow.delay(200).get(20)

    wait_until(lambda: tasks.pid.delay().get(20) != first, 20, what="another process to work")


def test_the_worker_moments_are_told(shop, start_worker, tmp_path):
    worker = start_worker("--processes", "2")
    until_workers(shop, 2)
    worker.end()

    told = marks(tmp_path)

    assert told.count("worker init") == 1
    assert len([line for line in told if line.startswith("process init")]) == 2
    assert told.count("worker shutdown") == 2


def test_a_module_that_fails_to_import_ends_the_worker_with_its_traceback(shop, start_worker, tmp_path):
    (tmp_path / "broken_shop.py").write_text("import celeriac\nraise RuntimeError('the shop is closed')\n")

    worker = start_worker("--processes", "2", app="broken_shop:app", PYTHONPATH=str(tmp_path))

    assert worker.process.wait(20) == 5
    assert "the shop is closed" in worker.log
    assert "broken_shop.py" in worker.log


def test_changed_code_is_loaded_with_reload(shop, start_worker, tmp_path):
    module = tmp_path / "changing_shop.py"
    source = """
from celeriac import Celeriac

app = Celeriac("shop")


@app.task(name="answer")
def answer():
    return {}
"""
    module.write_text(source.format(1))
    start_worker(
        "--processes", "1", "--reload", app="changing_shop:app", PYTHONPATH=f"{tmp_path}:.", cwd=str(tmp_path)
    )
    assert shop.send_task("answer").get(20) == 1

    edit(module, source.format(2))

    wait_until(lambda: shop.send_task("answer").get(20) == 2, 20, what="the new code to answer")
