"""Who renews leases and buries the dead: how often, and not too early after an outage."""

from __future__ import annotations

import pytest

from celeriac.broker import Tended, WorkerInfo
from celeriac.brokers.memory import MemoryBroker
from celeriac.clock import ManualClock
from celeriac.errors import BrokerUnavailable
from celeriac.message import Message
from celeriac.worker.keeper import TEND_PERIOD, Keeper


class Store(MemoryBroker):
    """A store that can go away."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.beats = self.tends = 0

    def heartbeat(self, workers, now, pulses=None):
        self._answer()
        self.beats += 1
        return super().heartbeat(workers, now, pulses)

    def tend(self, now, limit=1000):
        self._answer()
        self.tends += 1
        return super().tend(now, limit)

    def _answer(self) -> None:
        if self.away:
            raise BrokerUnavailable("away")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def store(clock):
    made = Store()
    for name in ("ours", "theirs"):
        made.enlist(WorkerInfo(id=name, name=name, names=frozenset({"t"})), clock.now())
    return made


@pytest.fixture
def keeper(store, clock):
    return Keeper(store, clock, workers=lambda: ["ours"], lease=10.0)


def test_leases_are_renewed_five_times_in_their_length(store, keeper, clock):
    for _ in range(20):
        keeper.keep()
        clock.advance(0.5)

    assert store.beats == 5


def test_who_has_died_here_is_buried_at_once_but_our_own_by_those_who_know_of_what(store, keeper, clock):
    store.locally_dead = lambda: ["theirs", "ours"]

    keeper.keep()

    assert [worker.id for worker in store.workers(clock.now())] == ["ours"]


def test_a_silent_workers_tasks_are_recovered_when_its_lease_is_over(store, keeper, clock):
    store.send([Message("a", "t")], clock.now())
    store.exchange("theirs", trip=1, want=1, now=clock.now())

    for _ in range(26):
        clock.advance(0.5)
        keeper.keep()

    assert [worker.id for worker in store.workers(clock.now())] == ["ours"]
    assert store.queues()[0].queued == 1


def test_after_an_outage_everybody_gets_the_time_of_two_heartbeats(store, keeper, clock):
    store.away = True
    for _ in range(40):
        clock.advance(0.5)
        with pytest.raises(BrokerUnavailable):
            keeper.keep()

    store.away = False
    keeper.keep()
    clock.advance(TEND_PERIOD)
    keeper.keep()

    assert store.tends == 0
    store.heartbeat(["theirs"], clock.now())
    clock.advance(2 * TEND_PERIOD)
    keeper.keep()
    assert store.tends == 1
    assert {worker.id for worker in store.workers(clock.now())} == {"ours", "theirs"}


def test_an_outage_is_noticed_at_every_turn_and_the_lease_renewed_as_soon_as_it_is_over(store, keeper, clock):
    keeper.keep()
    store.away = True
    clock.advance(2.5)
    with pytest.raises(BrokerUnavailable):
        keeper.keep()

    store.away = False
    clock.advance(0.5)
    keeper.keep()

    assert store.beats == 2


def test_what_one_step_does_not_finish_is_tended_at_once(store, keeper, clock, monkeypatch):
    answers = [Tended(more=True), Tended(more=True), Tended()]
    monkeypatch.setattr(store, "tend", lambda now: answers.pop(0))
    clock.advance(10)

    keeper.keep()

    assert answers == []


def test_much_to_tend_does_not_keep_leases_from_being_renewed(store, keeper, clock):
    clock.advance(TEND_PERIOD)
    keeper.keep()
    slow = 40

    def tend(now, limit=1000):
        nonlocal slow
        slow -= 1
        clock.advance(0.5)
        return Tended(dropped=limit, more=slow > 0)

    store.tend = tend
    while slow:
        clock.advance(0.1)
        keeper.keep()

    assert store.beats >= 10
    assert [worker.id for worker in store.workers(clock.now()) if worker.id == "ours"] == ["ours"]
