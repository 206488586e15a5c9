"""`celeriac events`: what has happened, what happens, each end once, and what is missed said so."""

import json
import signal
from types import SimpleNamespace

import pytest

from celeriac.brokers.memory import MemoryBroker
from celeriac.cli import happenings
from celeriac.cli.happenings import Gap, Happenings
from celeriac.clock import ManualClock
from celeriac.errors import BrokerUnavailable
from celeriac.testing.contract.given import Courier, a_message, failed, messages, retry, stopped, succeeded
from tests.integration.command_line import assert_attempts_parse, reading, terminal

pytest_plugins = ["tests.integration.shop"]


@pytest.fixture
def place():
    """A store on a clock that the test moves, and who looks at it."""
    broker, clock = MemoryBroker(), ManualClock()
    return SimpleNamespace(broker=broker, clock=clock, parameters_of=lambda name: ())


def courier_of(place, worker="worker-a"):
    return Courier(place.broker, place.clock, worker, queues=("default",), names={a_message().name})


def given_ended(place, how=succeeded, count=1):
    sent = messages(count)
    place.broker.send(sent, place.clock.now())
    courier = courier_of(place, sent[0].id)
    for task in courier.claim(count):
        courier.settles(how(task))
    return [message.id for message in sent]


def told(look):
    return [(event.what, event.task.id) for event in look.events]


# --- what is told -------------------------------------------------------------------------------------


def test_each_start_and_each_end_is_told_once(place):
    seen = Happenings(place, "")
    assert told(seen.look()) == []
    [sent] = messages(1)
    place.broker.send([sent], place.clock.now())
    courier = courier_of(place)

    [task] = courier.claim(1)
    begun = [told(seen.look()), told(seen.look())]
    place.clock.advance(1)
    courier.settles(failed(task))
    over = [told(seen.look()), told(seen.look())]

    assert begun == [[("started", sent.id)], []]
    assert over == [[("failed", sent.id)], []]


@pytest.mark.parametrize(
    ("how", "what"), [(succeeded, "succeeded"), (failed, "failed"), (stopped, "cancelled")]
)
def test_a_task_that_is_over_between_two_looks_is_told_by_its_end(place, how, what):
    seen = Happenings(place, "")
    seen.look()

    [task_id] = given_ended(place, how)

    assert told(seen.look()) == [(what, task_id)]


def test_many_looks_tell_all_ends_however_they_come(place):
    seen = Happenings(place, "")
    seen.look()
    ids, events = [], []

    for count in (1, 300, 0, 7, 1, 0, 550):
        ids += given_ended(place, count=count) if count else []
        place.clock.advance(happenings.OVERLAP / 3)
        events += told(seen.look())

    assert sorted(task_id for _, task_id in events) == sorted(ids)


def test_an_end_that_reaches_the_store_late_is_told(place):
    seen = Happenings(place, "")
    place.clock.advance(happenings.OVERLAP / 2)
    seen.look()
    place.clock.advance(-happenings.OVERLAP / 2)

    [late] = given_ended(place)
    place.clock.advance(happenings.OVERLAP / 2)

    assert told(seen.look()) == [("succeeded", late)]


def test_the_next_run_of_a_task_is_another_start(place):
    seen = Happenings(place, "")
    [sent] = messages(1)
    place.broker.send([sent], place.clock.now())
    courier = courier_of(place)

    [first] = courier.claim(1)
    seen.look(9)
    courier.settles(retry(first, place.clock.now() + 1))
    place.clock.advance(2)
    place.broker.tend(place.clock.now())
    courier.claim(1)
    [event] = seen.look().events

    assert (event.what, event.task.attempts) == ("started", 2)


def test_the_first_look_tells_the_last_ones_in_their_order(place):
    ids = []
    for _ in range(5):
        ids += given_ended(place)
        place.clock.advance(60)
    seen = Happenings(place, "")

    assert [task_id for _, task_id in told(seen.look(3))] == ids[2:]
    assert told(seen.look()) == []


def test_a_filter_says_of_which(place):
    good, bad = Happenings(place, "state:success"), Happenings(place, "-state:success")
    good.look()
    bad.look()

    [done], [broken] = given_ended(place), given_ended(place, failed)

    assert told(good.look()) == [("succeeded", done)]
    assert told(bad.look()) == [("failed", broken)]


def test_more_ends_than_can_be_looked_at_are_a_gap(place, monkeypatch):
    monkeypatch.setattr(happenings, "MOST", 300)
    seen = Happenings(place, "")
    seen.look()
    for _ in range(4):
        place.clock.advance(1)
        given_ended(place, count=200)
    before = place.clock.now()

    look = seen.look()
    given_ended(place)
    after = seen.look()

    assert len(look.events) == 300
    assert look.gap == Gap(before - 4, before - 1)
    assert (len(after.events), after.gap) == (1, None)


def test_what_happened_while_the_store_was_away_is_told_after(place, monkeypatch):
    seen = Happenings(place, "")
    seen.look()
    [task_id] = given_ended(place)
    find, calls = place.broker.find, []

    def away(*given):
        calls.append(given)
        if len(calls) == 2:  # after the running ones
            raise BrokerUnavailable("nobody answers")
        return find(*given)

    monkeypatch.setattr(place.broker, "find", away)
    with pytest.raises(BrokerUnavailable):
        seen.look()

    assert told(seen.look()) == [("succeeded", task_id)]


# --- the command --------------------------------------------------------------------------------------


def test_without_follow_it_tells_what_was_and_ends(working):
    done, broken = working.add.delay(1), working.fail.delay("evil \x1b[31m")
    for result in (done, broken):
        result.get(20, propagate=False)

    answer, limited = working.cli("events"), working.cli("events", "state:failed", "--count", "1")

    assert answer.code == limited.code == 0
    assert {line.split()[2:5:2][0] for line in answer.out.splitlines()} == {"succeeded", "failed"}
    [line] = limited.out.splitlines()
    assert f"failed     {broken.id}  shop.fail  after" in line
    assert "ValueError: evil \\x1b[31m" in line


def test_follow_tells_starts_and_ends_as_they_come(working):
    with reading(
        *working.where, "events", "shop", "--follow", "--json", "--interval", "0.1",
        cwd=working.folder,
    ) as events:  # fmt: skip
        sent = working.long.delay()
        assert working.reached.wait(20)
        events.wait_for('"event":"started"')
        working.go_on.set()
        events.wait_for('"event":"succeeded"')
        events.process.send_signal(signal.SIGINT)
        code = events.end()

    found = [json.loads(line) for line in events.lines]
    assert code == 130
    assert [(each["event"], each["id"]) for each in found] == [("started", sent.id), ("succeeded", sent.id)]
    assert found[1]["seconds"] >= 0
    assert found[0]["seconds"] is None


def test_ctrl_c_says_how_to_go_on(working):
    with terminal(*working.where, "events", "name:shop.*", "--follow", cwd=working.folder) as screen:
        working.add.delay(1)
        screen.wait_for("succeeded")
        screen.process.send_signal(signal.SIGINT)
        code = screen.end()

    assert code == 130
    assert "events 'name:shop.*' --follow" in screen.shown


def test_wrong_words_are_told(shop):
    wrong, alone = shop.cli("events", "state:fialed"), shop.cli("events", "--interval", "1")

    assert wrong.code == alone.code == 2
    assert "expected one of" in wrong.err
    assert "--follow" in alone.err
    assert_attempts_parse(wrong)


def test_options_come_from_the_environment_too(working):
    for number in range(3):
        working.add.delay(number).get(20)

    answer = working.cli(
        "events", "state:success", env={"CELERIAC_EVENTS_COUNT": "2", "CELERIAC_EVENTS_INTERVAL": "5"}
    )

    assert len(answer.out.splitlines()) == 2
