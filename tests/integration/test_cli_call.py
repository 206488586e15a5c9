"""`call` and `result` against real stores: what is sent, what is said, and the exit codes."""

import pytest

from tests.integration.command_line import UPDATE_KEYS

pytest_plugins = ["tests.integration.shop"]
RECORD_KEYS = {
    *("id", "name", "state", "ready", "queue", "priority", "args", "kwargs", "created", "due", "started"),
    *("finished", "expires", "worker", "retries", "crashes", "root_id", "parent_id", "meta", "result"),
    *("error", "error_type", "traceback"),
}

# --- call ----------------------------------------------------------------------------------------------


def test_call_prints_the_id_of_the_task_that_it_sent(shop):
    answer = shop.cli("call", "shop.add", "2", "-k", "y=3")

    assert answer.code == 0
    record = shop.app.AsyncResult(answer.out.strip())
    assert (record.name, record.args, record.kwargs, record.state) == ("shop.add", [2], {"y": 3}, "PENDING")


def test_call_reads_values_as_json_and_else_as_text(shop):
    answer = shop.cli(
        "call", "any.name", "2", "two", '"2"', "[1, null]", "NaN", "-k", "a=", "-k", "b=c=d", "--", "-1"
    )

    result = shop.app.AsyncResult(answer.out.strip())
    assert result.args == [2, "two", "2", [1, None], "NaN", -1]
    assert result.kwargs == {"a": "", "b": "c=d"}


def test_call_takes_all_arguments_as_json(shop):
    answer = shop.cli(
        "call", "any.name", "--args", '[1, "two"]', "--kwargs", '{"x": {"y": 1}, "z": 1}', "-k", "z=2"
    )

    result = shop.app.AsyncResult(answer.out.strip())
    assert result.args == [1, "two"]
    assert result.kwargs == {"x": {"y": 1}, "z": 2}


def test_calls_options_reach_the_message(shop):
    words = [
        "--queue",
        "mail",
        "--priority",
        "7",
        "--eta",
        "2100-01-31T12:00+02:00",
        "--expires",
        "2101-01-01",
    ]
    answer = shop.cli("call", "any.name", "--id", "my-id", *words)

    [record] = shop.app.broker.get(["my-id"])
    assert answer.out == "my-id\n"
    assert (record.message.queue, record.message.priority) == ("mail", 7)
    assert shop.cli("result", "my-id", "--json").objects[0]["due"] == "2100-01-31T10:00:00.000+00:00"
    assert shop.cli("result", "my-id", "--json").objects[0]["expires"] == "2101-01-01T00:00:00.000+00:00"


def test_call_with_a_countdown_schedules(shop):
    answer = shop.cli("call", "any.name", "--countdown", "3600", "--json")

    assert answer.objects[0].keys() == {"id", "name"}
    assert shop.cli("status", "--json").objects[1]["scheduled"] == 1


def test_call_that_waits_prints_the_result_only_and_the_rest_beside_it(working):
    answer = working.run("call", "shop.add", "2", "3", "--wait")

    assert answer.code == 0
    assert answer.out == "5\n"
    assert "sent " in answer.err
    assert "SUCCESS" in answer.err


def test_call_that_waits_quietly_says_nothing_but_the_result(working):
    answer = working.cli("-q", "call", "shop.greet", "Ann", "--wait")

    assert (answer.out, answer.err) == ("Ann\n", "")


def test_call_that_waits_fails_with_the_task(working):
    answer = working.cli("call", "shop.fail", "burned \x1b[2J", "--wait")

    assert answer.code == 1
    assert answer.out == ""
    assert "failed: ValueError: burned \\x1b[2J" in answer.err
    assert "--traceback" in answer.attempts[0]


def test_call_that_waits_gives_up_in_time_and_says_how_to_go_on(shop):
    answer = shop.cli("call", "shop.add", "1", "--id", "slow", "--wait", "--timeout", "0.2")

    assert answer.code == 124
    assert answer.attempts[0].endswith("watch slow")
    assert shop.app.AsyncResult("slow").state == "PENDING"


def test_call_that_waits_speaks_json_to_the_end(working):
    answer = working.cli("--json", "call", "shop.add", "2", "3", "--wait")

    assert answer.code == 0
    assert all(line.keys() == UPDATE_KEYS for line in answer.objects)
    assert answer.objects[-1]["result"] == 5


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["bad name"], "cannot be a task name"),
        (["x" * 300], "cannot be a task name"),
        (["a\x1b[31m"], "cannot be a task name"),
        (["a", "--queue", "no queue"], "cannot be a queue name"),
        (["a", "--id", "{no}"], "cannot be a task id"),
        (["a", "--priority", "10"], "0<=x<=9"),
        (["a", "--countdown", "nan"], "not a number of seconds"),
        (["a", "--countdown", "-1"], "not a number of seconds"),
        (["a", "--eta", "tomorrow"], "not a moment"),
        (["a", "--expires", "soon"], "not a moment"),
        (["a", "--countdown", "1", "--eta", "2030-01-01"], "not both"),
        (["a", "--args", "{}"], "JSON array"),
        (["a", "--args", "[1"], "not JSON"),
        (["a", "--kwargs", "[]"], "JSON object"),
        (["a", "-k", "novalue"], "not key=value"),
        (["a", "1", "--args", "[1]"], "not both"),
        (["a", "--timeout", "3"], "--wait"),
        ([], "Missing argument 'NAME'"),
        (["a", "--nope"], "--nope"),
    ],
)
def test_a_wrong_call_sends_nothing(shop, words, says):
    answer = shop.cli("call", *words)

    assert answer.code == 2
    assert says in answer.err
    assert answer.err.startswith("celeriac: ")
    assert answer.attempts
    assert shop.app.broker.queues() == []


# --- result --------------------------------------------------------------------------------------------


def test_result_prints_what_the_task_returned(working):
    sent = working.greet.delay("two\nlines\x07")
    sent.get(20)

    answer = working.cli("result", sent.id)

    assert (answer.code, answer.out, answer.err) == (0, "two\nlines\\x07\n", "")


def test_result_in_json_has_all_that_is_known(working):
    sent = working.add.delay(2, y=3)
    sent.get(20)

    answer = working.cli("result", sent.id, "--json")

    [known] = answer.objects
    assert known.keys() == RECORD_KEYS
    assert (known["name"], known["args"], known["kwargs"], known["result"]) == ("shop.add", [2], {"y": 3}, 5)
    assert (known["state"], known["ready"], known["queue"]) == ("SUCCESS", True, "default")
    assert known["created"].endswith("+00:00")


def test_the_result_of_a_failed_task_is_its_error_or_its_traceback(working):
    sent = working.fail.delay("no \x1b[31mflour")
    sent.get(20, propagate=False)

    plain, traceback = working.cli("result", sent.id), working.cli("result", sent.id, "--traceback")
    data = working.cli("result", sent.id, "--json")

    assert (plain.code, traceback.code, data.code) == (1, 1, 1)
    assert "ValueError: no \\x1b[31mflour" in plain.err
    assert traceback.out.startswith("Traceback (most recent call last)")
    assert data.objects[0]["error"] == "no \x1b[31mflour"
    assert data.objects[0]["error_type"] == "builtins.ValueError"
    assert data.objects[0]["traceback"].startswith("Traceback")


def test_a_task_that_has_not_ended_has_no_result_yet(shop):
    sent = shop.add.delay(1)

    answer = shop.cli("result", sent.id)

    assert answer.code == 7
    assert "has not ended: PENDING" in answer.err
    assert answer.attempts[0].endswith(f"watch {sent.id}")
    assert shop.cli("result", sent.id, "--json").code == 7
    assert shop.cli("result", sent.id, "--traceback").code == 7


def test_result_can_wait(working):
    sent = working.long.delay()
    assert working.reached.wait(20)
    assert working.cli("result", sent.id, "--wait", "--timeout", "0.1").code == 124

    working.go_on.set()
    answer = working.run("result", sent.id, "--wait", "--timeout", "20")

    assert (answer.code, answer.out) == (0, "done\n")


@pytest.mark.parametrize("command", ["result", "watch"])
def test_an_unknown_id_is_told_with_the_store_that_was_asked(shop, command):
    answer, data = shop.cli(command, "nobody"), shop.cli(command, "nobody", "--json")

    assert (answer.code, data.code) == (4, 4)
    assert "no task has the id nobody in " in answer.err
    assert data.objects[0]["state"] == "UNKNOWN"
    assert data.err == ""


@pytest.mark.parametrize("command", ["result", "watch", "revoke", "forget"])
@pytest.mark.parametrize("task_id", ["no id", "a\nb", "\x1b]0;x\x07", "{a}", "x" * 200, "ä'\"", "\udce4"])
def test_what_cannot_be_an_id_is_refused(shop, command, task_id):
    answer = shop.cli(command, task_id)

    assert answer.code == 2
    assert "cannot be a task id" in answer.err
