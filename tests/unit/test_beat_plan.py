"""What becomes of a schedule that is due: missed runs, overlap, and the messages that are sent."""

from datetime import UTC, datetime

import pytest

from celeriac import Celeriac, chain, chord, group
from celeriac.beat.entry import Entry, Memory, messages_of, names_in
from celeriac.beat.plan import LOOK_AGAIN, MOST_MISSED, step
from celeriac.clock import ManualClock
from celeriac.errors import ConfigurationError, InvalidMessage, InvalidName
from celeriac.message import Message, decode_options
from celeriac.schedules import every

NOW = 1_700_000_000.0
MINUTE = 60.0


def an_entry(seconds=MINUTE, **policy):
    return Entry(every(seconds), "t", (Message("0", "t"),), "0", **policy)


def is_free():
    return False


def is_busy():
    return True


def must_not_be_asked():
    raise AssertionError("whether the run before is over does not matter here")


def test_what_is_not_due_yet_is_left_until_then():
    planned = step(an_entry(), Memory(next=NOW + 5), NOW, must_not_be_asked)

    assert planned == ([], Memory(next=NOW + 5), NOW + 5)


def test_what_is_due_is_run_and_then_due_one_interval_later():
    planned = step(an_entry(), Memory(next=NOW), NOW, must_not_be_asked)

    assert planned.runs == [NOW]
    assert planned.due == planned.memory.next == NOW + MINUTE
    assert planned.memory.runs == 1


@pytest.mark.parametrize("missed", ["once", "skip", "all"])
def test_each_due_time_is_run_while_the_oldest_is_late_by_no_more_than_the_grace(missed):
    planned = step(an_entry(10, missed=missed), Memory(next=NOW - 25), NOW, must_not_be_asked)

    assert planned.runs == [NOW - 25, NOW - 15, NOW - 5]
    assert planned.memory.missed == 0


@pytest.mark.parametrize(
    ("missed", "late", "runs", "lost"),
    [
        ("once", 10, [NOW - 10], 60),
        ("once", 45, [NOW - 45], 60),
        ("skip", 10, [NOW - 10], 60),
        ("skip", 45, [], 61),
        ("all", 10, [NOW - 10 - MINUTE * ago for ago in range(60, -1, -1)], 0),
    ],
)
def test_after_an_hour_without_anybody_the_policy_says_what_is_run(missed, late, runs, lost):
    planned = step(an_entry(missed=missed), Memory(next=NOW - late - 60 * MINUTE), NOW, must_not_be_asked)

    assert planned.runs == runs
    assert planned.memory.missed == lost
    assert planned.memory.next == NOW - late + MINUTE


@pytest.mark.parametrize("missed", ["once", "skip"])
def test_what_is_late_by_no_more_than_the_grace_is_run_though_others_were_missed(missed):
    planned = step(an_entry(10, missed=missed), Memory(next=NOW - 65), NOW, must_not_be_asked)

    assert planned.runs == [NOW - 25, NOW - 15, NOW - 5]
    assert planned.memory.missed == 4


@pytest.mark.parametrize("missed", ["once", "skip", "all"])
def test_no_more_than_a_hundred_late_runs_are_made_up_for_at_once(missed):
    planned = step(an_entry(1, missed=missed, grace=3600), Memory(next=NOW - 300), NOW, must_not_be_asked)

    assert planned.runs == [NOW - ago for ago in range(MOST_MISSED - 1, -1, -1)]


def test_never_more_than_a_hundred_missed_runs_are_made_up_for():
    planned = step(an_entry(1, missed="all"), Memory(next=NOW - 1e6), NOW, must_not_be_asked)

    assert planned.runs == [NOW - ago for ago in range(MOST_MISSED - 1, -1, -1)]


def test_a_clock_that_was_set_back_runs_nothing_again():
    memory = step(an_entry(), Memory(next=NOW), NOW, must_not_be_asked).memory

    planned = step(an_entry(), memory, NOW - 3600, must_not_be_asked)

    assert planned.runs == []
    assert planned.due == NOW + MINUTE


def test_a_run_is_skipped_while_the_one_before_is_not_over():
    entry = an_entry(overlap="skip")

    busy = step(entry, Memory(next=NOW), NOW, is_busy)
    free = step(entry, busy.memory, NOW + MINUTE, is_free)

    assert (busy.runs, busy.memory.overlapped) == ([], 1)
    assert (free.runs, free.memory.overlapped) == ([NOW + MINUTE], 1)


def test_of_several_late_runs_only_one_is_run_where_they_must_not_overlap():
    planned = step(an_entry(10, overlap="skip"), Memory(next=NOW - 25), NOW, is_free)

    assert planned.runs == [NOW - 5]
    assert planned.memory.overlapped == 2


def test_one_run_waits_for_the_one_before_and_others_are_dropped():
    entry = an_entry(overlap="queue")

    first = step(entry, Memory(next=NOW), NOW, is_busy)
    assert (first.runs, first.memory.held, first.due) == ([], NOW, NOW + LOOK_AGAIN)

    second = step(entry, first.memory, NOW + MINUTE, is_busy)
    assert (second.runs, second.memory.held, second.memory.overlapped) == ([], NOW, 1)

    third = step(entry, second.memory, NOW + MINUTE + 1, is_free)
    assert (third.runs, third.memory.held, third.due) == ([NOW], None, NOW + 2 * MINUTE)
    assert (third.memory.runs, third.memory.overlapped) == (1, 1)


def test_one_that_waits_and_one_that_is_due_go_one_after_the_other():
    entry = an_entry(overlap="queue")
    memory = Memory(next=NOW, held=NOW - MINUTE)

    planned = step(entry, memory, NOW, is_free)

    assert (planned.runs, planned.memory.held) == ([NOW - MINUTE], NOW)


# --- what is sent ---------------------------------------------------------------------------------


@pytest.fixture
def app():
    app = Celeriac("beat", broker="memory://", clock=ManualClock(NOW), set_as_current=False)

    @app.task(name="add")
    def add(x=0, y=0):
        return x + y

    @app.task(name="total")
    def total(values):
        return sum(values)

    with app:
        yield app


SHAPES = {
    "task": lambda add, total: add.s(1, 2).set(countdown=5, expires=60, priority=3),
    "chain": lambda add, total: chain(add.s(1), add.s(2), add.s(3)),
    "group": lambda add, total: group(add.s(1), add.s(2)),
    "chord": lambda add, total: chord([add.s(1), add.s(2)], total.s()),
    "link": lambda add, total: add.s(1).set(link=[add.s(2)], link_error=[add.si(3)]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_code_gives_the_same_bytes_whenever_it_is_read(app, shape):
    made = []
    for _ in range(2):
        sig = SHAPES[shape](app.tasks["add"], app.tasks["total"])
        app.schedules.define(f"s{len(made)}", "* * * * *", sig, {})
        made.append(app.schedules.defined()[f"s{len(made)}"])
        app.clock.advance(1234.567)

    assert made[0] == made[1]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_run_has_ids_of_its_own_and_keeps_the_shape(app, shape):
    app.schedules.define("s", "* * * * *", SHAPES[shape](app.tasks["add"], app.tasks["total"]), {})
    entry = app.schedules.defined()["s"]
    new = [f"n{number}" for number in range(len(names_in(entry.messages)))]

    sent = messages_of(entry, "s", NOW, NOW + 1, 0.0, new)

    assert [message.id for message in sent] == new[: len(sent)]
    for pattern, message in zip(entry.messages, sent, strict=True):
        options = decode_options(message.options)
        assert (options.schedule, options.due) == ("s", NOW)
        assert message.payload == pattern.payload
        if pattern.after is not None:
            assert message.after.parents == tuple(f"n{parent}" for parent in pattern.after.parents)


def test_times_of_a_call_count_from_when_it_is_sent(app):
    app.schedules.define("s", "* * * * *", SHAPES["task"](app.tasks["add"], None), {})
    entry = app.schedules.defined()["s"]

    [message] = messages_of(entry, "s", NOW, NOW + 1, 2.5, ["n"])

    assert (message.created, message.eta, message.expires, message.priority) == (
        NOW + 1,
        NOW + 8.5,
        NOW + 61,
        3,
    )


MOMENT = datetime(2030, 1, 1, tzinfo=UTC)
FIXED = {
    "eta": lambda app: app.tasks["add"].s().set(eta=MOMENT),
    "eta as a number": lambda app: app.tasks["add"].s().set(eta=NOW + 60),
    "expires": lambda app: app.tasks["add"].s().set(expires=MOMENT),
    "expires of the task": lambda app: app.tasks["fading"].s(),
    "eta of a link": lambda app: chain(app.tasks["add"].s(1), app.tasks["add"].s(2).set(eta=MOMENT)),
    "expires of a link": lambda app: chain(app.tasks["add"].s(1), app.tasks["add"].s(2).set(expires=MOMENT)),
    "eta of a member": lambda app: group(app.tasks["add"].s(1).set(eta=NOW + 60), app.tasks["add"].s(2)),
    "eta of a callback": lambda app: app.tasks["add"].s(1).set(link=[app.tasks["add"].s(2).set(eta=MOMENT)]),
}


@pytest.mark.parametrize("fixed", FIXED)
def test_a_fixed_moment_in_a_call_that_is_made_again_and_again_is_refused(app, fixed):
    app.task(lambda: None, name="fading", expires=MOMENT)

    with pytest.raises(ConfigurationError, match=r"'nightly': .* fixed moment.*=SECONDS instead"):
        app.schedules.add("nightly", 60, FIXED[fixed](app))

    app.add_periodic_task(60, FIXED[fixed](app), name="coded")
    with pytest.raises(ConfigurationError, match="'coded'"):
        app.schedules.defined()


WRONG = {
    "priority": lambda app: app.add_periodic_task(60, app.tasks["add"], priority=30, name="broken"),
    "countdown": lambda app: app.add_periodic_task(60, app.tasks["add"], countdown="x", name="broken"),
    "headers": lambda app: app.add_periodic_task(60, app.tasks["add"], headers=5, name="broken"),
    "option": lambda app: app.add_periodic_task(60, app.tasks["add"], often=1, name="broken"),
    "kwargs": lambda app: app.add_periodic_task(60, app.tasks["add"], kwargs={"z": 1}, name="broken"),
    "args": lambda app: app.add_periodic_task(60, app.tasks["add"], (1, 2, 3), name="broken"),
    "args that are none": lambda app: app.add_periodic_task(60, app.tasks["add"], 5, name="broken"),
    "value": lambda app: app.add_periodic_task(60, app.tasks["add"], (object(),), name="broken"),
    "unique": lambda app: app.add_periodic_task(60, app.tasks["single"], name="broken"),
    "none": lambda app: app.add_periodic_task(60, None, name="broken"),
    "lambda": lambda app: app.add_periodic_task(60, lambda: 1, name="broken"),
    "dictionary": lambda app: app.add_periodic_task(60, {"task": 5}, name="broken"),
    "name": lambda app: app.add_periodic_task(60, "no.such", name="broken"),
    "name that is none": lambda app: app.add_periodic_task(60, "no such", name="broken"),
    "id": lambda app: app.add_periodic_task(60, app.tasks["add"], task_id="mine", name="broken"),
    "added options": lambda app: app.schedules.add("broken", 60, "add", options=[1]),
    "added args": lambda app: app.schedules.add("broken", 60, "add", args=5),
    "added id": lambda app: app.schedules.add("broken", 60, "add", options={"task_id": "mine"}),
    "added none": lambda app: app.schedules.add("broken", 60, None),
    "setting": lambda app: app.conf.update(
        beat_schedule={"broken": {"task": "add", "schedule": 60, "options": {"priority": 30}}}
    ),
    "setting without a call": lambda app: app.conf.update(
        beat_schedule={"broken": {"task": None, "schedule": 60}}
    ),
}


def write_and_declare(app, wrong):
    WRONG[wrong](app)
    app.schedules.declare()


@pytest.mark.parametrize("wrong", WRONG)
def test_what_no_schedule_can_send_is_refused_with_the_name_of_the_schedule(app, wrong):
    app.task(lambda: None, name="single", unique=True)

    with pytest.raises((ConfigurationError, InvalidMessage), match="the schedule 'broken': "):
        write_and_declare(app, wrong)


def test_a_call_with_an_idempotency_key_is_refused_for_what_it_is(app):
    with pytest.raises(InvalidMessage, match=r"add\(\) has an idempotency key, so"):
        app.schedules.add("keyed", 60, "add", options={"idempotency_key": "k"})


MINUTES = "0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30,32,34,36,38,40,42,44"


@pytest.mark.parametrize(
    "rule",
    [" */5 * * * * \n", "*/5\t*  * * *", f"{MINUTES} * * * *", MINUTES[:58] + "6 * * * *"],
)
def test_a_rule_that_is_good_gives_a_name_that_is_good(app, rule):
    name = app.add_periodic_task(rule, app.tasks["add"])
    app.periodic(60)(app.tasks["add"])
    app.periodic(rule)(app.tasks["add"])

    app.schedules.declare()

    assert len(app.schedules.list()) == 3
    assert name in {info.name for info in app.schedules}


def test_two_long_rules_of_one_task_have_two_names(app):
    names = [app.add_periodic_task(f"{MINUTES} {hour} * * *", app.tasks["add"]) for hour in (1, 2)]
    again = Celeriac("again", set_as_current=False).task(lambda x=0: x, name="add")

    assert names[0] != names[1]
    assert again.app.add_periodic_task(f"{MINUTES} 1 * * *", again) == names[0]


def test_a_call_that_may_expire_while_chance_keeps_it_waiting_is_refused(app):
    call = app.tasks["add"].s().set(countdown=5, expires=60)
    app.schedules.add("nightly", 3600, call, max_jitter=54)

    with pytest.raises(ConfigurationError, match="'nightly': add expires 60 s after it is sent"):
        app.schedules.change("nightly", max_jitter=55)
    with pytest.raises(ConfigurationError, match=r"'other': .* max_jitter"):
        app.schedules.add("other", 3600, call, max_jitter=600)


@pytest.mark.parametrize("days", [-1, float("nan"), float("inf"), 1e9])
def test_a_preview_of_no_such_number_of_days_is_refused(app, days):
    with pytest.raises(ConfigurationError, match="a preview is of 0 to 36,600 days"):
        app.schedules.preview(days=days)


def test_a_preview_may_be_of_a_hundred_years(app):
    app.schedules.add("daily", "0 0 * * *", "add")

    [coming] = app.schedules.preview(days=36_600, most=100_000)

    assert len(coming.runs) == 36_600


@pytest.mark.parametrize("name", ["", " x", "x\n", "x" * 201, "a\x1b[2J", None])
def test_a_name_that_cannot_be_shown_is_refused(app, name):
    with pytest.raises(InvalidName):
        app.schedules.add(name, 60, "add")


@pytest.mark.parametrize(
    "policy",
    [
        {"missed": "maybe"},
        {"overlap": 1},
        {"grace": -1},
        {"grace": float("inf")},
        {"grace": float("nan")},
        {"max_jitter": -1},
        {"timezone": "X/Y"},
        {"often": 1},
    ],
)
def test_a_policy_that_there_is_not_is_refused_with_the_name_of_the_schedule(app, policy):
    with pytest.raises(ConfigurationError, match="'nightly'"):
        app.schedules.add("nightly", "0 0 * * *", "add", **policy)
