"""`celeriac tasks`, `celeriac queues` and `celeriac export` against real stores."""

import csv
import io
import json
import subprocess
import sys

import pytest

from celeriac.message import Message
from tests.integration.command_line import assert_attempts_parse, environment, terminal
from tests.waiting import wait_until

pytest_plugins = ["tests.integration.shop"]


@pytest.fixture
def ended(shop):
    """Two tasks that succeeded, and one that failed; two more wait in another queue."""
    sent = [shop.add.delay(1, y=number) for number in range(2)]
    failed = shop.fail.delay("evil \x1b[31m\nred")
    with shop.app.embedded():
        for result in (*sent, failed):
            result.get(timeout=20, propagate=False)
    waiting = [shop.greet.apply_async(("you",), queue="mail") for _ in range(2)]
    return sent, failed, waiting


def ids(results):
    return {result.id for result in results}


def shown(answer):
    return {line.split()[0] for line in answer.out.splitlines()[1:]}


def test_tasks_of_all_states_are_listed(shop, ended):
    sent, failed, waiting = ended

    answer = shop.run("tasks")

    assert answer.code == 0
    assert answer.out.splitlines()[0].split() == ["id", "state", "task", "queue", "changed", "arguments"]
    assert shown(answer) == ids([*sent, failed, *waiting])
    assert "1, y=1" in answer.out
    assert "\x1b" not in answer.out


def test_a_filter_says_which(shop, ended):
    sent, failed, waiting = ended

    assert shown(shop.cli("tasks", "state:failed")) == {failed.id}
    assert shown(shop.cli("tasks", "list", "state:success", "arg.y:1")) == {sent[1].id}
    assert shown(shop.cli("tasks", "-name:shop.add", "-state:failed")) == ids(waiting)
    assert shown(shop.cli("tasks", "shop", "-queue:mail", "--count", "9")) == ids([*sent, failed])


def test_no_such_task_is_told_beside_the_answer(shop):
    answer = shop.cli("tasks", "state:failed")

    assert (answer.code, answer.out) == (0, "")
    assert "no such task" in answer.err


def test_a_filter_that_cannot_be_read_is_told_with_its_place(shop):
    answer = shop.cli("tasks", "state:fialed")

    assert (answer.code, answer.out) == (2, "")
    assert "state:»fialed: expected one of queued" in answer.err
    assert_attempts_parse(answer)


def test_pages_go_on_where_the_last_one_ended(shop, ended):
    sent, failed, waiting = ended
    met = set()
    words = ("tasks", "--count", "2")

    for _ in range(3):
        answer = shop.cli(*words)
        met |= shown(answer)
        assert_attempts_parse(answer)
        page = shop.cli(*words, "--json").objects[-1]
        words = ("tasks", "--count", "2", "--after", page["after"] or "")

    assert page == {"kind": "page", "after": None, "searched": page["searched"], "more": False}
    assert met == ids([*sent, failed, *waiting])


def test_tasks_in_json_have_all_that_is_known(shop, ended):
    sent, _, _ = ended

    task, page = shop.cli("tasks", f"id:{sent[1].id}", "--json").objects

    assert (task["kind"], task["id"], task["state"], task["inside"]) == (
        "task",
        sent[1].id,
        "SUCCESS",
        "succeeded",
    )
    assert (task["args"], task["kwargs"], task["result"], task["unreadable"]) == ([1], {"y": 1}, 2, {})
    assert task["finished"].endswith("Z") or "+00:00" in task["finished"]
    assert page["more"] is False


def test_secrets_are_hidden_and_broken_bytes_told_of(shop):
    app = shop.app
    now = app.clock.now()
    payload = b'[[],{"password":"hunter2","nested":[{"apiToken":"hunter2"}]}]'
    app.broker.send(
        [
            Message("secret", "shop.greet", created=now, payload=payload),
            Message("broken", "shop.greet", created=now, payload=b"{"),
        ],
        now,
    )

    answer = shop.cli("tasks")

    assert answer.code == 0
    assert "hunter2" not in answer.out
    assert "password=•••" in answer.out
    assert "the arguments" in answer.out
    assert "hunter2" not in shop.cli("export", "--format", "ndjson").out


def test_secrets_are_hidden_by_every_command_that_shows_arguments(shop, monkeypatch):
    monkeypatch.setenv("CELERIAC_REDACT_KEYS", "card")
    secret = {"card": "hunter2", "nested": [{"apiToken": "hunter2"}]}

    @shop.app.task(name="shop.charge", bind=True)
    def charge(self, **given):
        self.update_state(state="PROGRESS", meta={"password": "hunter2"})
        if given.pop("fails"):
            raise ValueError("no")
        return {"card": "hunter2"}

    sent = [charge.delay(fails=fails, **secret).id for fails in (True, False)]
    with shop.app.embedded():
        wait_until(lambda: all(shop.app.AsyncResult(each).ready() for each in sent), 20)
    failed, done = sent

    for words in (
        *(("dead", "show", failed), ("dead", "show", failed, "--json"), ("result", failed, "--json")),
        *(("tasks", "show", failed), ("tasks",), ("export",), ("watch", done), ("watch", done, "--json")),
        *(("events", "--json"), ("explain", failed), ("flows", failed, "--json")),
    ):
        answer = shop.cli(*words)
        assert "hunter2" not in answer.out + answer.err, words
    assert shop.cli("dead", "show", failed, "--json").objects[0]["kwargs"]["card"] == "•••"
    asked = shop.cli("result", done, "--json").objects[0]
    assert (asked["kwargs"]["card"], asked["result"]) == ("•••", {"card": "hunter2"})


def test_one_task_is_shown_with_its_traceback(shop, ended):
    sent, failed, _ = ended

    answer = shop.cli("tasks", "show", failed.id, sent[0].id)

    assert answer.code == 0
    assert "ValueError: evil \\x1b[31m\\nred" in answer.out
    assert "Traceback" in answer.out
    assert "result      1" in answer.out
    assert shop.cli("tasks", "show", failed.id, "--json").objects[0]["traceback"].startswith("Traceback")


def test_the_run_that_failed_before_a_task_was_requeued_is_shown(shop, ended):
    _, failed, _ = ended
    failed.requeue()

    [line] = [each for each in shop.cli("tasks", "show", failed.id).out.splitlines() if " ago, " in each]
    [told] = shop.cli("tasks", "show", failed.id, "--json").objects[0]["earlier"]

    assert line.startswith("attempt 1 ")
    assert "failed after " in line
    assert line.endswith("ValueError: evil \\x1b[31m\\nred")
    assert (told["attempt"], told["how"], told["error_type"]) == (1, "failed", "builtins.ValueError")


def test_an_unknown_task_is_told_of(shop):
    answer = shop.cli("tasks", "show", "nothing")

    assert (answer.code, answer.out) == (4, "")
    assert "there is no such task" in answer.err


@pytest.mark.parametrize(
    "words",
    [
        ("tasks", "show"),
        ("tasks", "revoke"),
        ("tasks", "revoke", " "),
        ("tasks", "list", "--yes"),
        ("tasks", "show", "x", "--count", "3"),
        ("tasks", "delete", "state:failed", "--terminate"),
        ("tasks", "--after", "nonsense"),
        ("tasks", "--count", "0"),
        ("export", "--columns", "id,colour"),
        ("export", "a|b"),
    ],
)
def test_what_makes_no_sense_is_refused(shop, words):
    answer = shop.cli(*words)

    assert (answer.code, answer.out) == (2, "")
    assert_attempts_parse(answer)


# --- acting -----------------------------------------------------------------------------------------


def states(shop, results):
    return [shop.app.AsyncResult(result.id).state for result in results]


def test_a_dry_run_tells_with_how_many_it_would_be_done(shop, ended):
    answer = shop.cli("tasks", "revoke", "name:*", "--dry-run")

    assert (answer.code, answer.out) == (0, "2 tasks of 5 would be revoked\n")
    assert "3 tasks not: it has ended" in answer.err
    assert states(shop, ended[2]) == ["PENDING"] * 2


def test_without_a_terminal_it_has_to_be_said_that_nobody_is_asked(shop, ended):
    answer = shop.cli("tasks", "revoke", "queue:mail")

    assert (answer.code, answer.out) == (2, "")
    assert_attempts_parse(answer)
    assert answer.attempts[0].endswith("tasks revoke queue:mail --yes")
    assert states(shop, ended[2]) == ["PENDING"] * 2


@pytest.mark.parametrize(
    ("words", "said", "state"),
    [
        (("revoke", "queue:mail"), "2 tasks of 2 revoked\n", "REVOKED"),
        (("delete", "state:success"), "2 tasks of 2 deleted\n", "PENDING"),
        (("retry", "state:failed"), "1 task of 1 queued again\n", "PENDING"),
    ],
)
def test_what_was_asked_for_is_done(shop, ended, words, said, state):
    sent, failed, waiting = ended

    answer = shop.cli("tasks", *words, "--yes")

    assert (answer.code, answer.out) == (0, said)
    which = {"revoke": waiting, "delete": sent, "retry": [failed]}[words[0]]
    if words[0] == "delete":
        assert shop.app.broker.get([result.id for result in which]) == [None, None]
    else:
        assert set(states(shop, which)) == {state}


def test_what_is_scheduled_is_started_now(shop):
    sent = shop.add.apply_async((1,), countdown=600)

    answer = shop.cli("tasks", "run-now", "state:scheduled", "--yes", "--json")

    assert answer.objects[0].items() >= {"kind": "bulk", "action": "run-now", "done": 1, "left": {}}.items()
    assert shown(shop.cli("tasks", "state:queued")) == {sent.id}


def test_where_nothing_fits_nothing_is_asked(shop, ended):
    answer = shop.cli("tasks", "retry", "state:success")

    assert (answer.code, answer.out) == (0, "")
    assert "no task that can be queued again fits" in answer.err


def test_a_person_is_asked(shop, ended):
    with terminal(*shop.where, "tasks", "revoke", "queue:mail", cwd=shop.folder) as screen:
        screen.wait_for("Revoke 2 tasks of")
        screen.type("n\n")
        screen.wait_for("nothing was revoked")

    assert states(shop, ended[2]) == ["PENDING"] * 2


# --- queues, export -----------------------------------------------------------------------------------


def test_queues_are_shown_with_their_oldest_task_and_who_listens(shop, ended):
    shop.app.pause("mail")

    answer = shop.cli("queues")
    [queue] = shop.cli("queues", "--json").objects

    assert answer.out.splitlines()[1].split()[:2] == ["mail", "2"]
    assert answer.out.splitlines()[1].split()[-1] == "paused"
    assert (queue["queued"], queue["paused"], queue["listeners"]) == (2, True, 0)
    assert 0 <= queue["oldest_seconds_ago"] < 60
    assert queue["oldest"] is not None


def test_no_queues_are_told_of(shop):
    answer = shop.cli("queues")

    assert (answer.code, answer.out) == (0, "")
    assert "no queue" in answer.err


def test_tasks_are_exported_as_csv(shop, ended):
    shop.app.send_task("shop.greet", ("=1+1",), {}, queue="mail")
    answer = shop.cli("export", "queue:mail", "--columns", "id,state,args,result")

    rows = [*csv.DictReader(io.StringIO(answer.out))]
    assert rows[0].keys() == {"id", "state", "args", "result"}
    assert len(rows) == 3
    assert {row["args"] for row in rows} == {'["you"]', '["=1+1"]'}


def test_texts_that_look_like_formulas_are_made_harmless(shop, ended):
    shop.app.broker.send(
        [Message("=cmd()", "shop.greet", created=shop.app.clock.now())], shop.app.clock.now()
    )

    answer = shop.cli("export", "--columns", "id")

    assert "'=cmd()" in answer.out.splitlines()


def test_tasks_are_exported_as_json_lines_whatever_their_number(shop):
    now = shop.app.clock.now()
    shop.app.broker.send([Message(f"{n:06d}", "shop.greet", created=now) for n in range(1_234)], now)

    answer = shop.cli("export", "state:queued", "--format", "ndjson", "--columns", "id,name")

    found = [json.loads(line) for line in answer.out.splitlines()]
    assert len({each["id"] for each in found}) == len(found) == 1_234
    assert found[0].keys() == {"id", "name"}


def test_an_export_into_a_file_has_control_characters_as_they_are_stored(shop, ended):
    with (shop.folder / "tasks.csv").open("wb") as file:
        subprocess.run(
            [sys.executable, "-m", "celeriac", *shop.where, "export", "state:failed", "--columns", "error"],
            stdout=file,
            env=environment(),
            check=True,
            timeout=30,
        )

    assert (shop.folder / "tasks.csv").read_bytes() == b'error\n"evil \x1b[31m\nred"\n'


def test_an_export_onto_a_terminal_shows_control_characters_as_escapes(shop, ended):
    with terminal(*shop.where, "export", "state:failed", "--columns", "error", cwd=shop.folder) as screen:
        screen.wait_for('"evil \\x1b[31m\\nred"')

        assert screen.end() == 0
    assert "\x1b" not in screen.shown


def test_an_export_with_json_is_one_of_json_lines_unless_a_format_is_named(shop, ended):
    after = shop.cli("export", "--json", "--columns", "id")
    named = shop.cli("--json", "export", "--format", "csv", "--columns", "id")

    assert all(each.keys() == {"id"} for each in after.objects)
    assert named.out.splitlines()[0] == "id"
