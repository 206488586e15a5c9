"""Whose line it is: marks on records, formats with them, and lines of JSON."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from celeriac import Celeriac
from celeriac.contrib.structlog import add_task
from celeriac.logs import JsonFormatter, TaskFilter, TaskFormatter, get_task_logger, install, mark

SHOWN = "%(task_name)s[%(task_id)s] %(message)s"


@pytest.fixture(autouse=True)
def no_worker(monkeypatch):
    monkeypatch.setattr("celeriac.logs._worker", None)  # as in a process where none has begun


@pytest.fixture
def app() -> Iterator[Celeriac]:
    with Celeriac("logs", broker="memory://", set_as_current=False) as app:
        yield app


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger that writes to nobody yet."""
    logger = logging.getLogger("tests.logs")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    yield logger
    logger.handlers.clear()
    logger.filters.clear()


def listening(logger: logging.Logger, formatter: logging.Formatter) -> tuple[logging.Handler, io.StringIO]:
    handler = logging.StreamHandler(written := io.StringIO())
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    return handler, written


def record_of(message: str = "hello", name: str = "shop", **fields: object) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.INFO, __file__, 1, message, (), None)
    vars(record).update(fields)
    return record


def as_json(record: logging.LogRecord) -> dict:
    text = JsonFormatter().format(record)
    assert "\n" not in text
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_line_of_a_tasks_code_has_its_id_and_name(app, logger):
    _, written = listening(logger, TaskFormatter(SHOWN))

    @app.task(name="shop.add")
    def add():
        logger.info("adding")

    logger.info("before")
    result = add.apply()

    assert written.getvalue().splitlines() == ["???[???] before", f"shop.add[{result.id}] adding"]


def test_an_async_task_does_not_lend_its_name(app, logger):
    _, written = listening(logger, TaskFormatter(SHOWN))

    @app.task(name="shop.add")
    async def add():
        logger.info("adding")

    result = add.apply()
    logger.info("after")

    assert written.getvalue().splitlines() == [f"shop.add[{result.id}] adding", "???[???] after"]


@pytest.mark.parametrize("place", ["handler", "logger"])
def test_a_filter_marks_for_any_formatter(app, logger, place):
    handler, written = listening(logger, logging.Formatter(SHOWN))
    (handler if place == "handler" else logger).addFilter(TaskFilter())

    @app.task(name="shop.add")
    def add():
        logger.info("adding")

    result = add.apply()

    assert written.getvalue() == f"shop.add[{result.id}] adding\n"


def test_a_task_logger_marks_by_itself_and_once(logger):
    assert get_task_logger("tests.logs") is get_task_logger("tests.logs") is logger
    assert len(logger.filters) == 1


def test_installing_marks_what_every_handler_writes(logger):
    handler, written = listening(logger, logging.Formatter(SHOWN))

    install()
    install()
    logger.info("hello")

    assert written.getvalue() == "???[???] hello\n"
    assert len(handler.filters) == 1


def test_what_the_application_says_itself_stays():
    record = record_of(task_id="mine")

    mark(record)

    assert (record.task_id, record.task_name) == ("mine", "???")


def test_fields_of_these_names_can_be_given_as_ever(app, logger):
    handler, written = listening(logger, TaskFormatter(SHOWN))
    handler.addFilter(TaskFilter())

    @app.task(name="shop.add")
    def add():
        logger.info("adding", extra={"task_id": "mine"})

    add.apply()

    assert written.getvalue() == "shop.add[mine] adding\n"


# --- JSON -----------------------------------------------------------------------------------------------


def test_a_line_of_json_has_time_level_logger_and_message():
    assert as_json(record_of(created=1_700_000_000.25)) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "INFO",
        "logger": "shop",
        "message": "hello",
    }


def test_a_line_of_json_says_whose_it_is(app):
    found = []

    @app.task(name="shop.add")
    def add():
        found.append(as_json(record_of(order=7)))

    result = add.apply()

    assert found[0]["task_id"] == result.id
    assert found[0]["task_name"] == "shop.add"
    assert found[0]["worker"]
    assert found[0]["order"] == 7


def test_the_workers_own_lines_have_the_same_keys():
    line = as_json(record_of("task failed", name="celeriac", task="t", id="7", runtime=0.1, traceback="Tr"))

    assert (line["task_id"], line["task_name"], line["exception"], line["runtime"]) == ("7", "t", "Tr", 0.1)
    assert not line.keys() & {"id", "task", "traceback"}


def test_an_error_is_one_line_too():
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        record = record_of()
        record.exc_info = (type(error), error, error.__traceback__)

    assert as_json(record)["exception"].endswith("ValueError: two\nlines")


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError


CIRCLE: list = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({1, }, "{1}"),
        (float("nan"), "nan"),
        (CIRCLE, "[[...]]"),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (Odd(), "<its __repr__ raised RuntimeError>"),
        ("\x1b[2J\n\ud800", "\x1b[2J\n\ud800"),
    ],
)  # fmt: skip
def test_what_has_no_json_form_is_written_as_text(value, shown):
    assert as_json(record_of(field=value))["field"] == shown


def test_no_control_character_gets_through_json():
    assert JsonFormatter().format(record_of("\x1b[2J\x7f\x9b\u202e")).isascii()
    assert "\x1b" not in JsonFormatter().format(record_of("\x1b[2J"))


def test_a_field_with_the_name_of_ours_takes_another():
    assert as_json(record_of(level="high", time=1)) | {"time": 0} == {
        "time": 0, "level": "INFO", "logger": "shop", "message": "hello", "level_": "high", "time_": 1,
    }  # fmt: skip


# --- structlog ------------------------------------------------------------------------------------------


def test_structlog_is_told_which_task_it_is(app):
    events = []
    log = structlog.wrap_logger(structlog.ReturnLogger(), processors=[add_task, lambda *args: str(args[2])])

    @app.task(name="shop.add")
    async def add():
        events.append(log.info("adding", order=7))
        events.append(log.info("adding", task_id="mine"))

    result = add.apply()
    events.append(log.info("after"))

    assert events == [
        str({"order": 7, "event": "adding", "task_id": result.id, "task_name": "shop.add"}),
        str({"task_id": "mine", "event": "adding", "task_name": "shop.add"}),
        str({"event": "after"}),
    ]
