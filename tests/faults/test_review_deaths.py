"""Processes that die, hang or cannot start in ways that once held up or ended their whole worker."""

from __future__ import annotations

import pytest

from celeriac.errors import WorkerLostError
from tests.faults import shop as tasks
from tests.faults.workers import until_workers
from tests.waiting import wait_until


def test_a_process_whose_fork_outlives_it_is_replaced_at_once(shop, start_worker):
    start_worker("--processes", "1")
    until_workers(shop, 1)

    lost = tasks.fork_and_die.delay()

    with pytest.raises(WorkerLostError):
        lost.get(8)
    assert tasks.add.delay(1, 2).get(8) == 3


def test_a_process_whose_loop_is_blocked_past_a_hard_limit_is_replaced_and_ends(shop, start_worker):
    worker = start_worker("--processes", "1", CELERIAC_WORKER_SOFT_SHUTDOWN_TIMEOUT="1")
    until_workers(shop, 1)
    [blocked] = worker.children()

    late = tasks.block_the_loop.apply_async((60,), time_limit=0.5)

    assert type(late.get(10, propagate=False)).__name__ == "TimeLimitExceeded"
    wait_until(lambda: blocked not in worker.children(), what="the blocked process to end")
    assert tasks.add.delay(1, 2).get(8) == 3


APPLICATION = """
from celeriac import Celeriac
app = Celeriac("shop")
@app.task(name="tests.faults.shop.add")
def add(x, y):
    return x + y
"""


def test_a_deploy_that_breaks_the_import_for_a_moment_does_not_end_a_running_worker(
    shop, start_worker, tmp_path
):
    module = tmp_path / "deployed.py"
    module.write_text(APPLICATION)
    worker = start_worker("--processes", "1", app="deployed:app", cwd=str(tmp_path))
    assert tasks.add.delay(1, 2).get(30) == 3  # its supervisor knows by now that it works
    [child] = worker.children()

    module.write_text("<<<<<<< half a deploy")
    worker.kill_child(child.pid)
    wait_until(lambda: worker.log.count("process died") > 1, 20, what="the import to fail")
    module.write_text(APPLICATION)

    assert tasks.add.delay(1, 2).get(30) == 3
    assert worker.process.poll() is None
