"""Real worker commands that are steered from outside: drained, stopped, asked where a task is, and logged."""

import os
import signal
import time

import pytest

from celeriac.errors import NotRunning, UnknownTask, UnknownWorker
from celeriac.errors import TimeoutError as WaitTimeout
from tests.faults.workers import WorkerCommand, until_workers
from tests.integration import steered
from tests.integration.command_line import invoke
from tests.waiting import wait_until

STORES = ("sqlite", pytest.param("redis", marks=pytest.mark.redis))
EXECUTORS = ("in_thread", "on_loop", "isolated", "gathered")


@pytest.fixture(params=STORES)
def app(request, url_of, tmp_path, monkeypatch):
    """The steered application on an empty store; its tasks wait in the test's own folder."""
    monkeypatch.setenv("STEERED_MARKS", str(tmp_path))
    app = steered.app
    app.close()
    app.conf.update(broker_url=url_of(request.param), namespace=f"steered-{time.monotonic_ns()}")
    yield app
    app.close()
    del app.conf.broker_url, app.conf.namespace


@pytest.fixture
def start(app, tmp_path):
    """Start worker commands on it; they end with the test."""
    started = []

    def start(*args: str, count: int = 1) -> WorkerCommand:
        where = {"app": "tests.integration.steered:app", "STEERED_MARKS": str(tmp_path)}
        names = {"CELERIAC_NAMESPACE": app.conf.namespace}
        worker = WorkerCommand(app.conf.broker_url, tmp_path, *args, **where, **names)
        started.append(worker)
        until_workers(app, count)
        return worker

    yield start
    for name in EXECUTORS:
        (tmp_path / f"{name}.go").touch()
    for worker in started:
        worker.kill()


def until_here(folder, name):
    wait_until((folder / f"{name}.here").exists, 30, what=f"{name} to wait")


def until(condition, what):
    return wait_until(condition, 30, what=what)


def states_of(app):
    return {worker.id: worker.draining for worker in app.broker.workers(app.clock.now())}


def test_a_stack_says_where_a_task_is_on_every_executor_and_no_values(app, start, tmp_path):
    start("--processes", "1")
    sent = {name: getattr(steered, name).delay(name) for name in EXECUTORS}
    for name in EXECUTORS:
        until_here(tmp_path, name)

    stacks = {name: app.control.stack(result.id, timeout=20) for name, result in sent.items()}

    for name, stack in stacks.items():
        outermost, *_ = stack.frames
        assert (outermost.function, outermost.file) == (name, steered.__file__)
        assert "wait_here" in outermost.source or "await_here" in outermost.source
        assert {frame.function for frame in stack.frames} & {"wait_here", "await_here"}
        assert "password" not in stack.text


def test_what_tasks_log_is_kept_with_them(app, start, tmp_path):
    start("--processes", "1")
    for name in EXECUTORS:
        (tmp_path / f"{name}.go").touch()

    quick, twice = steered.quick.delay("this"), steered.twice.delay()
    isolated, gathered = steered.isolated.delay("isolated"), steered.gathered.delay("gathered")
    chatty = steered.chatty.delay(2)
    results = [result.get(30) for result in (quick, twice, isolated, gathered, chatty)]

    assert results == ["this", 2, None, "gathered", None]
    [line] = quick.log()
    assert (line.number, line.attempt, line.level, line.logger) == (1, 1, 20, "shop.orders")
    assert line.text == "does this"
    assert line.time == pytest.approx(time.time(), abs=60)
    assert [(line.attempt, line.text) for line in twice.log()] == [(1, "attempt 1"), (2, "attempt 2")]
    assert [line.text for line in isolated.log()] == ["isolated isolated"]
    assert [line.text for line in gathered.log()] == ["gathered 1"]
    texts = [line.text for line in chatty.log()]
    assert texts[:2] == ["line 0 \x1b[31mred", "line 1 \x1b[31mred"]
    assert "KeyError: 'key'" in texts[2]
    assert texts[3].startswith("xxx")
    assert len(texts[3]) < 4200
    assert texts[4:] == []


def test_lines_can_be_read_while_the_task_runs(app, start, tmp_path):
    start("--processes", "1")

    sent = steered.isolated.delay("isolated")
    until_here(tmp_path, "isolated")

    until(sent.log, "the line")
    assert not sent.ready()


def test_a_drained_worker_finishes_what_it_runs_and_claims_nothing_until_it_may(app, start, tmp_path):
    start("--processes", "1")
    running = steered.in_thread.delay("in_thread")
    until_here(tmp_path, "in_thread")

    told = app.control.drain("celeriac@*")
    until(lambda: states_of(app) == {told[0]: True}, "the worker to drain")
    waiting = steered.quick.delay("later")
    (tmp_path / "in_thread.go").touch()
    running.get(30)

    assert waiting.state == "PENDING"
    assert app.broker.queues()[0].queued == 1
    app.control.resume(told[0])
    assert waiting.get(30) == "later"
    until(lambda: states_of(app) == {told[0]: False}, "the worker to say so")


def test_the_process_that_takes_a_drained_ones_place_is_drained_too(app, start):
    worker = start("--processes", "1")
    [old] = app.control.drain("*")
    until(lambda: states_of(app) == {old: True}, "the worker to drain")

    os.kill(app.control.workers(old)[0].pid, signal.SIGKILL)

    new = until(lambda: [each for each in states_of(app) if each != old], "another process")
    until(lambda: states_of(app).get(new[0]), "it to tell of itself")
    sent = steered.quick.delay("later")
    app.control.resume("*")
    assert sent.get(30) == "later"
    assert worker.process.poll() is None


def test_a_stop_ends_the_whole_worker_in_good_order_whichever_process_was_named(app, start, tmp_path):
    worker = start("--processes", "2", count=2)
    running = steered.in_thread.delay("in_thread")
    until_here(tmp_path, "in_thread")

    app.control.stop(app.control.workers()[0].id)
    until(lambda: "stopping" in worker.log, "the worker to begin")
    (tmp_path / "in_thread.go").touch()

    assert worker.process.wait(30) == 0
    assert running.get(30) is None
    assert running.log() == []
    assert "stopping at once" not in worker.log
    assert app.broker.workers(app.clock.now()) == []


def test_what_cannot_be_told_is_said(app, start, tmp_path):
    with pytest.raises(UnknownWorker, match="no worker is alive"):
        app.control.drain("*")
    start("--processes", "1")
    done = steered.quick.delay("x")
    done.get(30)

    with pytest.raises(UnknownWorker, match="no live worker is called 'web-7'; alive are celeriac@"):
        app.control.stop("web-7")
    with pytest.raises(UnknownTask):
        app.control.stack("no-such-task")
    with pytest.raises(NotRunning, match=r"\(tests.integration.steered.quick\) does not run: it is SUCCESS"):
        app.control.stack(done.id)
    steered.in_thread.delay("in_thread")
    until_here(tmp_path, "in_thread")
    [record] = app.broker.running(app.control.workers()[0].id)
    with pytest.raises(WaitTimeout, match="has not told within 0 s"):
        app.control.stack(record.id, timeout=0)


def test_the_terminal_shows_and_steers_and_remembers_who(app, start, tmp_path):
    worker = start("--processes", "1", "-n", "shop-1")
    where = ("-b", app.conf.broker_url, "--namespace", app.conf.namespace)
    sent = steered.isolated.delay("isolated")
    until_here(tmp_path, "isolated")
    until(lambda: app.control.workers()[0].memory, "the worker to tell of itself")

    table = invoke(*where, "workers", "--tasks")
    [described] = invoke(*where, "workers", "shop-1", "--tasks", "--json").objects
    stack = invoke(*where, "stack", sent.id, "--timeout", "20")
    drained = invoke(*where, "drain", "shop-1")
    (tmp_path / "isolated.go").touch()
    followed = invoke(*where, "logs", sent.id, "--follow", "--level", "info")
    lines = invoke(*where, "logs", sent.id, "--json").objects
    stopped = invoke(*where, "stop", "shop-*", "--json")
    activity = invoke(*where, "activity", "--json").objects

    assert [table.code, stack.code, drained.code, followed.code, stopped.code] == [0] * 5
    assert "shop-1" in table.out
    assert sent.id in table.out
    assert (described["name"], described["state"], described["running"]) == ("shop-1", "running", 1)
    assert described["memory"] > 10_000_000
    assert described["cpu"] > 0
    assert [task["name"] for task in described["tasks"]] == ["tests.integration.steered.isolated"]
    assert "in wait_here" in stack.out
    assert drained.out.endswith("drains\n")
    assert "shop.orders: isolated isolated" in followed.out
    assert [line["text"] for line in lines if line["logger"] == "shop.orders"] == ["isolated isolated"]
    assert stopped.objects[0]["answer"] == "stops"
    assert [(deed["verb"], deed["target"], deed["count"]) for deed in activity] == [
        ("stop", "shop-*", 1),
        ("drain", "shop-1", 1),
    ]
    assert "@" in activity[0]["who"]
    assert worker.process.wait(30) == 0
