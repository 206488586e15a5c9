"""The program with keys and passwords: it works with them, and shows none of them anywhere."""

import json
from pathlib import Path

import psutil
import pytest

from celeriac import Celeriac
from celeriac.sealing import SealedBroker
from tests.integration.command_line import invoke, run
from tests.integration.test_cli_worker import Worker, start  # noqa: F401 - a fixture
from tests.waiting import wait_until

pytest_plugins = ["tests.integration.shop"]

KEY = "tiger-" * 8
MODULE = """
from celeriac import Celeriac

app = Celeriac("shop", broker={url!r}, worker_processes=1)

@app.periodic(0.2)
@app.task(name="shop.tick")
def tick() -> None: ...

@app.task(name="shop.add")
def add(x: int, y: int) -> int:
    return x + y

@app.task(name="shop.fail")
def fail() -> None:
    raise ValueError("no stock")
"""


@pytest.fixture
def shop(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/shop.db"
    (tmp_path / "shop.py").write_text(MODULE.format(url=url))
    with Celeriac(
        "shop", broker=url, set_as_current=False, security_keys=[KEY], security_encrypt=True
    ) as app:
        app.broker.open()
        yield app


ENVIRONMENT = {"CELERIAC_SECURITY_KEYS": KEY, "CELERIAC_SECURITY_ENCRYPT": "true"}


def test_a_worker_command_works_on_what_is_sealed_and_its_supervisor_keeps_its_schedules(shop, start):  # noqa: F811
    with start("-A", "shop", "worker", "-l", "debug", **ENVIRONMENT) as worker:
        assert shop.send_task("shop.add", (2, 3)).get(30) == 5
        assert isinstance(shop.send_task("shop.fail").get(30, propagate=False), ValueError)
        wait_until(lambda: [one.runs for one in shop.schedules.list()] > [1], 30, what="two ticks")
        processes = [worker.process.pid, *(p.pid for p in psutil.Process(worker.process.pid).children(True))]
        words = " ".join(" ".join(psutil.Process(pid).cmdline()) for pid in processes)
        [kept] = shop.schedules.list()
        wait_until(
            lambda: shop.AsyncResult(shop.schedules.get(kept.name).ids[0]).state == "SUCCESS",
            30,
            what="a tick",
        )
        assert worker.stop() == 0

    assert KEY not in words
    assert KEY not in worker.log
    assert "shop.add" in worker.log


def test_no_command_shows_a_key(shop, tmp_path):
    sent = shop.send_task("shop.add", (2, 3)).id
    commands = [
        ("config",),
        ("--json", "config"),
        ("config", "security_keys"),
        ("doctor",),
        ("status",),
        ("--json", "result", sent),
        ("explain", sent),
        ("schedules",),
        ("check", "--pending"),
    ]
    answers = [run("-A", "shop", *words, cwd=tmp_path, **ENVIRONMENT) for words in commands]

    assert KEY not in "".join(answer.out + answer.err for answer in answers)
    assert json.loads(
        run("-A", "shop", "--json", "config", "security_keys", cwd=tmp_path, **ENVIRONMENT).out
    )["value"] == ["***"]
    assert [2, 3] in [found.get("args") for found in answers[5].objects]


@pytest.mark.parametrize(
    "url", ["redis://:hunter2@127.0.0.1:1/0", "rediss://me:a/hunter2@x", "redis://x?password=a&hunter2"]
)
def test_no_command_shows_the_password_of_a_store(empty_project, url):
    quick = {"CELERIAC_BROKER_CONNECTION_TIMEOUT": "0.05"}
    said = ""
    for words in (("status",), ("doctor",), ("config",), ("call", "shop.add"), ("result", "x")):
        for answer in (
            invoke("-b", url, *words, env=quick),
            invoke(*words, env={**quick, "CELERIAC_BROKER_URL": url}),
        ):
            said += answer.out + answer.err

    assert "hunter2" not in said
    assert "***" in said


def test_a_worker_that_waits_for_its_store_does_not_log_the_password(tmp_path, start):  # noqa: F811
    (tmp_path / "shop.py").write_text(MODULE.format(url="redis://:hunter2@127.0.0.1:1/0"))
    with start("-A", "shop", "worker", "-l", "debug") as worker:
        worker.wait_for("store is away")
        worker.stop()

    assert "hunter2" not in worker.log


def test_without_keys_the_program_says_what_it_lacks(shop, tmp_path):
    sent = shop.send_task("shop.add", (2, 3)).id

    answer = run("-A", "shop", "--json", "result", sent, cwd=tmp_path)

    assert "no security_keys" in answer.out + answer.err


def test_the_doctor_warns_while_unsigned_calls_are_accepted(shop, tmp_path):
    strict = run("-A", "shop", "doctor", cwd=tmp_path, **ENVIRONMENT)
    accepting = run("-A", "shop", "doctor", cwd=tmp_path, CELERIAC_SECURITY_UNSIGNED="accept", **ENVIRONMENT)

    assert "is encrypted. Keys: 1." in strict.out
    assert "signing protects nothing" in accepting.out
    assert isinstance(shop.broker, SealedBroker)
