"""What tasks say on its way: before their end, together, dropped rather than in the way of anything."""

import pytest

from celeriac.broker import Report
from celeriac.brokers.memory import MemoryBroker
from celeriac.clock import ManualClock
from celeriac.errors import BrokerUnavailable, StoreFull
from celeriac.outcome import Settlement
from celeriac.states import Verdict
from celeriac.steering import LOG_RING, Line
from celeriac.worker.courier import LOG_PERIOD, LOG_SOON, Courier
from celeriac.worker.tasklog import Basket, in_parts
from tests.unit.test_courier import Hold


class Store(MemoryBroker):
    """Notes in which order it was asked; fails as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[object] = []
        self.errors: list[Exception] = []

    def exchange(self, worker, *, finished=(), **rules):
        self.asked.append([each.id for each in finished])
        return super().exchange(worker, finished=finished, **rules)

    def write_log(self, worker, lines, now):
        if self.errors:
            raise self.errors.pop()
        self.asked.append(" ".join(line.body.decode() for line in lines))
        return []

    def bell(self, worker):
        raise BrokerUnavailable("this store has no bells")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def store(clock):
    from celeriac.broker import WorkerInfo

    store = Store()
    store.enlist(WorkerInfo("w0", "w"), clock.now())
    return store


@pytest.fixture
def courier(store, clock):
    made = Courier(store, Hold(), clock, worker="w0")
    made.step()
    store.asked.clear()
    clock.advance(LOG_PERIOD)
    yield made
    made.close()


def said(task: str, text: str) -> Line:
    return Line(task, 1, 0.0, 20, text.encode())


def ended(task: str) -> Settlement:
    return Settlement(task, 1, Verdict.SUCCEEDED)


def test_a_line_waits_a_moment_for_others(courier, store, clock):
    courier.log(said("a", "one"))
    courier.step()
    early = list(store.asked)
    courier.log(said("b", "two"))
    clock.advance(LOG_SOON)

    courier.step()

    assert early == []
    assert store.asked == ["one two"]


def test_the_next_lines_wait_longer(courier, store, clock):
    courier.log(said("a", "one"))
    clock.advance(LOG_SOON)
    courier.step()
    courier.log(said("a", "two"))
    clock.advance(LOG_PERIOD - 0.01)
    courier.step()
    early = list(store.asked)
    clock.advance(0.02)

    courier.step()

    assert early == ["one"]
    assert store.asked == ["one", "two"]


def test_lines_come_before_the_end_of_their_task_and_wait_for_no_other_end(courier, store):
    courier.log(said("a", "one"))
    courier.settle(ended("b"))
    courier.step()
    courier.settle(ended("a"))

    courier.step()

    assert store.asked == [["b"], "one", ["a"]]


def test_lines_are_carried_again_in_their_order_when_the_store_was_away(courier, store, clock):
    store.errors = [BrokerUnavailable("away"), BrokerUnavailable("away")]
    courier.log(said("a", "one"))
    courier.settle(ended("a"))
    away = courier.step()
    courier.log(said("a", "two"))
    still_away = courier.step()

    back = courier.step()

    assert (away, still_away, back) == (False, False, True)
    assert store.asked == ["one two", ["a"]]


def test_lines_come_before_the_end_also_when_the_store_was_away_between_the_two(courier, store, monkeypatch):
    def away(*_):
        monkeypatch.setattr(store, "report", lambda *_: [])
        raise BrokerUnavailable("away")

    def report_meanwhile(_):
        courier.report(None, Report("b", 1))
        monkeypatch.setattr(courier._cargo, "take_back_stale", lambda _: [])
        return []

    monkeypatch.setattr(store, "report", away)
    monkeypatch.setattr(courier._cargo, "take_back_stale", report_meanwhile)
    courier.step()
    courier.log(said("a", "one"))
    courier.settle(ended("a"))
    steps = [courier.step(), courier.step()]

    assert steps == [False, True]
    assert store.asked == ["one", ["a"]]


def test_a_store_without_room_for_lines_gets_the_end_all_the_same(courier, store, caplog):
    store.errors = [StoreFull("no room")]
    courier.log(said("a", "one"))
    courier.settle(ended("a"))

    assert courier.step()

    assert store.asked == [["a"]]
    assert "log lines dropped" in caplog.text


def test_a_courier_that_ends_carries_what_was_said_last(courier, store):
    courier.log(said("a", "last"))

    courier.end()
    courier.run()

    assert "last" in store.asked


def test_what_cannot_be_carried_for_long_is_a_ring_for_each_attempt():
    basket = Basket()
    for number in range(100):
        basket.add(Line("a", 1, 0.0, 20, b"%03d" % number * 1000))
    basket.add(said("b", "other"))

    lines = basket.take()

    ours = [line for line in lines if line.id == "a"]
    assert sum(len(line.body) for line in ours) <= LOG_RING
    assert ours[-1].body.startswith(b"099")
    assert [line.body for line in lines if line.id == "b"] == [b"other"]
    assert not basket


def test_many_lines_go_in_parts():
    lines = [Line("a", 1, 0.0, 20, b"x" * 1000)] * 2500

    parts = list(in_parts(lines))

    assert [line for part in parts for line in part] == lines
    assert max(len(part) for part in parts) <= 1000
    assert list(in_parts([])) == []
