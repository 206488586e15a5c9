"""New code under load: nothing is lost, nothing runs twice, no attempt is burnt, and both versions get on."""

from __future__ import annotations

import pytest

from celeriac import Celeriac
from celeriac.errors import InvalidArguments
from tests.faults import ledger
from tests.faults.workers import until_marked, until_workers
from tests.waiting import wait_until

LATER = 30.0


@pytest.fixture
def app(store_url):
    ledger.app.close()
    ledger.app.conf.broker_url = store_url
    yield ledger.app
    ledger.app.close()


def test_a_rolling_restart_under_load_loses_doubles_and_counts_nothing(app, start_worker, tmp_path):
    def start():
        return start_worker("--processes", "1", app="tests.faults.ledger:app")

    running = [start(), start()]
    until_workers(app, 2)
    results = []

    for _ in range(3):
        results += ledger.work.delay_many((n,) for n in range(150))
        results += ledger.work_async.delay_many((n,) for n in range(150))
        wanted = len(results) - 280
        wait_until(lambda wanted=wanted: len(ledger.runs(tmp_path)) > wanted, LATER, what="work to begin")
        running.append(start())
        assert running.pop(0).end() == 0

    wait_until(lambda: not app.broker.queues(), LATER, what="everything to be done")
    records = app.broker.get([result.id for result in results])
    assert {record.state.name for record in records} == {"SUCCEEDED"}
    assert {(record.crashes, record.retries) for record in records} == {(0, 0)}
    assert set(ledger.runs(tmp_path).values()) == {1}


VERSION = """
import os, time
from pathlib import Path
from celeriac import Celeriac

app = Celeriac("shop")
marks = Path(os.environ["SHOP_MARKS"])

@app.task(name="price")
def price({parameters}):
    with (marks / "marks").open("a") as file:
        file.write("start {version}\\n")
    while not (marks / "go").exists():
        time.sleep(0.02)
    return ["{version}", {returned}]
"""
OLD = VERSION.format(version="old", parameters="number: int", returned="number")
GROWN = VERSION.format(
    version="new", parameters="number: int, currency: str = 'EUR'", returned="number, currency"
)
OTHER = VERSION.format(version="new", parameters="amount: float, currency: str", returned="amount")
NEW_TASK = """
@app.task(name="discount")
def discount(number: int):
    return number - 1
"""


@pytest.fixture
def deploy(start_worker, tmp_path):
    """Start a worker of one version of the code, in one process with one slot."""

    def deploy(name: str, source: str):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "version.py").write_text(source)
        return start_worker("--processes", "1", "-c", "1", app="version:app", cwd=str(folder))

    return deploy


@pytest.fixture
def sender(store_url):
    """Who sends by name, whatever version the workers have."""
    with Celeriac("shop", broker=store_url, set_as_current=False) as sender:
        yield sender


def test_old_and_new_code_side_by_side_both_take_what_was_sent_for_the_old(deploy, sender, tmp_path):
    deploy("old", OLD)
    deploy("new", GROWN)
    until_workers(sender, 2)

    results = [sender.send_task("price", (n,)) for n in range(2)]
    until_marked(tmp_path, "start", count=2)
    (tmp_path / "go").touch()

    assert sorted(result.get(LATER)[0] for result in results) == ["new", "old"]


def test_a_call_that_does_not_fit_the_new_signature_fails_with_it_and_at_once(deploy, sender, tmp_path):
    (tmp_path / "go").touch()
    old = deploy("old", OLD)
    assert sender.send_task("price", (1,)).get(LATER) == ["old", 1]
    assert old.end() == 0
    waiting = sender.send_task("price", (2,))

    deploy("new", OTHER)

    with pytest.raises(InvalidArguments, match=r"amount: float, currency: str"):
        waiting.get(LATER)
    record = sender.broker.get([waiting.id])[0]
    assert (record.retries, record.crashes) == (0, 0)
    assert sender.send_task("price", (2.5, "EUR")).get(LATER) == ["new", 2.5]


def test_a_task_that_only_the_new_code_knows_waits_for_a_worker_that_has_it(deploy, sender, tmp_path):
    deploy("old", OLD)
    until_workers(sender, 1)
    result = sender.send_task("discount", (3,))
    wait_until(
        lambda: [queue.parked for queue in sender.broker.queues()] == [1], what="the old worker to pass it by"
    )

    deploy("new", OLD + NEW_TASK)

    assert result.get(LATER) == 2
    assert sender.broker.get([result.id])[0].fence == 1
