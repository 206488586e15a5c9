"""What a worker writes of the user's own lines: whose they are, in text and as JSON, in every process."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from celeriac import Celeriac
from tests.integration.command_line import Worker, started

MODULE = """
import asyncio, logging, os
from celeriac import Celeriac, Middleware

app = Celeriac("shop", broker="sqlite:///shop.db", **{settings!r})
log = logging.getLogger("shop")

@app.task(name="shop.add")
def add(x, y):
    log.warning("adding %s", x)
    return x + y

@app.task(name="shop.aadd")
async def aadd(x, y):
    await asyncio.sleep(0)
    log.warning("adding %s", x)
    return x + y

@app.task(name="shop.alone", executor="process")
def alone(x):
    log.warning("adding %s", x)
    return os.getpid()

@app.task(name="shop.fail")
def fail(text):
    log.error(text)
    raise ValueError(text)
{more}
"""


@pytest.fixture
def shop(tmp_path) -> Iterator[Callable[..., Celeriac]]:
    """Write the module; return the application from outside."""
    app = Celeriac("shop", broker=f"sqlite:///{tmp_path}/shop.db", set_as_current=False)

    def write(more: str = "", **settings: object) -> Celeriac:
        (tmp_path / "shop.py").write_text(MODULE.format(settings=settings, more=more))
        return app

    yield write
    app.close()


def lines_of(worker: Worker) -> list[dict]:
    return [json.loads(line) for line in worker.log.splitlines() if line.startswith("{")]


def start(folder: Path, *words: str, **env: str):
    return started("-A", "shop", "-q", "worker", "--processes", "1", *words, cwd=folder, **env)


@pytest.mark.parametrize("name", ["shop.add", "shop.aadd", "shop.alone"])
def test_a_line_of_a_task_says_whose_it_is_whatever_it_runs_on(shop, tmp_path, name):
    app = shop()

    with start(tmp_path) as worker:
        result = app.send_task(name, (7,) if name == "shop.alone" else (7, 1))
        result.get(timeout=30)
        worker.wait_for("adding 7")

    assert f"WARNING adding 7  task={name} id={result.id}\n" in worker.log


@pytest.mark.parametrize("how", ["option", "environment", "code"])
def test_with_json_every_line_is_an_object(shop, tmp_path, how):
    app = shop(**({"worker_log_format": "json"} if how == "code" else {}))
    words = ["--log-format", "json"] if how == "option" else []
    env = {"CELERIAC_WORKER_LOG_FORMAT": "json"} if how == "environment" else {}

    with start(tmp_path, "-l", "info", "-n", "w1", *words, **env) as worker:
        results = {name: app.send_task(name, (7,)) for name in ("shop.alone", "shop.fail")}
        for result in results.values():
            result.get(timeout=30, propagate=False)
        worker.wait_for("adding 7")
        worker.wait_for('"task failed"')
        assert worker.stop() == 0
    lines = lines_of(worker)
    [adding] = [line for line in lines if line["message"] == "adding 7"]
    [failed] = [line for line in lines if line["message"] == "task failed"]
    [stopping] = [line for line in lines if line["message"] == "stopping"]

    assert len(lines) == len(worker.log.splitlines())
    assert (adding["task_id"], adding["task_name"]) == (results["shop.alone"].id, "shop.alone")
    assert (adding["worker"], adding["logger"], adding["level"]) == ("w1", "shop", "WARNING")
    assert (failed["task_id"], failed["task_name"]) == (results["shop.fail"].id, "shop.fail")
    assert failed["exception"].startswith("Traceback")
    assert (failed["worker"], stopping["worker"]) == ("w1", "w1")


@pytest.mark.parametrize("how", ["option", "code"])
def test_with_json_a_worker_says_that_it_has_started_as_an_object(shop, tmp_path, how):
    app = shop(**({"worker_log_format": "json"} if how == "code" else {}))
    words = ["--log-format", "json", "-B"] if how == "option" else []

    with started("-A", "shop", "worker", "--processes", "1", *words, cwd=tmp_path) as worker:
        worker.wait_for("worker started")
        assert worker.stop() == 0
    lines = lines_of(worker)
    [start] = [line for line in lines if line["message"] == "worker started"]

    assert len(lines) == len(worker.log.splitlines())
    assert (start["app"], start["processes"], start["queues"]) == (app.main, 1, ["default"])
    assert "shop.add" in start["tasks"]


def test_with_json_beat_says_that_it_has_started_as_an_object(shop, tmp_path):
    shop()

    with started("-A", "shop", "beat", "--log-format", "json", cwd=tmp_path) as beat:
        beat.wait_for("beat started")
        beat.stop()

    assert len(lines_of(beat)) == len(beat.log.splitlines())


def test_the_command_line_overrides_the_code(shop, tmp_path):
    app = shop(worker_log_format="json")

    with start(tmp_path, "--log-format", "text") as worker:
        app.send_task("shop.add", (7, 1)).get(timeout=30)
        worker.wait_for("adding 7")

    assert lines_of(worker) == []


FORMAT = """
import logging.config
CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"mine": {"format": "%(task_name)s[%(task_id)s]: %(message)s"}},
    "handlers": {"mine": {"class": "logging.StreamHandler", "formatter": "mine"}},
    "loggers": {"shop": {"handlers": ["mine"], "propagate": False}},
}
"""
AT_IMPORT = FORMAT + "logging.config.dictConfig(CONFIG)\n"
IN_PROCESS = (
    FORMAT
    + """
class Logging(Middleware):
    def on_process_init(self, worker):
        logging.config.dictConfig(CONFIG)

app.add_middleware(Logging())
"""
)


@pytest.mark.parametrize("more", [AT_IMPORT, IN_PROCESS], ids=["at import", "when a process begins"])
@pytest.mark.parametrize("name", ["shop.add", "shop.alone"])
def test_an_applications_own_format_can_name_the_task(shop, tmp_path, more, name):
    app = shop(more)

    with start(tmp_path) as worker:
        result = app.send_task(name, (7,) if name == "shop.alone" else (7, 1))
        result.get(timeout=30)
        worker.wait_for("adding 7")

    assert f"{name}[{result.id}]: adding 7\n" in worker.log
    assert "Traceback" not in worker.log


def test_a_task_cannot_forge_a_line_of_the_workers(shop, tmp_path):
    app = shop()
    forged = "05:31:54 INFO    task succeeded  task=shop.forged\x1b[2J"

    with start(tmp_path, "-l", "info") as worker:
        app.send_task("shop.fail", (f"x\n{forged}",)).get(timeout=30, propagate=False)
        worker.wait_for("task failed")
        worker.wait_for("ValueError: x")
        assert worker.stop() == 0

    assert "shop.forged" in worker.log
    assert not [line for line in worker.log.splitlines() if line.startswith("05:31:54")]
    assert "\x1b" not in worker.log
