import traceback
import types
from datetime import timedelta

import pytest

from celeriac import Celeriac
from celeriac.config import DEFAULTS, Config, describe
from celeriac.errors import ConfigurationError


@pytest.fixture
def conf() -> Config:
    return Config(environment={})


@pytest.fixture
def app() -> Celeriac:
    return Celeriac("configured", broker="memory://", set_as_current=False)


# --- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("task_default_que", "task_default_queue"),
        ("worker_concurency", "worker_concurrency"),
        ("broker", "broker_url"),
        ("TASK_TIME_LIMIT", None),
        ("zzz", None),
    ],
)
def test_an_unknown_option_suggests_the_near_one(conf, wrong, near):
    for action in (
        lambda: conf.update({wrong: 1}),
        lambda: setattr(conf, wrong, 1),
        lambda: conf.__setitem__(wrong, 1),
    ):
        with pytest.raises(ConfigurationError) as caught:
            action()
        assert repr(wrong) in str(caught.value)
        if near:
            assert f"did you mean {near!r}?" in str(caught.value)


def test_reading_an_unknown_option_suggests_the_near_one_too(conf):
    with pytest.raises(AttributeError, match="did you mean 'result_expires'"):
        _ = conf.result_expire


def test_the_application_takes_options_and_refuses_wrong_ones():
    assert Celeriac("a", broker="memory://", task_default_queue="x").conf.task_default_queue == "x"
    with pytest.raises(ConfigurationError, match="did you mean 'task_default_queue'"):
        Celeriac("a", broker="memory://", task_default_que="x")


def test_every_option_has_a_default_a_type_and_a_meaning():
    rows = describe()

    assert [name for name, *_ in rows] == list(DEFAULTS)
    assert all(kind and meaning for _, kind, _, meaning in rows)


def test_every_default_is_legal(conf):
    conf.update(DEFAULTS)

    assert {name: conf[name] for name in conf} == DEFAULTS


# --- values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task_time_limit", "soon"),
        ("task_time_limit", 0),
        ("task_time_limit", -1),
        ("task_time_limit", float("nan")),
        ("worker_concurrency", 0),
        ("worker_concurrency", 1.5),
        ("task_default_priority", 10),
        ("task_default_priority", -1),
        ("task_routes", ["a"]),
        ("imports", 3),
        ("enable_utc", False),
        ("task_serializer", "pickle"),
        ("accept_content", ["pickle"]),
        ("result_expires", timedelta(0)),
        ("timezone", 3),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_option(conf, name, value):
    with pytest.raises(ConfigurationError, match=name):
        conf[name] = value

    assert conf[name] == DEFAULTS[name]


def test_an_unknown_time_zone_is_an_error_at_once(conf):
    with pytest.raises(ConfigurationError, match=r"timezone.*'Mars/Olympus'"):
        conf.timezone = "Mars/Olympus"


def test_the_default_queue_must_be_a_name_that_stores_may_see(conf):
    with pytest.raises(ConfigurationError, match="task_default_queue"):
        conf.task_default_queue = "a\nb"


@pytest.mark.parametrize("name", ["task_time_limit", "task_soft_time_limit"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e300])
def test_a_limit_of_runs_must_be_over_some_day(conf, name, value):
    with pytest.raises(ConfigurationError, match=name):
        conf[name] = value


@pytest.mark.parametrize("value", [0, -1, 1e-9, float("nan"), float("inf")])
def test_ageing_takes_time_and_comes_to_something(conf, value):
    with pytest.raises(ConfigurationError, match="worker_priority_ageing"):
        conf.worker_priority_ageing = value

    conf.worker_priority_ageing = 0.1
    conf.worker_priority_ageing = None


def test_a_timedelta_is_taken_for_seconds(conf):
    conf.result_expires = timedelta(hours=2)

    assert conf.result_expires == 7200.0


def test_update_sets_all_or_none(conf):
    with pytest.raises(ConfigurationError):
        conf.update({"task_default_queue": "mail"}, timezone="UTC", task_time_limit="soon")

    assert conf.task_default_queue == "default"
    assert conf.version == 0


def test_items_and_attributes_are_the_same(conf):
    conf["task_default_queue"] = "mail"
    conf.timezone = "Europe/Berlin"

    assert (conf.task_default_queue, conf["timezone"]) == ("mail", "Europe/Berlin")
    assert conf.get("timezone") == "Europe/Berlin"
    assert conf.get("nothing", 3) == 3
    assert "timezone" in conf
    assert "nothing" not in conf


# --- the environment --------------------------------------------------------------------------------------


def test_every_option_has_a_twin_in_the_environment():
    conf = Config(
        environment={
            "CELERIAC_BROKER_URL": "redis://h/1",
            "CELERIAC_TASK_TIME_LIMIT": "2.5",
            "CELERIAC_WORKER_CONCURRENCY": "4",
            "CELERIAC_TASK_ALWAYS_EAGER": "true",
            "CELERIAC_IMPORTS": "a.tasks, b.tasks",
            "CELERIAC_TASK_ROUTES": '{"mail.*": "mail"}',
            "CELERIAC_ACCEPT_CONTENT": "json",
        }
    )

    assert conf.broker_url == "redis://h/1"
    assert conf.task_time_limit == 2.5
    assert conf.worker_concurrency == 4
    assert conf.task_always_eager is True
    assert conf.imports == ("a.tasks", "b.tasks")
    assert conf.task_routes == {"mail.*": "mail"}
    assert conf.origin("task_time_limit") == "environment CELERIAC_TASK_TIME_LIMIT"
    assert conf.origin("timezone") == "default"


@pytest.mark.parametrize("text", ["1", "true", "True", "yes", "on"])
def test_the_environment_says_yes_in_many_words(text):
    assert Config(environment={"CELERIAC_TASK_ALWAYS_EAGER": text}).task_always_eager is True


@pytest.mark.parametrize("text", ["0", "false", "False", "no", "off"])
def test_the_environment_says_no_in_many_words(text):
    assert Config(environment={"CELERIAC_TASK_ACKS_LATE": text}).task_acks_late is False


@pytest.mark.parametrize("text", ["", "none", "None", "null"])
def test_the_environment_can_say_none(text):
    assert Config(environment={"CELERIAC_TASK_TIME_LIMIT": text}).task_time_limit is None


def test_a_wrong_value_in_the_environment_names_the_variable():
    with pytest.raises(ConfigurationError, match="CELERIAC_WORKER_CONCURRENCY") as caught:
        Config(environment={"CELERIAC_WORKER_CONCURRENCY": "many"})
    assert "msgspec.ValidationError" not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(ConfigurationError, match=r"CELERIAC_TASK_ROUTES: .* must be JSON"):
        Config(environment={"CELERIAC_TASK_ROUTES": "mail"})


def test_code_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("CELERIAC_BROKER_URL", "memory://")
    monkeypatch.setenv("CELERIAC_TASK_DEFAULT_QUEUE", "env")

    assert Celeriac("a", set_as_current=False).broker_url == "memory://"
    assert Celeriac("a", set_as_current=False).conf.task_default_queue == "env"
    assert Celeriac("a", set_as_current=False, task_default_queue="code").conf.task_default_queue == "code"


# --- config_from_object -----------------------------------------------------------------------------------


class Settings:
    task_default_queue = "object"
    timezone = "Europe/Paris"
    something_else = 3
    _private = 4


def test_settings_come_from_a_class_an_instance_or_a_mapping(app):
    for source in (Settings, Settings(), {"task_default_queue": "object", "timezone": "Europe/Paris"}):
        app.conf.update(task_default_queue="default", timezone="UTC")
        app.config_from_object(source)
        assert (app.conf.task_default_queue, app.conf.timezone) == ("object", "Europe/Paris")


def test_settings_come_from_a_module_or_its_name(app, monkeypatch):
    module = types.ModuleType("my_celery_config")
    module.task_default_queue = "module"
    module.__dict__["Path"] = object()
    monkeypatch.setitem(__import__("sys").modules, "my_celery_config", module)

    app.config_from_object("my_celery_config")

    assert app.conf.task_default_queue == "module"


def test_settings_come_from_an_object_in_a_module_as_django_users_write_it(app, monkeypatch):
    module = types.ModuleType("my_django_conf")
    module.settings = types.SimpleNamespace(CELERY_TASK_DEFAULT_QUEUE="django", DEBUG=True, CELERY=1)
    monkeypatch.setitem(__import__("sys").modules, "my_django_conf", module)

    app.config_from_object("my_django_conf:settings", namespace="CELERY")

    assert app.conf.task_default_queue == "django"


def test_with_a_namespace_only_its_names_are_looked_at(app):
    class Lazy:
        CELERIAC_TASK_TIME_LIMIT = 3
        task_default_queue = "not this"
        DATABASES = None

        @property
        def SECRET(self):  # noqa: N802
            raise AssertionError("nobody may look at it")

    app.config_from_object(Lazy(), namespace="celeriac")

    assert app.conf.task_time_limit == 3
    assert app.conf.task_default_queue == "default"


def test_a_wrong_name_in_the_namespace_is_an_error(app):
    with pytest.raises(ConfigurationError, match="did you mean 'task_time_limit'"):
        app.config_from_object({"CELERIAC_TASK_TIME_LIMT": 3}, namespace="CELERIAC")


def test_a_mapping_may_hold_nothing_but_settings(app):
    with pytest.raises(ConfigurationError, match="'something_else' is not a setting"):
        app.config_from_object({"something_else": 3})


def test_a_near_miss_in_a_module_is_an_error(app):
    with pytest.raises(ConfigurationError, match="did you mean 'task_default_queue'"):
        app.config_from_object(types.SimpleNamespace(task_default_queu="x"))


# --- one store --------------------------------------------------------------------------------------------


def test_the_backend_may_be_absent_or_the_same_store():
    assert Celeriac("a", broker="memory://", backend="memory://").broker is not None
    with pytest.raises(ConfigurationError, match="one store keeps tasks and results"):
        Celeriac("a", broker="memory://", backend="redis://localhost/1")


def test_another_backend_is_refused_however_it_was_set(app):
    with pytest.raises(ConfigurationError, match="one store"):
        app.config_from_object({"result_backend": "redis://localhost/1"})

    app.conf.result_backend = "sqlite:///other.db"
    with pytest.raises(ConfigurationError, match="one store"):
        _ = app.broker


def test_no_error_shows_a_password():
    with pytest.raises(ConfigurationError) as caught:
        Celeriac("a", broker="redis://:secret@h/0", backend="redis://u:hidden@h/1")

    assert "secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert "secret" not in repr(Celeriac("a", broker="redis://:secret@h/0", set_as_current=False))


def test_without_a_broker_it_is_a_file_in_the_projects_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("CELERIAC_BROKER_URL", raising=False)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "deep" / "inside").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "inside")

    assert Celeriac("a", set_as_current=False).broker_url == f"sqlite:///{tmp_path}/celeriac.db"


def test_a_deleted_setting_has_its_default_again():
    conf = Config({})
    conf.task_time_limit = 5

    del conf.task_time_limit

    assert conf.task_time_limit is None
    assert conf.origin("task_time_limit") == "default"
    with pytest.raises(AttributeError, match="task_time_limit"):
        del conf.task_time_limt


def test_monkeypatch_can_set_a_setting_for_the_time_of_a_test():
    conf = Config({})
    conf.task_time_limit = 5

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conf, "task_time_limit", 7)
        assert conf.task_time_limit == 7

    # pytest 9 deletes what it did not find in the object's own dictionary; older ones set it back
    assert conf.task_time_limit in (5, None)
