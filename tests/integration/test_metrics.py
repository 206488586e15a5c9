"""Metrics for Prometheus: what is exposed, by a worker and of a store, and that the page on it says so."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from celeriac import Celeriac
from celeriac.broker import QueueInfo
from celeriac.brokers.memory import MemoryBroker
from celeriac.clock import ManualClock
from celeriac.contrib.prometheus import StoreCollector, WorkerMetrics, text_of
from celeriac.errors import BrokerUnavailable, ConfigurationError
from celeriac.tally import (
    BOUNDS,
    BUCKETS,
    FAILED,
    RAN,
    RUN,
    STARTED,
    SUCCEEDED,
    TRIP_TIME,
    TRIPS,
    WAIT,
    Tally,
)
from celeriac.worker.supervisor import Supervisor
from tests.integration.command_line import invoke
from tests.waiting import wait_until

pytest_plugins = ["tests.integration.shop"]

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "metrics.md"

TALLIES = [
    Tally(
        60,
        "mail",
        "send",
        {STARTED: 5, SUCCEEDED: 4, FAILED: 1, RAN: 2_500_000, RUN: 1, RUN + 10: 4, WAIT: 5},
    ),
    Tally(60, "", "", {TRIPS: 10, TRIP_TIME: 20_000}),
]


def families(text):
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(text, sample_name, **labels):
    found = [
        sample.value
        for family in families(text).values()
        for sample in family.samples
        if sample.name == sample_name and sample.labels == labels
    ]
    assert len(found) == 1, (sample_name, labels, found)
    return found[0]


def scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture
def store():
    broker = MemoryBroker()
    broker.count("teller", 1, TALLIES, 100.0)
    broker.pause("mail", 100.0)
    return broker


@pytest.fixture
def worker_metrics():
    made = WorkerMetrics("127.0.0.1", 0)
    yield made
    made.close()


# --- what is exposed ----------------------------------------------------------------------------------


def test_outcomes_and_times_are_those_that_were_counted(store):
    text = text_of(StoreCollector(store))

    assert value(text, "celeriac_tasks_total", queue="mail", name="send", outcome="failed") == 1
    assert value(text, "celeriac_task_run_seconds_sum", queue="mail", name="send") == 2.5
    assert value(text, "celeriac_task_run_seconds_count", queue="mail", name="send") == 5
    assert value(text, "celeriac_task_run_seconds_bucket", queue="mail", name="send", le="0.001") == 1
    assert value(text, "celeriac_store_trip_seconds_sum") == 0.02
    assert value(text, "celeriac_queue_paused", queue="mail") == 1


def test_a_histogram_has_a_bucket_for_each_bound(store):
    text = text_of(StoreCollector(store))

    buckets = [
        sample.labels["le"]
        for sample in families(text)["celeriac_task_run_seconds"].samples
        if sample.name.endswith("_bucket")
    ]
    assert [float(each) for each in buckets] == [*BOUNDS, float("inf")]
    assert len(buckets) == BUCKETS


def test_a_store_that_is_away_is_down_and_nothing_else(store, monkeypatch):
    def away():
        raise BrokerUnavailable("nobody answers")

    monkeypatch.setattr(store, "counted", away)

    text = text_of(StoreCollector(store))

    assert value(text, "celeriac_store_up") == 0
    assert len(families(text)) == 1


def test_what_is_down_comes_back(store):
    assert value(text_of(StoreCollector(store)), "celeriac_store_up") == 1


def test_a_worker_adds_up_what_its_processes_count(worker_metrics):
    worker_metrics.watch(lambda: 3)
    worker_metrics.count(TALLIES)
    worker_metrics.count(TALLIES)

    text = scrape(worker_metrics.port)

    assert value(text, "celeriac_tasks_total", queue="mail", name="send", outcome="succeeded") == 8
    assert value(text, "celeriac_store_trips_total") == 20
    assert value(text, "celeriac_worker_processes") == 3


def test_a_port_that_is_taken_is_told(worker_metrics):
    with pytest.raises(ConfigurationError, match="choose another port"):
        WorkerMetrics("127.0.0.1", worker_metrics.port)


def test_names_cannot_break_the_text(store):
    store.count("teller", 2, [Tally(60, 'q"\n', "n\\", {STARTED: 1, SUCCEEDED: 1})], 100.0)

    text = text_of(StoreCollector(store))

    assert value(text, "celeriac_tasks_total", queue='q"\n', name="n\\", outcome="succeeded") == 1


# --- the page on it -----------------------------------------------------------------------------------


def rows_of_the_page():
    rows = re.findall(
        r"^\| `(celeriac_\w+)` \| (\w+) \|(.*?)\| (both|store|worker) \|", PAGE.read_text(), re.M
    )
    return {name: (kind, set(re.findall(r"`(\w+)`", labels)), where) for name, kind, labels, where in rows}


def exposed(text):
    found = {}
    for family in families(text).values():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = family.type, set().union(*(sample.labels for sample in family.samples)) - {"le"}
    return found


def test_the_page_lists_all_metrics_with_type_and_labels(store, worker_metrics):
    worker_metrics.count(TALLIES)
    of_store, of_worker = exposed(text_of(StoreCollector(store))), exposed(text_of(worker_metrics))

    page = rows_of_the_page()

    assert {name: row[:2] for name, row in page.items() if row[2] != "worker"} == of_store
    assert {name: row[:2] for name, row in page.items() if row[2] != "store"} == of_worker


def test_the_alerts_of_the_page_ask_for_what_there_is():
    asked = set(
        re.findall(r"celeriac_\w+", PAGE.read_text().partition("## Alerts")[2].partition("## In an")[0])
    )

    assert {re.sub("_bucket$", "", name) for name in asked} <= rows_of_the_page().keys()


def test_each_state_of_a_queue_is_a_number_of_it():
    text = text_of(StoreCollector(_with_queue(QueueInfo("q", queued=1, scheduled=2, running=3, held=1))))

    assert value(text, "celeriac_queue_depth", queue="q", state="scheduled") == 2
    assert value(text, "celeriac_queue_depth", queue="q", state="held") == 1


def test_the_age_of_the_oldest_task_is_told():
    clock = ManualClock(1_000.0)
    waiting, empty = QueueInfo("q", queued=1, oldest=940.0), QueueInfo("empty", running=1)

    ages = [
        value(text_of(StoreCollector(_with_queue(queue), clock)), "celeriac_queue_oldest_seconds", queue=name)
        for queue, name in ((waiting, "q"), (empty, "empty"))
    ]

    assert ages == [60, 0]


def _with_queue(queue):
    broker = MemoryBroker()
    broker.queues = lambda: [queue]
    return broker


# --- real ones ----------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_the_store_is_told_once_by_the_command(working):
    working.greet.delay("x").get(20)

    answer = working.cli("metrics", "--once")

    assert answer.code == 0
    assert value(answer.out, "celeriac_workers") == 1


def test_the_command_serves_until_it_is_told_to_stop(shop):
    port = free_port()
    words = [sys.executable, "-m", "celeriac", *shop.where, "metrics", "--port", str(port)]
    server = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        assert "metrics of" in server.stderr.readline()
        server.stderr.readline()
        text = scrape(port)
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    finally:
        server.kill()
        server.wait()
        server.stderr.close()

    assert value(text, "celeriac_store_up") == 1


def test_the_command_starts_while_the_store_is_away_and_says_so(tmp_path):
    store = f"redis://127.0.0.1:{free_port()}/0"
    port = free_port()
    words = [sys.executable, "-m", "celeriac", "-b", store, "metrics"]
    once = subprocess.run([*words, "--once"], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    with subprocess.Popen([*words, "--port", str(port)], stderr=subprocess.PIPE, text=True) as server:
        told = [server.stderr.readline() for _ in range(3)]
        text = scrape(port)
        server.terminate()

    assert (once.returncode, value(once.stdout, "celeriac_store_up")) == (3, 0)
    assert "the store is away for now" in told[0]
    assert value(text, "celeriac_store_up") == 0
    assert server.returncode == 0


def test_a_port_of_the_command_that_is_taken_says_how_to_have_another(working):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = working.cli("metrics", "--port", str(taken.getsockname()[1]))

    assert answer.code == 2
    assert answer.attempts[0].endswith("metrics --port 0")


def test_a_port_that_is_none_is_wrong_usage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert invoke("metrics", "--port", "http").code == 2


APP = """
from celeriac import Celeriac

app = Celeriac("measured", broker={url!r}, worker_statistics=0.2)


@app.task(name="add")
def add(x, y):
    return x + y
"""


def test_a_worker_shows_what_its_processes_have_done(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/celeriac.db"
    (tmp_path / "measured.py").write_text(APP.format(url=url))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "celeriac", "-A", "measured", "worker", "--processes", "2"]
    worker = subprocess.Popen([*words, "--metrics", str(port), "-q"], cwd=tmp_path)
    try:
        with Celeriac("measured", broker=url, set_as_current=False) as app:
            for sent in [app.send_task("add", (1, 2)) for _ in range(10)]:
                assert sent.get(30) == 3

        def told():
            text = scrape(port)
            return "celeriac_tasks_total" in text and sum(
                sample.value
                for sample in families(text)["celeriac_tasks"].samples
                if sample.name.endswith("_total")
            )

        wait_until(lambda: told() == 10, 20, what="all tasks to be shown")
        wait_until(
            lambda: value(scrape(port), "celeriac_worker_processes") == 2,
            20,
            what="both processes to be shown",
        )
    finally:
        worker.terminate()
        worker.wait(30)


def test_nonsense_on_the_line_of_a_process_is_told_and_ends_nothing(worker_metrics, caplog):
    supervisor = Supervisor("app", connect=None, meter=worker_metrics)

    with pytest.raises(ValueError, match="Expected"):
        supervisor._on_counted(None, tallies=[{"moment": "x"}])
    assert "celeriac_tasks_total{" not in text_of(worker_metrics)
