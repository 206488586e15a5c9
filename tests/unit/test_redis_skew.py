"""Hosts whose clocks differ: what they write is in the server's time, what they read in their own."""

import time

import pytest

from celeriac.broker import WorkerInfo
from celeriac.brokers.redis import RedisBroker
from celeriac.brokers.redis.skew import Skew
from celeriac.clock import SystemClock
from celeriac.message import Message
from celeriac.outcome import Settlement
from celeriac.states import State, Verdict

HOUR = 3600.0


class Server:
    """What `Skew` asks: a server whose clock is ahead, and that takes its time."""

    def __init__(self, ahead: float, takes: float = 0.0) -> None:
        self.ahead, self.takes = ahead, takes

    def ask(self, command):
        assert command == ("TIME",)
        moment = time.time() + self.ahead + self.takes
        return [b"%d" % int(moment), b"%d" % int(moment % 1 * 1e6)]


@pytest.mark.parametrize(
    ("ahead", "seconds"), [(0.0, 0.0), (0.04, 0.0), (-0.04, 0.0), (5.0, 5.0), (-HOUR, -HOUR)]
)
def test_small_differences_are_left_alone_and_large_ones_measured(ahead, seconds):
    skew = Skew(enabled=True)

    skew.measure(Server(ahead))

    assert skew.seconds == pytest.approx(seconds, abs=0.02)


def test_a_difference_no_larger_than_the_trips_own_time_is_left_alone(monkeypatch):
    moments = iter([1000.0, 1002.0])
    monkeypatch.setattr(SystemClock, "now", lambda: next(moments))
    skew = Skew(enabled=True)

    skew.measure(type("Slow", (), {"ask": lambda self, command: [b"1000", b"100000"]})())

    assert skew.seconds == 0.0


def test_a_slow_trip_changes_a_known_difference_only_when_it_must_be_another():
    skew = Skew(enabled=True)
    skew.learn(1000.0, [b"1005", b"0"], 1000.0)

    skew.learn(2000.0, [b"2006", b"500000"], 2004.0)
    kept = skew.seconds
    skew.learn(3000.0, [b"3002", b"0"], 3004.0)

    assert (kept, skew.seconds) == (5.0, 0.0)


def test_each_heartbeat_learns_the_time_from_its_answer(connected):
    right, _ = connected
    right._skew.seconds = HOUR

    right.heartbeat(["nobody"], time.time())

    assert right._skew.seconds == 0.0


def test_with_the_callers_clock_nothing_is_asked():
    skew = Skew(enabled=False)

    skew.measure(None)
    skew.learn(1000.0, [b"2000", b"0"], 1000.0)

    assert skew.seconds == 0.0


@pytest.fixture
def connected(redis_server):
    """Brokers of two hosts: one whose clock is right, one whose clock is an hour behind."""
    redis_server.flush()
    right, behind = RedisBroker(redis_server.url), RedisBroker(redis_server.url)
    right.open()
    behind._skew.measure = behind._skew.learn = lambda *_: None
    behind.open()
    behind._skew.seconds = HOUR
    yield right, behind
    right.close()
    behind.close()


def test_a_host_with_a_wrong_clock_keeps_its_lease(connected):
    right, behind = connected
    now = time.time()
    behind.enlist(WorkerInfo("w", "w", lease=10.0), now - HOUR)

    assert right.tend(now + 5).buried == []
    assert behind.heartbeat(["w"], now - HOUR + 8).lost == []
    assert right.tend(now + 15).buried == []
    assert right.tend(now + 19).buried == ["w"]


def test_every_host_sees_its_own_time(connected):
    right, behind = connected
    now = 1_700_000_000.0
    message = Message("i", "n", created=now - HOUR, eta=now - HOUR + 20, expires=now - HOUR + 90)
    behind.send([message], now - HOUR)
    behind.enlist(WorkerInfo("w", "w", names=frozenset("n")), now - HOUR)

    assert right.get(["i"])[0].due == now + 20
    assert right.get(["i"])[0].message.expires == now + 90
    assert behind.get(["i"])[0].message == message
    assert behind.exchange("w", trip=1, want=1, now=now - HOUR).due == now - HOUR + 20
    assert right.workers(now)[0].seen == now
    assert behind.workers(now - HOUR)[0].seen == now - HOUR

    [task] = behind.exchange("w", trip=2, want=1, now=now - HOUR + 25).claims
    later = Settlement(task.id, task.fence, Verdict.RETRY, b"", now - HOUR + 50)
    behind.exchange("w", trip=3, finished=[later], now=now - HOUR + 30)

    record = right.get(["i"])[0]
    assert (record.state, record.started, record.due) == (State.SCHEDULED, now + 25, now + 50)
    assert right.tend(now + 51).promoted == 1
