"""`advance`, `schedules`, `next_schedules`: changed by one alone, who sends in the same step."""

from functools import partial

import pytest

from celeriac.broker import Schedule, ScheduleChange
from celeriac.errors import UnknownTask
from celeriac.message import After
from celeriac.states import State
from celeriac.testing.contract.given import a_message, ids, rings, state_of, succeeded, together


def a_schedule(name="nightly", due=None, **fields):
    return Schedule(name, b'{"rule": 1}', due, b"memory", token=fields.pop("token", "one"), **fields)


def put(broker, clock, *schedules):
    changes = [ScheduleChange(each.name, "", each) for each in schedules]
    assert broker.advance(changes, clock.now()) == [True] * len(changes)


def test_a_schedule_is_kept_as_it_was_given(broker, clock):
    kept = Schedule(
        "every day ☀ {x}", bytes(range(256)), 1_700_000_000.123456, bytes(range(255, -1, -1)), token="t"
    )
    never = a_schedule("never")

    put(broker, clock, kept, never)

    assert broker.schedules() == [kept, never]


def test_there_are_none_at_first(broker, clock):
    assert (broker.schedules(), broker.next_schedules(10)) == ([], [])
    assert broker.tend(clock.now()).next_schedule is None


def test_the_next_ones_come_by_due_time_and_name_without_those_paused_or_never_due(broker, clock):
    put(
        broker,
        clock,
        a_schedule("late", 300.5),
        a_schedule("b", 100.25),
        a_schedule("a", 100.25),
        a_schedule("paused", 50.0, paused=True),
        a_schedule("never"),
    )

    assert [each.name for each in broker.next_schedules(2)] == ["a", "b"]
    assert [each.name for each in broker.next_schedules(10)] == ["a", "b", "late"]
    assert broker.tend(clock.now()).next_schedule == 100.25


def test_what_is_sent_comes_with_the_change(broker, clock, enlist):
    worker, message = enlist(), a_message()
    put(broker, clock, a_schedule(due=1.0))
    change = ScheduleChange("nightly", "one", a_schedule(due=2.0, token="two"), (message,))

    assert broker.advance([change], clock.now()) == [True]

    assert broker.schedules() == [a_schedule(due=2.0, token="two")]
    assert ids(worker.claim()) == [message.id]


def test_who_saw_an_older_one_changes_and_sends_nothing(broker, clock):
    message = a_message()
    put(broker, clock, a_schedule(due=1.0))
    stale = ScheduleChange("nightly", "zero", a_schedule(due=2.0, token="two"), (message,))
    new = ScheduleChange("nightly", "", a_schedule(due=2.0, token="two"), (message,))
    gone = ScheduleChange("nightly", "zero", None)
    unknown = ScheduleChange("weekly", "one", a_schedule("weekly"), (message,))

    assert broker.advance([stale, new, gone, unknown], clock.now()) == [False] * 4

    assert broker.schedules() == [a_schedule(due=1.0)]
    assert broker.get([message.id]) == [None]


def test_a_change_that_was_made_counts_as_done_when_it_is_repeated_and_sends_nothing_more(broker, clock):
    message = a_message()
    put(broker, clock, a_schedule(due=1.0))
    change = ScheduleChange("nightly", "one", a_schedule(due=2.0, token="two"), (message,))
    broker.advance([change], clock.now())
    broker.purge("default", clock.now())

    assert broker.advance([change], clock.now()) == [True]
    assert state_of(broker, message) is State.CANCELLED


def test_one_that_is_removed_is_gone_and_removing_it_again_is_no_error(broker, clock):
    put(broker, clock, a_schedule(due=1.0), a_schedule("other", 2.0))
    gone = ScheduleChange("nightly", "one", None)

    assert broker.advance([gone, gone], clock.now()) == [True, True]

    assert [each.name for each in broker.schedules()] == ["other"]
    assert [each.name for each in broker.next_schedules(5)] == ["other"]


def test_in_one_step_several_schedules_send_several_messages(broker, clock, enlist):
    worker = enlist()
    put(broker, clock, *(a_schedule(name, 1.0) for name in "abc"))
    messages = {name: (a_message(), a_message(priority=2)) for name in "abc"}
    changes = [
        ScheduleChange(
            name, "wrong" if name == "b" else "one", a_schedule(name, 2.0, token="two"), messages[name]
        )
        for name in "abc"
    ]

    assert broker.advance(changes, clock.now()) == [True, False, True]

    expected = [message.id for name in "ac" for message in messages[name][::-1]]
    assert sorted(ids(worker.claim_all())) == sorted(expected)


def test_what_is_sent_may_wait_for_each_other(broker, clock, enlist):
    worker = enlist()
    put(broker, clock, a_schedule("a", 1.0), a_schedule("b", 1.0), a_schedule("c", 1.0))
    first, alone = a_message(), a_message()
    second, third = a_message(after=After((first.id,))), a_message()
    fourth = a_message(after=After((third.id,)))
    changes = [
        ScheduleChange("a", "one", a_schedule("a", 2.0, token="two"), (first, second)),
        ScheduleChange("b", "one", a_schedule("b", 2.0, token="two"), (alone,)),
        ScheduleChange("c", "one", a_schedule("c", 2.0, token="two"), (third, fourth)),
    ]

    assert broker.advance(changes, clock.now()) == [True] * 3

    assert [state_of(broker, each) for each in (second, fourth)] == [State.WAITING] * 2
    claims = worker.claim_all()
    assert ids(claims) == [first.id, alone.id, third.id]
    worker.settles(*map(succeeded, claims))
    assert ids(worker.claim_all()) == [second.id, fourth.id]


def test_an_idle_worker_is_rung_for_what_a_schedule_sends(broker, clock, enlist, hang):
    bell = hang(worker := enlist())
    bell.arm(hungry=True)
    worker.claim()
    put(broker, clock, a_schedule(due=1.0))

    broker.advance(
        [ScheduleChange("nightly", "one", a_schedule(due=2.0, token="two"), (a_message(),))], clock.now()
    )

    assert rings(bell)


def test_of_many_who_try_at_once_one_makes_the_change_and_sends(store, clock):
    brokers = [store.connect() for _ in range(4)]
    put(brokers[0], clock, a_schedule(due=1.0))
    answers, sent = [], []

    def try_it(number):
        message = a_message()
        sent.append(message.id)
        change = ScheduleChange("nightly", "one", a_schedule(due=2.0, token=f"by {number}"), (message,))
        answers.extend(brokers[number % 4].advance([change], clock.now()))

    together(*(partial(try_it, number) for number in range(8)))

    assert sorted(answers) == [False] * 7 + [True]
    assert sum(record is not None for record in brokers[0].get(sent)) == 1


@pytest.mark.parametrize("count", [1, 1_000])
def test_many_are_changed_in_one_step(broker, clock, count):
    put(broker, clock, *(a_schedule(f"s{number:04}", 1.0 + number) for number in range(count)))

    assert len(broker.schedules()) == count
    assert len(broker.next_schedules(100)) == min(count, 100)


def test_what_waits_for_something_else_than_what_is_sent_with_it_is_refused_whole(broker, clock):
    put(broker, clock, older := a_schedule(due=1.0))
    known = a_message()
    broker.send([known], clock.now())
    good = ScheduleChange("weekly", "", a_schedule("weekly"), (a_message(),))
    bad = ScheduleChange("nightly", "one", a_schedule(token="two"), (a_message(after=After((known.id,))),))

    with pytest.raises(UnknownTask, match=known.id):
        broker.advance([good, bad], clock.now())

    assert broker.schedules() == [older]


def test_schedules_can_be_asked_for_by_name(broker, clock):
    for name in ("c", "a", "b"):
        assert broker.advance([ScheduleChange(name, "", a_schedule(name=name))], clock.now()) == [True]

    assert [each.name for each in broker.schedules(["c", "a", "nobody", "a"])] == ["a", "c"]
    assert broker.schedules([]) == []
