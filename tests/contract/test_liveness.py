"""`hold_alive` and `locally_dead`: a death that the kernel can prove is seen at once, and no other."""

import subprocess
import sys

import pytest

from tests.contract.conftest import BETWEEN_PROCESSES
from tests.contract.given import DEADLINE
from tests.waiting import wait_until

HOLDER = """
import sys
from celeriac.broker import WorkerInfo
from celeriac.brokers import connect

broker = connect(sys.argv[1], namespace=sys.argv[2])
broker.enlist(WorkerInfo("child", "child@host", lease=3600.0), float(sys.argv[3]))
broker.hold_alive("child")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def child(store, broker, clock):
    """A process that holds the proof of its life for the worker "child"."""
    broker.open()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, store.url, store.namespace, str(clock.now())],
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


@pytest.mark.parametrize("new_store", BETWEEN_PROCESSES, indirect=True)
def test_a_living_process_is_not_dead(broker, child):
    assert list(broker.locally_dead()) == []


@pytest.mark.parametrize("new_store", BETWEEN_PROCESSES, indirect=True)
def test_a_killed_process_is_dead_at_once_where_the_kernel_can_tell(broker, child, store, clock):
    child.kill()
    child.wait(DEADLINE)

    if store.kind == "sqlite":
        wait_until(lambda: list(broker.locally_dead()) == ["child"], what="the proof of death")
        broker.retire(broker.locally_dead(), clock.now())
    assert list(broker.locally_dead()) == []
