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

    assert "task=t\nTraceback:\n  line\nValueError: \\x1b[2Jgone\\x07" in text
