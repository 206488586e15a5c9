"""`celeriac doctor`: each fault of a store or its tasks is a finding, with a remedy that can be typed."""

import json
import shlex
import time

import click
import pytest
from click.testing import CliRunner

from celeriac.broker import WorkerInfo
from celeriac.cli.program import program
from celeriac.version import __version__
from tests.integration.command_line import invoke, run, terminal, write_app

pytest_plugins = ["tests.integration.shop"]


def examined(answer):
    """The findings by their code, after a look at what every one must have."""
    found = answer.objects
    for one in found:
        assert one.keys() == {"kind", "code", "severity", "text", "remedy", "command"}
        assert one["text"].endswith((".", "?"))
        assert one["severity"] == "ok" or one["remedy"] or one["code"] == "store", one
        if one["command"]:
            assert_parses(one["command"])
    return {one["code"]: one for one in found}


def assert_parses(line):
    words = shlex.split(line)
    if words[0] != "celeriac":
        assert words[0] in {"redis-cli", "chmod", "ls", "df", "sqlite3", "fuser", "timedatectl"}, line
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(click.Command, "invoke", lambda _self, _context: 0)
        result = CliRunner().invoke(program, words[1:])
    assert result.exit_code == 0, f"{line!r} does not parse: {result.stderr}"


def doctor(shop, *words):
    return shop.cli("doctor", "--json", *words)


def severities(found):
    return {code: one["severity"] for code, one in found.items() if one["severity"] != "ok"}


# --- what is well --------------------------------------------------------------------------------------


def test_a_store_with_its_workers_is_well(working):
    answer = doctor(working)
    found = examined(answer)

    assert answer.code == 0
    assert severities(found).keys() <= {"redis.persistence", "sqlite.place"}
    assert found["workers"]["text"].startswith("1 worker process with ")
    assert __version__ in found["workers.version"]["text"]


def test_people_get_a_line_for_each_thing_and_the_counts_beside_it(working):
    answer = working.cli("doctor")

    assert answer.out.startswith("ok       ")
    assert " ok" in answer.err


def test_in_a_terminal_sentences_are_wrapped_and_coloured(shop):
    with terminal(*shop.where, "doctor", cwd=shop.folder) as screen:
        code = screen.end()

    assert code == 0
    assert "\x1b[32mok" in screen.shown
    assert max(len(line) for line in screen.shown.splitlines()) < 160


# --- workers, queues, schedules -------------------------------------------------------------------------


def test_queues_that_nobody_serves_and_paused_ones_are_found(shop):
    shop.add.delay(1)
    shop.add.apply_async((1,), queue="mail")
    shop.app.broker.pause("mail", shop.app.clock.now())

    answer = doctor(shop)
    found = examined(answer)

    assert answer.code == 0
    assert found["queues.unserved"]["severity"] == "warning"
    assert found["queues.unserved"]["command"].endswith(" worker -Q default")
    assert found["queues.paused"]["command"].endswith(" resume mail")
    assert doctor(shop, "--strict").code == 1


def test_a_worker_of_another_release_is_found(working):
    now = working.app.clock.now()
    other = WorkerInfo("other-worker", "other@host", names=frozenset({"shop.add"}), version="0.0.7")
    working.app.broker.enlist(other, now)

    found = examined(doctor(working))

    assert found["workers.version"]["severity"] == "warning"
    assert "0.0.7" in found["workers.version"]["text"]


def test_a_dead_worker_whom_nobody_buries_is_found(shop):
    broker, long_ago = shop.app.broker, shop.app.clock.now() - 3600
    shop.add.delay(1)
    broker.enlist(WorkerInfo("dead-one", "dead@host", names=frozenset({"shop.add"})), long_ago)
    assert broker.exchange("dead-one", trip=1, want=1, now=long_ago).claims

    found = examined(doctor(shop))

    assert found["workers.dead"]["severity"] == "warning"
    assert "dead@host is dead" in found["workers.dead"]["text"]
    assert "the 1 task" in found["workers.dead"]["text"]


def test_a_worker_that_has_fallen_silent_and_one_from_the_future_are_found(shop):
    now = shop.app.clock.now()
    shop.app.broker.enlist(WorkerInfo("silent-one", "silent@host", lease=60.0), now - 40)
    shop.app.broker.enlist(WorkerInfo("early-one", "early@host"), now + 90)

    found = examined(doctor(shop))

    assert "silent@host has not been heard of" in found["workers.silent"]["text"]
    assert "early@host" in found["workers.clock"]["text"]


def test_a_name_that_nobody_who_listens_knows_is_found(working):
    working.app.send_task("nobody.knows", countdown=3600)

    found = examined(doctor(working))

    assert found["names.unknown"]["severity"] == "warning"
    assert "nobody.knows" in found["names.unknown"]["text"]
    assert found["names.unknown"]["command"].endswith(" check --pending")


def test_schedules_that_are_late_or_broken_are_found(shop):
    from celeriac.broker import Schedule, ScheduleChange

    shop.app.schedules.add("hourly", 3600, "shop.add", (1,))
    [kept] = shop.app.broker.schedules()
    now = shop.app.clock.now()
    late = Schedule("late", kept.entry, due=now - 7200, token="1")
    broken = Schedule("broken", b"{", token="1")
    changes = [ScheduleChange(one.name, "", one) for one in (late, broken)]
    assert shop.app.broker.advance(changes, now) == [True, True]

    answer = doctor(shop)
    found = examined(answer)

    assert answer.code == 1
    assert "'late' was due 7,20" in found["schedules.late"]["text"]
    assert found["schedules.broken"]["severity"] == "error"


# --- the application --------------------------------------------------------------------------------------


def test_every_module_that_cannot_be_imported_is_named_and_the_store_examined_all_the_same(
    tmp_path, empty_project
):
    write_app(tmp_path, include=("no_such_module", "raises", "fine"))
    (tmp_path / "raises.py").write_text("raise RuntimeError('no key')\n")
    (tmp_path / "fine.py").write_text("print('imported')\n")

    answer = invoke("-A", "tasks", "doctor", "--json")

    assert answer.code == 5
    texts = [one["text"] for one in answer.objects if one["code"] == "app.modules"]
    assert len(texts) == 2
    assert "no_such_module" in texts[0]
    assert "RuntimeError: no key" in texts[1]
    assert any(one["code"].startswith("sqlite.") for one in answer.objects)


def test_an_application_that_is_not_there_is_a_finding(empty_project):
    answer = invoke("-A", "nowhere", "doctor", "--json")

    assert answer.code == 5
    assert examined(answer)["app.modules"]["severity"] == "error"


def test_a_schedule_whose_task_is_unknown_is_found(tmp_path, empty_project):
    write_app(tmp_path)
    with_schedule = (tmp_path / "tasks.py").read_text() + "app.schedules.add('s', 60, 'tasks.gone')\n"
    (tmp_path / "tasks.py").write_text(with_schedule)

    found = examined(invoke("-A", "tasks", "doctor", "--json"))

    assert "tasks.gone, which is no task of tasks" in found["schedules.unknown"]["text"]


def test_an_application_without_tasks_is_found(tmp_path, empty_project):
    (tmp_path / "bare.py").write_text(
        f"from celeriac import Celeriac\napp = Celeriac('bare', broker='sqlite:///{tmp_path}/b.db')\n"
    )

    assert examined(invoke("-A", "bare", "doctor", "--json"))["app.modules"]["severity"] == "warning"
    assert not (tmp_path / "b.db").exists()


# --- a store that is not there ----------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["redis://:secret@127.0.0.1:1/0", "sqlite:////nowhere/at/all.db"])
def test_a_store_that_is_away_is_a_finding_within_the_usual_deadline(empty_project, url):
    begun = time.monotonic()

    answer = invoke("-b", url, "doctor", "--json")

    assert time.monotonic() - begun < 6
    assert answer.code == 3
    assert examined(answer)["store"]["severity"] == "error"
    assert "secret" not in answer.out + answer.err


def test_a_file_that_is_not_there_yet_is_a_note_and_is_not_made(tmp_path, empty_project):
    answer = invoke("doctor", "--json")

    assert answer.code == 0
    assert "There is no file" in examined(answer)["sqlite.schema"]["text"]
    assert list(tmp_path.iterdir()) == []


def test_a_store_in_memory_cannot_be_examined(empty_project):
    assert invoke("-b", "memory://", "doctor").code == 2


def test_the_answer_is_one_json_object_for_each_line(shop):
    answer = run(*shop.where, "doctor", "--json", cwd=shop.folder)

    assert all(json.loads(line)["kind"] == "finding" for line in answer.out.splitlines())
    assert answer.err == ""
