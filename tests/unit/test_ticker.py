"""Who sends for what is due: each due time once, whoever looks, and what stands in code."""

import logging
from collections import Counter

import pytest

from celeriac import Celeriac
from celeriac.beat.ticker import AT_ONCE, Ticker
from celeriac.broker import Schedule, ScheduleChange, WorkerInfo
from celeriac.clock import ManualClock
from celeriac.errors import BrokerUnavailable, PayloadTooLarge
from celeriac.message import decode_options
from celeriac.worker.keeper import PERIOD, Keeper


@pytest.fixture
def clock():
    return ManualClock(1_700_000_040.0)  # a full minute is 0, and this is one


@pytest.fixture
def app(clock):
    app = Celeriac("ticking", broker="memory://", clock=clock, set_as_current=False)

    @app.task(name="tick")
    def tick():
        """Do nothing."""

    with app:
        yield app


@pytest.fixture
def sent(app):
    """Return by schedule the due times that were sent for, in order."""
    broker = app.broker
    broker.enlist(WorkerInfo(id="w", name="w", names=frozenset({"tick"}), lease=1e9), app.clock.now())
    trips = iter(range(1, 1_000_000))

    def sent():
        found = {}
        claims = broker.exchange("w", trip=next(trips), want=100_000, now=app.clock.now()).claims
        for claim in claims:
            options = decode_options(claim.options)
            found.setdefault(options.schedule, []).append(options.due)
        return found

    return sent


def test_each_due_time_is_sent_for_once_by_however_many_who_look(app, clock, sent):
    app.schedules.add("minutely", "* * * * *", "tick")
    tickers = [Ticker(app.broker, clock) for _ in range(5)]

    for _ in range(60):
        clock.advance(10)
        for ticker in tickers:
            ticker.look()
            ticker.tick()

    due = sent()["minutely"]
    assert due == [1_700_000_100.0 + 60 * number for number in range(10)]


def test_nothing_is_asked_of_the_store_before_something_is_due(app, clock):
    app.schedules.add("hourly", "0 * * * *", "tick")
    ticker, asked = Ticker(app.broker, clock), Counter()
    ask = app.broker.next_schedules
    app.broker.next_schedules = lambda count: asked.update(["asked"]) or ask(count)
    ticker.tick()

    for _ in range(100):
        clock.advance(1)
        ticker.tick()

    assert asked["asked"] == 1
    assert ticker.pause() == pytest.approx(1_700_002_800.0 - clock.now())


def test_more_than_a_batch_is_sent_batch_by_batch(app, clock, sent):
    for number in range(AT_ONCE + 20):
        app.schedules.add(f"s{number}", 60, "tick")
    ticker = Ticker(app.broker, clock)
    clock.advance(60)

    assert (ticker.tick(), ticker.pause()) == (AT_ONCE, 0.0)
    assert ticker.tick() == 20
    assert ticker.tick() == 0
    assert len(sent()) == AT_ONCE + 20


def test_what_nobody_understands_is_told_and_holds_nobody_up(app, clock, sent, caplog):
    strange = Schedule("strange", b"\xff not ours", clock.now() + 30, token="t")
    app.broker.advance([ScheduleChange("strange", "", strange)], clock.now())
    app.schedules.add("minutely", "* * * * *", "tick")
    ticker = Ticker(app.broker, clock)
    clock.advance(60)

    with caplog.at_level(logging.ERROR, "celeriac.beat"):
        ticker.tick()
        ticker.tick()

    assert len(sent()["minutely"]) == 1
    assert [record.schedule for record in caplog.records] == ["strange"]
    assert ticker.pause() > 0


def test_a_frequent_schedule_is_not_late_because_of_a_rare_one(app, clock):
    app.schedules.add("often", 1, "tick")
    app.schedules.add("rarely", "0 0 1 1 *", "tick")
    ticker = Ticker(app.broker, clock)
    clock.advance(1)

    ticker.tick()

    assert ticker.pause() == pytest.approx(1.0)


def test_one_whose_messages_are_refused_is_put_off_and_holds_nobody_up(app, clock, sent, caplog):
    app.schedules.add("huge", 60, "tick")
    app.schedules.add("small", 60, "tick")
    ticker, advance = Ticker(app.broker, clock), app.broker.advance

    def picky(changes, now):
        if any(change.name == "huge" and change.messages for change in changes):
            raise PayloadTooLarge("too large for this store")
        return advance(changes, now)

    app.broker.advance = picky
    clock.advance(60)

    ticker.tick()

    assert set(sent()) == {"small"}
    assert app.schedules.get("huge").runs == 0
    assert 0 < ticker.pause() <= 60
    assert "too large for this store" in caplog.records[0].reason


def test_jitter_starts_the_task_later_and_leaves_the_due_time(app, clock):
    app.schedules.add("jittery", "* * * * *", "tick", max_jitter=30, missed="all")
    ticker = Ticker(app.broker, clock)
    delays = []
    for _ in range(20):
        clock.advance(60)
        ticker.tick()
        ticker.look()
        [record] = app.broker.get(app.schedules.get("jittery").ids)
        assert decode_options(record.message.options).due == clock.now()
        delays.append((record.message.eta or clock.now()) - clock.now())

    assert all(0 <= delay <= 30 for delay in delays)
    assert len(set(delays)) > 10


def test_the_next_run_waits_for_the_one_before_where_they_must_not_overlap(app, clock, sent):
    app.schedules.add("queued", "* * * * *", "tick", overlap="queue")
    ticker = Ticker(app.broker, clock)
    clock.advance(60)
    ticker.tick()
    [first] = app.schedules.get("queued").ids
    for _ in range(3):
        clock.advance(60)
        ticker.tick()
    assert app.schedules.get("queued").runs == 1

    app.broker.cancel([first], clock.now())
    clock.advance(1)
    ticker.tick()

    info = app.schedules.get("queued")
    assert (info.runs, info.overlapped) == (2, 2)
    assert info.last.timestamp() == 1_700_000_160.0


@pytest.fixture
def held(app, clock):
    """A ticker, and the schedule `queued` with one run that works and one that waits for it."""
    app.schedules.add("queued", 3600, "tick", overlap="queue")
    ticker = Ticker(app.broker, clock)
    clock.advance(3600)
    ticker.tick()
    clock.advance(3600)
    ticker.tick()
    assert app.schedules.get("queued").runs == 1
    return ticker


def end_the_run_before(app):
    app.broker.cancel(app.schedules.get("queued").ids, app.clock.now())


def test_a_run_that_waits_for_the_one_before_does_so_through_a_pause(app, clock, held):
    app.schedules.pause("queued")
    app.schedules.resume("queued")
    end_the_run_before(app)

    clock.advance(1)
    held.look()
    held.tick()

    assert app.schedules.get("queued").runs == 2


@pytest.mark.parametrize("overlap", ["allow", "skip", "queue"])
def test_a_run_that_waits_for_the_one_before_is_run_after_a_change_of_policy(app, clock, held, overlap):
    app.schedules.change("queued", overlap=overlap, grace=5)
    end_the_run_before(app)

    clock.advance(1)
    held.look()
    held.tick()

    info = app.schedules.get("queued")
    assert (info.runs, info.overlapped) == (2, 0)


def test_a_change_of_policy_leaves_the_rhythm_and_one_of_the_rule_begins_anew(app, clock):
    before = app.schedules.add("hourly", 3600, "tick")
    clock.advance(1800)

    assert app.schedules.change("hourly", overlap="skip").next == before.next
    assert app.schedules.change("hourly", 3600, missed="all").next == before.next
    assert app.schedules.change("hourly", 7200).next.timestamp() == clock.now() + 7200


# --- what stands in code ------------------------------------------------------------------------------


def another(app, schedules, main="ticking"):
    """The same application with other code, on the same store."""
    made = Celeriac(main, broker="memory://", clock=app.clock, set_as_current=False)
    made._connection.use(app.broker)
    made.conf.beat_schedule = schedules
    made.schedules.declare()
    return made


def test_what_stands_in_code_comes_and_goes_with_it(app):
    another(app, {"a": {"task": "tick", "schedule": 60}, "b": {"task": "tick", "schedule": 60}})
    app.schedules.add("mine", 60, "tick")

    another(app, {"b": {"task": "tick", "schedule": 60}, "c": {"task": "tick", "schedule": 60}})

    assert [info.name for info in app.schedules] == ["b", "c", "mine"]


def test_a_deploy_that_changes_nothing_leaves_the_rhythm_and_one_that_does_begins_anew(app, clock):
    another(app, {"a": {"task": "tick", "schedule": 60}})
    due = app.schedules.get("a").next
    clock.advance(45)

    another(app, {"a": {"task": "tick", "schedule": 60}})
    assert app.schedules.get("a").next == due

    another(app, {"a": {"task": "tick", "schedule": 90}})
    assert app.schedules.get("a").next.timestamp() == clock.now() + 90


def test_a_paused_one_stays_paused_through_a_deploy(app):
    another(app, {"a": {"task": "tick", "schedule": 60}})
    app.schedules.pause("a")

    another(app, {"a": {"task": "tick", "schedule": 90}})

    assert app.schedules.get("a").paused


def test_nobody_removes_or_takes_what_another_application_has_in_its_code(app, caplog):
    another(app, {"a": {"task": "tick", "schedule": 60}})

    another(app, {"a": {"task": "tick", "schedule": 5}, "b": {"task": "tick", "schedule": 60}}, main="other")

    assert app.schedules.get("a").rule == "every 60 s"
    assert [record.schedule for record in caplog.records if "else's" in record.message] == ["a"]
    assert app.schedules.get("b").app == "other"


def removed(caplog):
    return [(each.levelname, each.schedule) for each in caplog.records if each.message == "schedule removed"]


def test_removing_what_another_application_without_a_name_may_have_in_its_code_is_warned_of(app, caplog):
    unnamed = Celeriac(set_as_current=False).main
    another(app, {"a": {"task": "tick", "schedule": 60}}, main=unnamed)

    with caplog.at_level(logging.INFO, "celeriac.beat"):
        another(app, {"b": {"task": "tick", "schedule": 60}}, main=unnamed)

    assert removed(caplog) == [("WARNING", "a")]


def test_removing_what_is_no_longer_in_the_code_of_an_application_with_a_name_is_told(app, caplog):
    another(app, {"a": {"task": "tick", "schedule": 60}})

    with caplog.at_level(logging.INFO, "celeriac.beat"):
        another(app, {})

    assert removed(caplog) == [("INFO", "a")]


# --- the keeper ---------------------------------------------------------------------------------------


def test_a_keeper_wakes_for_what_is_due_and_no_earlier(app, clock, sent):
    keeper = Keeper(app.broker, clock, workers=lambda: (), lease=10.0, ticker=Ticker(app.broker, clock))
    app.schedules.add("minutely", "* * * * *", "tick")
    keeper.keep()
    assert keeper.pause() == PERIOD

    clock.advance(59.8)
    assert keeper.pause() == pytest.approx(0.2)
    clock.advance(0.2)
    keeper.keep()

    assert sent() == {"minutely": [clock.now()]}


def test_a_keeper_learns_of_a_new_schedule_when_it_tends(app, clock, sent):
    keeper = Keeper(app.broker, clock, workers=lambda: (), lease=10.0, ticker=Ticker(app.broker, clock))
    keeper.keep()
    app.schedules.add("later", 5, "tick")
    for _ in range(12):
        clock.advance(0.5)
        keeper.keep()

    assert len(sent()["later"]) == 1


def test_after_an_outage_of_the_store_what_was_due_meanwhile_is_sent_for(app, clock, sent):
    app.schedules.add("minutely", "* * * * *", "tick")
    ticker = Ticker(app.broker, clock)
    ticker.tick()
    advance = app.broker.advance

    def away(changes, now):
        raise BrokerUnavailable("away")

    app.broker.advance = away
    clock.advance(60)
    with pytest.raises(BrokerUnavailable):
        ticker.tick()
    app.broker.advance = advance
    clock.advance(10)

    ticker.tick()

    assert sent() == {"minutely": [clock.now() - 10]}
