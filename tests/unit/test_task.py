import asyncio
import pickle
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest

from celeriac import Celeriac, Task, current_task
from celeriac.errors import ConfigurationError, InvalidName, Retry
from celeriac.jobs import TaskJob, executor_of
from celeriac.task import AsyncTask


@pytest.fixture
def app() -> Celeriac:
    return Celeriac("proj", broker="memory://", set_as_current=False)


# --- of functions -----------------------------------------------------------------------------------------


def test_a_decorated_function_is_a_task_that_can_still_be_called(app):
    @app.task
    def add(x: int, y: int) -> int:
        """Add."""
        return x + y

    assert isinstance(add, Task)
    assert add(1, y=2) == 3
    assert add.__doc__ == "Add."
    assert app.tasks[add.name] is add


def test_an_async_function_is_a_task_that_gives_a_coroutine(app):
    @app.task
    async def add(x: int, y: int) -> int:
        return x + y

    assert isinstance(add, AsyncTask)
    assert asyncio.run(add(1, y=2)) == 3


def test_a_task_is_named_after_module_and_function(app):
    @app.task
    def plain():
        pass

    @app.task(name="my.name")
    def named():
        pass

    def in_a_script():
        pass

    in_a_script.__module__ = "__main__"

    assert plain.name.endswith("test_task.test_a_task_is_named_after_module_and_function.<locals>.plain")
    assert named.name == "my.name"
    assert app.task(in_a_script).name.startswith("proj.test_a_task")


def test_options_become_attributes(app):
    @app.task(
        queue="mail",
        priority=3,
        max_retries=None,
        default_retry_delay=1.5,
        autoretry_for=(OSError,),
        dont_autoretry_for=(FileNotFoundError,),
        retry_backoff=2,
        retry_backoff_max=30,
        retry_jitter=False,
        time_limit=10,
        soft_time_limit=9,
        expires=60,
        ignore_result=True,
        crash_limit=1,
        executor="process",
        throws=(KeyError,),
        acks_late=False,
        reject_on_worker_lost=False,
        track_started=False,
    )
    def busy():
        pass

    job = TaskJob(busy, app.conf)

    assert (busy.queue, busy.priority, busy.expires, busy.crash_limit) == ("mail", 3, 60, 1)
    assert (job.time_limit, job.soft_time_limit, job.ignore_result) == (10, 9, True)
    assert (job.executor, job.throws) == ("process", (KeyError,))
    assert (job.policy.max_retries, job.policy.delay) == (None, 1.5)
    assert job.policy.wants(OSError())
    assert not job.policy.wants(FileNotFoundError())
    assert [job.policy.seconds(retries, 0.5) for retries in (0, 1, 9)] == [2, 4, 30]


@pytest.mark.parametrize("given", [True, 1])
def test_backoff_true_is_one_second(app, given):
    @app.task(retry_backoff=given, retry_jitter=False)
    def busy():
        pass

    assert TaskJob(busy, app.conf).policy.seconds(1, 0.5) == 2


def test_limits_and_results_follow_the_application_unless_the_task_says_otherwise(app):
    app.conf.update(task_time_limit=5, task_soft_time_limit=4, task_ignore_result=True)

    @app.task
    def silent():
        pass

    @app.task(time_limit=9, ignore_result=False)
    def own():
        pass

    job, own_job = TaskJob(silent, app.conf), TaskJob(own, app.conf)
    assert (job.time_limit, job.soft_time_limit, job.ignore_result) == (5, 4, True)
    assert (own_job.time_limit, own_job.soft_time_limit, own_job.ignore_result) == (9, 4, False)


def test_an_unknown_option_suggests_the_near_one(app):
    with pytest.raises(ConfigurationError, match="did you mean 'max_retries'"):

        @app.task(max_retry=3)
        def wrong():
            pass


@pytest.mark.parametrize("thing", [3, "name"])
def test_a_task_is_made_of_a_function(app, thing):
    with pytest.raises(ConfigurationError, match="makes a task of a function"):
        app.task(thing)


def test_a_callable_without_a_name_needs_one(app):
    with pytest.raises(ConfigurationError, match="name"):
        app.task(partial(int, base=2))

    task = app.task(name="binary")(partial(int, base=2))

    assert task("101") == 5


@pytest.mark.parametrize(
    ("name", "error"), [("a\nb", InvalidName), ("x" * 10_000, InvalidName), ("a b", InvalidName)]
)
def test_a_hostile_name_is_refused_when_the_task_is_made(app, name, error):
    with pytest.raises(error):
        app.task(name=name)(lambda: None)


def test_a_hostile_queue_is_refused_when_the_task_is_made(app):
    with pytest.raises(InvalidName):
        app.task(queue="a\nb")(lambda: None)


INFINITE, HUGE = float("inf"), 10**5_000


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("priority", [-1, 10, 1.5, "high", True]),
        ("max_retries", [-1, 2.5, "x", True, HUGE]),
        ("default_retry_delay", [-1, INFINITE, float("nan"), "soon", None]),
        ("autoretry_for", ["OSError", (OSError, "x"), (3,), int, None]),
        ("dont_autoretry_for", [5, (object,)]),
        ("retry_backoff", [-1, INFINITE, "yes", None]),
        ("retry_backoff_max", [-1, INFINITE, HUGE, None]),
        ("retry_jitter", ["no", 2]),
        ("time_limit", [-1, INFINITE, float("nan"), "5", True, timedelta(-1), HUGE]),
        ("soft_time_limit", [-1, INFINITE, float("nan"), "5"]),
        ("expires", ["never", INFINITE, float("nan"), HUGE]),
        ("ignore_result", ["no", 1]),
        ("crash_limit", [-1, 1.5, "x", 2**63]),
        ("executor", ["greenlet", 3, ["loop"]]),
        ("throws", ["KeyError", (KeyError, 3)]),
        ("concurrency", [0, 1.5, "x", 2**63, True]),
        ("key", [5, ("n",)]),
        ("fair", ["no"]),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused_with_the_name_of_the_task(app, option, values):
    for value in values:
        with pytest.raises(ConfigurationError, match=rf"^shop\.wrong: {option} is .*, not "):
            app.task(name="shop.wrong", **{option: value})(lambda n: n)


@pytest.mark.parametrize("rate", [1e-13, "1e-13", 10**400, INFINITE, "fast", 0, None])
def test_a_rate_that_cannot_be_meant_is_refused_with_the_name_of_the_task(app, rate):
    with pytest.raises(ConfigurationError, match=r"^shop\.wrong: .*rate"):
        app.task(name="shop.wrong", rate_limit=rate, burst=5)(lambda n: n)


@pytest.mark.parametrize("burst", [0, 1.5, "x", 10**400])
def test_a_burst_that_cannot_be_meant_is_refused_with_the_name_of_the_task(app, burst):
    with pytest.raises(ConfigurationError, match=r"^shop\.wrong: burst is"):
        app.task(name="shop.wrong", rate_limit=1, burst=burst)(lambda n: n)


@pytest.mark.parametrize(
    "options", [{"unique": True}, {"throttle": 5}, {"debounce": 5}, {"fair": True}, {"concurrency": 1}]
)
def test_a_key_must_name_an_argument_whatever_it_is_for(app, options):
    with pytest.raises(ConfigurationError, match=r"shop\.wrong: its key 'm' is no argument; it has n"):
        app.task(name="shop.wrong", key="m", **options)(lambda n: n)


def test_the_options_of_a_class_are_checked_too(app):
    class Wrong(Task):
        name = "shop.wrong"
        time_limit = float("inf")

        def run(self):
            pass

    with pytest.raises(ConfigurationError, match=r"shop\.wrong: time_limit"):
        app.register_task(Wrong)


def test_spans_may_be_timedeltas_and_a_single_exception_stands_for_a_tuple(app):
    @app.task(
        time_limit=timedelta(minutes=1),
        soft_time_limit=timedelta(seconds=50),
        default_retry_delay=timedelta(seconds=5),
        retry_backoff=timedelta(seconds=2),
        retry_backoff_max=timedelta(hours=1),
        autoretry_for=OSError,
        dont_autoretry_for=[FileNotFoundError],
        throws=KeyError,
    )
    def busy():
        pass

    job = TaskJob(busy, app.conf)

    assert (job.time_limit, job.soft_time_limit, job.throws) == (60, 50, (KeyError,))
    assert (job.policy.delay, job.policy.backoff, job.policy.backoff_max) == (5, 2, 3600)
    assert job.policy.wants(OSError())
    assert not job.policy.wants(FileNotFoundError())


def test_bind_gives_the_function_its_task(app):
    @app.task(bind=True)
    def which(self, n):
        return self, n

    assert which(3) == (which, 3)
    assert [p.name for p in which.arguments.parameters] == ["n"]


def test_an_executor_must_fit_the_function(app):
    def plain():
        pass

    async def coroutine():
        pass

    assert executor_of(app.task(name="a")(plain)) == "thread"
    assert executor_of(app.task(name="b")(coroutine)) == "loop"
    assert executor_of(app.task(name="c", executor="process")(coroutine)) == "process"
    for function, executor in ((plain, "loop"), (coroutine, "thread"), (plain, "greenlet")):
        with pytest.raises(ConfigurationError, match="executor"):
            app.task(name="d", executor=executor)(function)


def test_two_functions_cannot_share_a_name(app):
    app.task(name="same")(lambda: 1)

    def other():
        pass

    with pytest.raises(ConfigurationError, match="two tasks are called 'same'"):
        app.task(name="same")(other)


def test_a_module_that_is_imported_again_replaces_its_tasks(app):
    def make():
        @app.task(name="same")
        def work():
            pass

        return work

    make()
    second = make()

    assert app.tasks["same"] is second


def test_a_task_is_sent_by_name_not_pickled(app):
    with pytest.raises(TypeError, match="send its name"):
        pickle.dumps(app.task(lambda: None))


# --- of classes -------------------------------------------------------------------------------------------


class LongTask(Task):
    name = "long"
    queue = "slow"

    def run(self, n: Decimal) -> str:
        return f"{n}"


def test_a_class_is_registered_as_class_or_instance(app):
    first = app.register_task(LongTask)
    second = app.register_task(LongTask())

    assert isinstance(first, LongTask)
    assert app.tasks["long"] is second
    assert second("3") == "3"
    assert TaskJob(second, app.conf).load(b'[["1.5"], {}]') == ((Decimal("1.5"),), {})


def test_a_subclass_of_the_applications_task_is_registered_on_definition(app):
    class Auto(app.Task):
        def run(self) -> int:
            return 3

    [task] = [task for task in app.tasks.values() if isinstance(task, Auto)]
    assert task.name.endswith(".Auto")
    assert task.app is app
    assert task() == 3


def test_an_abstract_base_without_run_is_not_registered(app):
    class Base(app.Task):
        queue = "mail"

    before = dict(app.tasks)

    class Concrete(Base):
        def run(self):
            pass

    [name] = app.tasks.keys() - before.keys()
    assert isinstance(app.tasks[name], Concrete)
    assert app.tasks[name].queue == "mail"


def test_a_class_without_run_is_refused(app):
    class Empty(Task):
        pass

    with pytest.raises(ConfigurationError, match="Empty has no method run"):
        app.register_task(Empty)


def test_a_task_that_was_never_registered_cannot_be_sent(app):
    class Stray(Task):
        def run(self):
            pass

    with pytest.raises(ConfigurationError, match="register_task"):
        Stray().delay()


def test_a_base_class_gives_its_hooks_and_defaults_to_functions(app):
    class Noisy(Task):
        max_retries = 9

        def on_success(self, retval, task_id, args, kwargs):
            pass

    @app.task(base=Noisy)
    def quiet():
        pass

    @app.task(base=Noisy, max_retries=1)
    def less():
        pass

    assert TaskJob(quiet, app.conf).hooks == {"on_success"}
    assert TaskJob(quiet, app.conf).policy.max_retries == 9
    assert TaskJob(less, app.conf).policy.max_retries == 1


# --- outside a run ----------------------------------------------------------------------------------------


def test_called_like_a_function_a_task_reports_to_nobody(app):
    @app.task(bind=True)
    def work(self, n):
        self.update_state(state="PROGRESS", meta={"current": 1})
        self.progress(1, 2)
        self.checkpoint(3)
        assert self.cursor is None
        assert self.request.called_directly
        assert self.request.id == ""
        return list(self.track(range(n)))

    assert work(3) == [0, 1, 2]


def test_a_retry_outside_a_run_raises_the_error_behind_it(app):
    @app.task(bind=True)
    def work(self, error=None):
        raise self.retry(exc=error)

    with pytest.raises(KeyError):
        work(KeyError("x"))
    with pytest.raises(Retry):
        work()


def test_the_envelope_is_worked_out_again_when_settings_change(app):
    task = app.task(lambda: None)
    assert task._habits(app).envelope.queue == "default"

    app.conf.task_default_queue = "other"

    assert task._habits(app).envelope.queue == "other"


def test_a_task_called_like_a_function_inside_another_is_the_current_one_meanwhile():
    app = Celeriac("nested", broker="memory://")
    seen = []

    @app.task
    def inner():
        seen.append(current_task.name)

    @app.task
    async def inner_async():
        seen.append(current_task.name)

    @app.task
    async def outer():
        inner()
        await inner_async()
        seen.append(current_task.name)

    outer.apply().get()

    assert [name.rpartition(".")[2] for name in seen] == ["inner", "inner_async", "outer"]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_class_that_wraps_calls_wraps_those_of_a_worker_too(kind):
    app = Celeriac("wrapping", broker="memory://")
    entered = []

    class ContextTask(Task):
        def __call__(self, *args, **kwargs):
            entered.append(self.name)
            return self.run(*args, **kwargs)

    if kind == "def":

        @app.task(base=ContextTask, name="wrapped")
        def wrapped(x: int) -> int:
            return x + 1
    else:

        @app.task(base=ContextTask, name="wrapped")
        async def wrapped(x: int) -> int:
            return x + 1

    assert wrapped.apply((1,)).get() == 2
    assert entered == ["wrapped"]
