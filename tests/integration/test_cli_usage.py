"""What can be typed: options and their environment, help, problems and what they say to try, completion."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.core import ParameterSource

from celeriac import __version__, cli
from celeriac.cli.codes import Exit
from celeriac.cli.problems import Problem, problem_of, told
from celeriac.cli.program import COMMANDS, ELSEWHERE, program
from celeriac.cli.session import Session
from celeriac.config import DEFAULTS
from celeriac.errors import MissingExtra, SchemaError, UnknownTask
from celeriac.errors import TimeoutError as WaitTimeout
from celeriac.loading import LoadError
from tests.integration.command_line import (
    Answer,
    assert_attempts_parse,
    environment,
    invoke,
    run,
    terminal,
    write_app,
)

pytest_plugins = ["tests.integration.shop"]
pytestmark = pytest.mark.usefixtures("empty_project")

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference" / "cli.md"
GLOBAL_VARIABLES = {"app": "CELERIAC_APP", "broker": "CELERIAC_BROKER_URL", "namespace": "CELERIAC_NAMESPACE"}


def own_parameters() -> list[tuple[str, click.Parameter]]:
    """Return every parameter with its command's name, without what commands share and what is idle."""
    context = click.Context(program)
    found = [("", parameter) for parameter in program.params]
    for name in COMMANDS:
        command = program.get_command(context, name)
        assert command is not None
        found += [
            (name, parameter) for parameter in command.params if not getattr(parameter, "hidden", False)
        ]
    return found


# --- the program --------------------------------------------------------------------------------------


def test_without_words_the_help_is_shown():
    bare, asked, short = invoke(), invoke("--help"), invoke("-h")

    assert bare.code == asked.code == 0
    assert bare.out == asked.out == short.out
    assert all(f"  {name} " in bare.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_names_the_global_options(name):
    answer = invoke(name, "--help")

    assert answer.code == 0
    assert answer.out.startswith(f"Usage: celeriac {name} ")
    assert "--namespace" in answer.out


@pytest.mark.parametrize(
    "command", [["celeriac"], [sys.executable, "-m", "celeriac"]], ids=["script", "module"]
)
def test_it_runs_as_a_script_and_as_a_module(command, tmp_path):
    if command == ["celeriac"]:
        command = [shutil.which("celeriac", path=str(Path(sys.executable).parent)) or "celeriac"]

    done = subprocess.run([*command, "-V"], capture_output=True, text=True, cwd=tmp_path, env=environment())

    assert (done.returncode, done.stdout, done.stderr) == (0, f"celeriac {__version__}\n", "")


def test_importing_the_command_line_imports_nothing_slow():
    script = "import sys, celeriac.cli; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    slow = {
        "rich",
        "redis",
        "sqlite3",
        "asyncio",
        "flask",
        "celeriac.worker.supervisor",
        "celeriac.brokers.sqlite",
    }
    assert slow & set(done.stdout.split()) == set()


def test_a_problem_of_the_programs_own_is_a_bug_and_looks_like_one(monkeypatch):
    def broken(_session):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(Session, "app", property(broken))
    from click.testing import CliRunner

    result = CliRunner().invoke(program, ["config"])

    assert result.exit_code == Exit.BUG
    assert "Traceback" in result.stderr
    assert "this is a bug" in result.stderr


# --- wrong usage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says", "attempt"),
    [
        (["wroker"], "did you mean 'worker'?", "celeriac worker --help"),
        (["xyzzy"], "there is no command 'xyzzy'", "celeriac --help"),
        (["\x1b[31m"], "there is no command '\\x1b[31m'", "celeriac --help"),
        (["--nope"], "No such option '--nope'", "celeriac --help"),
        (["status", "--nope"], "No such option '--nope'", "celeriac status --help"),
        (["status", "extra"], "extra", "celeriac status --help"),
        (["result"], "Missing argument 'ID'", "celeriac result --help"),
        (["watch"], "Missing argument 'ID|FILTER...'", "celeriac watch --help"),
        (["status", "-b", "foo://x"], "is not the URL of a store", "celeriac status --help"),
        (["-b", "foo://x", "status"], "is not the URL of a store", "celeriac --help"),
        (["flower"], "is called dashboard", "celeriac dashboard --help"),
        (["-A"], "requires an argument", "celeriac --help"),
        (["-A", "no such", "status"], "does not say where the application is", "celeriac --help"),
        (["-A", "proj:", "status"], "does not say where the application is", "celeriac --help"),
        (["completion", "tcsh"], "'tcsh'", "celeriac completion --help"),
        (["config", "brokerurl"], "did you mean 'broker_url'?", "celeriac config broker_url"),
        (["purge", "-Q", " , "], "names no queue", "celeriac purge --help"),
        (["purge", "-Q", "a b"], "cannot be a queue name", "celeriac purge --help"),
        (["result", "x", "--timeout", "1"], "--wait", "celeriac result --help"),
    ],
)
def test_wrong_usage_is_one_line_and_one_command_to_try(words, says, attempt):
    answer = invoke(*words)

    assert answer.code == (Exit.UNKNOWN if words[0] == "config" else Exit.USAGE)
    assert answer.out == ""
    assert len(answer.err.splitlines()) == 2
    assert answer.err.startswith("celeriac: ")
    assert says in answer.err
    assert answer.attempts == [attempt]


@pytest.mark.parametrize("word", ELSEWHERE)
def test_celerys_words_are_answered_with_ours(word):
    answer = invoke(word, "anything")

    assert answer.code == Exit.USAGE
    assert f"there is no command {word!r}: " in answer.err
    assert answer.attempts


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SchemaError("its layout is newer"), Exit.STORE),
        (UnknownTask("gone"), Exit.UNKNOWN),
        (WaitTimeout("late"), Exit.TIMEOUT),
        (LoadError("no"), Exit.APPLICATION),
        (MissingExtra("redis:// needs redis-py: pip install 'celeriac[redis]'"), Exit.USAGE),
    ],
)
def test_every_kind_of_error_has_a_code_and_something_to_try(error, code):
    for command in ("", *COMMANDS):
        problem = problem_of(error, command=command)
        line = problem.command or Session().again(*problem.attempt)
        text = told(problem, line)

        assert problem.code == code
        assert_attempts_parse(Answer(int(code), "", text))
        assert len(text.splitlines()) == 2


def test_what_is_told_cannot_move_the_cursor():
    text = told(Problem("a\nb\x1b[2J\u202e", code=Exit.USAGE, details="x\x07\n\ty"), "celeriac status")

    assert text.splitlines()[0] == "celeriac: a\\nb\\x1b[2J\\u202e"
    assert "\x1b" not in text
    assert "x\\x07\n\ty" in text


def test_exit_codes_are_in_the_docstring_and_in_the_reference():
    table = {int(number) for number in re.findall(r"^    (\d+)  ", cli.__doc__, re.MULTILINE)}
    page = {int(number) for number in re.findall(r"^\| (\d+) \|", REFERENCE.read_text(), re.MULTILINE)}

    assert table == {int(code) for code in Exit}
    assert page == table


# --- completion and colours ---------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_of_a_shell_is_printed(shell, tmp_path):
    answer = run("completion", shell, cwd=tmp_path)

    assert answer.code == 0
    assert "_CELERIAC_COMPLETE" in answer.out
    assert "celeriac" in answer.out


def test_the_completion_in_bash_completes_commands_and_options(tmp_path):
    def complete(line: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "celeriac"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(
                _CELERIAC_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(line.split(" ")) - 1)
            ),
        )
        return [entry.partition(",")[2] for entry in done.stdout.splitlines()]

    assert complete("celeriac wo") == ["worker", "workers"]
    assert "--traceback" in complete("celeriac result --tr")
    assert complete("celeriac completion b") == ["bash"]


def test_the_script_for_bash_is_valid(tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    answer = run("completion", "bash", cwd=tmp_path)

    done = subprocess.run([bash, "-n"], input=answer.out, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


def test_an_encoding_without_the_character_is_no_failure(tmp_path):
    url = f"sqlite:///{tmp_path}/x.db"

    answer = run("-b", url, "call", "näme", cwd=tmp_path, PYTHONIOENCODING="ascii")
    wrong = run("-b", url, "call", "né me", cwd=tmp_path, PYTHONIOENCODING="ascii")

    assert answer.code == 0
    assert wrong.code == Exit.USAGE


def test_help_fits_a_terminal(tmp_path):
    with terminal("--help", cwd=tmp_path) as screen:
        assert screen.end() == 0

    assert "Usage: celeriac" in screen.shown


def test_every_option_has_a_variable_and_a_line_of_help():
    for name, parameter in own_parameters():
        if not isinstance(parameter, click.Option) or parameter.name in ("version", "help"):
            continue
        assert parameter.help, f"{name} {parameter.name} has no help"
        assert parameter.allow_from_autoenv or parameter.envvar == GLOBAL_VARIABLES.get(parameter.name)


def test_the_variable_of_every_commands_option_is_made_of_its_long_name(monkeypatch):
    above = click.Context(program, info_name="celeriac", auto_envvar_prefix="CELERIAC")
    tried = 0
    for name, option in own_parameters():
        if not name or not isinstance(option, click.Option):
            continue
        long = next(word for word in option.opts if word.startswith("--"))
        twin = f"CELERIAC_{name}_{long[2:]}".upper().replace("-", "_")
        if (name, long) == ("beat", "--schedule"):
            twin = "CELERIAC_BEAT_PREVIEW_SCHEDULE"
        context = click.Context(program.get_command(above, name), info_name=name, parent=above)
        with monkeypatch.context() as patch:
            patch.setenv(twin, "1")
            _, source = option.consume_value(context, {})
        assert source is ParameterSource.ENVIRONMENT, f"{twin} is not read"
        tried += 1
    assert tried > 100


def test_no_options_variable_is_a_setting_that_means_something_else():
    ours = {option.envvar for name, option in own_parameters() if name and isinstance(option, click.Option)}
    settings = {f"CELERIAC_{name.upper()}" for name in DEFAULTS}

    page = REFERENCE.read_text().partition("variables that are also")[2].partition("\n\n")[0]

    assert ours & settings <= set(re.findall(r"CELERIAC_\w+", page))


def test_variables_do_what_options_do(tmp_path):
    write_app(tmp_path)
    values = {"CELERIAC_CALL_ARGS": "[1, 2]", "CELERIAC_CALL_ID": "mine", "CELERIAC_APP": "tasks"}

    assert run("call", "tasks.add", cwd=tmp_path, **values).out == "mine\n"
    shown = run("export", cwd=tmp_path, CELERIAC_APP="tasks", CELERIAC_EXPORT_FORMAT="ndjson").objects
    assert [each["args"] for each in shown] == [[1, 2]]
    purged = run("dead", "drop", "--yes", cwd=tmp_path, CELERIAC_APP="tasks", CELERIAC_DEAD_ALL="1")
    assert purged.code == 0


# --- the reference ------------------------------------------------------------------------------------


def test_the_reference_has_every_command_and_every_option():
    page = REFERENCE.read_text()
    for name in COMMANDS:
        assert f"\n## `celeriac {name}" in page, f"{name} has no section"
    sections = {
        name: page.partition(f"\n## `celeriac {name}")[2].partition("\n## ")[0] for name in COMMANDS
    } | {"": page.partition("\n## `celeriac ")[0]}
    context = click.Context(program)
    for name, parameter in own_parameters():
        if isinstance(parameter, click.Option):
            for word in parameter.opts:
                assert f"`{word}" in sections[name] or f", {word}" in sections[name], (
                    f"{name or 'celeriac'} {word}"
                )
    for parameter in program.get_command(context, "worker").params:
        if parameter.hidden and parameter.name not in {p.name for p in program.params}:
            assert f"`{parameter.opts[-1]}" in sections["worker"], parameter.opts


COMMAND_IN_A_PAGE = re.compile(r"^\$ (?:[A-Z_]+=\S+ )*celeriac ([^|>#\n]*)", re.MULTILINE)
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_shows_parses(page):
    for words in COMMAND_IN_A_PAGE.findall(page.read_text()):
        line = f"celeriac {words.strip()}"
        assert_attempts_parse(Answer(0, "", f"try: {line}"))
