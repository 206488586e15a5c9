"""`hold_alive` and `locally_dead`: a death that the kernel can prove is seen at once, and no other."""

import os
import subprocess
import sys

import pytest

from celeriac.testing.contract.given import DEADLINE, a_message

HOLDER = """
import pickle, sys
from celeriac.broker import WorkerInfo

broker = pickle.loads(bytes.fromhex(sys.argv[1]))()
names = frozenset({"shop.add"})
broker.enlist(WorkerInfo("child", "child@host", names=names, lease=3600.0), float(sys.argv[2]))
broker.hold_alive("child")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(monkeypatch, tmp_path):
    """A temporary directory of the test's own, also for the processes that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def child(store, broker, clock):
    """A process that holds the proof of its life for the worker "child"."""
    broker.open()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, store.pickled().hex(), str(clock.now())],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()
        process.wait(DEADLINE)


def test_a_worker_that_is_held_alive_is_not_dead(broker, clock, enlist):
    worker = enlist()
    broker.hold_alive(worker.id)

    assert list(broker.locally_dead()) == []

    broker.retire([worker.id], clock.now())


def test_a_worker_whose_life_nobody_holds_is_not_taken_for_dead(broker, enlist):
    enlist()

    assert list(broker.locally_dead()) == []


def test_a_worker_that_was_retired_is_not_dead_but_gone(broker, clock, enlist):
    worker = enlist()
    broker.hold_alive(worker.id)

    broker.retire([worker.id], clock.now())

    assert list(broker.locally_dead()) == []


@pytest.mark.stores_that("proves_deaths")
def test_a_living_process_is_not_dead(broker, child):
    assert list(broker.locally_dead()) == []


@pytest.mark.stores_that("proves_deaths")
def test_a_killed_process_is_dead_at_once_until_it_is_retired(broker, child, clock):
    child.kill()
    child.wait(DEADLINE)

    assert list(broker.locally_dead()) == ["child"]

    broker.retire(broker.locally_dead(), clock.now())
    assert list(broker.locally_dead()) == []


@pytest.mark.stores_that("proves_deaths")
def test_everybody_on_this_host_sees_the_same_death(broker, other, child):
    child.kill()
    child.wait(DEADLINE)

    assert [list(looker.locally_dead()) for looker in (broker, other)] == [["child"], ["child"]]


@pytest.mark.stores_that("proves_deaths")
def test_what_a_killed_process_held_is_claimed_long_before_its_lease_ends(broker, child, clock, enlist):
    task = a_message()
    broker.send([task], clock.now())
    broker.exchange("child", trip=1, want=1, now=clock.now())
    worker = enlist()
    child.kill()
    child.wait(DEADLINE)

    broker.retire(broker.locally_dead(), clock.now())

    assert [claimed.id for claimed in worker.claim()] == [task.id]
