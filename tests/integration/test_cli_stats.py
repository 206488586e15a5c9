"""`celeriac stats`: sums, points, charts; spans as people write them."""

from datetime import UTC, datetime, timedelta

import pytest

from celeriac.cli.stats import blocks, brief, sparkline
from celeriac.statistics import Point, Series
from celeriac.tally import FAILED, QUEUED, RUN, SUCCEEDED, Tally, begin
from tests.integration.command_line import invoke, write_app

pytest_plugins = ["tests.integration.shop"]


@pytest.fixture
def counted(shop):
    now = shop.app.clock.now()
    minute = begin(now - 120)
    tallies = [
        Tally(minute, "mail", "shop.greet", {SUCCEEDED: 30, RUN + 3: 30}),
        Tally(minute + 60, "mail", "shop.fail", {SUCCEEDED: 1_500, FAILED: 12}),
        Tally(minute, "slow", "shop.fail", {FAILED: 1}),
        Tally(minute, "mail", "", {QUEUED: 7}),
    ]
    shop.app.broker.count("teller", 1, tallies, now)
    return shop


def test_sums_are_told_in_a_table(counted):
    answer = counted.cli("stats", "--by", "queue")

    assert answer.code == 0
    head, everything, mail, slow = answer.out.splitlines()
    assert head.split()[:3] == ["ended", "failed", "a"]
    assert everything.split()[:3] == ["all", "1,543", "13"]
    assert mail.split()[:3] == ["mail", "1,542", "12"]
    assert mail.split()[-1] == "7"
    assert slow.split()[:3] == ["slow", "1", "1"]


def test_sums_and_points_in_json(counted):
    total, name, other = counted.cli("stats", "--by", "name", "--since", "10m", "--json").objects
    points = counted.cli("stats", "--task", "shop.greet", "--points", "--json").objects[1:]

    assert (total["kind"], total["key"], total["failed"], total["queued"]) == ("total", None, 13, 7)
    assert (name["key"], other["key"]) == ("shop.fail", "shop.greet")
    assert other["run"].keys() == {"count", "mean", "p50", "p95", "p99"}
    assert [point["succeeded"] for point in points if point["succeeded"]] == [30]
    assert len(points) == 61


def test_a_span_may_end_before_now(counted):
    answer = counted.cli("stats", "--since", "2d", "--until", "1h", "--json")

    assert [each["succeeded"] for each in answer.objects] == [0]


def test_points_are_told_in_a_table_too(counted):
    answer = counted.cli("stats", "--since", "5m", "--points", "--queue", "slow")

    lines = answer.out.splitlines()
    assert len(lines) == 7
    assert lines[1].split()[0].endswith("+00:00")


@pytest.mark.parametrize(
    "words", [("--since", "soon"), ("--since", "5y"), ("--by", "worker"), ("--step", "x")]
)
def test_what_makes_no_sense_is_wrong_usage(shop, words):
    assert shop.cli("stats", *words).code == 2


def test_a_span_that_is_none_is_refused(shop):
    answer = shop.cli("stats", "--since", "1h", "--until", "2h")

    assert answer.code == 2
    assert "need a span" in answer.err
    assert answer.attempts[0].endswith("stats --since 7200s --until 3600s")


def test_steps_that_are_finer_than_what_is_kept_are_told_of(shop):
    answer = shop.cli("stats", "--step", "7", "--json")

    assert answer.objects[0]["step"] == 60
    assert "the steps have 60 s" in answer.err
    assert shop.cli("stats", "--step", "60").err == ""


def test_there_are_no_statistics_without_a_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert invoke("-b", "sqlite:///nowhere.db", "stats").code == 3


# --- drawing ------------------------------------------------------------------------------------------


def test_blocks_are_as_high_as_their_values():
    assert blocks([0, 1, 7]) == " ▂█"
    assert blocks([0, 0]) == ""


def test_a_chart_is_no_wider_than_asked():
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    points = tuple(Point(moment + timedelta(minutes=at), 60.0, succeeded=at) for at in range(61))

    chart = sparkline(Series("", points, points[0]), width=30)

    assert 0 < len(chart) <= 30
    assert chart[-2] == "█"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.00123, "1.2 ms"), (0.25, "250 ms"), (1.274, "1.27 s"), (302.0, "5 min 2 s")],
)
def test_times_are_brief(seconds, text):
    assert brief(seconds) == text


# --- names --------------------------------------------------------------------------------------------


def test_names_are_those_of_the_application_and_those_that_ran(shop, tmp_path):
    now = shop.app.clock.now()
    counted = Tally(begin(now), "mail", "gone.task", {SUCCEEDED: 9, FAILED: 1})
    shop.app.broker.count("teller", 1, [counted], now)
    write_app(tmp_path, "proj")

    without = shop.cli("names")
    with_app = invoke("-A", "proj", *shop.where, "names", "--json")

    assert without.out.splitlines()[1].split()[:4] == ["gone.task", "?", "10", "1"]
    assert [(each["name"], each["registered"], each["failed"]) for each in with_app.objects] == [
        ("gone.task", False, 1),
        ("proj.add", True, 0),
    ]


def test_no_name_at_all_is_told(shop):
    answer = shop.cli("names")

    assert (answer.code, answer.out) == (0, "")
    assert "-A" in answer.err
