"""Where application, store and settings come from: the line, the environment, the code."""

import pytest

from celeriac import Celeriac
from celeriac.cli.codes import Exit
from celeriac.config import DEFAULTS
from tests.integration.command_line import invoke, run, write_app

pytest_plugins = ["tests.integration.shop"]
pytestmark = pytest.mark.usefixtures("empty_project")


# --- the application ----------------------------------------------------------------------------------


def test_the_application_comes_from_the_option_or_the_environment(tmp_path):
    write_app(tmp_path)

    by_option = invoke("-A", "tasks", "--json", "config", "broker_url")
    after = invoke("config", "broker_url", "--json", "-A", "tasks:app")
    by_environment = invoke("--json", "config", "broker_url", env={"CELERIAC_APP": "tasks"})

    assert by_option.objects == after.objects == by_environment.objects
    assert by_option.objects[0]["value"] == f"sqlite:///{tmp_path}/tasks.db"
    assert by_option.objects[0]["origin"] == "code"


def test_what_a_module_prints_is_no_part_of_the_answer(tmp_path):
    path = write_app(tmp_path)
    path.write_text(path.read_text() + "print('hello')\n")

    answer = invoke("-A", "tasks", "--json", "status")

    assert answer.objects[0]["kind"] == "store"
    assert answer.err == "hello\n"


def test_an_application_that_cannot_be_loaded_is_code_5(tmp_path):
    write_app(tmp_path)

    answer = invoke("-A", "task", "status")

    assert answer.code == Exit.APPLICATION
    assert "did you mean 'tasks'?" in answer.err
    assert answer.attempts == ["celeriac -A tasks status"]


@pytest.mark.parametrize(
    ("words", "attempt"),
    [
        (["-A", "task", "call", "a", "two words"], "celeriac -A tasks call a 'two words'"),
        (["call", "a", "--app=task"], "celeriac call a --app=tasks"),
        (["result", "an-id", "--app", "task"], "celeriac result an-id --app tasks"),
        (
            ["-b", "redis://:secret@h/0", "-A", "task", "watch", "x"],
            "celeriac -b 'redis://:***@h/0' -A tasks watch x",
        ),
    ],
)
def test_the_line_to_try_is_the_one_that_was_typed_with_the_near_application(tmp_path, words, attempt):
    write_app(tmp_path)

    assert invoke(*words).attempts == [attempt]
    assert invoke("call", "a", env={"CELERIAC_APP": "task"}).attempts == ["celeriac -A tasks call a"]


def test_the_users_own_error_is_shown_from_their_first_line(tmp_path):
    path = tmp_path / "tasks.py"
    path.write_text("import no_such_library\n")

    answer = invoke("-A", "tasks", "call", "tasks.add")

    assert answer.code == Exit.APPLICATION
    assert answer.err.startswith("celeriac: the module 'tasks' cannot be imported: ModuleNotFoundError")
    assert f'  File "{path}", line 1, in <module>' in answer.err
    assert answer.err.count("File ") == 1


def test_with_an_application_a_call_is_checked(tmp_path):
    write_app(tmp_path)

    unknown, unfit, fits = (
        invoke("-A", "tasks", "call", *words)
        for words in (["tasks.ad", "1", "2"], ["tasks.add", "1"], ["tasks.add", "1", "2"])
    )

    assert unknown.code == Exit.UNKNOWN
    assert "did you mean 'tasks.add'?" in unknown.err
    assert unfit.code == Exit.USAGE
    assert "missing a required argument: 'y'" in unfit.err
    assert fits.code == 0


def test_an_eager_application_runs_the_call_here_and_says_so(tmp_path):
    write_app(tmp_path, task_always_eager=True)

    answer = invoke("-A", "tasks", "call", "tasks.add", "1", "2")

    assert (answer.code, answer.out) == (0, "3\n")
    assert "task_always_eager" in answer.err


def test_the_store_on_the_command_line_wins_over_the_applications_own(tmp_path):
    write_app(tmp_path)

    answer = invoke("-A", "tasks", "-b", f"sqlite:///{tmp_path}/other.db", "call", "tasks.add", "1", "2")

    assert answer.code == 0
    assert (tmp_path / "other.db").exists()
    assert not (tmp_path / "tasks.db").exists()


def test_a_slip_in_the_stores_name_creates_no_file(tmp_path):
    write_app(tmp_path)

    own, slip = invoke("-A", "tasks", "status"), invoke("-A", "tasks", "-b", "sqlite:///slip.db", "status")

    assert (own.code, slip.code) == (0, 3)
    assert not (tmp_path / "slip.db").exists()


def test_the_store_in_the_environment_does_not_win_over_the_code(tmp_path):
    write_app(tmp_path)

    answer = invoke(
        "-A", "tasks", "--json", "config", "broker_url", env={"CELERIAC_BROKER_URL": "sqlite:///env.db"}
    )

    assert answer.objects[0]["value"].endswith("tasks.db")


def test_without_an_application_the_environment_names_the_store(tmp_path):
    url = f"sqlite:///{tmp_path}/env.db"
    with Celeriac("any", broker=url, set_as_current=False) as app:
        app.broker.open()

    answer = invoke("status", "--json", env={"CELERIAC_BROKER_URL": url})

    assert answer.objects[0]["url"] == url


def test_what_is_tried_next_keeps_the_global_options(tmp_path):
    url = f"sqlite:///{tmp_path}/x y.db"
    invoke("-b", url, "call", "some.name")

    answer = invoke("-b", url, "--namespace", "shop", "result", "nobody")

    assert answer.attempts == [f"celeriac -b 'sqlite:///{tmp_path}/x y.db' --namespace shop status"]


# --- the environment ----------------------------------------------------------------------------------


def test_a_commands_option_comes_from_its_variable(tmp_path):
    url = f"sqlite:///{tmp_path}/x.db"

    answer = invoke("-b", url, "call", "some.name", env={"CELERIAC_CALL_QUEUE": "mail", "CELERIAC_JSON": "1"})
    waiting = invoke("-b", url, "status", "--json")

    assert answer.objects[0]["name"] == "some.name"
    assert waiting.objects[1]["name"] == "mail"


# --- config -------------------------------------------------------------------------------------------


def test_config_shows_every_setting_with_its_origin(tmp_path):
    write_app(tmp_path, task_default_queue="mail")

    answer = invoke("-A", "tasks", "--json", "config", env={"CELERIAC_WORKER_LEASE": "30"})

    by_name = {row["name"]: row for row in answer.objects}
    assert list(by_name) == list(DEFAULTS)
    assert all(
        row.keys() == {"name", "value", "default", "origin", "where", "type", "meaning"}
        for row in answer.objects
    )
    assert (by_name["task_default_queue"]["value"], by_name["task_default_queue"]["origin"]) == (
        "mail",
        "code",
    )
    assert by_name["worker_lease"]["value"] == 30
    assert by_name["worker_lease"]["origin"] == "environment CELERIAC_WORKER_LEASE"
    assert by_name["task_time_limit"]["origin"] == "default"


def test_config_calls_default_what_the_application_never_set(tmp_path):
    write_app(tmp_path)

    words = ("-A", "tasks", "--json", "config", "include")
    [here] = run(*words, cwd=tmp_path).objects
    [outside] = run(*words, cwd=tmp_path, CELERIAC_INCLUDE="more").objects

    assert (here["origin"], here["where"]) == ("default", None)
    assert (outside["origin"], outside["value"]) == ("environment CELERIAC_INCLUDE", ["more"])


def test_config_shows_what_was_asked_for_as_text(tmp_path):
    write_app(tmp_path)

    answer = invoke("-A", "tasks", "config", "worker_lease", "timezone")

    assert [line.split() for line in answer.out.splitlines()] == [
        ["name", "value", "origin"],
        ["timezone", '"UTC"', "default"],
        ["worker_lease", "10.0", "default"],
    ]


def test_config_says_which_line_or_object_has_set_a_value(tmp_path):
    (tmp_path / "settings.py").write_text("task_default_queue = 'mail'\n")
    (tmp_path / "tasks.py").write_text(
        "from celeriac import Celeriac\n"
        f"app = Celeriac('tasks', broker='sqlite:///{tmp_path}/x.db')\n"
        "app.config_from_object('settings')\n"
        "app.conf.worker_lease = 20\n"
        "app.conf.update(timezone='Europe/Berlin')\n"
    )
    names = ("broker_url", "task_default_queue", "worker_lease", "timezone", "imports")

    answer = invoke("-A", "tasks", "--json", "config", "show", *names)
    text = invoke("-A", "tasks", "config", "show", "--origin", "worker_lease")
    overridden = invoke("-A", "tasks", "-b", "sqlite:///y.db", "--json", "config", "broker_url")

    path = tmp_path / "tasks.py"
    assert {row["name"]: row["where"] for row in answer.objects} == {
        "broker_url": f"{path}:2",
        "task_default_queue": "settings",
        "worker_lease": f"{path}:4",
        "timezone": f"{path}:5",
        "imports": None,
    }
    assert text.out.splitlines()[1].split() == ["worker_lease", "20.0", "code", f"{path}:4"]
    assert (overridden.objects[0]["origin"], overridden.objects[0]["where"]) == ("command line", None)


def test_config_can_show_only_what_is_not_the_default(tmp_path):
    answer = invoke("-b", f"sqlite:///{tmp_path}/x.db", "--json", "config", "--changed")

    assert [(row["name"], row["origin"]) for row in answer.objects] == [("broker_url", "command line")]


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:secret@127.0.0.1:1/0",
        "redis://127.0.0.1:1/0?password=secret",
        "unix:///tmp/x.sock?password=secret",
        "rediss+sentinel://:secret@127.0.0.1:1/name?sentinel_password=secret",
    ],
)
def test_no_password_is_ever_shown(url):
    for words in (["config"], ["config", "--json"], ["status"], ["result", "nobody"]):
        answer = invoke("-b", url, *words, env={"CELERIAC_BROKER_CONNECTION_TIMEOUT": "0.1"})

        assert "secret" not in answer.out + answer.err
        assert "***" in answer.out + answer.err


def test_a_wrong_setting_in_the_environment_is_told():
    answer = invoke("config", env={"CELERIAC_WORKER_LEASE": "soon"})

    assert answer.code == Exit.USAGE
    assert "'worker_lease' must be" in answer.err
