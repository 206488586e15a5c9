"""Everything is killed at random moments: nothing is lost, nothing is stuck, no end is undone.

The short form. CELERIAC_KILLS says how many kills it shall be: a thousand take some twenty minutes.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from celeriac.schedules import every
from tests.faults import ledger
from tests.faults.workers import WorkerCommand, until_workers
from tests.waiting import wait_until

pytestmark = [pytest.mark.serial, pytest.mark.timeout(3_600)]

KILLS = int(os.environ.get("CELERIAC_KILLS", "10"))
VICTIMS = ("child", "supervisor", "group", "producer", "beat")
MANY = 500
PRODUCE = "import sys; from tests.faults.ledger import produce; produce(sys.argv[1])"


@pytest.fixture
def store_url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shop.db"
    return request.getfixturevalue("start_redis")("--appendonly", "yes").url


class Party:
    """Two workers, a producer and a beat, of which one after the other is killed and replaced."""

    def __init__(self, url, folder) -> None:
        self._url, self._folder = url, folder
        self._number = 0
        self.started: list[WorkerCommand] = []
        self.workers = [self._command() for _ in range(2)]
        self.beat = self._command("beat")
        self.producer = self._produce()

    def _command(self, command="worker") -> WorkerCommand:
        processes = ("--processes", "2") if command == "worker" else ()
        started = WorkerCommand(
            self._url, self._folder, *processes, app="tests.faults.ledger:app", command=command
        )
        self.started.append(started)
        return started

    def _produce(self) -> subprocess.Popen:
        self._number += 1
        environment = os.environ | {"CELERIAC_BROKER_URL": self._url, "SHOP_MARKS": str(self._folder)}
        return subprocess.Popen(
            [sys.executable, "-c", PRODUCE, f"p{self._number}"],
            env=environment,
            stderr=subprocess.DEVNULL,
        )

    def kill(self, what: str, chance: random.Random) -> None:
        """Kill one *what*, in the middle of whatever it does; start another where nobody else does."""
        worker = chance.choice(self.workers)
        if what == "child":
            for child in chance.sample(worker.children(), k=min(1, len(worker.children()))):
                worker.kill_child(child.pid)
        elif what == "supervisor":
            worker.process.kill()
            worker.process.wait()
        elif what == "group":
            worker.kill()
        elif what == "beat":
            self.beat.kill()
            self.beat = self._command("beat")
        else:
            self.stop_producing()
            self.producer = self._produce()
        if worker.process.poll() is not None:
            self.workers.remove(worker)
            self.workers.append(self._command())

    def stop_producing(self) -> None:
        self.producer.kill()
        self.producer.wait()

    def end(self) -> None:
        self.stop_producing()
        for command in self.started:
            command.kill()


@pytest.fixture
def app(store_url):
    ledger.app.close()
    ledger.app.conf.broker_url = store_url
    yield ledger.app
    ledger.app.close()


@pytest.fixture
def party(app, store_url, tmp_path):
    party = Party(store_url, tmp_path)
    yield party
    party.end()


def show(**counts: int) -> None:
    """Print what pytest shows with -s or when the test fails."""
    print(", ".join(f"{count} {name}" for name, count in counts.items()))


def records_of(app, ids):
    ids = sorted(ids)
    return [record for n in range(0, len(ids), MANY) for record in app.broker.get(ids[n : n + MANY])]


@pytest.mark.parametrize("store_url", ["sqlite", "redis"], indirect=True)
def test_whatever_is_killed_at_whatever_moment_nothing_is_lost_or_stuck_or_undone(app, party, tmp_path):
    chance = random.Random(2026)
    app.schedules.add("often", every(0.2), ledger.work.name, args=(0,))
    until_workers(app, 4)
    ended: dict[str, tuple] = {}

    for kill in range(KILLS):
        before = len(ledger.runs(tmp_path))
        party.kill(VICTIMS[kill % len(VICTIMS)], chance)
        wait_until(lambda before=before: len(ledger.runs(tmp_path)) > before + 40, 30, what="work to go on")
        known = chance.sample(sorted(ledger.accepted(tmp_path)), k=30)
        ended |= {r.id: (r.state, r.result, r.fence) for r in records_of(app, known) if r and r.state.final}
    party.stop_producing()
    app.schedules.pause("often")

    wait_until(lambda: not app.broker.queues(), 60, what="everything to be done")
    records = records_of(app, ledger.accepted(tmp_path))
    lost = [record for record in records if record is None]
    assert not lost
    assert Counter(record.state.name for record in records) == {"SUCCEEDED": len(records)}
    final = {record.id: (record.state, record.result, record.fence) for record in records}
    assert ended.items() <= final.items()
    crashes = {record.id: record.crashes for record in records}
    again = {
        task: count - 1 for task, count in ledger.runs(tmp_path).items() if count > 1 and task in crashes
    }
    assert all(count <= crashes[task] for task, count in again.items())  # only where a kill hit it
    show(kills=KILLS, tasks=len(records), crashes=sum(crashes.values()), again=sum(again.values()))
