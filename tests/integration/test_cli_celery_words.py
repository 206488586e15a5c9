"""What people know from Celery's command line does here what it did there, and says what it is called."""

import pytest

from celeriac.cli.celery_words import translated
from tests.integration.command_line import assert_attempts_parse

pytest_plugins = ["tests.integration.shop"]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("inspect active", "workers --tasks"),
        ("inspect active -d web@1 -j", "workers web@1 --tasks --json"),
        ("inspect reserved --timeout 5", "workers --tasks"),
        ("inspect active -A proj --broker=redis://x", "workers --tasks -A proj --broker=redis://x"),
        ("inspect stats --destination=web@1", "workers web@1"),
        ("inspect ping", "status --check"),
        ("inspect scheduled --json", "status --json"),
        ("inspect active_queues", "status"),
        ("inspect revoked", "activity"),
        ("inspect conf", "config"),
        ("inspect query_task t-1", "result t-1"),
        ("control shutdown", "stop *"),
        ("control shutdown -d a@1,b@1", "stop a@1 b@1"),
        ("control revoke t-1 t-2", "revoke t-1 t-2"),
        ("control terminate KILL t-1", "revoke t-1 --terminate"),
        ("report", "config"),
        ("inspect registered", None),
        ("inspect", None),
        ("control pool_grow 3", None),
    ],
)
def test_each_word_has_one_of_ours(theirs, ours):
    found = translated(theirs.split())

    assert found == (None if ours is None else ours.split())


def test_it_answers_and_names_the_new_word(working):
    answer = working.cli("inspect", "active", "-j")

    assert answer.code == 0
    assert answer.objects[0]["tasks"] == []
    assert "what Celery calls inspect active -j is here: celeriac" in answer.err
    assert "workers --tasks --json" in answer.err
    assert working.cli("-q", "inspect", "ping").err == ""


def test_shutdown_stops_the_workers(working):
    answer = working.cli("control", "shutdown")

    assert answer.code == 0
    assert answer.out.endswith("stops\n")


@pytest.mark.parametrize("words", [("inspect", "registered"), ("control", "pool_grow", "1"), ("control",)])
def test_what_has_no_word_here_says_what_comes_next(shop, words):
    answer = shop.cli(*words)

    assert answer.code == 2
    assert answer.attempts
    assert_attempts_parse(answer)
