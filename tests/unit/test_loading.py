"""From what people write after -A to the application, and what they are told when that fails."""

import sys
from pathlib import Path

import pytest

from celeriac import Celeriac
from celeriac.errors import CeleriacError, ConfigurationError
from celeriac.loading import LoadError, guess, import_tasks, load_app, parse, reference_of

APP = "from celeriac import Celeriac\n{name} = Celeriac('{main}', broker='memory://')\n"


class Project:
    """A folder that is the current one, and whose modules are forgotten after the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def app(self, name: str, *, attribute: str = "app", main: str = "shop") -> Path:
        return self.write(name, APP.format(name=attribute, main=main))


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Project(tmp_path)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def failure(reference: str) -> LoadError:
    with pytest.raises(LoadError) as caught:
        load_app(reference)
    return caught.value


# --- finding ----------------------------------------------------------------------------------------


def test_a_module_in_the_current_directory_is_found_and_its_app_taken(project):
    project.app("shop_a.py")

    app = load_app("shop_a")

    assert isinstance(app, Celeriac)
    assert reference_of(app, "shop_a") == "shop_a:app"


def test_the_current_directory_comes_first_on_the_path(project):
    sys.path.insert(0, "/nowhere")

    project.app("shop_b.py")
    load_app("shop_b")

    assert sys.path[0] == str(project.folder)


@pytest.mark.parametrize("attribute", ["app", "celery_app", "celeriac", "celery", "application"])
def test_the_usual_names_win_over_others(project, attribute):
    text = APP.format(name="aaa", main="other") + APP.format(name=attribute, main="shop")
    project.write(f"usual_{attribute}.py", text)

    app = load_app(f"usual_{attribute}")

    assert app.main == "shop"
    assert reference_of(app, f"usual_{attribute}") == f"usual_{attribute}:{attribute}"


def test_a_name_that_is_given_wins_over_the_usual_ones(project):
    text = APP.format(name="app", main="other") + APP.format(name="mine", main="shop")
    project.write("given.py", text)

    assert load_app("given:mine").main == "shop"


def test_the_only_application_is_taken_whatever_its_name(project):
    project.write("only.py", "app = object()\n" + APP.format(name="queue", main="shop") + "same = queue\n")

    app = load_app("only")

    assert app.main == "shop"
    assert reference_of(app, "only") == "only:queue"


def test_an_attribute_may_be_dotted(project):
    project.write("dotted.py", APP.format(name="made", main="shop") + "class box:\n    inside = made\n")

    assert load_app("dotted:box.inside").main == "shop"


@pytest.mark.parametrize("submodule", ["celeriac", "celery", "tasks", "app"])
def test_a_package_without_one_is_searched_in_its_usual_modules(project, submodule):
    package = f"site_{submodule}"
    project.write(f"{package}/__init__.py", "")
    project.app(f"{package}/{submodule}.py", attribute="queue")

    app = load_app(package)

    assert app.main == "shop"
    assert reference_of(app, package) == f"{package}.{submodule}:queue"


def test_a_module_inside_a_package_can_be_named(project):
    project.write("inside/__init__.py", "")
    project.app("inside/celery.py")

    assert load_app("inside.celery").main == "shop"
    assert load_app("inside.celery:app").main == "shop"


def test_a_file_can_be_named(project):
    path = project.app("deep/er/jobs_file.py")

    app = load_app("deep/er/jobs_file.py")

    assert app.main == "shop"
    assert reference_of(app, "deep/er/jobs_file.py:app") == "jobs_file:app"
    assert str(path.parent) in sys.path


def test_a_file_in_a_package_keeps_its_place_in_it(project):
    project.write("src/packed/__init__.py", "name = 'kept'\n")
    project.write("src/packed/jobs.py", "from . import name\n" + APP.format(name="app", main="shop"))

    app = load_app("src/packed/jobs.py")

    assert reference_of(app, "src/packed/jobs.py") == "packed.jobs:app"


def test_a_function_that_makes_the_application_is_called(project):
    project.write("factory.py", "def create_app():\n    " + APP.format(name="a", main="shop").splitlines()[0])
    body = (
        "from celeriac import Celeriac\ndef create_app():\n    return Celeriac('made', broker='memory://')\n"
    )
    project.write("factory.py", body)

    assert load_app("factory:create_app").main == "made"
    app = load_app("factory:create_app()")
    assert reference_of(app, "factory:create_app()") == "factory:create_app"


FLASK = """
from celeriac import Celeriac
from flask import Flask

def create_app():
    web = Flask(__name__)
    web.extensions["celeriac"] = Celeriac("flask", broker="memory://")
    return web

app = create_app()
"""


def test_a_flask_application_keeps_ours_among_its_extensions(project):
    project.write("flasky.py", FLASK)

    assert load_app("flasky:create_app").main == "flask"
    assert load_app("flasky:app").main == "flask"
    assert load_app("flasky").main == "flask"


def test_a_proxy_for_the_current_application_is_none_of_the_modules_own(project):
    project.write("proxied.py", "from celeriac import current_app\n" + APP.format(name="mine", main="shop"))

    assert reference_of(load_app("proxied"), "proxied") == "proxied:mine"


def test_a_module_is_imported_once(project):
    project.write(
        "once.py", "import sys\nsys.once = getattr(sys, 'once', 0) + 1\n" + APP.format(name="app", main="s")
    )

    app = load_app("once")
    reference_of(app, "once")
    load_app("once:app")

    assert sys.once == 1
    del sys.once


# --- failing ----------------------------------------------------------------------------------------


def test_a_missing_module_is_told_with_the_place_and_the_near_name(project):
    project.app("kitchen.py")

    error = failure("kichen")

    assert "there is no module 'kichen'" in error.reason
    assert str(project.folder) in error.reason
    assert "did you mean 'kitchen'?" in error.reason
    assert error.suggestion == "kitchen"
    assert error.traceback == ""


def test_a_missing_module_of_a_package_is_told_with_the_packages_names(project):
    project.write("store/__init__.py", "")
    project.app("store/jobs.py")

    error = failure("store.job")

    assert "'store'" in error.reason
    assert error.suggestion == "store.jobs"


def test_a_missing_package_is_what_is_named(project):
    error = failure("nowhere_at_all.tasks:app")

    assert "there is no module 'nowhere_at_all'" in error.reason


def test_with_nothing_near_the_module_that_makes_an_application_is_suggested(project):
    project.app("zebra.py")

    assert failure("qqq").suggestion == "zebra"


def test_a_dot_in_place_of_the_colon_is_understood_as_a_slip(project):
    project.app("slip.py")

    error = failure("slip.app")

    assert error.suggestion == "slip:app"


def test_what_a_module_lacks_is_told_with_the_traceback_from_its_own_first_line(project):
    path = project.write("broken.py", "import json\nimport no_such_library_here\n")

    error = failure("broken")

    assert (
        "'broken' cannot be imported: ModuleNotFoundError: No module named 'no_such_library_here'"
        in error.reason
    )
    lines = error.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{path}", line 2, in <module>'
    assert "loading.py" not in error.traceback
    assert "importlib" not in error.traceback
    assert error.traceback.rstrip() in str(error)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("raise RuntimeError\n", "RuntimeError"),
        ("from celeriac import Celeriac\nCeleriac(broker='nonsense://', nonsense=1)\n", "nonsense"),
    ],
)
def test_whatever_a_module_raises_is_told(project, text, says):
    path = project.write("raising.py", text)

    error = failure("raising")

    assert says in error.reason
    assert "\n" not in error.reason
    assert f'File "{path}", line' in error.traceback


def test_an_interrupted_import_stays_interrupted(project):
    project.write("slow.py", "raise KeyboardInterrupt\n")

    with pytest.raises(KeyboardInterrupt):
        load_app("slow")


def test_a_module_without_an_application_is_told_with_what_it_has(project):
    project.write("empty.py", "import json\ncolour = 'red'\ndef create_app(): ...\n")

    error = failure("empty")

    assert "has no Celeriac application" in error.reason
    assert "colour (str)" in error.reason
    assert "json" not in error.reason
    assert error.suggestion == "empty:create_app"


def test_a_module_of_the_standard_library_is_named_with_its_file(project):
    error = failure("queue")

    assert "queue.py" in error.reason


def test_several_applications_are_told_by_name(project):
    text = APP.format(name="first", main="a") + APP.format(name="second", main="b")
    project.write("several.py", text)

    error = failure("several")

    assert "2 applications (first, second)" in error.reason
    assert error.suggestion == "several:first"


def test_a_missing_attribute_is_told_with_the_near_one(project):
    project.app("attributed.py")

    error = failure("attributed:ap")

    assert "has no 'ap'; did you mean 'app'?" in error.reason
    assert error.suggestion == "attributed:app"


def test_another_kind_of_thing_is_told_by_its_type(project):
    project.write("thing.py", "x = 3\n" + APP.format(name="app", main="shop"))

    error = failure("thing:x")

    assert "thing:x is a int" in error.reason
    assert error.suggestion == "thing:app"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("def make(need): ...", "without arguments"),
        ("def make(): return 3", "returned a int"),
        ("def make(): raise OSError('disk')", "OSError: disk"),
        ("def make(): import no_such_library_here", "no_such_library_here"),
    ],
)
def test_a_function_that_cannot_make_the_application_is_told(project, body, says):
    project.write("makers.py", body + "\n")

    assert says in failure("makers:make").reason


def test_a_missing_file_is_told(project):
    assert "there is no Python file" in failure("src/none.py").reason


def test_a_file_whose_name_is_taken_by_another_module_is_told(project):
    project.app("lib/queue.py")

    error = failure("lib/queue.py")

    assert "another module has the name 'queue'" in error.reason


@pytest.mark.parametrize(
    "reference",
    [
        "",
        None,
        " ",
        "a b",
        ":app",
        "proj:",
        "proj:a b",
        "proj:app:app",
        "proj..x",
        ".proj",
        "proj;rm",
        "\x1b[31m",
    ],
)
def test_what_cannot_be_a_reference_is_refused_before_anything_is_imported(reference):
    with pytest.raises(ConfigurationError) as caught:
        parse(reference)

    assert not isinstance(caught.value, LoadError)
    assert "\x1b" not in str(caught.value)


# --- what belongs to it -----------------------------------------------------------------------------


def test_the_modules_of_the_settings_are_imported_and_their_errors_told(project):
    project.write("late.py", "raise ValueError('late')\n")
    project.app("early.py")
    app = load_app("early")
    app.conf.include = ["late"]

    with pytest.raises(LoadError, match="ValueError: late") as caught:
        import_tasks(app)

    assert caught.value.traceback.splitlines()[1].endswith('late.py", line 1, in <module>')


def test_a_module_of_the_settings_that_is_missing_is_told(project):
    app = Celeriac("shop", broker="memory://", include=["not_there_at_all"], set_as_current=False)

    with pytest.raises(CeleriacError, match="not_there_at_all"):
        import_tasks(app)


def test_guessing_imports_nothing(project):
    project.write("aaa.py", "raise SystemExit\n")
    project.write("pack/__init__.py", "")
    project.write("pack/jobs.py", "import celeriac\nqueue: celeriac.Celeriac = celeriac.Celeriac('x')\n")

    assert guess() == "pack.jobs"
    assert "pack" not in sys.modules


def test_guessing_finds_nothing_where_nothing_is(project):
    assert guess(project.folder) is None
