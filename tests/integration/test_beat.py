"""Schedules as people write them: in code and at run time, seen and steered, on each store."""

import itertools
import threading
from datetime import UTC, datetime, timedelta

import pytest

from celeriac import Celeriac, chain
from celeriac.cli.codes import Exit
from celeriac.clock import ManualClock
from celeriac.errors import ConfigurationError, InvalidArguments, UnknownSchedule
from celeriac.schedules import cron, crontab, every, schedule
from celeriac.worker.beat import BeatService
from tests.integration.command_line import invoke
from tests.waiting import wait_until

SOON = 10.0
_numbers = itertools.count(1)
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp()


@pytest.fixture
def seen(app):
    """What the task `note` was told, and by which schedule for which moment."""
    seen = []

    @app.task(bind=True, name="note")
    def note(self, *what):
        seen.append((self.request.schedule, self.request.due, what))
        return list(what)

    return seen


def test_a_task_runs_on_time_and_knows_its_schedule_and_its_due_time(app, seen):
    app.schedules.add("often", every(0.2), "note", args=("x",))

    with app.embedded():
        wait_until(lambda: len(seen) >= 3, SOON, what="three runs")

    names, due, what = zip(*seen, strict=True)
    assert set(names) == {"often"}
    assert set(what) == {("x",)}
    steps = [later - earlier for earlier, later in itertools.pairwise(due)]
    assert steps == pytest.approx([0.2] * len(steps))


def test_the_three_ways_to_write_a_schedule_in_code(app, seen):
    app.conf.beat_schedule = {
        "by settings": {
            "task": "note",
            "schedule": timedelta(seconds=0.2),
            "args": (1,),
            "options": {"priority": 3},
            "missed": "all",
        }
    }
    app.add_periodic_task(schedule(0.2), app.tasks["note"].s(2), name="by call")

    @app.periodic("* * * * *", args=[4])
    @app.periodic(0.2, args=[3])
    @app.task(name="decorated")
    def decorated(number):
        seen.append(("decorated", None, (number,)))

    with app.embedded():
        wait_until(lambda: {what for _, _, what in seen} >= {(1,), (2,), (3,)}, SOON, what="all three")

    infos = {info.name: info for info in app.schedules}
    assert set(infos) == {"by settings", "by call", "decorated", "decorated * * * * *"}
    assert {info.app for info in infos.values()} == {app.main}


def test_a_chain_on_time_runs_link_by_link(app, seen):
    note = app.tasks["note"]
    app.schedules.add("chained", every(0.3), chain(note.si("first"), note.s("second")))

    with app.embedded():
        wait_until(
            lambda: (["first"], "second") in [what for _, _, what in seen], SOON, what="the second link"
        )

    assert app.AsyncResult(app.schedules.get("chained").ids[0]).name == "note"


# --- at run time --------------------------------------------------------------------------------


@pytest.fixture
def still(url):
    """An application whose clock stands still."""
    clock = ManualClock(START)
    with Celeriac(
        "still",
        broker=url,
        namespace=f"still-{next(_numbers)}",
        clock=clock,
        timezone="Europe/Zurich",
        set_as_current=False,
    ) as app:
        app.task(lambda x=0: x, name="work")
        yield app


def test_a_schedule_is_shown_with_its_next_run(still):
    info = still.schedules.add("report", crontab(hour=6, minute=30), "work", kwargs={"x": 1})

    assert still.schedules.list() == [info]
    assert (info.rule, info.timezone, info.task) == ("30 6 * * * (Europe/Zurich)", "Europe/Zurich", "work")
    assert info.explained == "At 06:30 every day"
    assert info.next == datetime(2026, 3, 2, 5, 30, tzinfo=UTC)
    assert (info.last, info.runs, info.paused, info.app) == (None, 0, False, "")


def test_adding_the_same_again_changes_nothing_and_another_of_its_name_is_refused(still):
    info = still.schedules.add("report", 60, "work")

    assert still.schedules.add("report", 60, "work") == info
    with pytest.raises(ConfigurationError, match="there is a schedule 'report' already"):
        still.schedules.add("report", 90, "work")
    assert still.schedules.replace("report", 90, "work").rule == "every 90 s"


def test_a_paused_one_is_resumed_with_its_next_moment_and_misses_nothing(still):
    still.schedules.add("report", "0 * * * *", "work")

    assert still.schedules.pause("report") is True
    assert still.schedules.pause("report") is False
    assert still.schedules.get("report").next is None
    still.clock.advance(hours=5, minutes=10)
    assert still.schedules.resume("report") is True
    assert still.schedules.resume("report") is False

    info = still.schedules.get("report")
    assert (info.next, info.missed) == (datetime(2026, 3, 1, 18, 0, tzinfo=UTC), 0)


def test_one_can_be_run_at_once_and_its_due_times_stay(still):
    before = still.schedules.add("report", "0 * * * *", "work", args=(5,))

    result = still.schedules.run("report")

    after = still.schedules.get("report")
    assert result.state == "PENDING"
    assert after.ids == (result.id,)
    assert (after.next, after.runs) == (before.next, 1)


def test_one_that_is_removed_is_gone_and_what_there_is_not_is_told(still):
    still.schedules.add("report", 60, "work")
    still.schedules.remove("report")

    assert still.schedules.list() == []
    for ask in (still.schedules.remove, still.schedules.pause, still.schedules.resume, still.schedules.get):
        with pytest.raises(UnknownSchedule, match="'report'"):
            ask("report")


def test_what_stands_in_code_can_be_paused_but_is_changed_there(still):
    still.add_periodic_task(60, still.tasks["work"].s(), name="coded")
    still.schedules.declare()

    assert still.schedules.pause("coded")
    for change in (still.schedules.remove, lambda name: still.schedules.replace(name, 5, "work")):
        with pytest.raises(ConfigurationError, match="stands in the code of still"):
            change("coded")


def test_a_call_that_does_not_fit_is_refused_when_the_schedule_is_made(still):
    with pytest.raises(InvalidArguments):
        still.schedules.add("wrong", 60, "work", args=(1, 2, 3))

    still.conf.beat_schedule = {"wrong": {"task": "work", "schedule": 60, "args": (1, 2, 3)}}
    with pytest.raises(InvalidArguments):
        still.embedded().start()


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"task": "work"},
        {"task": "work", "schedule": 60, "arg": ()},
        {"task": "work", "schedule": "x"},
    ],
)
def test_a_wrong_entry_of_beat_schedule_is_refused_with_its_name(still, given):
    still.conf.beat_schedule = {"mine": given}

    with pytest.raises(ConfigurationError, match="mine"):
        still.schedules.declare()


def test_two_schedules_of_one_name_in_code_are_refused(still):
    still.add_periodic_task(60, still.tasks["work"].s(), name="twice")

    with pytest.raises(ConfigurationError, match="called 'twice'"):
        still.add_periodic_task(90, still.tasks["work"].s(), name="twice")


def test_the_preview_shows_what_is_in_code_and_in_the_store(still):
    still.schedules.add("stored", "0 2 * * *", "work")
    still.add_periodic_task("30 2 * * *", still.tasks["work"].s(), name="coded")
    still.clock.advance(hours=24 * 27)

    coming = {one.name: one for one in still.schedules.preview(days=3)}

    assert [run.local.strftime("%d %H:%M") for run in coming["coded"].runs] == [
        "29 03:00",
        "30 02:30",
        "31 02:30",
    ]
    assert coming["coded"].runs[0].note.startswith("moved")
    assert len(still.schedules.preview(days=365, most=5)[0].runs) == 5


# --- time zones ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["0 8 * * *", cron("0 8 * * *"), crontab(0, 8)])
def test_a_rule_is_meant_in_the_zone_of_its_schedule(still, rule):
    info = still.schedules.add("report", rule, "work", timezone="America/New_York")

    assert (info.timezone, info.next) == ("America/New_York", datetime(2026, 3, 1, 13, 0, tzinfo=UTC))


def test_a_rule_that_names_no_zone_is_meant_in_that_of_the_application(still):
    assert still.schedules.add("report", cron("0 8 * * *"), "work").timezone == "Europe/Zurich"


def test_another_zone_moves_a_schedule_and_another_rule_stays_in_its_zone(still):
    still.schedules.add("report", "0 8 * * *", "work", timezone="America/New_York")

    assert still.schedules.change("report", "0 9 * * *").rule == "0 9 * * * (America/New_York)"
    assert still.schedules.change("report", crontab(0, 7)).rule == "0 7 * * * (America/New_York)"
    moved = still.schedules.change("report", timezone="Asia/Tokyo")
    assert (moved.rule, moved.next) == ("0 7 * * * (Asia/Tokyo)", datetime(2026, 3, 1, 22, 0, tzinfo=UTC))
    there = still.schedules.change("report", crontab(0, 7, timezone="Asia/Kolkata"))
    assert there.timezone == "Asia/Kolkata"


@pytest.mark.parametrize(
    ("rule", "zone", "why"),
    [
        (60, "Europe/Zurich", "an interval counts seconds"),
        (60, "Mars", "no time zone called 'Mars'"),
        (
            cron("0 8 * * *", timezone="Asia/Tokyo"),
            "Europe/Zurich",
            "names the time zone 'Asia/Tokyo' itself",
        ),
    ],
)
def test_a_zone_that_means_nothing_is_refused_with_the_name_of_the_schedule(still, rule, zone, why):
    with pytest.raises(ConfigurationError, match=f"'report': .*{why}"):
        still.schedules.add("report", rule, "work", timezone=zone)


# --- the commands -----------------------------------------------------------------------------------


MODULE = """
from celeriac import Celeriac
from celeriac.schedules import crontab

app = Celeriac("clocks", broker={url!r})

@app.periodic(crontab(minute=0, hour=3, timezone="Europe/Berlin"), name="nightly")
@app.task(name="clocks.work")
def work():
    return 1
"""


@pytest.fixture
def command(url_of, tmp_path, monkeypatch):
    """Run a command on an application with a schedule in its code."""
    url = url_of("sqlite")
    module = tmp_path / f"clocks_{next(_numbers)}.py"
    module.write_text(MODULE.format(url=url))
    monkeypatch.chdir(tmp_path)

    def command(*words):
        return invoke("-A", str(module), *words)

    command.app = Celeriac("clocks", broker=url, set_as_current=False)
    yield command
    command.app.close()


def test_beat_preview_lists_the_next_runs(command):
    answer = command("beat", "preview", "--days", "3")

    lines = answer.out.splitlines()
    assert lines[0].split() == ["due", "schedule"]
    assert len(lines) == 4
    assert all("03:00:00" in line and line.split()[2] == "nightly" for line in lines[1:])


def test_beat_preview_says_that_it_is_cut_in_good_grammar(command):
    assert "nightly: only the next one is shown" in command("beat", "preview", "--limit", "1").err
    assert "nightly: only the next 2 are shown" in command("beat", "preview", "--limit", "2").err


def test_beat_preview_of_an_unknown_schedule_is_refused(command):
    assert command("beat", "preview", "--schedule", "weekly").code == Exit.USAGE


@pytest.mark.parametrize("days", ["nan", "1e9", "inf", "0"])
def test_beat_preview_of_no_such_number_of_days_is_refused(command, days):
    answer = command("beat", "preview", "--days", days, "--limit", "100000")

    assert answer.code == Exit.USAGE
    assert "36600" in answer.err.replace(",", "")


def test_schedules_are_listed_paused_resumed_run_and_removed(command):
    command.app.schedules.add("mine", 60, "clocks.work")

    assert "clocks.work" in command("schedules").out
    [told] = command("--json", "schedules").objects
    assert (told["name"], told["rule"], told["paused"]) == ("mine", "every 60 s", False)
    assert command("schedules", "pause", "mine").out == "mine  paused\n"
    assert "paused" in command("schedules").out
    assert command("schedules", "resume", "mine").out == "mine  resumed\n"
    assert command("schedules", "run", "mine").out.startswith("mine  sent  ")
    assert command("schedules", "remove", "mine").out == "mine  removed\n"
    gone = command("schedules", "remove", "mine")
    assert (gone.code, gone.out) == (Exit.UNKNOWN, "mine  unknown\n")


def test_removing_a_schedule_that_stands_in_code_is_refused(command):
    work = command.app.task(name="clocks.work")(lambda: 1)
    command.app.add_periodic_task(60, work.s(), name="coded")
    command.app.schedules.declare()

    refused = command("schedules", "remove", "coded")
    both = command("schedules", "remove", "coded", "nothing")

    assert refused.out.startswith("coded  refused: ")
    assert (refused.code, both.code) == (Exit.STATE, Exit.UNKNOWN)


def test_saying_what_but_not_which_is_refused(command):
    assert command("schedules", "pause").code == Exit.USAGE


# --- beat apart -------------------------------------------------------------------------------------


def test_workers_that_leave_schedules_to_others_do_and_beat_apart_sends(app, seen):
    app.conf.worker_beat = False
    app.add_periodic_task(0.2, app.tasks["note"].s(), name="apart")
    service = BeatService(app.broker, app.clock, declare=app.schedules.declare)
    thread = threading.Thread(target=service.run)

    with app.embedded():
        assert app.schedules.list() == []
        thread.start()
        wait_until(lambda: len(seen) >= 2, SOON, what="two runs")
        service.stop()
        thread.join(SOON)

    assert not thread.is_alive()
