"""What people know from Celery's command line does here what it did there, and says what it is called."""

import pytest

from celeriac.cli.celery_words import explained, translated
from tests.integration.command_line import assert_attempts_parse
from tests.waiting import wait_until

pytest_plugins = ["tests.integration.shop"]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("inspect active", "workers --tasks"),
        ("inspect active -d web@1 -j", "workers web@1 --tasks --json"),
        ("inspect reserved --timeout 5", "workers --tasks"),
        ("inspect active -A proj --broker=redis://x", "workers --tasks -A proj --broker=redis://x"),
        ("inspect stats --destination=web@1", "workers web@1"),
        ("inspect ping", "workers"),
        ("inspect ping -d web@1", "workers web@1"),
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
        ("inspect registered -j", "names --json"),
        ("inspect memsample", "workers"),
        ("list bindings", "queues"),
        ("events --dump", "events --follow"),
        ("events -d -A proj", "events --follow -A proj"),
        ("events --follow", None),
        ("list", None),
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


# What `celery inspect --list` and `celery control --list` name, of 5.4.
INSPECT = (
    "active active_queues clock conf memdump memsample objgraph ping query_task registered report reserved "
    "revoked scheduled stats"
)
CONTROL = (
    "add_consumer autoscale cancel_consumer disable_events election enable_events heartbeat pool_grow "
    "pool_restart pool_shrink rate_limit revoke revoke_by_stamped_headers shutdown terminate time_limit"
)


@pytest.mark.parametrize(
    "words",
    [("inspect", word) for word in INSPECT.split()] + [("control", word) for word in CONTROL.split()],
    ids=" ".join,
)
def test_each_of_celerys_words_is_run_or_explained(words):
    ours, why = translated(words), explained(words)

    assert (ours is None) is not (why is None)
    assert why is None or why[0]


def test_registered_tasks_are_told_by_name(working):
    working.add.delay(1).get(20)

    wait_until(lambda: "shop.add" in working.cli("inspect", "registered").out, 20, what="it was counted")


def test_what_is_not_needed_says_why(shop):
    answer = shop.cli("inspect", "clock")

    assert answer.code == 2
    assert "there is no 'inspect clock': tasks are ordered by the store" in answer.err
    assert answer.attempts[0].endswith("doctor")


def test_ping_asks_whether_workers_live_and_not_whether_all_is_well(working):
    working.add.apply_async((1,), queue="unserved")

    assert working.cli("inspect", "ping").code == 0
    assert working.cli("inspect", "ping", "-d", "nobody@x").code == 4


@pytest.mark.parametrize(("word", "known"), [("inspect", "active"), ("control", "shutdown")])
def test_a_word_that_is_none_of_celerys_is_told_with_those_that_are(shop, word, known):
    answer = shop.cli(word, "nope")

    assert answer.code == 2
    assert f"there is no command {word!r}: " in answer.err
    assert known in answer.err


@pytest.mark.parametrize(
    "words",
    [("inspect", "objgraph"), ("inspect", "nothing"), ("control", "pool_grow", "1"), ("control",), ("list",)],
)
def test_what_has_no_word_here_says_what_comes_next(shop, words):
    answer = shop.cli(*words)

    assert answer.code == 2
    assert answer.attempts
    assert_attempts_parse(answer)
