"""The SQL files: each can be prepared, each says what it takes, none reads a whole table of tasks."""

import re
import sqlite3
from importlib import resources

import pytest

from celeriac.brokers.sqlite import statements

VERBS = [name for name in statements.names() if not name.startswith("schema_")]
MANY_ROWS = ["exchange_fail", "exchange_succeed", "line_join", "send_message", "send_task"]


@pytest.fixture
def database():
    connection = sqlite3.connect(":memory:")
    for statement in statements.script("schema_1"):
        connection.execute(statement)
    yield connection
    connection.close()


def plan(database: sqlite3.Connection, statement: str) -> list[str]:
    values = [None] * statement.count("?")
    return [row[3] for row in database.execute(f"explain query plan {statement}", values)]


@pytest.mark.parametrize("name", VERBS)
def test_every_statement_can_be_prepared(database, name):
    plan(database, statements.sql(name))


@pytest.mark.parametrize("name", statements.names())
def test_values_are_not_numbered_because_newer_pythons_refuse_a_sequence_for_such_places(name):
    assert not re.search(r"\?\d", statements.sql(name))


@pytest.mark.parametrize("name", MANY_ROWS)
@pytest.mark.parametrize("count", [1, 50, 256])
def test_statements_for_many_rows_can_be_prepared_with_each_number_of_them(database, name, count):
    statement = statements.sql_with_rows(name, count)

    plan(database, statement)

    assert statement.count("(?, ?") == count


@pytest.mark.parametrize("name", statements.names())
def test_every_file_begins_by_saying_what_it_is_for(name):
    text = (resources.files("celeriac.brokers.sqlite") / "sql" / f"{name}.sql").read_text()

    header = [line for line in text.splitlines() if line.startswith("--")]
    assert text.startswith("-- ")
    assert any(len(line) > 20 for line in header)
    if "?" in statements.sql(name):
        assert "In: " in text
    if statements.sql(name).startswith("select"):
        assert "Out: " in text


@pytest.mark.parametrize("name", VERBS)
def test_no_verb_reads_all_tasks(database, name):
    steps = plan(database, statements.sql(name))

    scans = [step for step in steps if re.match(r"SCAN (tasks|messages)\b", step)]
    assert all("USING" in scan and "INDEX" in scan for scan in scans), steps


@pytest.mark.parametrize(
    "name", ["send_place", "exchange_ready", "exchange_taken", "exchange_succeed", "exchange_fail", "get"]
)
def test_the_hot_path_only_searches(database, name):
    steps = plan(database, statements.sql(name))

    assert [step for step in steps if re.match(r"SEARCH (tasks|ready)\b", step)]
    assert not [step for step in steps if re.match(r"SCAN (tasks|messages|ready)\b", step)]
    assert not [step for step in steps if "TEMP B-TREE" in step]


def test_a_place_in_a_line_is_looked_up_once_and_not_for_each_task_of_the_queue(database):
    steps = plan(database, statements.sql("explain_before"))

    assert "MATERIALIZE its" in steps
    assert steps[steps.index("SCAN its") + 1].startswith("SEARCH ready")


def test_changes_begin_with_their_verb_so_that_python_counts_their_rows(database):
    for name in VERBS:
        assert re.match(r"(select|insert|update|delete)\b", statements.sql(name)), name


def test_a_script_is_cut_into_its_statements():
    found = list(statements.script("schema_1"))

    assert all(re.match(r"(create|insert)\b", statement) for statement in found)
    assert next(text for text in found if text.startswith("create trigger")).endswith("end;")
