"""The worker command as people start it: real processes, told to stop, killed, reloaded, and refused."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest

from celeriac import Celeriac
from celeriac.cli import worker
from celeriac.cli.codes import Exit
from tests.edits import edit
from tests.integration.command_line import Answer, Worker, invoke, run, started
from tests.plugin import redis_program_or_give_up
from tests.servers import RedisServer
from tests.waiting import wait_until

MODULE = """
import os
import time
from celeriac import Celeriac

app = Celeriac("shop", broker={url!r}, namespace={namespace!r})

@app.task(name="shop.add")
def add(x: int, y: int) -> int:
    return x + y

@app.task(name="shop.pid")
def pid() -> int:
    return os.getpid()

@app.task(name="shop.nap")
def nap(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()

@app.task(name="shop.alone", executor="process")
def alone() -> int:
    return os.getpid()

def create_app():
    return app
"""
FACTORY = """
import os
from celeriac import Celeriac

def create_app():
    app = Celeriac("shop", broker={url!r}, namespace={namespace!r})

    @app.task(name="shop.alone", executor="process")
    def alone() -> int:
        return os.getpid()

    return app
"""


@pytest.fixture
def start(tmp_path) -> Callable[..., object]:
    """Start a worker in the test's folder; it ends with the block."""

    @contextmanager
    def start(*words: str, **env: str) -> Iterator[Worker]:
        with started(*words, cwd=tmp_path, **env) as worker:
            yield worker

    return start


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.redis)])
def shop(request, url_of, tmp_path) -> Iterator[Celeriac]:
    """The application, from outside, and its module in the test's folder."""
    url, namespace = url_of(request.param), f"cli-worker-{tmp_path.name}"
    (tmp_path / "shop.py").write_text(MODULE.format(url=url, namespace=namespace))
    (tmp_path / "made.py").write_text(FACTORY.format(url=url, namespace=namespace))
    with Celeriac("shop", broker=url, namespace=namespace, set_as_current=False) as app:
        app.broker.open()
        yield app


def test_a_worker_says_what_it_is_runs_tasks_and_stops_at_a_signal(shop, start):
    with start("-A", "shop", "worker", "--processes", "2", "-c", "3", "-n", "w1@%h", "-l", "info") as worker:
        assert shop.send_task("shop.add", (2, 3)).get(30) == 5

        wait_until(lambda: len(shop.broker.workers(shop.clock.now())) == 2, 20, what="both processes")
        known = shop.broker.workers(shop.clock.now())
        code = worker.stop()

    assert {(info.slots, info.queues) for info in known} == {(3, ("default",))}
    assert all(info.name.startswith("w1@") and "%" not in info.name for info in known)
    assert code == 0
    assert "of shop" in worker.log
    assert "shop.add" in worker.log
    assert "2 processes with 3 slots each" in worker.log
    assert shop.broker.workers(shop.clock.now()) == []


def test_the_options_reach_the_processes(shop, start):
    options = ["-Q", "mail,sms", "-Q", "default", "--processes", "1", "--max-tasks-per-child", "1", "-q"]

    with start("-A", "shop:app", "worker", *options) as worker:
        pids = {shop.send_task("shop.pid", queue="sms").get(30) for _ in range(3)}
        [info] = wait_until(
            lambda: [i for i in shop.broker.workers(shop.clock.now()) if i.running == 0][-1:], what="a worker"
        )
        assert worker.stop() == 0

    assert len(pids) == 3
    assert info.queues == ("mail", "sms", "default")
    assert "worker " not in worker.log


def test_the_environment_configures_a_worker(shop, start):
    variables = {
        "CELERIAC_APP": "shop:create_app",
        "CELERIAC_WORKER_PROCESSES": "1",
        "CELERIAC_WORKER_CONCURRENCY": "5",
        "CELERIAC_WORKER_QUEUES": "mail,sms",
    }

    with start("worker", **variables) as worker:
        worker.wait_for("worker ")
        [info] = wait_until(lambda: shop.broker.workers(shop.clock.now()), 20, what="a worker")

    assert (info.slots, info.queues) == (5, ("mail", "sms"))


def test_the_store_on_the_command_line_wins_in_the_workers_processes_too(shop, start, tmp_path):
    other = f"sqlite:///{tmp_path}/elsewhere.db"

    with (
        Celeriac("other", broker=other, set_as_current=False) as elsewhere,
        start("-A", "shop", "-b", other, "worker", "--processes", "1"),
    ):
        assert elsewhere.send_task("shop.add", (1, 2)).get(30) == 3

    assert shop.broker.workers(shop.clock.now()) == []


def test_a_task_in_a_process_of_its_own_finds_an_application_that_a_function_makes(shop, start):
    with start("-A", "made:create_app", "worker", "--processes", "1") as worker:
        pid = shop.send_task("shop.alone").get(30)

        assert pid not in {child.pid for child in psutil.Process(worker.process.pid).children()}


def test_a_killed_process_is_replaced(shop, start):
    with start("-A", "shop", "worker", "--processes", "1"):
        first = shop.send_task("shop.pid").get(30)
        os.kill(first, signal.SIGKILL)

        assert shop.send_task("shop.pid").get(30) != first


def test_the_supervisor_does_not_import_the_application(shop, start, tmp_path):
    path = tmp_path / "shop.py"
    path.write_text(path.read_text() + "\nopen('imported-by', 'a').write(f'{os.getpid()}\\n')\n")

    with start("-A", "shop", "worker", "--processes", "1") as worker:
        shop.send_task("shop.add", (1, 2)).get(30)
        importers = set((tmp_path / "imported-by").read_text().split())

    assert str(worker.process.pid) not in importers
    assert len(importers) == 1


def test_with_reload_a_changed_file_is_run(shop, start, tmp_path):
    path = tmp_path / "shop.py"

    with start("-A", "shop", "worker", "--processes", "1", "--reload") as worker:
        assert shop.send_task("shop.add", (2, 3)).get(30) == 5
        edit(path, path.read_text().replace("x + y", "x * y"))
        worker.wait_for("files changed")

        wait_until(lambda: shop.send_task("shop.add", (2, 3)).get(30) == 6, 30, what="the new code")
    assert "process died" not in worker.log


@pytest.mark.parametrize("flag", ["-P=prefork", "-Ofair", "-E", "-B"])
def test_celerys_idle_options_are_noted_and_do_no_harm(flag, monkeypatch):
    monkeypatch.setattr(worker, "run", lambda *_args, **_options: 0)

    answer = invoke("-A", "shop", "worker", flag, "--without-gossip", "--prefetch-multiplier", "4")

    assert answer.code == 0
    assert answer.err.count("has no effect: ") == 3


# --- what the command hands over --------------------------------------------------------------------


@pytest.fixture
def handed(monkeypatch) -> list[tuple[str, dict, dict]]:
    """What the command would have run."""
    seen: list[tuple[str, dict, dict]] = []
    monkeypatch.setattr(
        worker, "run", lambda _session, ref, given, **more: seen.append((ref, dict(given), more)) or 0
    )
    for name in [name for name in os.environ if name.startswith("CELERIAC_")]:
        monkeypatch.delenv(name)
    return seen


def test_only_what_was_given_is_handed_over(handed):
    assert invoke("-A", "no.such:thing", "worker").code == 0

    [(reference, given, more)] = handed
    assert (reference, given) == ("no.such:thing", {})
    assert more == {
        "settings": {}, "loglevel": "WARNING", "log_format": "text", "reload": False,
        "health": None, "meter": None,
    }  # fmt: skip


def test_everything_that_was_given_is_handed_over(handed):
    words = [
        "-Q",
        "a,b",
        "-Q",
        "b,c",
        "-c",
        "4",
        "--processes",
        "2",
        "--threads",
        "3",
        "-n",
        "me",
        "-l",
        "debug",
    ]
    words += ["--max-tasks-per-child", "10", "--max-memory-per-child", "1000", "--reload"]
    words += ["--log-format", "json"]

    assert invoke("worker", *words, "-A", "proj").code == 0

    [(reference, given, more)] = handed
    assert reference == "proj"
    assert given == {
        "queues": ["a", "b", "c"],
        "slots": 4,
        "processes": 2,
        "threads": 3,
        "name": "me",
        "max_tasks": 10,
        "max_memory_kib": 1000,
    }
    assert more == {
        "settings": {"worker_log_format": "json"},
        "loglevel": "DEBUG",
        "log_format": "json",
        "reload": True,
        "health": None,
        "meter": None,
    }


def test_a_setting_in_the_environment_is_left_to_the_application(handed):
    env = {"CELERIAC_WORKER_CONCURRENCY": "4", "CELERIAC_WORKER_HOSTNAME": "me"}

    assert invoke("-A", "proj", "worker", env=env).code == 0

    assert handed[0][1] == {"name": "me"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-c", "0"], "0 is not in the range x>=1"),
        (["--processes", "many"], "'many' is not a valid integer"),
        (["--log-format", "json", "--loglevel", "loud"], "'loud' is not one of"),
        (["-Q", "a b"], "cannot be a queue name"),
        (["-Q", ""], "names no queue"),
        (["-n", "no name"], "cannot be a worker's name"),
        (["--max-tasks-per-child", "-1"], "-1 is not in the range"),
        (["extra"], "extra"),
    ],
)
def test_wrong_options_start_nothing(handed, words, says):
    answer = invoke("-A", "proj", "worker", *words)

    assert answer.code == Exit.USAGE
    assert says in answer.err
    assert handed == []


def test_a_worker_needs_an_application(handed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bare = invoke("worker")
    (tmp_path / "kitchen.py").write_text("from celeriac import Celeriac\nqueue = Celeriac('kitchen')\n")
    near = invoke("worker")

    assert bare.code == near.code == Exit.USAGE
    assert bare.attempts == ["celeriac -A tasks worker"]
    assert near.attempts == ["celeriac -A kitchen worker"]


# --- what cannot begin --------------------------------------------------------------------------------


def test_a_worker_refuses_a_store_in_memory_where_nobody_could_send_to_it(start, tmp_path):
    (tmp_path / "shop.py").write_text("from celeriac import Celeriac\napp = Celeriac('x')\n")

    with start("-A", "shop", "-b", "memory://", "worker") as worker:
        code = worker.process.wait(30)

    assert code == Exit.APPLICATION
    assert "use app.embedded(), or another store" in worker.log


def test_a_worker_without_its_module_ends_at_once(tmp_path):
    (tmp_path / "shop.py").write_text("from celeriac import Celeriac\napp = Celeriac('x')\n")

    answer = run("-A", "shpo", "worker", cwd=tmp_path)

    assert answer.code == Exit.APPLICATION
    assert "there is no module 'shpo'" in answer.err
    assert answer.attempts == ["celeriac -A shop worker"]


def test_a_worker_whose_module_fails_shows_the_users_traceback(tmp_path):
    path = tmp_path / "shop.py"
    path.write_text("import json\nimport no_such_library\n")

    answer: Answer = run("-A", "shop", "worker", cwd=tmp_path)

    assert answer.code == Exit.APPLICATION
    assert f'  File "{path}", line 2, in <module>' in answer.err
    assert "loading.py" not in answer.err


def test_a_worker_whose_schedules_are_wrong_ends_and_says_which(tmp_path):
    (tmp_path / "shop.py").write_text(
        "from celeriac import Celeriac\n"
        "app = Celeriac('shop')\n"
        "@app.task\n"
        "def add(x, y): ...\n"
        "app.add_periodic_task(60, add, (1, 2, 3), name='my broken one')\n"
    )

    answer = run("-A", "shop", "worker", "--processes", "1", cwd=tmp_path)

    assert answer.code == Exit.APPLICATION
    assert "add(x, y)" in answer.err
    assert "process died" not in answer.err


def test_a_process_that_is_started_again_amid_a_deploy_leaves_the_schedules_of_newer_code_alone(
    shop, start, tmp_path
):
    path = tmp_path / "shop.py"
    old = path.read_text() + "\napp.add_periodic_task(3600, add.si(1, 2), name='old')\n"
    path.write_text(old)
    with start("-A", "shop", "worker", "--processes", "1"):
        first = shop.send_task("shop.pid").get(30)
        (tmp_path / "newer.py").write_text(
            old + "app.add_periodic_task(3600, add.si(1, 2), name='new')\nprint(app.schedules.declare())\n"
        )
        subprocess.run([sys.executable, "newer.py"], cwd=tmp_path, check=True, timeout=60)

        os.kill(first, signal.SIGKILL)
        assert shop.send_task("shop.pid").get(30) != first

        assert {info.name for info in shop.schedules} == {"old", "new"}


def test_a_worker_that_shall_not_wait_for_its_store_ends(tmp_path):
    text = "from celeriac import Celeriac\napp = Celeriac('x', broker='redis://127.0.0.1:1/0')\n"
    (tmp_path / "shop.py").write_text(text)

    answer = run(
        "-A", "shop", "worker", "--processes", "1", cwd=tmp_path,
        CELERIAC_BROKER_CONNECTION_RETRY_ON_STARTUP="false",
    )  # fmt: skip

    assert answer.code == Exit.STORE
    assert "127.0.0.1:1" in answer.err


def test_a_worker_starts_processes_while_there_is_work_for_them(shop, start):
    with start("-A", "shop", "worker", "--autoscale", "3,1", "-c", "1", "-l", "info") as worker:
        wait_until(lambda: shop.broker.workers(shop.clock.now()), 20, what="the first process")
        assert len(shop.broker.workers(shop.clock.now())) == 1
        results = [shop.send_task("shop.nap", (2.0,)) for _ in range(8)]

        wait_until(lambda: len(shop.broker.workers(shop.clock.now())) == 3, 20, what="three processes")
        pids = {result.get(30) for result in results}

    assert len(pids) == 3
    assert "scaling" in worker.log


@pytest.mark.parametrize("weights", ["0", "a", "2,-1", "1.5", ""])
def test_weights_that_make_no_sense_are_refused(weights):
    answer = invoke("-A", "shop", "worker", "-Q", "a,b", f"--weights={weights}")

    assert answer.code == Exit.USAGE
    assert "6,3,1" in answer.err


@pytest.mark.parametrize("queues", [(), ("-Q", "a"), ("-Q", "a,b,c")])
def test_there_is_one_weight_for_each_queue(queues):
    answer = invoke("-A", "shop", "worker", *queues, "--weights", "2,1")

    assert answer.code == Exit.USAGE
    assert "one for each of -Q" in answer.err


@pytest.mark.parametrize("bounds", ["0,0", "2,3", "many", "3,x", "-1"])
def test_bounds_of_autoscale_that_make_no_sense_are_refused(bounds):
    answer = invoke("-A", "shop", "worker", f"--autoscale={bounds}")

    assert answer.code == Exit.USAGE
    assert "is not MAX,MIN" in answer.err


# --- health -----------------------------------------------------------------------------------------


def test_a_worker_tells_that_it_is_ready_and_that_it_stops(shop, start, tmp_path):
    ready = tmp_path / "ready"
    with start("-A", "shop", "worker", "--processes", "2", "--ready-file", str(ready)) as worker:
        wait_until(ready.exists, 20, what="the ready file")
        assert len(shop.broker.workers(shop.clock.now())) >= 1
        worker.stop()

    assert not ready.exists()


@pytest.mark.redis
def test_a_worker_whose_processes_reach_no_store_is_not_ready(start, tmp_path):
    (tmp_path / "redis").mkdir()
    server = RedisServer("redis", redis_program_or_give_up("redis"), tmp_path / "redis", args=(), config="")
    server.start()
    try:
        url = server.url
        (tmp_path / "shop.py").write_text(MODULE.format(url=url, namespace="health"))
        ready = tmp_path / "ready"
        words = ("-A", "shop", "worker", "--processes", "1", "--ready-file", str(ready))
        with start(*words, CELERIAC_WORKER_LEASE="1") as worker:
            wait_until(ready.exists, 20, what="the ready file")
            server.kill()
            wait_until(lambda: not ready.exists(), 20, what="its end")
            assert worker.process.poll() is None
            server.start()
            wait_until(ready.exists, 20, what="its return")
    finally:
        server.stop()


@pytest.mark.parametrize("address", ["somewhere", "1:2:x", "70000"])
def test_an_address_that_is_none_is_refused(address):
    answer = invoke("-A", "shop", "worker", f"--health={address}")

    assert answer.code == Exit.USAGE
    assert "[HOST:]PORT" in answer.err


def test_status_checks_in_one_line(shop, start, tmp_path):
    answer = run("-A", "shop", "status", "--check", cwd=tmp_path)
    assert (answer.code, answer.out.strip()) == (Exit.UNSERVED, "no live worker")

    with start("-A", "shop", "worker", "--processes", "1", "-n", "shop@%h"):
        wait_until(lambda: shop.broker.workers(shop.clock.now()), 20, what="the worker")
        answer = run("-A", "shop", "status", "--check", "-n", "shop@%h", cwd=tmp_path)
        assert (answer.code, answer.out.strip()) == (Exit.OK, "ok: 1 process")
        answer = run("-A", "shop", "status", "--check", "-n", "other", "--json", cwd=tmp_path)
        assert (answer.code, answer.objects[0]["reasons"]) == (
            Exit.UNSERVED,
            ["no live worker is called other"],
        )
