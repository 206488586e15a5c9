"""`celeriac dead` against real stores: what has failed is listed, shown, run again, and dropped."""

import pytest

from celeriac.canvas import chain
from celeriac.message import Message
from tests.integration.command_line import assert_attempts_parse, terminal
from tests.waiting import wait_until

pytest_plugins = ["tests.integration.shop"]


@pytest.fixture
def failed(shop):
    """Three tasks of one name that failed, and a chain whose first step did."""
    sent = [shop.fail.delay(f"no {number}") for number in range(3)]
    last = chain(shop.fail.s("evil \x1b[31m\nred"), shop.add.s(1)).delay()
    with shop.app.embedded():
        for result in (*sent, last):
            result.get(timeout=20, propagate=False)
    return sent, last


def states(shop, results):
    return [shop.app.AsyncResult(result.id).state for result in results]


def test_an_empty_list_is_nothing_to_worry_about(shop):
    for words in (("dead",), ("dead", "list", "--group"), ("dead", "requeue", "--all")):
        answer = shop.cli(*words)

        assert (answer.code, answer.out) == (0, "")
        assert answer.err.startswith("celeriac: no")


def test_a_list_has_a_line_for_each(shop, failed):
    sent, last = failed

    answer = shop.run("dead")

    assert answer.code == 0
    head, *lines = answer.out.splitlines()
    assert head.split() == ["id", "task", "queue", "failed", "error"]
    assert {line.split()[0] for line in lines} == {last.id, last.parent.id, *(each.id for each in sent)}
    assert any("shop.fail" in line and line.endswith("ago  ValueError: no 2") for line in lines)
    assert "\\x1b[31m\\nred" in answer.out
    assert "\x1b" not in answer.out


def test_a_list_in_json_has_an_object_for_each(shop, failed):
    sent, last = failed

    found = {each["id"]: each for each in shop.cli("dead", "list", "--json").objects}

    assert len(found) == 5
    one, because = found[sent[0].id], found[last.id]
    assert one.keys() == {
        *("kind", "id", "task", "queue", "created", "failed", "error", "error_type", "origin"),
        *("can_be_requeued", "retries", "crashes", "worker"),
    }
    assert (one["kind"], one["task"], one["error"]) == ("dead", "shop.fail", "no 0")
    assert (because["origin"], because["can_be_requeued"]) == (last.parent.id, False)


def test_a_list_can_be_cut_and_says_so(shop, failed):
    answer = shop.cli("dead", "list", "--task", "shop.fail", "--limit", "2")

    assert len(answer.out.splitlines()) == 3
    assert "there are more than 2" in answer.err
    assert answer.attempts[0].endswith("dead list --task shop.fail --group")
    assert_attempts_parse(answer)


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("--task", "shop.a*"), 1),
        (("--error", "ValueError"), 4),
        (("-Q", "mail"), 0),
        (("-Q", "mail,default"), 5),
        (("--newer", "3600"), 5),
        (("--older", "3600"), 0),
        (("--error", "ChordError", "--newer", "3600"), 1),
    ],
)
def test_a_list_can_be_filtered(shop, failed, words, count):
    assert len(shop.cli("dead", "list", *words, "--json").objects) == count


def test_groups_are_counted_by_task_and_error(shop, failed):
    answer = shop.cli("dead", "list", "--group")
    groups = shop.cli("dead", "list", "--group", "--json").objects

    first, second = answer.out.splitlines()[1:]
    assert first.split()[:3] == ["4", "shop.fail", "builtins.ValueError"]
    assert second.split()[:3] == ["1", "shop.add", "celeriac.errors.ChordError"]
    assert groups[0].keys() == {"kind", "task", "error_type", "count", "first", "last", "id"}
    assert [group["count"] for group in groups] == [4, 1]


# --- show ---------------------------------------------------------------------------------------


def test_one_is_shown_with_all_that_is_known(shop, failed):
    sent, last = failed

    answer = shop.cli("dead", "show", sent[1].id)
    [found] = shop.cli("dead", "show", sent[1].id, "--json").objects

    assert answer.code == 0
    assert 'args        ["no 1"]' in answer.out
    assert "error       ValueError: no 1" in answer.out
    assert "raise ValueError(message)" in answer.out
    assert (found["args"], found["kwargs"], found["unreadable"]) == (["no 1"], {}, None)
    assert "raise ValueError(message)" in found["traceback"]
    assert f"because of  {last.parent.id}" in shop.cli("dead", "show", last.id).out


def test_what_a_hostile_task_said_is_shown_harmlessly(shop, failed):
    _, last = failed

    answer = shop.cli("dead", "show", last.parent.id)

    assert "\x1b" not in answer.out
    assert "error       ValueError: evil \\x1b[31m\\nred" in answer.out


def test_arguments_that_cannot_be_read_are_said_to_be_so(shop):
    shop.app.broker.send([Message("broken", "shop.add", payload=b"\x1bnonsense")], shop.app.clock.now())
    with shop.app.embedded():
        shop.app.AsyncResult("broken").get(timeout=20, propagate=False)

    answer = shop.cli("dead", "show", "broken")

    assert answer.code == 0
    assert "\x1b" not in answer.out
    assert shop.cli("dead", "show", "broken", "--json").objects[0]["unreadable"]


def test_what_has_not_failed_is_not_shown(shop, failed):
    waits = shop.add.delay(1)

    assert shop.cli("dead", "show", waits.id).code == 7
    unknown = shop.cli("dead", "show", "nobody", waits.id)

    assert unknown.code == 4
    assert "nobody: there is no such task" in unknown.err
    assert f"{waits.id}: it has not failed: PENDING" in unknown.err


# --- requeue, drop ------------------------------------------------------------------------------


def test_those_that_are_named_are_requeued_without_a_question(shop, failed):
    sent, last = failed

    answer = shop.run("dead", "requeue", sent[0].id, "-", stdin=f"{sent[1].id}\n{last.id}")

    assert answer.code == 7
    assert answer.out.splitlines() == [
        f"{sent[0].id}  requeued",
        f"{sent[1].id}  requeued",
        f"{last.id}  not requeued",
    ]
    assert states(shop, sent) == ["PENDING", "PENDING", "FAILURE"]
    assert shop.cli("dead", "requeue", "nobody", "--json").objects == [{"id": "nobody", "answer": "unknown"}]


def test_a_dry_run_tells_what_would_be_done_and_does_nothing(shop, failed):
    sent, _ = failed

    many = shop.cli("dead", "requeue", "--all", "--dry-run")
    one = shop.cli("dead", "drop", sent[0].id, "--dry-run")
    objects = shop.cli("dead", "requeue", "--all", "--dry-run", "--json").objects

    assert many.code == 0
    assert many.out.splitlines()[-1] == "4 tasks would be requeued"
    assert "1 task cannot be requeued" in many.err
    assert one.out == f"{sent[0].id}  would be dropped\n"
    assert [each["kind"] for each in objects] == ["group", "group", "answer"]
    assert objects[-1] == {"kind": "answer", "answer": "requeued", "dry_run": True, "done": 4, "left": 1}
    assert states(shop, sent) == ["FAILURE"] * 3


def test_many_are_not_changed_without_a_question_or_yes(shop, failed):
    sent, _ = failed

    for what in ("requeue", "drop"):
        answer = shop.run("dead", what, "--task", "shop.fail", "--older", "0")

        assert answer.code == 2
        assert f"nobody can be asked whether to {what} 4 failed tasks" in answer.err
        assert answer.attempts[0].endswith(f"dead {what} --task shop.fail --older 0 --yes")
        assert_attempts_parse(answer)
    assert states(shop, sent) == ["FAILURE"] * 3


def test_with_yes_those_of_a_filter_are_requeued(shop, failed):
    sent, last = failed

    answer = shop.cli("dead", "requeue", "--error", "ValueError", "--yes", "--json")

    assert (answer.code, answer.objects[0]["done"]) == (0, 4)
    assert states(shop, [*sent, last]) == ["PENDING"] * 3 + ["FAILURE"]


def test_with_yes_all_are_dropped(shop, failed):
    answer = shop.cli("dead", "drop", "--all", "--yes")

    assert answer.out == "5 tasks dropped\n"
    assert shop.cli("dead").out == ""


@pytest.mark.parametrize(("key", "state"), [("y\n", "PENDING"), ("n\n", "FAILURE")])
def test_in_a_terminal_it_asks(shop, failed, key, state):
    sent, _ = failed

    with terminal(*shop.where, "dead", "requeue", "--task", "shop.fail", cwd=shop.folder) as screen:
        screen.wait_for("[y/N]")
        screen.type(key)
        assert screen.end() == 0

    assert "Requeue 4 failed tasks of " in screen.shown.replace("\r\n", "")
    wait_until(lambda: states(shop, sent) == [state] * 3, what="the answer")


@pytest.mark.parametrize(
    "words",
    [
        ("requeue",),
        ("requeue", "one", "--all"),
        ("drop", "--task", "x", "--all"),
        ("show",),
        ("list", "one"),
        ("list", "--yes"),
        ("list", "--all"),
        ("requeue", "--all", "--group"),
        ("bury",),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(shop, words):
    answer = shop.cli("dead", *words)

    assert answer.code == 2
    assert_attempts_parse(answer)
