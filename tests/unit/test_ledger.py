"""The ledger: what it makes of the ends of runs, when it goes to the store, and what an outage does to it."""

from types import SimpleNamespace

import msgspec
import pytest

from celeriac.broker import WorkerInfo
from celeriac.brokers.memory import MemoryBroker
from celeriac.clock import ManualClock
from celeriac.context import Run
from celeriac.errors import BrokerUnavailable
from celeriac.message import Delivery, Message, Options, encode_options, new_ids
from celeriac.states import Verdict
from celeriac.statistics import buckets_of
from celeriac.tally import (
    CANCELLED,
    CRASHED,
    EXPIRED,
    FAILED,
    MINUTE,
    QUEUED,
    RAN,
    RECOVERED,
    RETRIED,
    RUN,
    RUNNING,
    SCHEDULED,
    STARTED,
    SUCCEEDED,
    TRIP_TIME,
    TRIPS,
    WAIT,
    WAITED,
    begin,
    sum_of,
)
from celeriac.worker.keeper import TEND_PERIOD, Keeper
from celeriac.worker.ledger import ALL_TIMED, IDLE_PERIOD, TIMED, TIMED_A_SECOND, Ledger, wait_of

PERIOD = 5.0


class Store(MemoryBroker):
    """A store that can be away, before it has counted or after."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = self.loses_answers = False
        self.visits = 0

    def count(self, teller, number, tallies, now):
        self.visits += 1
        if self.is_away:
            raise BrokerUnavailable("away")
        done = super().count(teller, number, tallies, now)
        if self.loses_answers:
            raise BrokerUnavailable("the answer was lost")
        return done


@pytest.fixture
def clock():
    return ManualClock(begin(1_700_000_000.0) + 20.0)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def ledger(store, clock):
    return Ledger(store, clock, period=PERIOD)


def a_run(clock, *, sent=None, ran=1.0, started=True, fence=1, options=b"", own_id=None):
    [made] = new_ids(1, clock.now() - 3.0 if sent is None else sent)
    delivery = Delivery(own_id or made, "shop.add", "default", 0, b"", options, fence, 0, 0, 1, b"")
    run = Run(SimpleNamespace(name="shop.add"), delivery, None, "host")
    run.started = clock.now() - ran if started else 0.0
    run.weight = 1
    return run


def note(ledger, clock, run, outcome=Verdict.SUCCEEDED):
    """Do as a worker does whose task has ended now."""
    run.ended = 0.0 if outcome in (Verdict.RELEASE, Verdict.REPLACED) else clock.now()
    ledger.note([run.delivery], {} if outcome is Verdict.SUCCEEDED else {run.id: outcome})
    ledger.note_times(run)


def counted(store, *, queue="default"):
    return sum_of(tally.numbers for tally in store.statistics(0.0, 1e11) if tally.queue == queue)


# --- what is counted ----------------------------------------------------------------------------------


def test_a_run_counts_with_its_outcome_its_time_and_its_wait(ledger, store, clock):
    note(ledger, clock, a_run(clock, sent=clock.now() - 4.0, ran=1.0))
    ledger.tell()

    numbers = counted(store)
    assert (numbers[STARTED], numbers[SUCCEEDED], numbers[RAN]) == (1, 1, 1_000_000)
    assert numbers[WAITED] == pytest.approx(3_000_000, abs=2_000)
    assert sum(buckets_of(numbers, RUN)) == sum(buckets_of(numbers, WAIT)) == 1


@pytest.mark.parametrize(
    ("verdict", "place"),
    [
        (Verdict.FAILED, FAILED),
        (Verdict.RETRY, RETRIED),
        (Verdict.CANCELLED, CANCELLED),
        (Verdict.CRASHED, CRASHED),
    ],
)
def test_every_outcome_has_its_place(ledger, store, clock, verdict, place):
    note(ledger, clock, a_run(clock), verdict)
    ledger.tell()

    numbers = counted(store)
    assert {each: numbers.get(each) for each in (SUCCEEDED, FAILED, RETRIED, CANCELLED, CRASHED)} == {
        **dict.fromkeys((SUCCEEDED, FAILED, RETRIED, CANCELLED, CRASHED)),
        place: 1,
    }


@pytest.mark.parametrize("verdict", [Verdict.RELEASE, Verdict.REPLACED])
def test_a_run_without_outcome_has_only_started(ledger, store, clock, verdict):
    note(ledger, clock, a_run(clock), verdict)
    ledger.tell()

    numbers = counted(store)
    assert numbers[STARTED] == 1
    assert not any(numbers.get(place) for place in (SUCCEEDED, FAILED, RETRIED, CANCELLED, CRASHED))


def test_what_never_started_and_was_given_back_counts_as_nothing(ledger, store, clock):
    note(ledger, clock, a_run(clock, started=False), Verdict.RELEASE)
    ledger.tell()

    assert store.statistics(0.0, 1e11) == []


def test_the_start_counts_in_its_own_minute(ledger, store, clock):
    note(ledger, clock, a_run(clock, ran=5 * MINUTE, sent=clock.now() - 6 * MINUTE))
    ledger.tell()

    before, after = store.statistics(0.0, 1e11)
    assert (before.moment, before.numbers[STARTED]) == (begin(clock.now()) - 5 * MINUTE, 1)
    assert (after.moment, after.numbers[SUCCEEDED]) == (begin(clock.now()), 1)
    assert sum(buckets_of(before.numbers, WAIT)) == 1
    assert STARTED not in after.numbers


@pytest.mark.parametrize(
    "given",
    [
        {"fence": 2},
        {"options": encode_options(Options(eta=1.0))},
        {"options": encode_options(Options(follows=True))},
        {"own_id": "order-12345"},
        {"own_id": "f" * 28},
        {"own_id": "0" * 28},
    ],
    ids=["again", "eta", "follows", "own id", "future", "past"],
)
def test_a_wait_that_says_nothing_of_the_queue_is_not_counted(ledger, store, clock, given):
    note(ledger, clock, a_run(clock, **given))
    ledger.tell()

    numbers = counted(store)
    assert sum(buckets_of(numbers, WAIT)) == 0
    assert sum(buckets_of(numbers, RUN)) == 1


def test_a_clock_that_is_a_little_behind_makes_no_negative_wait(clock):
    [ahead] = new_ids(1, clock.now() + 5.0)
    delivery = Delivery(ahead, "a", "default", 0, b"", b"", 1, 0, 0, 1, b"")

    assert wait_of(delivery, clock.now()) == 0.0


@pytest.mark.parametrize("count", [0, 1, ALL_TIMED, ALL_TIMED + 1, 100, 301])
def test_of_very_many_some_are_timed_and_stand_for_all(ledger, clock, count):
    weights = chosen(ledger, clock, count)

    assert sum(weights) == count
    assert len(weights) <= (count if count <= ALL_TIMED else TIMED)
    assert count > ALL_TIMED or set(weights) <= {1}


def chosen(ledger, clock, count):
    """Let *ledger* choose among so many; return for how many each chosen one stands."""
    runs = [a_run(clock) for _ in range(count)]
    for run in runs:
        run.weight = 0
    ledger.choose(runs)
    return [run.weight for run in runs if run.weight]


def test_where_trips_are_very_many_one_of_each_is_timed_until_the_second_is_over(ledger, clock):
    timed = 0
    while timed < TIMED_A_SECOND:
        timed += len(chosen(ledger, clock, 100))

    assert chosen(ledger, clock, 100) == [100]
    assert chosen(ledger, clock, ALL_TIMED) == [ALL_TIMED]
    clock.advance(1.0)
    assert len(chosen(ledger, clock, 100)) == TIMED


def test_a_run_that_stands_for_others_counts_for_them(ledger, store, clock):
    run = a_run(clock, ran=2.0)
    run.weight = 7
    note(ledger, clock, run)
    ledger.tell()

    numbers = counted(store)
    assert (numbers[STARTED], numbers[RAN]) == (7, 14_000_000)
    assert sum(buckets_of(numbers, RUN)) == sum(buckets_of(numbers, WAIT)) == 7


def test_names_and_queues_of_one_trip_are_told_apart(ledger, store, clock):
    runs = [a_run(clock).delivery for _ in range(4)]
    runs[1] = msgspec.structs.replace(runs[1], queue="mail")
    runs[2] = msgspec.structs.replace(runs[2], name="shop.mail")

    ledger.note(runs, {})
    ledger.tell()

    found = {(each.queue, each.name): each.numbers[SUCCEEDED] for each in store.statistics(0.0, 1e11)}
    assert found == {("default", "shop.add"): 2, ("mail", "shop.add"): 1, ("default", "shop.mail"): 1}


def test_what_did_not_succeed_is_told_apart_in_one_trip(ledger, store, clock):
    runs = [a_run(clock) for _ in range(5)]
    others = {runs[1].id: Verdict.FAILED, runs[3].id: Verdict.RETRY, "of another trip": Verdict.FAILED}

    ledger.note([run.delivery for run in runs], others)
    ledger.tell()

    numbers = counted(store)
    assert (numbers[SUCCEEDED], numbers[FAILED], numbers[RETRIED]) == (3, 1, 1)
    assert others == {"of another trip": Verdict.FAILED}


# --- when, and how often ------------------------------------------------------------------------------


def test_it_goes_to_the_store_once_in_a_period(ledger, store, clock):
    for _ in range(100):
        note(ledger, clock, a_run(clock))
        clock.advance(0.25)
        ledger.tell_in_time()

    assert store.visits == 5


def test_an_idle_process_tells_of_its_trips_once_a_minute(ledger, store, clock):
    for _ in range(int(IDLE_PERIOD) + 5):
        ledger.note_trip(0.002)
        clock.advance(1.0)
        ledger.tell_in_time()

    assert store.visits == 1
    numbers = counted(store, queue="")
    assert numbers[TRIPS] == int(IDLE_PERIOD)
    assert numbers[TRIP_TIME] == numbers[TRIPS] * 2_000


def test_what_a_store_that_is_away_did_not_take_comes_later_in_its_own_minute(ledger, store, clock):
    store.is_away = True
    first = begin(clock.now())
    note(ledger, clock, a_run(clock))
    ledger.tell()
    clock.advance(2 * MINUTE)
    note(ledger, clock, a_run(clock), Verdict.FAILED)
    ledger.tell()

    store.is_away = False
    clock.advance(PERIOD)
    ledger.tell_in_time()

    assert [(tally.moment, tally.numbers.get(SUCCEEDED)) for tally in store.statistics(0.0, 1e11)] == [
        (first, 1),
        (first + 2 * MINUTE, None),
    ]


def test_a_lost_answer_counts_nothing_twice(ledger, store, clock):
    store.loses_answers = True
    note(ledger, clock, a_run(clock))
    ledger.tell()
    note(ledger, clock, a_run(clock))
    ledger.tell()

    store.loses_answers = False
    ledger.tell()

    assert counted(store)[SUCCEEDED] == 2


# --- levels -------------------------------------------------------------------------------------------


def a_keeper(store, clock):
    return Keeper(store, clock, workers=lambda: (), lease=10.0, counts=True)


def keep_for(seconds, clock, *keepers):
    for _ in range(int(seconds)):
        clock.advance(1.0)
        for keeper in keepers:
            keeper.keep()


def test_whoever_tends_writes_once_a_minute_how_much_the_queues_hold(store, clock):
    ids = new_ids(4, clock.now())
    store.send([Message(ids[0], "shop.add", eta=clock.now() + 3_600)], clock.now())
    store.send([Message(each, "shop.add") for each in ids[1:]], clock.now())
    keepers = [a_keeper(store, clock) for _ in range(3)]

    keep_for(3 * MINUTE, clock, *keepers)

    assert store.visits == 9
    found = [tally.numbers for tally in store.statistics(0.0, 1e11)]
    assert found == [{QUEUED: 3, SCHEDULED: 1, RUNNING: 0}] * len(found)
    assert len(found) == 3


def test_what_tending_did_is_counted_once(store, clock):
    store.enlist(WorkerInfo("w", "w", names=frozenset({"shop.add"}), lease=5.0), clock.now())
    running, late = new_ids(2, clock.now())
    store.send([Message(running, "shop.add")], clock.now())
    store.exchange("w", trip=1, want=1, now=clock.now())
    store.send([Message(late, "shop.add", expires=clock.now() + 1)], clock.now())
    keepers = [a_keeper(store, clock) for _ in range(2)]

    keep_for(2 * MINUTE, clock, *keepers)

    assert counted(store, queue="") == {EXPIRED: 1, RECOVERED: 1}


def test_a_store_that_takes_no_statistics_still_has_its_leases_renewed(store, clock):
    store.enlist(WorkerInfo("w", "w", lease=5.0), clock.now())
    store.send([Message(new_ids(1, clock.now())[0], "shop.add")], clock.now())
    store.is_away = True
    keeper = Keeper(store, clock, workers=lambda: ["w"], lease=5.0, counts=True)

    keep_for(MINUTE, clock, keeper)

    assert store.visits > 1
    assert [worker.id for worker in store.workers(clock.now())] == ["w"]
    assert TEND_PERIOD < MINUTE
