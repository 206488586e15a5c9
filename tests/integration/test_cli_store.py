"""The commands on queues, workers and records against real stores, and stores that are not there."""

import json
import subprocess
import sys
import threading

import pytest

from tests.integration.command_line import invoke, run, terminal
from tests.waiting import wait_until

pytest_plugins = ["tests.integration.shop"]

# --- status --------------------------------------------------------------------------------------------


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
    assert any(line.split() == ["default", "0", "0", "1", "0", "0"] for line in lines)
    assert any(line.split() == ["other", "0", "1", "0", "0", "0"] for line in lines)
    working.go_on.set()
    sent.get(20)


def test_status_in_json_has_one_object_per_thing(working):
    working.add.apply_async((1,), countdown=3600)

    store, worker, queue = working.cli("status", "--json").objects

    assert store.keys() == {"kind", "url", "namespace", "reachable", "workers", "queues", "slots", "needed"}
    assert (store["slots"], store["needed"]) == (worker["slots"], 0)
    assert (store["kind"], store["reachable"], store["workers"], store["queues"]) == ("store", True, 1, 1)
    assert worker.keys() == {
        *("kind", "id", "name", "host", "pid", "queues", "slots", "running", "started", "seen"),
        *("seen_seconds_ago", "version", "state", "draining", "done", "memory", "cpu", "lag"),
    }
    assert worker["queues"] == ["default", "other"]
    assert queue == {
        "kind": "queue",
        "name": "default",
        "queued": 0,
        "scheduled": 1,
        "running": 0,
        "parked": 0,
        "held": 0,
        "waiting": 0,
        "paused": False,
        "oldest": None,
        "oldest_seconds_ago": None,
    }


def test_status_warns_of_tasks_that_nobody_takes(shop):
    shop.add.delay(1)

    answer = shop.cli("status")
    shop.add.delay(2)

    assert answer.code == 8
    assert "no worker serves the queue default, where 1 task waits" in answer.err
    assert "where 2 tasks wait\n" in shop.cli("status").err
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


# --- revoke, forget, purge -----------------------------------------------------------------------------


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


# --- a store that is not there -------------------------------------------------------------------------


def test_what_waits_for_its_moment_is_rescheduled(shop):
    far, queued = shop.add.apply_async((1,), countdown=3600), shop.add.delay(1)

    moved = shop.cli("reschedule", far.id, queued.id, "--countdown", "90")
    at_once = shop.cli("reschedule", far.id, "--now", "--json")

    assert (moved.code, moved.out) == (7, f"{far.id}  rescheduled\n{queued.id}  not scheduled\n")
    assert at_once.objects == [{"id": far.id, "answer": "rescheduled"}]
    assert shop.cli("reschedule", "nobody", "--eta", "2030-12-31T23:00+01:00").code == 4
    assert shop.cli("reschedule", far.id).code == 2
    assert shop.cli("reschedule", far.id, "--now", "--countdown", "5").code == 2


def test_queues_are_paused_and_resumed_by_their_names(shop):
    shop.add.apply_async((1,), queue="mail")

    paused = shop.cli("pause", "mail", "empty", "mail")
    again = shop.cli("pause", "mail", "--json")
    status = shop.cli("status")

    assert (paused.code, paused.out) == (0, "mail  paused\nempty  paused\n")
    assert again.objects == [{"queue": "mail", "answer": "paused already"}]
    marked = [line.split()[0] for line in status.out.splitlines() if line.endswith("paused")]
    assert marked == ["empty", "mail"]
    assert status.code == 0  # that it waits is what was asked for
    assert shop.cli("resume", "mail", "never").out == "mail  resumed\nnever  not paused\n"
    assert shop.cli("status").code == 8
    assert shop.cli("pause", "a queue").code == 2
    assert "cannot be a queue name" in shop.cli("pause", "a queue").err


COMMANDS = (
    ("status",),
    ("stats",),
    ("top",),
    ("metrics", "--once"),
    ("call", "any.name"),
    ("result", "some-id"),
    ("watch", "some-id"),
    ("watch", "state:running"),
    ("events",),
    ("events", "--follow"),
    ("names",),
    ("flows",),
    ("flows", "some-id"),
    ("dashboard",),
    ("tasks", "state:failed"),
    ("queues",),
    ("export",),
    ("revoke", "some-id"),
    ("forget", "some-id"),
    ("purge", "--yes"),
    ("reschedule", "some-id", "--now"),
    ("explain", "some-id"),
    ("check", "--pending"),
    ("pause", "mail"),
    ("resume", "mail"),
    ("schedules",),
    ("schedules", "pause", "nightly"),
    ("workers", "--tasks"),
    ("drain", "web-1"),
    ("stop", "web-1"),
    ("stack", "some-id"),
    ("logs", "some-id"),
    ("activity",),
)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("url", ["redis://:secret@127.0.0.1:1/0", "sqlite:////nowhere/at/all.db"])
def test_a_store_that_is_away_is_told_in_one_line_within_the_time_out(tmp_path, words, url, monkeypatch):
    monkeypatch.chdir(tmp_path)

    answer = invoke("-b", url, *words)

    assert answer.code == 3
    if words[0] != "metrics":  # which tells it to who reads metrics, too
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


@pytest.mark.redis
def test_who_names_no_namespace_and_finds_nothing_is_told_where_that_was(integration_redis, tmp_path):
    url = integration_redis.url.rpartition("/")[0] + "/9"

    answer = run("-b", url, "status", cwd=tmp_path)
    named = run("-b", url, "--namespace", "other", "status", cwd=tmp_path)

    assert "nothing is in the namespace celeriac" in answer.err
    assert answer.attempts == [f"celeriac -b {url} --namespace NAME status"]
    assert named.err == ""


@pytest.mark.parametrize("words", [("workers",), ("drain",), ("stop",)])
def test_who_names_no_worker_is_led_to_those_that_there_are(working, words):
    wait_until(lambda: working.app.broker.workers(working.app.clock.now()), 20, what="a worker to enlist")

    answer = working.cli(*words, "nobody")

    assert answer.code == 4
    assert answer.attempts[0].endswith(" workers")


def test_where_no_worker_is_alive_another_one_is_suggested(shop):
    assert shop.cli("stop", "*").attempts[0].endswith(" worker --help")
