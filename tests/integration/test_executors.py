"""`executor="process"`: all that works elsewhere works in an isolated process, and it can be killed."""

import asyncio
import os
import subprocess
import sys
import time

import psutil
import pytest

from celeriac import Middleware
from celeriac.errors import (
    BrokerUnavailable,
    EncodeError,
    Rejected,
    TaskFailed,
    TaskRevokedError,
    TimeLimitExceeded,
    WorkerLostError,
)
from celeriac.middleware import Moments
from tests.integration import isolated_jobs as jobs
from tests.waiting import wait_until

SOON = 30.0  # a fresh process takes its time to start
STORES = ("memory", "sqlite", pytest.param("redis", marks=pytest.mark.redis))


def test_what_an_isolated_run_sends_are_its_children(isolated):
    with isolated("sqlite", concurrency=1) as app:
        result = jobs.send_one.delay(app.conf.broker_url)
        child = result.get(timeout=SOON)

        assert [each.id for each in result.children] == [child]


@pytest.mark.parametrize("kind", STORES)
def test_a_task_runs_in_a_process_of_its_own_which_is_used_again(isolated, kind):
    with isolated(kind, concurrency=1):
        first, second, third = (
            task.delay().get(timeout=SOON) for task in (jobs.where, jobs.where, jobs.where_async)
        )

    assert first == second == third != os.getpid()
    wait_until(lambda: not psutil.pid_exists(first), what="the process to end with its worker")


@pytest.mark.parametrize("kind", STORES)
def test_request_current_task_and_progress_are_there(isolated, tmp_path, kind):
    with isolated(kind, concurrency=1):
        result = jobs.tell.apply_async((1, "b"), headers={"trace": "abc"})
        assert result.get(timeout=SOON) == {
            "id": result.id,
            "args": [1, "b"],
            "queue": "default",
            "headers": {"trace": "abc"},
            "current": jobs.tell.name,
        }
        result = jobs.report.delay(str(tmp_path / "go"))
        update = next(update for update in result.updates(timeout=SOON) if update.state == "PROGRESS")
        assert (update.current, update.total, update.status) == (1, 2, "half")
        (tmp_path / "go").touch()
        assert result.get(timeout=SOON) == "done"


def test_its_process_tells_middleware_that_it_has_begun(isolated):
    with isolated(concurrency=1):
        result = jobs.begun.delay()
        hostname = jobs.begun.delay().get(timeout=SOON)
        assert result.get(timeout=SOON) == hostname == [jobs.app.broker.workers(0.0)[0].name]


@pytest.mark.parametrize("kind", STORES[1:])
def test_what_it_sends_goes_to_the_store_that_the_parent_was_given(isolated, kind):
    with isolated(kind, concurrency=2) as app:
        task_id, queue = jobs.send_another.delay().get(timeout=SOON)
        child = app.AsyncResult(task_id)
        assert child.get(timeout=SOON)
        assert queue == child.queue


def test_on_a_store_of_one_process_it_cannot_send(isolated):
    with isolated("memory"), pytest.raises(BrokerUnavailable, match="memory://"):
        jobs.send_another.delay().get(timeout=SOON)


def test_a_script_can_have_isolated_tasks(tmp_path):
    (tmp_path / "script.py").write_text(
        "import os\n"
        "from celeriac import Celeriac\n"
        "app = Celeriac('proj', broker='memory://')\n"
        "@app.task(executor='process', crash_limit=0)\n"
        "def work():\n"
        "    return os.getpid()\n"
        "if __name__ == '__main__':\n"
        "    with app.embedded():\n"
        "        assert work.delay().get(timeout=30) != os.getpid()\n"
        "    print(work.name)\n"
    )

    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )

    assert (done.stdout, done.returncode) == ("proj.work\n", 0), done.stderr


def test_control_retries_and_errors_work(isolated):
    with isolated(concurrency=1):
        assert jobs.again.delay().get(timeout=SOON) == 2
        assert jobs.again_async.delay().get(timeout=SOON) == 2
        assert jobs.control.delay("ignore").get(timeout=SOON) is None
        with pytest.raises(Rejected, match="no"):
            jobs.control.delay("reject").get(timeout=SOON)
        result = jobs.fail.delay("value")
        with pytest.raises(ValueError, match="bad"):
            result.get(timeout=SOON)
        assert "isolated_jobs.py" in result.traceback
        assert "celeriac/worker" not in result.traceback
        with pytest.raises(EncodeError, match="the result of"):
            jobs.unserialisable.delay().get(timeout=SOON)


@pytest.mark.parametrize("kind", ["exit", "interrupt", "odd"])
def test_an_error_that_is_no_exception_fails_the_task_and_not_the_process(isolated, kind):
    with isolated(concurrency=1):
        before = jobs.where.delay().get(timeout=SOON)
        with pytest.raises(
            TaskFailed,
            match={"exit": "SystemExit", "interrupt": "KeyboardInterrupt", "odd": "OddError"}[kind],
        ):
            jobs.fail.delay(kind).get(timeout=SOON)
        assert jobs.where.delay().get(timeout=SOON) == before


# --- death ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "said"),
    [("exit", "status 3"), ("SIGKILL", "SIGKILL"), ("SIGTERM", "SIGTERM"), ("SIGABRT", "SIGABRT")],
)
def test_a_process_that_dies_costs_its_task_alone(isolated, how, said):
    with isolated(concurrency=1):
        with pytest.raises(WorkerLostError, match=said):
            jobs.die.delay(how).get(timeout=SOON)
        assert jobs.where.delay().get(timeout=SOON)


def test_a_segfault_costs_its_task_alone(isolated):
    with isolated(concurrency=1):
        with pytest.raises(WorkerLostError, match="SIGSEGV"):
            jobs.crash_in_c.delay().get(timeout=SOON)
        assert jobs.where.delay().get(timeout=SOON)


@pytest.mark.parametrize("kind", STORES)
def test_a_task_whose_process_died_is_run_again_from_its_checkpoint(isolated, kind):
    with isolated(kind, concurrency=1):
        result = jobs.walk.delay(4)
        assert result.get(timeout=SOON) == [2, 3]
        assert jobs.app.broker.get([result.id])[0].crashes == 1


def test_checkpoints_and_reports_of_a_coroutine_and_its_threads_arrive_whole(isolated):
    with isolated(concurrency=1):
        assert jobs.walk_async.delay().get(timeout=SOON) == [19]


def test_a_task_that_kills_its_processes_is_failed_past_the_crash_limit(isolated, monkeypatch):
    monkeypatch.setattr(jobs.die, "crash_limit", 1)
    monkeypatch.setattr(jobs.die, "_cache", None)
    with isolated(concurrency=1):
        result = jobs.die.delay("exit")
        with pytest.raises(WorkerLostError):
            result.get(timeout=SOON)
        assert jobs.app.broker.get([result.id])[0].crashes == 2


# --- limits and revocation --------------------------------------------------------------------------------


def test_a_soft_limit_is_an_exception_in_the_task(isolated, tmp_path):
    with isolated(concurrency=1):
        assert jobs.clean_up.delay(str(tmp_path / "a")).get(timeout=SOON) == "cleaned up"
        assert jobs.clean_up_async.delay(str(tmp_path / "b")).get(timeout=SOON) == "cleaned up"


def test_a_hard_limit_kills_even_what_spins_in_c(isolated, tmp_path):
    with isolated(concurrency=1):
        jobs.where.delay().get(timeout=SOON)  # the process is warm
        before = time.monotonic()
        with pytest.raises(TimeLimitExceeded, match=r"0.4 s"):
            jobs.spin_past_the_limit.delay(str(tmp_path / "spins")).get(timeout=SOON)
        assert time.monotonic() - before < 3.0
        assert (tmp_path / "spins").exists()
        assert jobs.where.delay().get(timeout=SOON)


def test_a_limit_counts_from_when_the_process_is_ready(isolated, tmp_path, monkeypatch):
    monkeypatch.setenv("SLOW_IMPORT", "0.5")  # longer than the limit

    with isolated(concurrency=1), pytest.raises(TimeLimitExceeded):
        jobs.spin_past_the_limit.delay(str(tmp_path / "spins")).get(timeout=SOON)

    assert (tmp_path / "spins").exists()  # it had its time


def test_terminate_reaches_a_task_whose_process_is_not_ready_yet(isolated, monkeypatch):
    monkeypatch.setenv("SLOW_IMPORT", "60")

    with isolated(concurrency=1):
        result = jobs.where.delay()
        wait_until(lambda: result.state == "STARTED", what="the claim")
        result.revoke(terminate=True)
        with pytest.raises(TaskRevokedError):
            result.get(timeout=SOON)
        monkeypatch.setenv("SLOW_IMPORT", "0")
        assert jobs.where.delay().get(timeout=SOON)


def test_hooks_and_middleware_hear_of_a_task_that_was_killed(isolated, tmp_path, monkeypatch):
    seen = []

    class Watcher(Middleware):
        def on_failure(self, request, error):
            seen.append(("on_failure", request.task, request.args, error.type))

        def on_revoked(self, request):
            seen.append(("on_revoked", request.task, request.args))

        def after_run(self, request):
            seen.append(("after_run", request.task))

    monkeypatch.setattr(jobs.app, "_moments", Moments([Watcher()]))
    path = str(tmp_path / "spins")
    with isolated(concurrency=1):
        jobs.spin_past_the_limit.delay(path).get(timeout=SOON, propagate=False)
        (tmp_path / "spins").unlink()
        result = jobs.spin_for_ever.delay(path)
        wait_until(lambda: (tmp_path / "spins").exists(), SOON, what="the task to spin")
        result.revoke(terminate=True)
        result.get(timeout=SOON, propagate=False)

    assert seen == [
        ("on_failure", jobs.spin_past_the_limit.name, (path,), "celeriac.errors.TimeLimitExceeded"),
        ("after_run", jobs.spin_past_the_limit.name),
        ("on_revoked", jobs.spin_for_ever.name, (path,)),
        ("after_run", jobs.spin_for_ever.name),
    ]


def test_terminate_kills_even_what_spins_in_c(isolated, tmp_path):
    with isolated(concurrency=1):
        result = jobs.spin_for_ever.delay(str(tmp_path / "spins"))
        wait_until(lambda: (tmp_path / "spins").exists(), SOON, what="the task to spin")
        before = time.monotonic()
        assert result.revoke(terminate=True)
        with pytest.raises(TaskRevokedError):
            result.get(timeout=SOON)
        assert time.monotonic() - before < 3.0
        assert jobs.where.delay().get(timeout=SOON)


def _is_spawned(process):
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # another test's, which has just ended
        return False


def test_stopping_kills_what_does_not_finish_and_gives_it_back(isolated, tmp_path):
    jobs.app.conf.worker_soft_shutdown_timeout = 0.2
    try:
        with isolated("sqlite", concurrency=1) as app:
            result = jobs.spin_for_ever.delay(str(tmp_path / "spins"))
            wait_until(lambda: (tmp_path / "spins").exists(), SOON, what="the task to spin")
            [process] = filter(_is_spawned, psutil.Process().children())
        record = app.broker.get([result.id])[0]
    finally:
        jobs.app.conf.worker_soft_shutdown_timeout = 8.0

    assert result.state == "PENDING"
    assert (record.crashes, record.retries) == (0, 0)
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, what="its end")


# --- what cannot work is said ------------------------------------------------------------------------------


def test_an_application_that_no_module_has_cannot_isolate(memory_app):
    memory_app.conf.task_crash_limit = 0
    work = memory_app.task(executor="process")(lambda: 1)

    with memory_app.embedded(), pytest.raises(Exception, match="make it a global name of a module"):
        work.delay().get(timeout=SOON)


def test_a_task_that_no_module_defines_cannot_be_isolated(isolated):
    task = jobs.app.task(name="made.later", executor="process", crash_limit=0)(lambda: 1)
    try:
        with isolated(), pytest.raises(WorkerLostError, match="must be defined where a module is imported"):
            task.delay().get(timeout=SOON)
    finally:
        del jobs.app._registry._own["made.later"]


def test_a_module_that_cannot_be_imported_afresh_fails_the_task_with_its_own_error(
    memory_app, tmp_path, monkeypatch
):
    (tmp_path / "once.py").write_text(
        "import os\n"
        "from celeriac import Celeriac\n"
        "if os.getpid() != int(os.environ['ONLY_PID']):\n"
        "    raise RuntimeError('not in this process')\n"
        "app = Celeriac('once', broker='memory://', set_as_current=False)\n"
        "@app.task(executor='process', crash_limit=0)\n"
        "def work():\n"
        "    return 1\n"
    )
    monkeypatch.setenv("ONLY_PID", str(os.getpid()))
    monkeypatch.syspath_prepend(tmp_path)
    import once

    try:
        with once.app.embedded(), pytest.raises(Exception, match="not in this process"):
            once.work.delay().get(timeout=SOON)
    finally:
        once.app.close()
        del sys.modules["once"]


# --- all executors -----------------------------------------------------------------------------------------


def test_each_task_runs_where_it_says(memory_app):
    import threading

    @memory_app.task
    def thread():
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return threading.current_thread().name.startswith("celeriac-task")

    @memory_app.task
    async def loop():
        return asyncio.get_running_loop().is_running() and threading.current_thread().name

    with memory_app.embedded():
        assert thread.delay().get(timeout=SOON) is True
        assert loop.delay().get(timeout=SOON) == "celeriac-worker"
