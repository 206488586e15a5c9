"""The supervisor's own failures: it goes on when the machine has no process left for it."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest

from celeriac.brokers.memory import MemoryBroker
from celeriac.worker.supervisor import Supervisor


def refuse(*_: object, **__: object) -> None:
    raise BlockingIOError(11, "Resource temporarily unavailable")


def a_supervisor() -> Supervisor:
    return Supervisor("proj:app", connect=lambda *_: MemoryBroker())


def test_a_replacement_that_cannot_be_started_is_tried_again_later(monkeypatch):
    supervisor = a_supervisor()
    supervisor._started = True
    monkeypatch.setattr(subprocess, "Popen", refuse)

    supervisor._start(3)

    assert supervisor._children == []
    assert [index for _, index in supervisor._starts] == [3]


def test_a_worker_whose_first_process_cannot_be_started_says_so(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", refuse)

    with pytest.raises(BlockingIOError):
        a_supervisor()._start(0)


def test_a_hard_limit_that_is_never_over_is_not_watched():
    supervisor, child = a_supervisor(), SimpleNamespace(limits={})
    supervisor._children = [child]

    supervisor._on_limited(child, id="task-1", fence=1, deadline=None)  # infinity, as JSON has it
    supervisor._kill_hanging()

    assert child.limits == {}
