"""The crash matrix keeps its word: every cell is filled, its test is there, and runs on the cell's store."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "crash-matrix.md"
TEXT = PAGE.read_text("utf-8")

DEFINITION = re.compile(r'^\[([a-z-]+)\]: (\S+) "(\w+)"$', re.MULTILINE)
REFERENCE = re.compile(r"\[[^\]]+\]\[([a-z-]+)\]")
NOTHING = "does not apply"
STORES = ("sqlite", "redis")

TESTS = {name: (path, test) for name, path, test in DEFINITION.findall(TEXT)}
TABLES = [table.splitlines() for table in re.findall(r"(?:^\|.*\n)+", TEXT, re.MULTILINE)]
ROWS = [
    [cell.strip() for cell in row.strip("|").split(" | ")]
    for table in TABLES
    if table[0].endswith("| SQLite | Redis |")
    for row in table[2:]
]


@cache
def collected() -> dict[str, list[str]]:
    """Return, by the name of each test of the page, the ids under which pytest would run it."""
    files = sorted({str((PAGE.parent / path).resolve().relative_to(ROOT)) for path, _ in TESTS.values()})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False).stdout
    found: dict[str, list[str]] = {}
    for line in listed.splitlines():
        if "::" in line:
            found.setdefault(line.partition("::")[2].partition("[")[0], []).append(line)
    return found


def stores_of(ids: list[str]) -> set[str]:
    """Return the stores on which a test runs: those of its parameters, else those that its file speaks of."""
    inside = {store for store in STORES for each in ids if store in each.partition("[")[2]}
    source = (ROOT / ids[0].partition("::")[0]).read_text("utf-8")
    return inside or {store for store in STORES if store in source}


def test_the_page_has_its_tables():
    assert len(ROWS) > 60
    assert all(len(row) == 1 + len(STORES) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_cell_of_a_row_says_what_is_seen_and_names_its_test(row):
    assert all(REFERENCE.findall(cell) or cell.endswith(NOTHING) for cell in row[1:])


def test_every_test_that_is_referred_to_is_named_and_the_other_way_round():
    used = {name for row in ROWS for cell in row[1:] for name in REFERENCE.findall(cell)}

    assert used == set(TESTS)


@pytest.mark.parametrize("name", TESTS)
def test_every_named_test_is_in_its_file(name):
    path, test = TESTS[name]

    assert f"def {test}(" in (PAGE.parent / path).read_text("utf-8")


@pytest.mark.parametrize("column", range(len(STORES)), ids=STORES)
def test_every_test_runs_on_the_store_of_its_column(column):
    wrong = [
        f"{row[0]}: {name}"
        for row in ROWS
        for name in REFERENCE.findall(row[1 + column])
        if STORES[column] not in stores_of(collected()[TESTS[name][1]])
    ]

    assert wrong == []
