"""Catching what tasks log: theirs and nobody else's, and the rest of logging as it was."""

import logging

import pytest

from celeriac.context import Run, reset_current, set_current
from celeriac.message import Delivery
from celeriac.steering import Entry, line_of
from celeriac.worker.tasklog import TaskLogHandler, catch_logs


class Notes:
    """A reporter that keeps what was said."""

    def __init__(self):
        self.lines = []

    def log(self, run, line):
        self.lines.append(line)

    @property
    def texts(self):
        return [line_of(Entry(1, 1, 0.0, 20, line.body)).text for line in self.lines]


@pytest.fixture
def root(monkeypatch):
    """A root logger of the test's own."""
    root = logging.RootLogger(logging.WARNING)
    monkeypatch.setattr(logging, "root", root)
    monkeypatch.setattr(logging.Logger, "root", root)
    monkeypatch.setattr(logging.Logger, "manager", logging.Manager(root))
    return root


@pytest.fixture
def notes():
    notes = Notes()
    delivery = Delivery("t-1", "t", "default", 0, b"", b"", 3, 0, 0, 3, b"")
    token = set_current(Run(None, delivery, notes, "host"))
    yield notes
    reset_current(token)


class Console(logging.Handler):
    def __init__(self):
        super().__init__()
        self.shown = []

    def emit(self, record):
        self.shown.append(record.getMessage())


def test_what_a_task_says_is_caught_with_the_attempt_that_has_said_it(root, notes):
    catch_logs(logging.INFO)

    logging.getLogger("shop").info("sends %s", "mail")
    logging.getLogger("shop").debug("details")

    assert notes.texts == ["sends mail"]
    assert (notes.lines[0].id, notes.lines[0].fence, notes.lines[0].level) == ("t-1", 3, logging.INFO)


def test_what_others_say_is_not_caught(root):
    catch_logs(logging.INFO)

    logging.getLogger("shop").warning("nobody's")

    assert isinstance(root.handlers[-1], TaskLogHandler)


def test_other_handlers_show_what_they_did_before(root, notes):
    console = Console()
    root.addHandler(console)

    catch_logs(logging.INFO)
    logging.getLogger("shop").info("quiet")
    logging.getLogger("shop").warning("loud")

    assert notes.texts == ["quiet", "loud"]
    assert console.shown == ["loud"]


def test_without_any_handler_warnings_still_go_where_python_sends_them(root):
    root.handlers.clear()  # those of pytest

    catch_logs(logging.INFO)

    assert logging.lastResort in root.handlers


def test_it_comes_back_when_logging_is_set_up_anew(root, notes):
    catch_logs(logging.INFO)
    root.handlers.clear()

    catch_logs(logging.INFO)
    catch_logs(logging.INFO)

    logging.getLogger("shop").info("once")
    assert notes.texts == ["once"]


def test_none_catches_nothing(root):
    root.handlers.clear()  # those of pytest

    catch_logs(None)

    assert (root.handlers, root.level) == ([], logging.WARNING)


def test_a_message_whose_arguments_do_not_fit_fails_no_task(root, notes, monkeypatch, capsys):
    catch_logs(logging.INFO)

    logging.getLogger("shop").info("two %s %s", "one")

    assert notes.lines == []
    assert "--- Logging error ---" in capsys.readouterr().err
