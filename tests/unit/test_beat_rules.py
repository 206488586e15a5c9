"""When something is due: cron rules, intervals, changes of the clocks, and what is no rule."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celeriac.beat.preview import preview
from celeriac.beat.rules import Cron, Interval, passed, rule_of
from celeriac.errors import ConfigurationError
from celeriac.schedules import cron, crontab, every, schedule

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp()


def moments(rule, start, count, zone="UTC"):
    """The next moments after *start*, as people of that zone write them."""
    at, found = start, []
    for _ in range(count):
        at = rule.after(at, start)
        found.append(datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%a %d %b %H:%M %z"))
    return found


def in_berlin(*when):
    return datetime(*when, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


def test_cron_text_is_due_where_its_five_fields_fit():
    assert moments(cron("*/30 8-9 * * mon-fri"), START, 5) == [
        "Mon 02 Mar 08:00 +0000",
        "Mon 02 Mar 08:30 +0000",
        "Mon 02 Mar 09:00 +0000",
        "Mon 02 Mar 09:30 +0000",
        "Tue 03 Mar 08:00 +0000",
    ]


@pytest.mark.parametrize(
    ("alias", "text"), [("@daily", "0 0 * * *"), ("@hourly", "0 * * * *"), ("@yearly", "0 0 1 1 *")]
)
def test_an_alias_stands_for_its_five_fields(alias, text):
    assert cron(alias) == cron(text)


def test_plain_cron_takes_either_kind_of_day_and_crontab_wants_both():
    text, fields = cron("0 0 1-7 * mon"), crontab(0, 0, day_of_month="1-7", day_of_week="mon")

    assert [moment[:6] for moment in moments(text, START, 4)] == ["Mon 02", "Tue 03", "Wed 04", "Thu 05"]
    assert [moment[:10] for moment in moments(fields, START, 3)] == ["Mon 02 Mar", "Mon 06 Apr", "Mon 04 May"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "* * * * *"),
        ({"minute": 0, "hour": [6, 18]}, "0 6,18 * * *"),
        ({"minute": "*/15", "day_of_week": "Sunday"}, "*/15 * * * SUN"),
        ({"minute": 30, "hour": "22-2"}, "30 22,23,0,1,2 * * *"),
        ({"minute": 0, "hour": "20-4/4"}, "0 20,0,4 * * *"),
        ({"minute": 0, "hour": 0, "month_of_year": "nov-dec, jan"}, "0 0 * NOV-DEC,JAN *"),
        ({"minute": {5}, "day_of_month": "1,15"}, "5 * 1,15 * *"),
        ({"day_of_week": "sat-sun"}, "* * * * 6,0"),
        ({"day_of_week": "mon-sunday"}, "* * * * 1,2,3,4,5,6,0"),
        ({"day_of_week": "fri-mon/2, wed"}, "* * * * 5,0,WED"),
        ({"day_of_week": "mon-fri"}, "* * * * MON-FRI"),
        ({"day_of_week": "7-2"}, "* * * * 0-2"),
        ({"day_of_week": "7-6/2"}, "* * * * 0-6/2"),
        ({"day_of_week": "5-7"}, "* * * * 5-7"),
        ({"day_of_week": "monday#1, 5L"}, "* * * * MON#1,5L"),
        ({"month_of_year": "nov-feb"}, "* * * 11,12,1,2 *"),
        ({"month_of_year": "september-11"}, "* * * SEP-11 *"),
        ({"day_of_month": "28-3"}, "* * 28,29,30,31,1,2,3 * *"),
    ],
)
def test_crontab_takes_what_celerys_does(fields, text):
    assert crontab(**fields).text == text
    assert crontab(**fields, timezone="UTC").after(START) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "60 * * * *",
        "* * * * * *",
        "* * 31 2 *",
        "a b c d e",
        "* * * * mon#6",
        "@often",
        "*/0 * * * *",
    ],
)
def test_what_is_no_cron_rule_is_refused_with_its_text(text):
    with pytest.raises(ConfigurationError) as refused:
        cron(text)

    assert text in str(refused.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"day_of_week": "monkey"},
        {"month_of_year": "marvellous"},
        {"day_of_week": "march"},
        {"month_of_year": "sunday"},
        {"day_of_week": "sat-monkey"},
        {"hour": "mon"},
        {"hour": "22-4/0"},
        {"hour": "30-4"},
        {"hour": "22-31"},
        {"day_of_week": "8-2"},
        {"hour": "١-٣"},
    ],
)
def test_a_word_or_a_range_that_there_is_not_is_refused(fields):
    with pytest.raises(ConfigurationError, match="is no cron rule"):
        crontab(**fields)


def test_whether_a_day_has_to_fit_both_of_its_fields_is_shown():
    text, fields = cron("0 0 13 * fri"), crontab(0, 0, day_of_month=13, day_of_week="fri")

    assert (str(text), text.explain()) == ("0 0 13 * FRI", "At 00:00 on the 13th day of month or on Friday")
    assert str(fields) == "0 0 13 * FRI (both days)"
    assert fields.explain() == "At 00:00 on the 13th day of month if it's on Friday"
    assert str(crontab(0, 0, day_of_month=13, day_of_week="fri", timezone="Asia/Tokyo")) == (
        "0 0 13 * FRI (both days, Asia/Tokyo)"
    )
    assert str(crontab(0, 0, day_of_month="*/2", day_of_week="fri")) == "0 0 */2 * FRI"


def test_days_are_numbered_as_people_say_them():
    text = cron("0 0 1,2,3,11,12,13,21,22,23,31 * *").explain()

    for said in ("the first", "11th", "12th", "13th", "21st", "22nd", "23rd", "31st"):
        assert said in text


def test_a_crontab_whose_days_never_meet_is_refused_at_once():
    with pytest.raises(ConfigurationError, match="would never be due"):
        crontab(0, 0, day_of_month=31, day_of_week="mon#1")


def test_six_fields_are_refused_with_the_way_to_seconds():
    with pytest.raises(ConfigurationError, match=r"every\(seconds="):
        cron("0 * * * * *")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "Europe/Zürich"])
def test_a_zone_that_there_is_not_is_refused(zone):
    with pytest.raises(ConfigurationError, match="time zone"):
        cron("0 0 * * *", timezone=zone)


# --- changes of the clocks --------------------------------------------------------------------------


def test_a_fixed_time_in_the_gap_is_due_at_the_first_moment_after_it():
    rule = cron("30 2 * * *", timezone="Europe/Berlin")

    assert moments(rule, in_berlin(2026, 3, 28, 0, 0), 3, "Europe/Berlin") == [
        "Sat 28 Mar 02:30 +0100",
        "Sun 29 Mar 03:00 +0200",
        "Mon 30 Mar 02:30 +0200",
    ]


def test_two_fixed_times_in_the_gap_are_due_once():
    rule = cron("0,30 2 * * *", timezone="Europe/Berlin")

    assert moments(rule, in_berlin(2026, 3, 29, 0, 0), 2, "Europe/Berlin") == [
        "Sun 29 Mar 03:00 +0200",
        "Mon 30 Mar 02:00 +0200",
    ]


def test_a_fixed_time_in_the_hour_that_comes_twice_is_due_the_first_time_only():
    rule = cron("30 2 * * *", timezone="Europe/Berlin")

    assert moments(rule, in_berlin(2026, 10, 25, 0, 0), 2, "Europe/Berlin") == [
        "Sun 25 Oct 02:30 +0200",
        "Mon 26 Oct 02:30 +0100",
    ]


def test_from_within_the_second_of_two_hours_nothing_of_the_first_is_due():
    rule = cron("45 2 * * *", timezone="Europe/Berlin")
    second = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()

    assert moments(rule, second, 1, "Europe/Berlin") == ["Mon 26 Oct 02:45 +0100"]


def test_a_rule_for_every_half_hour_follows_the_time_that_passes():
    rule = cron("*/30 * * * *", timezone="Europe/Berlin")

    assert moments(rule, in_berlin(2026, 10, 25, 1, 30), 5, "Europe/Berlin") == [
        "Sun 25 Oct 02:00 +0200",
        "Sun 25 Oct 02:30 +0200",
        "Sun 25 Oct 02:00 +0100",
        "Sun 25 Oct 02:30 +0100",
        "Sun 25 Oct 03:00 +0100",
    ]
    assert moments(rule, in_berlin(2026, 3, 29, 1, 0), 3, "Europe/Berlin") == [
        "Sun 29 Mar 01:30 +0100",
        "Sun 29 Mar 03:00 +0200",
        "Sun 29 Mar 03:30 +0200",
    ]


def test_the_preview_marks_what_a_change_of_the_clocks_does():
    def notes(text, *start):
        rule = cron(text, timezone="Europe/Berlin")
        first = rule.after(in_berlin(*start))
        return [run.note for run in preview(rule, first, first + 2 * 86_400)]

    assert notes("30 2 * * *", 2026, 3, 28, 0, 0)[1].startswith("moved: the clocks go forward")
    assert notes("30 2 * * *", 2026, 10, 25, 0, 0)[0] == "this hour comes twice: only the first time"
    half_hours = notes("*/30 * * * *", 2026, 10, 25, 1, 30)
    assert half_hours[:2] == ["this hour comes twice: comes again"] * 2
    assert half_hours[2:4] == ["this hour comes twice: for the second time"] * 2
    assert notes("0 12 * * *", 2026, 3, 28, 0, 0) == ["", "the clocks have changed by +1 h", ""]
    assert set(notes("0 12 * * *", 2026, 6, 1, 0, 0)) == {""}


def test_the_preview_marks_a_run_for_which_two_times_fall_together():
    rule = cron("0 2,3 * * sun", timezone="Europe/Berlin")
    first = rule.after(in_berlin(2027, 3, 21, 2, 30))

    notes = [
        (run.local.strftime("%d %H:%M"), run.note[:17]) for run in preview(rule, first, first + 8 * 86_400)
    ]

    assert notes == [("21 03:00", ""), ("28 03:00", "two fall together")]


def test_clocks_that_change_by_half_an_hour_lose_no_run():
    quarters = cron("*/15 0 * * *", timezone="Australia/Lord_Howe")
    half_past = cron("30 * * * *", timezone="Australia/Lord_Howe")
    the_day_before = datetime(2026, 4, 5, 1, 0, tzinfo=ZoneInfo("Australia/Lord_Howe")).timestamp()

    assert moments(quarters, the_day_before, 2, "Australia/Lord_Howe") == [
        "Mon 06 Apr 00:00 +1030",
        "Mon 06 Apr 00:15 +1030",
    ]
    assert moments(half_past, the_day_before, 3, "Australia/Lord_Howe") == [
        "Sun 05 Apr 01:30 +1100",
        "Sun 05 Apr 01:30 +1030",
        "Sun 05 Apr 02:30 +1030",
    ]


CHANGES = {
    "Australia/Lord_Howe": [(2026, 4, 4), (2026, 10, 3)],
    "Europe/Berlin": [(2026, 3, 28), (2026, 10, 24)],
    "America/St_Johns": [(2026, 3, 7), (2026, 10, 31)],
    "Africa/Casablanca": [(2026, 2, 14), (2026, 3, 21)],
    "America/Havana": [(2026, 3, 7), (2026, 10, 31)],
}


@pytest.mark.parametrize("zone", CHANGES)
@pytest.mark.parametrize(
    ("text", "minutes", "hours"),
    [
        ("*/15 0 * * *", range(0, 60, 15), {0}),
        ("30 * * * *", {30}, range(24)),
        ("* 1-2 * * *", range(60), {1, 2}),
        ("5 */2 * * *", {5}, range(0, 24, 2)),
    ],
)
def test_a_rule_that_follows_the_time_is_due_in_each_minute_that_fits(zone, text, minutes, hours):
    rule = cron(text, timezone=zone)
    for day in CHANGES[zone]:
        start = datetime(*day, tzinfo=UTC).timestamp()
        local = [datetime.fromtimestamp(start + 60 * number, ZoneInfo(zone)) for number in range(1, 3 * 1440)]
        due = [each.timestamp() for each in local if each.minute in minutes and each.hour in hours]

        assert list(islice(_between(rule, rule.after(start), start), len(due))) == due


ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "UTC",
    "Asia/Kolkata",
)
RULES = (
    "30 2 * * *",
    "0,30 1-3 * * *",
    "*/20 * * * *",
    "15 */2 * * *",
    "0 0 1 * *",
    "59 23 * * sun",
    "5 2-4 * * *",
)


@given(st.sampled_from(ZONES), st.sampled_from(RULES), st.integers(1_735_689_600, 1_830_297_600))
@settings(max_examples=150, deadline=None)
def test_moments_rise_and_do_not_depend_on_where_one_begins(zone, text, start):
    rule = cron(text, timezone=zone)
    found = [rule.after(start)]
    for _ in range(12):
        found.append(rule.after(found[-1]))

    assert all(earlier < later for earlier, later in pairwise(found))
    between = (found[3] + found[4]) / 2
    assert rule.after(between) == found[4]


# --- intervals --------------------------------------------------------------------------------------


def test_an_interval_keeps_its_rhythm_from_where_it_began():
    rule = every(minutes=5)

    assert rule.after(START) == START + 300
    assert rule.after(START + 301, START) == START + 600
    assert rule.after(START + 86_400, START) == START + 86_700


@given(st.floats(0.1, 1e6), st.floats(0, 1e8))
def test_the_next_moment_of_an_interval_is_later_and_no_further_than_one_interval(seconds, later):
    following = every(seconds).after(START + later, START)

    assert START + later < following <= START + later + seconds * (1 + 1e-6) + 1e-5


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (every(30), 30),
        (every(minutes=2, seconds=5), 125),
        (every(timedelta(hours=1)), 3600),
        (schedule(timedelta(seconds=10)), 10),
        (schedule(10, relative=True), 10),
    ],
)
def test_intervals_are_written_in_many_ways(given, seconds):
    assert given == Interval(seconds)


@pytest.mark.parametrize("given", [0, -1, 0.05, float("nan"), float("inf"), 1e12, "soon"])
def test_an_interval_that_is_none_is_refused(given):
    with pytest.raises(ConfigurationError):
        every(given)


@pytest.mark.parametrize(
    ("seconds", "shown", "said"),
    [
        (0.5, "every 0.5 s", "Every 0.5 seconds"),
        (1, "every 1 s", "Every second"),
        (90, "every 90 s", "Every 1 minute, 30 seconds"),
        (3600, "every 3600 s", "Every hour"),
        (30 * 86_400, "every 2592000 s", "Every 30 days"),
        (86_400 + 7200.5, "every 93600.5 s", "Every 1 day, 2 hours, 0.5 seconds"),
    ],
)
def test_an_interval_is_shown_as_people_write_it(seconds, shown, said):
    assert (str(every(seconds)), every(seconds).explain()) == (shown, said)


@pytest.mark.parametrize("given", [5, None, b"* * * * *"])
def test_cron_takes_text_and_nothing_else(given):
    with pytest.raises(ConfigurationError, match="takes a text"):
        cron(given)


def test_a_rule_may_be_text_a_timedelta_or_a_number_and_takes_the_zone_that_it_lacks():
    assert rule_of("0 6 * * *", "Europe/Zurich") == Cron("0 6 * * *", "Europe/Zurich")
    assert rule_of(crontab(0, 6), "Europe/Zurich") == Cron("0 6 * * *", "Europe/Zurich")
    assert rule_of(crontab(0, 6, timezone="Asia/Tokyo"), "Europe/Zurich").timezone == "Asia/Tokyo"
    assert rule_of(timedelta(minutes=1), "UTC") == rule_of(60, "UTC") == every(60)


@pytest.mark.parametrize("given", [None, True, [], object(), {"minute": 0}])
def test_what_is_no_rule_at_all_is_refused_with_what_would_be_one(given):
    with pytest.raises(ConfigurationError, match="write cron text"):
        rule_of(given, "UTC")


# --- what has passed --------------------------------------------------------------------------------


@given(st.sampled_from([every(7), every(3600), cron("*/5 * * * *"), cron("0 4 * * mon")]), st.floats(0, 5e6))
@settings(max_examples=100, deadline=None)
def test_what_has_passed_ends_with_the_newest_moments_until_now(rule, later):
    first = rule.after(START)
    now = first + later

    found = passed(rule, first, now, 10)

    assert found[-1] <= now < rule.after(found[-1], first)
    assert found == list(islice(_between(rule, found[0], first), len(found)))
    assert len(found) >= 10 or found[0] == first


def _between(rule, moment, first):
    while True:
        yield moment
        moment = rule.after(moment, first)


def test_a_century_of_missed_seconds_is_looked_at_in_no_time():
    rule = every(1)

    found = passed(rule, START, START + 3e9, 100)

    assert 100 <= len(found) <= 400
    assert found[-1] == START + 3e9
