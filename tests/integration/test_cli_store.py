"""The commands against real stores: what is said, as text and as JSON, and the exit codes."""

import itertools
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from celeriac import Celeriac
from tests.integration.command_line import invoke, run, terminal
from tests.waiting import wait_until

STORES = ("sqlite", pytest.param("redis", marks=pytest.mark.redis))
UPDATE_KEYS = {
    *("id", "state", "ready", "current", "total", "status", "meta", "result", "error", "error_type"),
}
RECORD_KEYS = {
    *("id", "name", "state", "ready", "queue", "priority", "args", "kwargs", "created", "due", "started"),
    *("finished", "expires", "worker", "retries", "crashes", "root_id", "parent_id", "meta", "result"),
    *("error", "error_type", "traceback"),
}

_numbers = itertools.count(1)


class Shop:
    """An application whose tasks wait for the test, and the command line beside it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.app = Celeriac(f"cli-{next(_numbers)}", broker=url, set_as_current=False)
        self.where = ("-b", url, "--namespace", self.app.main)
        self.folder = folder
        self.reached, self.go_on = threading.Event(), threading.Event()
        shop = self

        @self.app.task(name="shop.add")
        def add(x: int, y: int = 0) -> int:
            return x + y

        @self.app.task(name="shop.greet")
        def greet(name: str) -> str:
            return name

        @self.app.task(name="shop.fail")
        def fail(message: str) -> None:
            raise ValueError(message)

        @self.app.task(name="shop.long", bind=True)
        def long(self) -> str:
            self.update_state(
                state="PROGRESS", meta={"current": 3, "total": 4, "status": "three \x1b[31m of four"}
            )
            shop.reached.set()
            assert shop.go_on.wait(20)
            return "done"

        self.add, self.greet, self.fail, self.long = add, greet, fail, long

    def cli(self, *words: str, **more):
        return invoke(*self.where, *words, **more)

    def run(self, *words: str, **more):
        return run(*self.where, *words, cwd=self.folder, **more)

    def close(self) -> None:
        self.go_on.set()
        self.app.close()


@pytest.fixture(params=STORES)
def shop(request, url_of, tmp_path, monkeypatch):
    for name in ("CELERIAC_APP", "CELERIAC_BROKER_URL", "CELERIAC_NAMESPACE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    shop = Shop(url_of(request.param), tmp_path)
    shop.app.broker.open()
    yield shop
    shop.close()


@pytest.fixture
def working(shop):
    with shop.app.embedded(queues=["default", "other"]):
        yield shop
        shop.go_on.set()


# --- call -------------------------------------------------------------------------------------------


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


# --- result -----------------------------------------------------------------------------------------


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


# --- watch ------------------------------------------------------------------------------------------


def test_watch_writes_lines_until_all_have_ended(working):
    done, running = working.add.delay(1, 2), working.long.delay()
    assert working.reached.wait(20)
    done.get(20)
    threading.Timer(0.5, working.go_on.set).start()

    answer = working.run("watch", done.id, running.id, done.id)

    assert answer.code == 0
    lines = answer.out.splitlines()
    assert f"{done.id}  SUCCESS  3" in lines
    assert f"{running.id}  PROGRESS  3/4  three \\x1b[31m of four" in lines
    assert lines[-1] == f"{running.id}  SUCCESS  done"
    assert answer.err == ""


def test_watch_in_json_writes_each_update(working):
    sent = working.long.delay()
    assert working.reached.wait(20)
    threading.Timer(0.5, working.go_on.set).start()

    answer = working.cli("watch", sent.id, "--json")

    assert answer.code == 0
    assert all(line.keys() == UPDATE_KEYS for line in answer.objects)
    first, last = answer.objects[0], answer.objects[-1]
    assert (first["state"], first["current"], first["total"], first["ready"]) == ("PROGRESS", 3, 4, False)
    assert (last["state"], last["result"], last["ready"]) == ("SUCCESS", "done", True)


def test_watch_reads_ids_from_standard_input(working):
    ids = [working.add.delay(number).id for number in range(3)]

    answer = working.cli("watch", "-", "--json", stdin="\n".join(ids))

    assert {line["id"] for line in answer.objects} == set(ids)
    assert working.cli("watch", "-", stdin="").code == 2


def test_the_exit_code_tells_the_worst_outcome(working):
    good, bad = working.add.delay(1), working.fail.delay("x")
    revoked = working.add.apply_async((1,), countdown=3600)
    revoked.revoke()
    bad.get(20, propagate=False)

    assert working.cli("watch", good.id).code == 0
    assert working.cli("watch", good.id, revoked.id).code == 6
    assert working.cli("watch", good.id, revoked.id, bad.id).code == 1
    assert working.cli("watch", good.id, revoked.id, bad.id, "nobody").code == 4


def test_watch_gives_up_in_time(shop):
    ids = [shop.add.delay(1).id, shop.add.delay(2).id]

    answer = shop.cli("watch", *ids, "--timeout", "0.1")

    assert answer.code == 124
    assert "the 2 tasks have not ended within 0.1 s" in answer.err
    assert answer.attempts[0].endswith(f"watch {ids[0]} {ids[1]}")


def test_watch_draws_bars_in_a_terminal(working):
    sent = working.long.delay()
    assert working.reached.wait(20)

    with terminal(*working.where, "watch", sent.id, cwd=working.folder) as screen:
        screen.wait_for("3/4")
        working.go_on.set()
        code = screen.end()

    assert code == 0
    assert "━" in screen.shown
    assert "\\x1b[31m of four" in screen.shown
    assert "SUCCESS" in screen.shown


def test_bars_can_do_without_colours(working):
    sent = working.add.delay(1)

    with terminal("--no-color", *working.where, "watch", sent.id, cwd=working.folder) as screen:
        assert screen.end() == 0

    assert "SUCCESS" in screen.shown
    assert "\x1b[3" not in screen.shown


def test_a_terminal_without_abilities_gets_lines(working):
    sent = working.add.delay(1)

    with terminal(*working.where, "watch", sent.id, cwd=working.folder) as screen:
        assert screen.end() == 0
        assert "\x1b[" in screen.shown
    with terminal(*working.where, "watch", sent.id, cwd=working.folder, NO_COLOR="1") as screen:
        assert screen.end() == 0


def test_an_interrupted_watch_leaves_the_tasks_alone(working):
    sent = working.long.delay()
    assert working.reached.wait(20)

    with terminal(*working.where, "watch", sent.id, cwd=working.folder) as screen:
        screen.wait_for("3/4")
        screen.process.send_signal(signal.SIGINT)
        code = screen.end()

    assert code == 130
    assert "the tasks run on" in screen.shown
    assert f"watch {sent.id}" in screen.shown
    working.go_on.set()
    assert sent.get(20) == "done"


# --- status -----------------------------------------------------------------------------------------


def test_status_tells_store_workers_and_queues(working):
    sent = working.long.delay()
    assert working.reached.wait(20)
    working.add.apply_async((1,), countdown=3600, queue="other")

    answer = working.run("status")

    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith("store ")
    assert lines[0].endswith("reachable")
    assert any("celeriac@" in line and "default,other" in line and " ago " in line for line in lines)
    assert any(line.split() == ["default", "0", "0", "1", "0"] for line in lines)
    assert any(line.split() == ["other", "0", "1", "0", "0"] for line in lines)
    working.go_on.set()
    sent.get(20)


def test_status_in_json_has_one_object_per_thing(working):
    working.add.apply_async((1,), countdown=3600)

    store, worker, queue = working.cli("status", "--json").objects

    assert store.keys() == {"kind", "url", "namespace", "reachable", "workers", "queues"}
    assert (store["kind"], store["reachable"], store["workers"], store["queues"]) == ("store", True, 1, 1)
    assert worker.keys() == {
        *("kind", "id", "name", "host", "pid", "queues", "slots", "running", "started", "seen"),
        *("seen_seconds_ago", "version"),
    }
    assert worker["queues"] == ["default", "other"]
    assert queue == {
        "kind": "queue",
        "name": "default",
        "queued": 0,
        "scheduled": 1,
        "running": 0,
        "parked": 0,
    }


def test_status_warns_of_tasks_that_nobody_takes(shop):
    shop.add.delay(1)

    answer = shop.cli("status")

    assert answer.code == 8
    assert "no worker serves the queue default, where 1 task waits" in answer.err
    assert shop.cli("status", "--json").code == 8


def test_status_warns_of_names_that_no_worker_knows(working):
    working.app.send_task("nobody.knows")
    wait_until(lambda: working.app.broker.queues()[0].parked == 1, what="the task to be parked")

    answer = working.cli("status")

    assert answer.code == 8
    assert "no worker knows the names of 1 task in the queue default" in answer.err


def test_status_of_an_empty_store_is_well(shop):
    answer = shop.cli("status")

    assert (answer.code, answer.err) == (0, "")


# --- revoke, forget, purge --------------------------------------------------------------------------


def test_revoke_says_what_came_of_each(working):
    running = working.long.delay()
    assert working.reached.wait(20)
    ended = working.add.delay(1)
    ended.get(20)
    waiting = working.add.apply_async((1,), countdown=3600)

    answer = working.run("--json", "revoke", waiting.id, running.id, ended.id, "nobody")

    assert answer.code == 4
    assert [line["answer"] for line in answer.objects] == ["cancelled", "noted", "final", "unknown"]
    assert working.cli("revoke", ended.id).code == 7
    assert waiting.state == "REVOKED"


def test_revoke_can_end_what_runs(shop):
    reached = threading.Event()

    @shop.app.task(name="shop.forever")
    async def forever():
        import asyncio

        reached.set()
        await asyncio.Event().wait()

    with shop.app.embedded():
        running = forever.delay()
        assert reached.wait(20)

        answer = shop.cli("revoke", "--terminate", running.id)

        assert (answer.code, answer.out) == (
            0,
            f"{running.id}  stopping: it runs, and its worker was told to end it\n",
        )
        assert shop.cli("watch", running.id).code == 6


def test_forget_deletes_what_has_ended(working):
    ended = working.add.delay(1)
    ended.get(20)
    waiting = working.add.apply_async((1,), countdown=3600)

    answer = working.run("forget", ended.id)
    others = working.cli("--json", "forget", waiting.id, ended.id)

    assert (answer.code, answer.out) == (0, f"{ended.id}  forgotten\n")
    assert [line["answer"] for line in others.objects] == ["unfinished", "unknown"]
    assert others.code == 4
    assert working.cli("forget", waiting.id).code == 7


def test_purge_refuses_without_a_terminal_and_says_what_it_would_have_done(shop):
    shop.add.delay(1)
    shop.add.apply_async((1,), countdown=3600, queue="mail")

    answer = shop.run("purge")

    assert answer.code == 2
    assert "2 tasks (1 queued, 1 scheduled) in default, mail of " in answer.err
    assert answer.attempts[0].endswith("purge --yes")
    assert len(shop.app.broker.queues()) == 2


def test_purge_with_yes_cancels_all_or_some_queues(shop):
    first = shop.add.delay(1)
    for queue in ("mail", "sms"):
        shop.add.apply_async((1,), queue=queue)

    one = shop.run("--json", "purge", "-Q", "mail,empty", "--yes")
    rest = shop.cli("purge", "--yes")
    none = shop.cli("purge")

    assert one.objects == [{"queue": "mail", "cancelled": 1}, {"queue": "empty", "cancelled": 0}]
    assert rest.out == "default  1 task cancelled\nsms  1 task cancelled\n"
    assert (none.code, none.out) == (0, "")
    assert first.state == "REVOKED"


def test_purge_takes_more_than_one_step(shop):
    shop.add.delay_many([(number,) for number in range(2_500)])

    answer = shop.cli("purge", "--yes")

    assert answer.out == "default  2,500 tasks cancelled\n"


@pytest.mark.parametrize(("typed", "left"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_purge_asks_in_a_terminal(shop, typed, left):
    shop.add.delay(1)

    with terminal(*shop.where, "purge", cwd=shop.folder) as screen:
        screen.wait_for("[y/N]")
        screen.type(typed)
        code = screen.end()

    assert code == 0
    assert "Cancel 1 task (1 queued, 0 scheduled) in default of " in screen.shown.replace("\r\n", "")
    assert len(shop.app.broker.queues()) == left


def test_a_reader_that_goes_away_ends_the_command_quietly(shop):
    command = [sys.executable, "-m", "celeriac", "config", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=shop.folder
    ) as process:
        process.stdout.close()
        said = process.stderr.read()
        code = process.wait(30)

    assert (code, said) == (141, b"")


# --- a store that is not there ------------------------------------------------------------------------


COMMANDS = (
    ("status",),
    ("call", "any.name"),
    ("result", "some-id"),
    ("watch", "some-id"),
    ("revoke", "some-id"),
    ("forget", "some-id"),
    ("purge", "--yes"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("url", ["redis://:secret@127.0.0.1:1/0", "sqlite:////nowhere/at/all.db"])
def test_a_store_that_is_away_is_told_in_one_line_within_the_time_out(tmp_path, words, url, monkeypatch):
    monkeypatch.chdir(tmp_path)

    answer = invoke("-b", url, *words)

    assert answer.code == 3
    assert answer.out == ""
    assert len(answer.err.splitlines()) == 2
    assert "secret" not in answer.err
    assert answer.attempts


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_store_in_memory_cannot_be_seen_from_another_process(words):
    answer = invoke("-b", "memory://", *words)

    assert answer.code == 2
    assert "belongs to one process" in answer.err


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_looking_creates_no_file(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)

    answer = invoke(*words)

    assert answer.code == 3
    assert "there is no store yet" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_a_broken_file_is_told(tmp_path):
    (tmp_path / "celeriac.db").write_bytes(b"no database at all" * 1000)

    answer = run("status", cwd=tmp_path)

    assert answer.code == 3
    assert len(answer.err.splitlines()) == 2


def test_a_url_that_is_none_is_wrong_usage():
    answer = invoke("-b", "mysql://x:secret@y/z", "status")

    assert answer.code == 2
    assert "secret" not in answer.err


def test_json_is_one_object_per_line_whatever_is_in_it(working):
    sent = working.greet.delay("a\nb\u2028\x1b\x9b\U000e0041")
    sent.get(20)

    [line] = working.cli("result", sent.id, "--json").out.splitlines()

    assert json.loads(line)["result"] == "a\nb\u2028\x1b\x9b\U000e0041"
