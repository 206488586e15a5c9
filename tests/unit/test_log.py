"""How an event of the worker is written: a phrase, fields on one line, a traceback below."""

import logging

import pytest

from celeriac.worker.log import EventFormatter


def written(phrase: str, **fields: object) -> str:
    record = logging.LogRecord("celeriac", logging.INFO, __file__, 1, phrase, (), None)
    vars(record).update(fields)
    return EventFormatter().format(record)


def test_fields_follow_the_phrase_on_one_line():
    line = written("task succeeded", task="shop.add", runtime=0.12345)

    assert line.endswith("INFO    task succeeded  task=shop.add runtime=0.123")


@pytest.mark.parametrize(
    ("value", "shown"),
    [("two words", "'two words'"), ("", "''"), ("a\nb", "'a\\nb'"), ("\x1b[31m", "'\\x1b[31m'"), (7, "7")],
)
def test_a_value_with_blanks_or_control_characters_is_quoted(value, shown):
    assert written("x", field=value).endswith(f"field={shown}")


def test_a_long_value_is_shortened():
    assert len(written("x", field="y" * 1000)) < 200


def test_a_traceback_stands_below_and_cannot_steer_the_terminal():
    text = written("task failed", task="t", traceback="Traceback:\n  line\nValueError: \x1b[2Jgone\x07")

    assert "task=t\n  Traceback:\n    line\n  ValueError: \\x1b[2Jgone\\x07" in text


def of_others(message: str, *args: object, error: BaseException | None = None, **fields: object) -> str:
    told = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord("shop", logging.INFO, __file__, 1, message, args, told)
    vars(record).update(fields)
    return EventFormatter().format(record)


def test_a_message_cannot_look_like_an_event_of_its_own():
    forged = "paid\n05:31:54 INFO    task succeeded  task=shop.charge\r\x1b[2J"

    first, *others = of_others("%s", forged).split("\n")

    assert first.endswith("INFO    paid")
    assert others == ["  05:31:54 INFO    task succeeded  task=shop.charge\\r\\x1b[2J"]


def test_an_error_cannot_look_like_an_event_either():
    error = ValueError("no\n05:31:54 INFO    task succeeded\x1b[2J")

    lines = of_others("failed", error=error).split("\n")

    assert lines[0].endswith("INFO    failed")
    assert all(line.startswith("  ") for line in lines[1:])
    assert lines[-1] == "  05:31:54 INFO    task succeeded\\x1b[2J"


def test_the_name_of_a_field_is_harmless_too():
    assert of_others("x", **{"a\x1b[2J": 1}).endswith("a\\x1b[2J=1")


def test_a_line_of_no_task_has_no_task():
    assert of_others("hello").endswith("INFO    hello")


def test_a_marked_line_of_others_says_whose_it_is():
    assert of_others("hello", task_id="7", task_name="shop.add", n=1).endswith(
        "hello  n=1 task=shop.add id=7"
    )
