"""Worker processes die in every way there is: nothing is lost, nothing is stuck, nothing loops for ever."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

import pytest

from celeriac.errors import TimeLimitExceeded, WorkerLostError
from celeriac.states import State
from tests.faults import shop as tasks
from tests.faults.workers import freeze, marks, until_marked, until_workers
from tests.waiting import wait_until


def holder_of(app, result):
    """Return the enlisted worker that holds the task."""
    name = result.worker
    return next(worker for worker in app.broker.workers(time.time()) if worker.id == name)


@pytest.mark.serial
def test_a_killed_processs_task_runs_again_at_once_in_another(shop, start_worker, tmp_path):
    start_worker("--processes", "2")
    until_workers(shop, 2)
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")

    killed = time.monotonic()
    victim = holder_of(shop, result)
    os.kill(victim.pid, signal.SIGKILL)
    [_, again] = until_marked(tmp_path, "start", count=2)
    recovered = time.monotonic() - killed

    assert "crashes=1 retries=0" in again
    assert recovered < 5.0  # far below the lease: the supervisor saw it
    (tmp_path / "go").touch()
    assert result.get(20) == "go"
    assert result.worker != victim.id


def test_a_killed_only_process_is_replaced_by_the_one_in_reserve(shop, start_worker, tmp_path):
    worker = start_worker("--processes", "1")
    [first] = until_workers(shop, 1)
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")
    [spare] = wait_until(worker.reserve, 30, what="a process in reserve")

    os.kill(first.pid, signal.SIGKILL)
    [_, again] = until_marked(tmp_path, "start", count=2)

    assert "crashes=1 retries=0" in again
    assert holder_of(shop, result).pid == spare.pid
    (tmp_path / "go").touch()
    assert result.get(20) == "go"


def test_what_stands_in_reserve_ends_with_its_worker(shop, start_worker):
    worker = start_worker("--processes", "1")
    until_workers(shop, 1)
    [spare] = wait_until(worker.reserve, 30, what="a process in reserve")

    worker.process.kill()

    wait_until(lambda: not spare.is_running(), 10, what="its end")


@pytest.mark.serial
def test_a_whole_worker_killed_on_this_host_gives_its_tasks_to_another_at_once(shop, start_worker, tmp_path):
    here = tmp_path / "temporary"
    here.mkdir()
    worker = partial(start_worker, "--processes", "2", SHOP_LEASE="60", TMPDIR=str(here))
    doomed = worker()
    until_workers(shop, 2)
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")
    other = worker()
    until_workers(shop, 4)

    killed = time.monotonic()
    doomed.kill()
    until_marked(tmp_path, "start", count=2)
    recovered = time.monotonic() - killed

    assert recovered < 5.0  # far below the lease: the kernel has said so
    until_workers(shop, 2)
    (tmp_path / "go").touch()
    assert result.get(20) == "go"
    assert other.end() == 0
    assert list(here.rglob("*.lock")) == []


@pytest.mark.parametrize("store_url", ["redis"], indirect=True)  # who shares a file shares its locks
def test_a_worker_in_another_container_is_not_taken_for_dead(shop, start_worker, tmp_path):
    for name in ("one", "other"):  # as if each had a /tmp of its own
        (tmp_path / name).mkdir()
        start_worker("--processes", "1", SHOP_LEASE="2", TMPDIR=str(tmp_path / name))
    before = until_workers(shop, 2)
    clocks = [worker.seen for worker in before]

    def beaten():
        now = shop.broker.workers(time.time())
        return len(now) == 2 and all(
            worker.seen > clock + 2 for worker, clock in zip(now, clocks, strict=True)
        )

    wait_until(beaten, what="leases that are renewed beyond their first length")

    assert [worker.id for worker in shop.broker.workers(time.time())] == [worker.id for worker in before]


def test_a_killed_supervisor_leaves_running_tasks_time_to_finish(shop, start_worker, tmp_path):
    worker = start_worker("--processes", "1", SHOP_LEASE="2")
    until_workers(shop, 1)
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")

    worker.process.kill()
    worker.process.wait()
    (tmp_path / "go").touch()

    assert result.get(20) == "go"
    assert len([line for line in marks(tmp_path) if line.startswith("start")]) == 1
    until_workers(shop, 0)


def test_a_frozen_worker_that_wakes_up_after_its_lease_changes_nothing(shop, start_worker, tmp_path):
    zombie = start_worker("--processes", "1", SHOP_LEASE="1")
    [old] = until_workers(shop, 1)
    result = tasks.wait_for.delay("go")
    until_marked(tmp_path, "start")

    freeze(zombie, shop)
    start_worker("--processes", "1", SHOP_LEASE="1")
    until_marked(tmp_path, "start", count=2)
    (tmp_path / "go").touch()
    assert result.get(20) == "go"
    finished = shop.broker.get([result.id])[0]
    (tmp_path / "go").unlink()  # the zombie runs on, and would not end by itself
    zombie.signal_all(signal.SIGCONT)

    wait_until(lambda: "lease lost" in zombie.log, what="the zombie to learn that its lease is lost")
    assert shop.broker.get([result.id])[0] == finished
    assert finished.worker != old.id
    until_marked(tmp_path, "interrupted")
    wait_until(lambda: len(shop.broker.workers(time.time())) == 2, what="the zombie to enlist anew")
    assert tasks.add.delay(1, 2).get(20) == 3


def test_a_task_that_kills_its_worker_every_time_is_failed_past_its_crash_limit(shop, start_worker, tmp_path):
    start_worker("--processes", "1")

    result = tasks.leave.delay(7)

    with pytest.raises(WorkerLostError, match="exited with status 7"):
        result.get(30)
    assert marks(tmp_path).count("leave") == 2  # crash_limit=1: the first run and one more
    assert tasks.add.delay(1, 2).get(20) == 3


@pytest.mark.parametrize(("task", "how"), [(tasks.segfault, "SIGSEGV"), (tasks.eat_memory, "SIGKILL")])
def test_a_task_that_dies_by_a_signal_fails_with_its_name(shop, start_worker, task, how):
    start_worker("--processes", "1")

    with pytest.raises(WorkerLostError, match=how):
        task.delay().get(30)
    assert tasks.add.delay(1, 2).get(20) == 3


@pytest.mark.parametrize("task", [tasks.exit_the_interpreter, tasks.interrupt])
def test_a_task_that_asks_the_interpreter_to_end_only_fails(shop, start_worker, task):
    start_worker("--processes", "1")
    [before] = until_workers(shop, 1)

    result = task.delay()

    wait_until(result.ready, what="the task to end")
    assert result.failed()
    assert tasks.start_a_thread_that_exits.delay().get(20) == "still here"
    assert [worker.id for worker in shop.broker.workers(time.time())] == [before.id]


def test_a_recovered_task_goes_on_from_its_last_checkpoint(shop, start_worker, tmp_path):
    start_worker("--processes", "1")

    result = tasks.steps.delay(6, 3)

    assert result.get(30) == [0, 1, 2, 3, 4, 5]
    assert [line for line in marks(tmp_path) if line.startswith("step")] == [f"step {n}" for n in range(6)]
    assert shop.broker.get([result.id])[0].crashes == 1


@pytest.mark.parametrize("task", [tasks.hold_the_interpreter, tasks.block_the_loop])
def test_a_task_that_holds_interpreter_or_loop_past_the_lease_keeps_it(shop, start_worker, task):
    start_worker("--processes", "1", SHOP_LEASE="1")
    start_worker("--processes", "1", SHOP_LEASE="1")  # somebody who would take it over
    until_workers(shop, 2)

    result = task.delay(4.0)

    assert result.get(30) in ("held", "blocked")
    record = shop.broker.get([result.id])[0]
    assert (record.crashes, record.fence) == (0, 1)


def test_a_process_held_past_a_hard_limit_is_killed_and_replaced(shop, start_worker):
    start_worker("--processes", "1")
    [before] = until_workers(shop, 1)

    with pytest.raises(TimeLimitExceeded):
        tasks.hold_past_the_limit.delay().get(30)

    assert tasks.pid.delay().get(20) != before.pid


def test_a_thread_that_does_not_react_to_its_hard_limit_costs_its_process_only(shop, start_worker):
    start_worker("--processes", "1")
    [before] = until_workers(shop, 1)

    with pytest.raises(TimeLimitExceeded):
        tasks.sleep_past_the_limit.delay().get(30)

    wait_until(lambda: tasks.pid.delay().get(20) != before.pid, what="another process to work")


def test_revoking_a_task_that_sleeps_in_c_ends_it(shop, start_worker, tmp_path):
    start_worker("--processes", "1")
    result = tasks.sleep_in_c.delay(60)
    until_marked(tmp_path, "sleeping")

    assert result.revoke(terminate=True)

    wait_until(lambda: result.state == "REVOKED", 20, what="the task to be revoked")
    assert tasks.add.delay(1, 2).get(20) == 3


def test_many_kills_lose_nothing(shop, start_worker):
    start_worker("--processes", "2")
    until_workers(shop, 2)
    results = []

    for _ in range(5):
        results += tasks.add.delay_many((n, 1) for n in range(400))
        wait_until(lambda: shop.broker.workers(time.time()), what="a worker to kill")
        for worker in shop.broker.workers(time.time())[:1]:
            try:
                os.kill(worker.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    wait_until(lambda: not shop.broker.queues(), 60, what="everything to be done")
    records = [
        record
        for first in range(0, 2000, 500)
        for record in shop.broker.get([r.id for r in results[first : first + 500]])
    ]
    assert {record.state for record in records} == {State.SUCCEEDED}
