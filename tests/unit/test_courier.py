"""The courier alone: what it carries, when it trips, how much it asks for, and what an outage does to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from celeriac.broker import Bell, Exchanged, Report
from celeriac.brokers.memory import MemoryBroker
from celeriac.clock import ManualClock
from celeriac.errors import BrokerUnavailable, PayloadTooLarge, StoreFull, UnknownTask
from celeriac.message import Delivery, Message, Record
from celeriac.outcome import Settlement
from celeriac.states import State, Verdict
from celeriac.worker.courier import AHEAD, FAR_AHEAD, STALE, Courier
from celeriac.worker.shares import Shares


class ScriptedBroker(MemoryBroker):
    """Answers `exchange` and `report` from a script and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Exchanged | Exception] = []
        self.trips: list[tuple[int, tuple[str, ...], int]] = []
        self.orders: list[tuple[Sequence[str] | None, float | None]] = []
        self.reports: list[list[Report]] = []
        self.reports_fail = 0
        self.travel: Callable[[], object] = lambda: None  # what happens while a trip is made

    def exchange(self, worker, *, trip, finished=(), want=0, now, queues=None, ageing=None):
        self.orders.append((queues, ageing))
        self.trips.append((trip, tuple(settlement.id for settlement in finished), want))
        self.travel()
        answer = self.answers.pop(0) if self.answers else Exchanged()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def report(self, worker, reports, now):
        if self.reports_fail:
            self.reports_fail -= 1
            raise BrokerUnavailable("away")
        self.reports.append(list(reports))
        return []

    def bell(self, worker: str) -> Bell:
        raise BrokerUnavailable("this store has no bells")


class Hold:
    """The worker's pools as the courier sees them."""

    def __init__(self, room: int = 4) -> None:
        self.free = room
        self.waiting = 0
        self.started: list[Delivery] = []
        self.stopped: list[str] = []
        self.done: list[str] = []
        self.stale: list[Settlement] = []
        self.anew = 0
        self.nudged = 0
        self.batch_due: float | None = None

    def room(self) -> int:
        return self.free

    def backlog(self) -> int:
        return self.waiting

    def start(self, deliveries: Sequence[Delivery]) -> None:
        self.started += deliveries

    def nudge(self) -> None:
        self.nudged += 1

    def due(self) -> float | None:
        return self.batch_due

    def take_back_stale(self, older_than: float) -> list[Settlement]:
        taken, self.stale = self.stale, []
        return taken

    def stop_task(self, task_id: str) -> None:
        self.stopped.append(task_id)

    def settled(self, settlements: Sequence[Settlement], refused: Sequence[str] = ()) -> None:
        self.done += [settlement.id for settlement in settlements]

    def lost(self) -> str:
        self.anew += 1
        return f"w{self.anew}"


class FakeRun:
    id = "t"
    void = False


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def broker():
    return ScriptedBroker()


@pytest.fixture
def hold():
    return Hold()


@pytest.fixture
def courier(broker, hold, clock):
    made = Courier(broker, hold, clock, worker="w0")
    yield made
    made.close()


def settlement(task_id: str) -> Settlement:
    return Settlement(task_id, 1, Verdict.SUCCEEDED)


def delivery(task_id: str, queue: str = "default") -> Delivery:
    return Delivery(task_id, "t", queue, 0, b"", b"", 1, 0, 0, 3, b"")


def test_a_trip_carries_what_has_finished_and_asks_for_the_free_slots(courier, broker, hold):
    courier.settle(settlement("a"))
    broker.answers = [Exchanged(claims=[delivery("b")])]

    courier.step()

    assert broker.trips == [(1, ("a",), 4)]
    assert hold.done == ["a"]
    assert [claim.id for claim in hold.started] == ["b"]


def test_a_trip_whose_answer_was_lost_is_repeated_as_it_was(courier, broker, hold, clock):
    courier.settle(settlement("a"))
    broker.answers = [BrokerUnavailable("reset"), Exchanged()]

    courier.step()
    courier.settle(settlement("b"))
    hold.free = 1
    courier.step()
    clock.advance(10)
    courier.step()

    assert broker.trips[:2] == [(1, ("a",), 4), (1, ("a",), 4)]
    assert broker.trips[2] == (2, ("b",), 1)


def test_a_trip_that_only_claims_is_repeated_too(courier, broker):
    broker.answers = [BrokerUnavailable("reset"), Exchanged(claims=[delivery("b")])]

    courier.step()
    courier.step()

    assert broker.trips == [(1, (), 4), (1, (), 4)]


def test_whatever_goes_wrong_in_a_trip_does_not_end_the_courier(courier, broker):
    broker.answers = [RuntimeError("a bug"), Exchanged()]

    assert not courier.step()
    assert courier.step()


def test_nothing_is_asked_for_without_room(courier, broker, hold):
    hold.free = 0
    courier.settle(settlement("a"))

    courier.step()

    assert broker.trips == [(1, ("a",), 0)]


@pytest.mark.parametrize("per_second", [2_000, 10_000])
def test_short_tasks_are_claimed_ahead_by_what_ends_in_ten_milliseconds(courier, broker, clock, per_second):
    when_so_many_end(courier, clock, per_second)

    _, _, want = broker.trips[-1]
    assert 0.9 * per_second * AHEAD <= want - 4 <= 1.1 * per_second * AHEAD


@pytest.mark.parametrize(("trip", "ahead"), [(0.004, AHEAD), (0.008, 0.016), (0.1, FAR_AHEAD)])
def test_where_trips_take_long_more_is_claimed_ahead_but_far_less_than_goes_back(
    courier, broker, clock, trip, ahead
):
    broker.travel = lambda: clock.advance(trip)

    when_so_many_end(courier, clock, per_second=5_000)

    ended = 50 / (0.01 + trip)  # each second
    _, _, want = broker.trips[-1]
    assert 0.9 * ended * ahead <= want - 4 <= 1.1 * ended * ahead
    assert ahead <= STALE / 2


def test_one_trip_is_short_however_fast_tasks_end(courier, broker, clock):
    when_so_many_end(courier, clock, per_second=1_000_000)

    _, settled, want = broker.trips[-1]
    assert len(settled) == broker.trip_size
    assert want == broker.trip_size


def when_so_many_end(courier, clock, per_second):
    for _ in range(20):
        for number in range(per_second // 100):
            courier.settle(settlement(str(number)))
        clock.advance(0.01)
        courier.step()


def test_long_tasks_are_not_claimed_ahead(courier, broker, clock):
    for number in range(20):
        courier.settle(settlement(str(number)))
        clock.advance(1.0)
        courier.step()

    assert broker.trips[-1][2] == 4


def test_what_could_not_start_goes_back_and_nothing_is_claimed_in_its_stead(courier, broker, hold):
    hold.stale = [Settlement("x", 1, Verdict.RELEASE)]

    courier.step()

    assert broker.trips == [(1, ("x",), 0)]


def test_a_lost_lease_drops_what_was_finished_and_starts_anew(courier, broker, hold):
    courier.settle(settlement("a"))
    broker.answers = [Exchanged(lost=True)]

    courier.step()
    courier.step()

    assert hold.anew == 1
    assert hold.done == []
    assert broker.trips[1] == (1, (), 4)


def test_stop_requests_are_passed_on(courier, broker, hold):
    broker.answers = [Exchanged(stops=["s"])]

    courier.step()

    assert hold.stopped == ["s"]


def test_of_several_reports_the_later_wins_and_keeps_the_rest_of_the_earlier(courier, broker):
    courier.report(FakeRun(), Report("t", 1, state="PROGRESS", meta=b"1"))
    courier.report(FakeRun(), Report("t", 1, checkpoint=b"c"))
    courier.report(FakeRun(), Report("t", 1, meta=b"2"))

    courier.step()

    assert broker.reports == [[Report("t", 1, "PROGRESS", b"2", b"c")]]


def test_reports_survive_a_store_that_is_away(courier, broker):
    broker.reports_fail = 1
    courier.report(FakeRun(), Report("t", 1, meta=b"1", state="A"))

    courier.step()
    courier.report(FakeRun(), Report("t", 1, meta=b"2"))
    courier.step()

    assert broker.reports == [[Report("t", 1, "A", b"2")]]


def test_a_report_is_stored_before_the_end_of_its_task(courier, broker):
    order: list[str] = []
    broker.report = lambda *_: order.append("report") or []  # type: ignore[method-assign]
    exchange: Callable[..., Exchanged] = broker.exchange
    broker.exchange = lambda *a, **k: order.append("exchange") or exchange(*a, **k)  # type: ignore[method-assign]
    courier.report(FakeRun(), Report("t", 1, meta=b"1"))
    courier.settle(settlement("t"))

    courier.step()

    assert order == ["report", "exchange"]


def test_whoever_waits_for_a_report_goes_on_when_it_is_stored(courier):
    wait = courier.report(FakeRun(), Report("t", 1, checkpoint=b"c"))
    waited = threading.Thread(target=wait, args=(5.0,))
    waited.start()

    courier.step()
    waited.join(5.0)

    assert not waited.is_alive()


def test_waiting_for_a_report_ends_with_an_error_when_the_store_stays_away(courier):
    wait = courier.report(FakeRun(), Report("t", 1, checkpoint=b"c"))

    with pytest.raises(BrokerUnavailable, match="within 0 s"):
        wait(0.0)


def test_the_next_look_is_not_later_than_the_next_due_task(courier, broker, clock):
    broker.answers = [Exchanged(due=clock.now() + 0.3)]

    courier.step()
    courier.step()
    clock.advance(0.3)
    courier.step()

    assert [trip for trip, _, _ in broker.trips] == [1, 2]


def test_queues_with_weights_are_looked_into_by_their_shares_and_a_repeated_trip_as_before(
    broker, hold, clock
):
    shares = Shares({"high": 2, "low": 1})
    courier = Courier(broker, hold, clock, worker="w0", shares=shares, ageing=60.0)
    broker.answers = [
        Exchanged([delivery("a", queue="high")] * 4),
        BrokerUnavailable("away"),
        Exchanged([delivery("b", queue="low")] * 4),
    ]

    for _ in range(3):
        courier.step()
    courier.close()

    assert broker.orders == [
        (("high", "low"), 60.0),
        (("low", "high"), 60.0),
        (("low", "high"), 60.0),
    ]


def test_a_batch_is_nudged_when_it_is_due_and_not_before(courier, hold, clock):
    hold.batch_due = clock.monotonic() + 0.3

    courier.step()
    assert hold.nudged == 0
    clock.advance(0.3)
    courier.step()

    assert hold.nudged == 1


def test_the_last_trip_is_made_before_the_courier_ends(broker, hold, clock):
    courier = Courier(broker, hold, clock, worker="w0")
    courier.settle(settlement("a"))
    courier.end()

    courier.start()
    courier.join(5.0)

    assert not courier.is_alive()
    assert hold.done == ["a"]
    assert all(want == 0 for _, _, want in broker.trips)


# --- replaced tasks, and what is given to those that waited -------------------------------------------------


def replacement(task_id: str) -> Settlement:
    return Settlement(task_id, 1, Verdict.REPLACED, graph=(Message("new", "t"),), end="new")


@pytest.mark.parametrize("error", [PayloadTooLarge("too many tasks"), UnknownTask("no such parent")])
def test_a_graph_that_can_never_be_sent_fails_its_own_task_and_holds_up_no_other(
    courier, broker, monkeypatch, error
):
    def refuse(*_):
        raise error

    monkeypatch.setattr(broker, "replace", refuse)
    courier.settle(replacement("a"))
    courier.settle(settlement("b"))

    assert courier.step()

    assert broker.trips == [(1, ("b", "a"), 4)]
    assert courier.idle


def test_a_replacement_waits_for_a_store_that_is_away(courier, broker, hold, monkeypatch):
    asked = []

    def replace(*given):
        asked.append(given[1])
        if len(asked) == 1:
            raise BrokerUnavailable("away")
        return True

    monkeypatch.setattr(broker, "replace", replace)
    courier.settle(replacement("a"))

    assert not courier.step()
    assert not courier.idle
    assert courier.step()

    assert asked == ["a", "a"]
    assert hold.done == ["a"]


def test_a_replacement_that_finds_no_room_does_not_hold_up_what_would_make_some(
    courier, broker, hold, monkeypatch
):
    room = []

    def replace(*_):
        if not room:
            raise StoreFull("no memory left")
        return True

    monkeypatch.setattr(broker, "replace", replace)
    courier.settle(replacement("a"))
    courier.settle(settlement("b"))

    assert not courier.step()
    assert hold.done == ["b"]
    assert not courier.idle
    room.append(True)
    assert courier.step()

    assert hold.done == ["b", "a"]
    assert courier.idle


def test_a_claim_that_is_given_a_result_starts_once_the_store_is_back(courier, broker, hold, monkeypatch):
    parent = Record(Message("p", "t"), State.SUCCEEDED, result=b"7")
    answers = [BrokerUnavailable("away"), [parent]]

    def get(_):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(broker, "get", get)
    claim = Delivery("b", "t", "default", 0, b"[[1],{}]", b'{"input":"p"}', 1, 0, 0, 3, b"")
    broker.answers = [Exchanged(claims=[claim])]

    assert not courier.step()
    assert not hold.started
    assert courier.step()

    assert [started.payload for started in hold.started] == [b"[[7,1],{}]"]
