"""What is drawn and written while tasks are followed, and how text, tables and times are written."""

import io
import json

import pytest
from rich.console import Console

from celeriac.cli import following
from celeriac.cli.bars import Bars
from celeriac.cli.following import Lines, code_of, line_of
from celeriac.cli.output import count, json_line, moment, short, span, table, visible
from celeriac.errors import BrokerUnavailable
from celeriac.updates import Update


def progress(number: int, current: float = 1, total: float = 4, status: str = "") -> Update:
    return Update(f"task-{number}", "PROGRESS", {"current": current, "total": total, "status": status})


def nobody_is_lost(_: str) -> bool:
    return False


def drawn(bars: Bars, **options) -> str:
    paper = Console(file=io.StringIO(), width=100, no_color=True, legacy_windows=False)
    paper.print(bars.render(**options))
    return paper.file.getvalue()


@pytest.fixture
def console():
    return Console(
        file=io.StringIO(), width=100, height=10, force_terminal=True, no_color=True, legacy_windows=False
    )


# --- bars -------------------------------------------------------------------------------------------


def test_a_bar_shows_how_far_how_long_and_what(console):
    bars = Bars(console.file, nobody_is_lost, color=False, console=console)

    with bars:
        bars.show(progress(1, 0, 4, "begun"), 100.0)
        bars.show(progress(1, 1, 4, "washing"), 105.0)
        bars.show(progress(1, 2, 4, "peeling"), 110.0)
        picture = drawn(bars)

    assert "task-1" in picture
    assert "2/4" in picture
    assert "about 10 s left" in picture
    assert "peeling" in picture
    assert "━" in picture


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        (False, "No news for 1 min 5 s. The worker is alive."),
        (True, "The worker was lost. The task will be run again."),
        (None, "No news for 1 min 5 s."),
    ],
)
def test_a_bar_tells_silence_from_the_loss_of_a_worker(console, lost, words):
    bars = Bars(console.file, lambda _: lost, color=False, console=console)

    with bars:
        bars.show(progress(1, 1, 4), 100.0)
        bars.tick(165.0)
        picture = drawn(bars)

    assert words in picture


def test_more_tasks_than_lines_are_counted(console):
    bars = Bars(console.file, nobody_is_lost, color=False, console=console)

    with bars:
        for number in range(30):
            bars.show(progress(number), 1.0)
        bars.show(Update("task-0", "SUCCESS", result="x", ready=True), 2.0)
        picture, everything = drawn(bars), drawn(bars, everything=True)

    assert len(picture.splitlines()) == 9
    assert "and 22 more: 21 PROGRESS, 1 SUCCESS" in picture
    assert "task-0 " not in picture
    assert len(everything.splitlines()) == 30


def test_a_hostile_report_cannot_draw(console):
    bars = Bars(console.file, nobody_is_lost, color=False, console=console)

    with bars:
        bars.show(progress(1, status="[bold red]x[/] \x1b[2J\n"), 1.0)
        bars.show(Update("task-2", "[link=http://x]OWN[/]", {"current": float("inf"), "total": 0}), 1.0)
        bars.show(Update("task-3", "PROGRESS", {"current": -5, "total": -1, "status": 7}), 1.0)
        bars.show(Update("task-4", "PROGRESS", ["not", "a", "dict"]), 1.0)
        picture = drawn(bars)

    assert "[bold red]x[/] \\x1b[2J\\n" in picture
    assert "[link=http://x]OWN[/]" in picture
    assert "\x1b[2J" not in picture


def test_bars_are_not_drawn_for_every_update(console, monkeypatch):
    bars = Bars(console.file, nobody_is_lost, color=False, console=console)
    pictures = []
    monkeypatch.setattr(bars, "tick", pictures.append)

    with bars:
        bars._drawn = 0.0
        for step in range(1_000):
            bars.show(progress(1, step, 1_000), step / 10_000)

    assert pictures == []


# --- lines ------------------------------------------------------------------------------------------


def test_a_line_is_written_for_a_state_for_a_tenth_and_after_a_while():
    stream = io.StringIO()
    lines = Lines(stream, nobody_is_lost)

    for current, now in ((0, 1.0), (3, 1.1), (5, 1.2), (11, 1.3), (12, 1.4), (13, 20.0)):
        lines.show(progress(1, current, 100), now)
    lines.show(Update("task-1", "SUCCESS", result=[1], ready=True), 20.1)

    said = [line.split() for line in stream.getvalue().splitlines()]
    assert [words[2] for words in said] == ["0/100", "11/100", "13/100", "[1]"]


def test_a_line_tells_once_that_a_task_has_fallen_silent_and_again_after_news():
    stream = io.StringIO()
    lines = Lines(stream, nobody_is_lost)

    lines.show(progress(1, 0, 100), 1.0)
    for now in (2.0, 40.0, 60.0):
        lines.tick(now)
    lines.show(progress(1, 1, 100), 61.0)
    lines.tick(1_000.0)
    lines.show(Update("task-1", "SUCCESS", ready=True), 1_001.0)
    lines.tick(9_000.0)

    said = stream.getvalue().splitlines()
    assert [line for line in said if "No news" in line] == [
        "task-1  PROGRESS  No news for 39 s. The worker is alive.",
        "task-1  PROGRESS  No news for 15 min 39 s. The worker is alive.",
    ]


@pytest.mark.parametrize(
    ("update", "line"),
    [
        (Update("x", "PENDING"), "PENDING"),
        (Update("x", "STARTED"), "STARTED"),
        (progress(1, 1.5, 4, "a"), "PROGRESS  1.5/4  a"),
        (Update("x", "THINKING", "deeply"), "THINKING  deeply"),
        (Update("x", "THINKING", {"status": "hm"}), "THINKING  hm"),
        (Update("x", "RETRY", error="no", error_type="a.B"), "RETRY  a.B: no (it will be run again)"),
        (Update("x", "SUCCESS", ready=True), "SUCCESS"),
        (Update("x", "SUCCESS", result="a\nb", ready=True), "SUCCESS  a\\nb"),
        (Update("x", "SUCCESS", result={"a": 1}, ready=True), 'SUCCESS  {"a":1}'),
        (
            Update("x", "FAILURE", error="no", error_type="builtins.OSError", ready=True),
            "FAILURE  OSError: no",
        ),
        (Update("x", "FAILURE", error="", error_type="builtins.OSError", ready=True), "FAILURE  OSError"),
        (
            Update("x", "REVOKED", error="it was", error_type="celeriac.errors.TaskRevokedError", ready=True),
            "REVOKED  TaskRevokedError: it was",
        ),
        (Update("x", "UNKNOWN", ready=True), "UNKNOWN  there is no such task"),
    ],
)
def test_an_update_fits_on_a_line(update, line):
    assert line_of(update) == line


def test_a_long_result_is_cut():
    assert len(line_of(Update("x", "SUCCESS", result="y" * 10_000, ready=True))) < 300


def test_the_worst_outcome_is_the_code():
    ends = {state: Update(state, state, ready=True) for state in ("SUCCESS", "FAILURE", "REVOKED", "UNKNOWN")}

    assert code_of([]) == 0
    assert code_of([ends["SUCCESS"]]) == 0
    assert code_of([ends["SUCCESS"], ends["REVOKED"]]) == 6
    assert code_of([ends["REVOKED"], ends["FAILURE"]]) == 1
    assert code_of(ends.values()) == 4


# --- a store that goes away meanwhile -----------------------------------------------------------------


class _Store:
    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)

    def ping(self) -> None:
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer


class _Ticks:
    """A session whose clock runs two seconds at each look."""

    def __init__(self, *answers: Exception | None) -> None:
        self.app = self.clock = self
        self.broker = _Store(*answers)
        self.notes: list[str] = []
        self._now = 0.0

    def monotonic(self) -> float:
        self._now += 2.0
        return self._now

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_store_that_goes_away_is_told_once_and_its_return_too():
    away = BrokerUnavailable("gone")
    session = _Ticks(None, away, away, None, None, None)

    following._show_all(session, [None] * 20, following.Nowhere(), {}, hide=())

    assert session.notes == ["waiting for the store: gone", "the store is back"]


# --- writing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3_600, "1 h"),
        (15_000, "4 h 10 min"),
        (266_400, "3 d 2 h"),
    ],
)
def test_spans_of_time(seconds, text):
    assert span(seconds) == text


def test_what_cannot_be_seen_is_escaped():
    assert visible("plain ä 漢") == "plain ä 漢"
    assert visible("a\x1b[2Jb\tc\nd\x9b\u202e\ud800") == "a\\x1b[2Jb\\tc\\nd\\x9b\\u202e\\ud800"
    assert visible("a\tb\nc", tabs=True) == "a\tb\\nc"
    assert visible("a\tb\nc", lines=True) == "a\tb\nc"


@pytest.mark.parametrize("text", ["a\nb", "\x1b\x7f\x9b", "\u2028\u202e", "\U000e0041", "ä漢"])
def test_a_line_of_json_says_the_same_and_can_be_seen(text):
    line = json_line({"x": text})

    assert line.isprintable()
    assert json.loads(line) == {"x": text}


def test_tables_align_text_to_the_left_and_numbers_to_the_right():
    lines = table(("name", "n"), [("a", "1"), ("long\n", "1,000")])

    assert lines == ["name        n", "a           1", "long\\n  1,000"]
    assert table(("name", "n"), []) == ["name  n"]


def test_numbers_come_with_their_nouns():
    assert count(1, "task") == "1 task"
    assert count(0, "task") == "0 tasks"
    assert count(2_000, "process", "processes") == "2,000 processes"


def test_moments_are_iso_in_utc():
    assert moment(0.0) == "1970-01-01T00:00:00.000+00:00"
    assert moment(None) is None


def test_short_text_is_itself():
    assert short("a") == "a"
    assert short({"a": [1]}) == '{"a":[1]}'
    assert short("abcdef", most=4) == "abc…"
