"""Every command that the program's code says to try can be typed: in errors, notes, findings and texts."""

import ast
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from celeriac.cli.celery_words import _NO_NEED
from celeriac.cli.problems import _KINDS
from celeriac.cli.program import COMMANDS, ELSEWHERE
from tests.integration.command_line import Answer, assert_attempts_parse

pytestmark = pytest.mark.usefixtures("empty_project")
pytest_plugins = ["tests.integration.shop"]

SOURCE = Path(__file__).parents[2] / "src" / "celeriac"
FINDING_ATTEMPT = 4  # the place of `attempt` among the arguments of Finding
NAMED = re.compile(r"`(celeriac [^`]+)`|^(celeriac (?:-A \S+ )?[a-z]+ .*[A-Z].*)$")
ANY, MANY = "\0any", "\0many"  # a value that only a run knows; several, or none


def words_of(node: ast.expr) -> Iterator[list[str]]:
    """Yield what a tuple of words may come to, for each branch of what decides."""
    if isinstance(node, ast.IfExp):
        yield from words_of(node.body)
        yield from words_of(node.orelse)
    elif isinstance(node, ast.Tuple):
        for parts in itertools.product(*(list(_part(element)) for element in node.elts)):
            yield list(itertools.chain.from_iterable(parts))


def _part(node: ast.expr) -> Iterator[list[str]]:
    if isinstance(node, ast.Constant):
        yield [str(node.value)]
    elif isinstance(node, ast.Starred):
        yield from list(words_of(node.value)) or [[MANY]]
    elif isinstance(node, ast.IfExp):
        yield from _part(node.body)
        yield from _part(node.orelse)
    else:
        yield [ANY]


def attempts_in(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the words of all that a module says to try."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id in ("attempt", "again"):
                yield from ((node.lineno, words) for words in words_of(node.value))
            continue
        if not isinstance(node, ast.Call):
            continue
        tuples = [keyword.value for keyword in node.keywords if keyword.arg == "attempt"]
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if called == "Finding":
            tuples += node.args[FINDING_ATTEMPT : FINDING_ATTEMPT + 1]
        elif called == "note" and len(node.args) > 1 and path.parent.name == "cli":
            tuples.append(ast.Tuple(node.args[1:]))
        for each in tuples:
            yield from ((node.lineno, words) for words in words_of(each))


def sentences_in(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the words of each command that a text names; a mere name is none to be typed."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else ANY for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        for match in NAMED.finditer(text):
            line = re.sub(r"\b[A-Z]{2,}\b|…|\[[^]]*\]", ANY, " ".join((match[1] or match[2]).split()))
            words = shlex.split(line.partition(" >")[0])[1:]
            if len(words) > 1 or words[0] not in COMMANDS:
                yield node.lineno, words


def parses(words: list[str]) -> bool:
    """Say whether *words* are a command with some value in place of what only a run knows."""
    for value, many in itertools.product(("x", "1", "status"), (["x"], [])):
        line = [part for word in words for part in (many if word == MANY else [word.replace(ANY, value)])]
        try:
            assert_attempts_parse(Answer(0, "", f"try: {shlex.join(['celeriac', *line])}\n"))
        except AssertionError:
            continue
        return True
    return False


def found_by(collect) -> list[tuple[str, list[str]]]:
    return [
        (f"{path.relative_to(SOURCE)}:{line} celeriac {shlex.join(words)}", words)
        for path in sorted(SOURCE.rglob("*.py"))
        if "dashboard" not in path.parts or collect is sentences_in  # its own `attempt` numbers runs
        for line, words in collect(path)
    ]


def test_what_errors_notes_and_findings_say_to_try_parses():
    found = [
        (where, words) for where, words in found_by(attempts_in) if words and words[0] not in (ANY, MANY)
    ]

    assert len(found) > 40
    assert [where for where, words in found if not parses(words)] == []


def test_what_texts_call_a_command_parses():
    found = found_by(sentences_in)

    assert len(found) > 5
    assert [where for where, words in found if not parses(words)] == []


@pytest.mark.parametrize(
    "words",
    sorted(
        {words for _, words in (*ELSEWHERE.values(), *_NO_NEED.values())} | {words for _, _, words in _KINDS}
    ),
    ids=" ".join,
)
def test_what_tables_say_to_try_parses(words):
    assert parses(list(words))


def test_what_does_not_parse_is_found():
    assert not parses(["status", "--nope"])
    assert not parses(["xyzzy"])
    assert not parses(["watch"])
    assert parses(["watch", MANY])
