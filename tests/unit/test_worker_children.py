"""Processes are begun, told what to do, and one is kept in reserve."""

import sys
import time

import pytest

from celeriac.worker import children
from celeriac.worker.children import Starter
from tests.waiting import wait_until

# Tells over its channel what it was told, until the channel is closed.
PARROT = """
import os, socket, sys
channel = socket.socket(fileno=int(sys.argv[-1]))
channel.sendall(b'{"kind": "begun", "pid": %d, "words": %d}\\n' % (os.getpid(), len(sys.argv)))
while data := channel.recv(65536):
    channel.sendall(data)
"""


@pytest.fixture
def starter(monkeypatch):
    monkeypatch.setattr(children, "RESERVE_AFTER", 0.0)
    starter = Starter([sys.executable, "-c", PARROT])
    yield starter
    starter.dismiss()


@pytest.fixture
def end():
    """Returns what ends a child; all that were given to it are ended in any case."""
    begun = []
    yield begun.append
    for child in begun:
        child.channel.close()
        child.process.kill()
        child.process.wait()


def told_by(child, count):
    heard = []

    def enough():
        heard.extend(child.channel.receive() or ())
        return len(heard) >= count

    wait_until(enough, what=f"{count} messages")
    return heard


def spare_of(starter):
    starter.tend()
    assert starter._spare is not None
    return starter._spare.process


def test_a_process_is_begun_and_given_its_order(starter, end):
    end(child := starter.start(3, {"reference": "shop:app"}))

    begun, order = told_by(child, 2)

    assert begun == {"kind": "begun", "pid": child.process.pid, "words": 2}
    assert order == {"kind": "work", "reference": "shop:app"}
    assert child.index == 3


def test_nothing_is_in_reserve_unless_somebody_asked_for_it(starter):
    starter.tend()

    assert starter._spare is None


def test_the_one_in_reserve_is_taken_and_another_takes_its_place(starter, end):
    starter.reserve("sqlite:///shop.db")
    spare = spare_of(starter)

    end(child := starter.start(0, {"reference": "shop:app"}))

    begun, load, order = told_by(child, 3)
    assert child.process.pid == spare.pid == begun["pid"]
    assert load == {"kind": "load", "url": "sqlite:///shop.db"}
    assert order["kind"] == "work"
    assert spare_of(starter).pid != spare.pid


def test_one_in_reserve_is_kept_as_it_is(starter):
    starter.reserve("sqlite:///shop.db")
    spare = spare_of(starter)

    assert spare_of(starter) is spare


def test_it_waits_until_the_process_before_it_has_started(starter, end, monkeypatch):
    monkeypatch.setattr(children, "RESERVE_AFTER", 100.0)
    starter.reserve("sqlite:///shop.db")

    end(starter.start(0, {}))
    starter.tend()

    assert starter._spare is None


def test_a_dead_one_is_not_given_an_order(starter, end):
    starter.reserve("sqlite:///shop.db")
    spare = spare_of(starter)
    spare.kill()
    spare.wait()

    end(child := starter.start(0, {"reference": "shop:app"}))

    assert child.process.pid != spare.pid
    assert told_by(child, 2)[1]["kind"] == "work"


def test_a_dead_one_is_replaced_but_not_again_and_again(starter, monkeypatch):
    starter.reserve("sqlite:///shop.db")
    spare = spare_of(starter)
    spare.kill()
    spare.wait()
    starter.tend()
    assert starter._spare is None

    starter.tend()
    assert starter._spare is None

    now = time.monotonic() + children.RESERVE_AGAIN
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert spare_of(starter).pid != spare.pid


def test_where_none_can_be_begun_the_worker_works_without(starter, monkeypatch):
    starter.reserve("sqlite:///shop.db")

    def no_memory(*_, **__):
        raise OSError("no memory")

    monkeypatch.setattr(children.subprocess, "Popen", no_memory)
    starter.tend()

    assert starter._spare is None
    with pytest.raises(OSError, match="no memory"):
        starter.start(0, {})


def test_a_dismissed_one_ends_and_none_follows(starter):
    starter.reserve("sqlite:///shop.db")
    spare = spare_of(starter)

    starter.dismiss()
    starter.tend()

    assert spare.poll() is not None
    assert starter._spare is None
