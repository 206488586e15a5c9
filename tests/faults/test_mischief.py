"""Tasks that harm the process they run in: it costs that process at most, and nobody waits for ever."""

from __future__ import annotations

import subprocess
import time

import psutil
import pytest

from celeriac.errors import SoftTimeLimitExceeded, WorkerLostError
from tests.faults import mischief
from tests.faults import shop as tasks
from tests.faults.workers import marks, until_marked, until_workers
from tests.waiting import wait_until

SOON = 20.0


@pytest.fixture
def start(shop, start_worker):
    """Start a worker of one process that knows the mischief; return it when it works."""

    def start(**options):
        worker = start_worker("--processes", "1", app="tests.faults.mischief:app", **options)
        until_workers(shop, 1)
        return worker

    return start


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# --- descriptors ----------------------------------------------------------------------------------


def test_a_task_that_closes_every_descriptor_costs_its_process_which_is_replaced(shop, start):
    start()
    before = tasks.pid.delay().get(SOON)

    result = mischief.close_every_descriptor.delay()

    wait_until(lambda: is_gone(before), SOON, what="the process to end")
    wait_until(result.ready, SOON, what="the task to end")
    assert result.state == "SUCCESS" or isinstance(result.result, WorkerLostError)
    assert tasks.pid.delay().get(SOON) != before


def test_in_a_process_of_its_own_it_costs_itself_alone(shop, start, tmp_path):
    start()
    before = tasks.pid.delay().get(SOON)

    with pytest.raises(WorkerLostError):
        mischief.close_every_descriptor_alone.delay().get(SOON)

    assert mischief.where_alone.delay().get(SOON)
    assert tasks.pid.delay().get(SOON) == before


# --- forks ----------------------------------------------------------------------------------------


FORKS = (mischief.fork_and_return, mischief.fork_and_return_async, mischief.fork_and_return_alone)


def test_a_copy_of_the_process_that_a_task_made_does_not_go_on_in_its_name(shop, start, tmp_path):
    worker = start()

    for number, task in enumerate(FORKS, 1):
        result = task.delay()
        original = result.get(SOON)
        copy = int(until_marked(tmp_path, "copy", count=number)[-1].split()[1])
        wait_until(lambda copy=copy: is_gone(copy), what="the copy to end")
        assert not is_gone(original)
        told = f"id={result.id}"
        wait_until(lambda told=told: told in worker.log, what="its line in the log")  # after the settlement
        assert worker.log.count(told) == 1
    assert [mischief.where_alone.delay().get(SOON) for _ in range(3)] == [original] * 3
    assert tasks.add.delay(1, 2).get(SOON) == 3
    assert "settlement refused" not in worker.log


# --- signals --------------------------------------------------------------------------------------


def test_a_task_that_takes_over_the_signals_does_not_keep_its_worker_from_stopping(shop, start):
    worker = start()
    assert mischief.take_over_signals.delay().get(SOON) == "ignored"

    assert tasks.add.delay(1, 2).get(SOON) == 3
    assert worker.end() == 0
    assert shop.broker.workers(time.time()) == []


def test_a_task_that_takes_over_the_signals_does_not_disarm_the_next_ones_soft_limit(shop, start):
    start()
    before = mischief.take_over_signals_alone.delay().get(SOON)

    assert mischief.wait_for_the_soft_limit.delay().get(SOON) == [before, SoftTimeLimitExceeded.__name__]


def test_a_task_that_will_not_end_is_given_back_uncounted_when_its_worker_stops(shop, start, tmp_path):
    worker = start(CELERIAC_WORKER_SOFT_SHUTDOWN_TIMEOUT="0.3")
    result = mischief.ignore_every_exception.delay()
    until_marked(tmp_path, "stubborn")

    assert worker.end() == 0

    record = shop.broker.get([result.id])[0]
    assert (record.state.name, record.crashes, record.retries) == ("QUEUED", 0, 0)


# --- memory and threads ---------------------------------------------------------------------------


def test_a_task_that_takes_all_memory_fails_and_its_process_goes_on(shop, start):
    start()
    before = mischief.limit_memory.delay(100).get(SOON)

    with pytest.raises(MemoryError):
        mischief.eat_all_memory.delay().get(SOON)

    assert tasks.pid.delay().get(SOON) == before


def test_a_process_that_can_start_no_thread_is_replaced_and_nothing_is_counted(shop, start, tmp_path):
    start()
    before = mischief.limit_memory.delay(2).get(SOON)

    result = mischief.where_alone.delay()  # a thread has to wait on its process

    assert result.get(SOON)
    assert shop.broker.get([result.id])[0].crashes == 0
    assert tasks.pid.delay().get(SOON) != before


@pytest.mark.serial
def test_threads_that_a_task_leaves_behind_keep_nobody_from_working_or_stopping(shop, start):
    worker = start()
    mischief.leave_threads.delay(6).get(SOON)

    assert tasks.add.delay(1, 2).get(SOON) == 3
    began = time.monotonic()
    assert worker.end() == 0
    assert time.monotonic() - began < 6.0  # far below the grace period and what comes after it


# --- output ---------------------------------------------------------------------------------------


def test_a_task_that_prints_a_gigabyte_disturbs_nobody(shop, start, tmp_path):
    worker = start(stdout=subprocess.DEVNULL)

    much = mischief.print_much.delay(1024)

    assert tasks.add.delay(1, 2).get(SOON) == 3
    assert much.get(SOON) == 1024
    assert shop.broker.get([much.id])[0].fence == 1
    assert worker.end() == 0
    assert marks(tmp_path).count("worker shutdown") == 1
