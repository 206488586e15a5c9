import sys
import types

import pytest

from celeriac import AsyncResult, Celeriac, current_app, current_task, shared_task
from celeriac.current import shared_tasks
from celeriac.discovery import project_directory
from celeriac.errors import ConfigurationError, InvalidName, NotRegistered


@pytest.fixture
def app() -> Celeriac:
    return Celeriac("proj", broker="memory://")


@pytest.fixture
def share(monkeypatch):
    """Make shared tasks that are forgotten at the end."""
    before = dict(shared_tasks)
    yield shared_task
    shared_tasks.clear()
    shared_tasks.update(before)


# --- what is current --------------------------------------------------------------------------------------


def test_the_application_made_last_is_current(app):
    assert current_app == app
    assert current_app.main == "proj"
    assert current_app

    other = Celeriac("other", broker="memory://")
    hidden = Celeriac("hidden", broker="memory://", set_as_current=False)

    assert current_app == other
    assert current_app != hidden


def test_the_current_application_can_be_set_through_its_stand_in(app):
    current_app.conf.task_default_queue = "mail"

    assert app.conf.task_default_queue == "mail"


def test_outside_a_run_there_is_no_current_task():
    assert not current_task
    with pytest.raises(RuntimeError, match="no current task"):
        _ = current_task.name


# --- shared tasks -----------------------------------------------------------------------------------------


def test_a_shared_task_belongs_to_whichever_application_is_current(share):
    @share(queue="shared")
    def work(n):
        return n

    first = Celeriac("first", broker="memory://")
    assert work.app is first
    second = Celeriac("second", broker="memory://")
    assert work.app is second

    assert first.tasks[work.name] is second.tasks[work.name] is work
    assert work.delay(1).queue == "shared"
    assert second.AsyncResult(work.delay(1).id).state == "PENDING"


def test_a_shared_task_takes_the_settings_of_the_current_application(share):
    @share
    def work():
        pass

    queues = []
    for queue in ("one", "two"):
        with Celeriac(queue, broker="memory://", task_default_queue=queue):
            queues.append(work.delay().queue)

    assert queues == ["one", "two"]


def test_two_shared_tasks_cannot_share_a_name(share):
    share(name="same")(lambda: 1)

    def other():
        pass

    with pytest.raises(ConfigurationError, match="two tasks are called 'same'"):
        share(name="same")(other)


def test_a_shared_task_can_be_bound_and_async(share):
    @share(bind=True)
    def work(self, n):
        return self.name, n

    @share
    async def later():
        return 3

    assert work(1) == (work.name, 1)
    assert later.name.endswith("later")


# --- finding tasks ----------------------------------------------------------------------------------------


def test_a_task_that_is_not_there_suggests_the_near_one(app):
    app.task(name="proj.add")(lambda: None)

    with pytest.raises(NotRegistered, match=r"did you mean 'proj.add'"):
        app.find_task("proj.ad")
    with pytest.raises(KeyError, match="is its module imported"):
        app.find_task("something.else")


# --- importing --------------------------------------------------------------------------------------------


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Write packages that can be imported, and note the order in which that happens."""
    monkeypatch.syspath_prepend(tmp_path)
    log = types.ModuleType("import_log")
    log.seen = []
    monkeypatch.setitem(sys.modules, "import_log", log)
    before = set(sys.modules)

    def write(**files):
        for path, text in files.items():
            file = tmp_path / f"{path.replace('__', '/')}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            (file.parent / "__init__.py").touch()
            file.write_text(f"import import_log\nimport_log.seen.append(__name__)\n{text}")
        return log.seen

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_modules_are_imported_when_a_worker_starts_not_before(packages):
    seen = packages(alpha__tasks="", beta__jobs="", gamma__tasks="")
    app = Celeriac("proj", broker="memory://", include=["alpha.tasks"], imports=["beta.jobs"])
    app.autodiscover_tasks(["gamma"])
    assert seen == []

    with app.embedded():
        pass

    assert sorted(seen) == ["alpha.tasks", "beta.jobs", "gamma.tasks"]


def test_a_package_without_the_module_is_skipped(packages, app):
    seen = packages(alpha__other="", beta__tasks="")
    app.autodiscover_tasks(lambda: ["alpha", "beta"])

    app.import_modules()

    assert seen == ["beta.tasks"]


def test_another_module_name_can_be_discovered(packages, app):
    seen = packages(alpha__jobs="")
    app.autodiscover_tasks(["alpha"], related_name="jobs")

    app.import_modules()

    assert seen == ["alpha.jobs"]


def test_a_discovered_module_that_fails_is_not_skipped(packages, app):
    packages(alpha__tasks="import nothing_like_it")
    app.autodiscover_tasks(["alpha"])

    with pytest.raises(ModuleNotFoundError, match="nothing_like_it"):
        app.import_modules()


def test_an_entry_of_djangos_installed_apps_stands_for_its_package(packages, app):
    seen = packages(shop__apps="class ShopConfig: ...", shop__tasks="")
    app.autodiscover_tasks(["shop.apps.ShopConfig"])

    app.import_modules()

    assert seen[-1] == "shop.tasks"


def test_a_package_that_is_not_there_is_an_error_with_its_name(app):
    app.autodiscover_tasks(["no_such_package_here"])

    with pytest.raises(ModuleNotFoundError, match="no_such_package_here"):
        app.import_modules()


# --- results, names, places -------------------------------------------------------------------------------


def test_a_result_can_be_made_of_its_id(app):
    result = app.AsyncResult("some-id")

    assert isinstance(result, AsyncResult)
    assert (result.id, result.task_id, str(result)) == ("some-id", "some-id", "some-id")
    assert result == app.AsyncResult("some-id")
    assert len({result, app.AsyncResult("some-id")}) == 1
    assert result.state == "UNKNOWN"
    assert result.info is None


@pytest.mark.parametrize("hostile", ["", "a\nb", "../x", "a" * 10_000, "{x}", "a\0"])
def test_a_hostile_id_is_refused(app, hostile):
    with pytest.raises(InvalidName):
        app.AsyncResult(hostile)


def test_the_projects_directory_is_the_nearest_that_looks_like_one(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    assert project_directory(inner) == tmp_path

    (tmp_path / "a" / "manage.py").touch()
    assert project_directory(inner) == tmp_path / "a"


def test_an_application_can_be_closed_and_used_again(app):
    app.close()
    app.close()

    assert app.broker.queues() == []


def test_a_url_that_names_no_store_is_an_error():
    app = Celeriac("proj", broker="amqp://guest:secret@localhost", set_as_current=False)

    with pytest.raises(ConfigurationError, match="amqp://guest:\\*\\*\\*@localhost") as caught:
        _ = app.broker
    assert "redis://" in str(caught.value)
