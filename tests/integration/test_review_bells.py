"""A bell that fails does not silence its worker."""

from __future__ import annotations

import threading

import pytest

from celeriac.broker import Bell
from celeriac.brokers.memory import MemoryBroker
from celeriac.errors import BrokerUnavailable

SOON = 10.0


class FailingBell(Bell):
    """Rings for work at once; passing that on fails, as when the store is locked; so may closing it."""

    def __init__(self, inner: Bell, passed_on: threading.Event) -> None:
        self._inner, self._passed_on = inner, passed_on

    def fileno(self) -> int:
        return self._inner.fileno()

    def arm(self, hungry: bool) -> None:
        self._inner.arm(hungry)

    def heard(self) -> bool:
        self._inner.heard()
        return True

    def pass_on(self) -> None:
        self._passed_on.set()
        raise BrokerUnavailable("the store is locked by another process")

    def close(self) -> None:
        self._inner.close()
        raise OSError("read-only file system")


@pytest.fixture
def passed_on(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    passed_on = threading.Event()
    bell_of = MemoryBroker.bell
    monkeypatch.setattr(
        MemoryBroker, "bell", lambda broker, worker: FailingBell(bell_of(broker, worker), passed_on)
    )
    return passed_on


def test_a_worker_that_cannot_pass_a_ring_on_goes_on_working(memory_app, passed_on):
    started, go = threading.Event(), threading.Event()

    @memory_app.task
    def hold():
        started.set()
        return go.wait(SOON)

    @memory_app.task
    def add(x, y):
        return x + y

    with memory_app.embedded(concurrency=1):
        held = hold.delay()
        assert started.wait(SOON)
        held.revoke(terminate=True)  # rings while there is no room
        assert passed_on.wait(SOON)
        go.set()

        assert add.delay(1, 2).get(timeout=SOON) == 3
