"""The application's middleware: each moment, where it is called, and what an error in it does."""

import asyncio
import threading
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec
import pytest

from celeriac import Middleware, chord
from celeriac.errors import OperationalError
from celeriac.middleware import MOMENTS
from tests.waiting import wait_until

SOON = 10.0


class Watcher(Middleware):
    """Notes every moment in order."""

    def __init__(self) -> None:
        self.seen: list[tuple] = []
        self.threads: dict[str, int] = {}

    def note(self, moment, *args):
        self.threads[moment] = threading.get_ident()
        self.seen.append((moment, *args))

    def before_publish(self, message):
        self.note("before_publish", message.name)
        return message

    def after_publish(self, message):
        self.note("after_publish", message.name)

    def before_run(self, request):
        self.note("before_run", request.task)

    def after_run(self, request):
        self.note("after_run", request.task)

    def on_success(self, request, result):
        self.note("on_success", request.task, result)

    def on_failure(self, request, error):
        self.note("on_failure", request.task, error.type)

    def on_retry(self, request, error, due):
        self.note("on_retry", request.task, error.message)

    def on_revoked(self, request):
        self.note("on_revoked", request.task)

    def on_worker_init(self, worker):
        self.note("on_worker_init", worker)

    def on_process_init(self, worker):
        self.note("on_process_init", worker)

    def on_worker_ready(self, worker):
        self.note("on_worker_ready", worker)

    def on_worker_shutdown(self, worker):
        self.note("on_worker_shutdown", worker)

    @property
    def names(self) -> list[str]:
        return [moment for moment, *_ in self.seen]


@pytest.fixture
def watcher(memory_app) -> Watcher:
    watcher = Watcher()
    memory_app.add_middleware(watcher)
    return watcher


def test_the_watcher_of_these_tests_knows_every_moment():
    assert {name for name in MOMENTS if not name.startswith("around_")} <= set(vars(Watcher))


def test_a_workers_life_has_its_moments(memory_app, watcher):
    with memory_app.embedded() as worker:
        name = worker.options.hostname
        assert watcher.seen == [
            ("on_worker_init", name),
            ("on_process_init", name),
            ("on_worker_ready", name),
        ]

    assert watcher.seen[3:] == [("on_worker_shutdown", name)]


def test_a_success_has_its_moments(app):
    watcher = Watcher()
    app.add_middleware(watcher)
    work = app.task(name="work")(lambda x: x + 1)

    with app.embedded():
        del watcher.seen[:]
        work.delay(1).get(timeout=SOON)
        seen = list(watcher.seen)

    published, run = seen[:2], [moment for moment in seen if "publish" not in moment[0]]
    assert published[0] == ("before_publish", "work")
    assert ("after_publish", "work") in seen
    assert run == [("before_run", "work"), ("on_success", "work", 2), ("after_run", "work")]
    assert watcher.threads["before_publish"] == threading.get_ident() != watcher.threads["before_run"]


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
def test_failure_and_retry_have_their_moments(memory_app, watcher, is_async):
    def body(self):
        if not self.request.retries:
            raise self.retry(exc=OSError("away"), countdown=0)
        raise KeyError("x")

    async def coroutine(self):
        body(self)

    work = memory_app.task(bind=True, name="work")(coroutine if is_async else body)

    with memory_app.embedded():
        del watcher.seen[:]
        work.delay().get(timeout=SOON, propagate=False)
        run = [moment for moment in watcher.seen if "publish" not in moment[0]]

    assert run == [
        ("before_run", "work"),
        ("on_retry", "work", "away"),
        ("after_run", "work"),
        ("before_run", "work"),
        ("on_failure", "work", "builtins.KeyError"),
        ("after_run", "work"),
    ]


def test_a_terminated_task_has_its_moment(memory_app, watcher):
    running, never = threading.Event(), threading.Event()

    @memory_app.task(name="work")
    def work():
        running.set()
        while not never.wait(0.01):
            continue

    with memory_app.embedded():
        result = work.delay()
        assert running.wait(SOON)
        result.revoke(terminate=True)
        list(result.updates(timeout=SOON))

    assert ("on_revoked", "work") in watcher.seen
    assert watcher.seen[-2] == ("after_run", "work")


def test_every_way_of_sending_is_published(memory_app, watcher):
    import asyncio

    work = memory_app.task(name="work")(lambda: None)

    async def send():
        await work.adelay()
        await work.adelay_many([(), ()])

    work.delay()
    work.delay_many([(), ()])
    memory_app.send_task("other")
    asyncio.run(send())

    assert watcher.names.count("before_publish") == watcher.names.count("after_publish") == 7


def test_what_before_publish_returns_is_sent(memory_app):
    class Reroute(Middleware):
        def before_publish(self, message):
            return msgspec.structs.replace(message, queue="elsewhere")

    memory_app.add_middleware(Reroute())

    assert memory_app.task(lambda: None).delay().queue == "elsewhere"


def test_what_takes_the_place_of_a_task_and_what_joins_a_chord_pass_the_middleware_too(memory_app):
    sent = []

    class Note(Middleware):
        def before_publish(self, message):
            sent.append(message.name)
            return message

    work = memory_app.task(name="work")(lambda *args: 1)

    @memory_app.task(bind=True)
    def replaced(self):
        raise self.replace(work.s())

    @memory_app.task(bind=True)
    def adding(self):
        self.add_to_chord(work.s())

    memory_app.add_middleware(Note())
    with memory_app.embedded():
        replaced.delay().get(timeout=SOON)
        assert sent == [replaced.name, "work"]
        sent.clear()
        chord([adding.s()], work.s()).delay().get(timeout=SOON)

    assert [sent.count(name) for name in (adding.name, "work")] == [1, 2]


def test_layers_are_called_in_the_order_of_adding(memory_app):
    order = []

    def layer(name):
        class Layer(Middleware):
            def before_run(self, request):
                order.append(name)

        return Layer()

    for name in "abc":
        memory_app.add_middleware(layer(name))
    with memory_app.embedded():
        memory_app.task(name="work")(lambda: None)
    with memory_app.embedded():
        memory_app.tasks["work"].delay().get(timeout=SOON)

    assert order == ["a", "b", "c"]


def test_an_error_before_publishing_is_the_callers(memory_app):
    class Refuse(Middleware):
        def before_publish(self, message):
            raise PermissionError("not from here")

    memory_app.add_middleware(Refuse())

    with pytest.raises(PermissionError):
        memory_app.task(lambda: None).delay()
    assert memory_app.broker.queues() == []


def test_an_error_before_the_run_fails_the_task(memory_app):
    class Refuse(Middleware):
        def before_run(self, request):
            raise PermissionError("not here")

    ran = []
    memory_app.add_middleware(Refuse())
    work = memory_app.task(lambda: ran.append(1))

    with memory_app.embedded(), pytest.raises(PermissionError):
        work.delay().get(timeout=SOON)
    assert not ran


@pytest.mark.parametrize(
    "moment",
    [
        "after_publish",
        "on_success",
        "after_run",
        "on_worker_init",
        "on_process_init",
        "on_worker_ready",
        "on_worker_shutdown",
    ],
)
def test_an_error_in_any_other_moment_is_logged_and_changes_nothing(memory_app, caplog, moment):
    def fail(self, *args):
        raise ValueError("in the layer")

    memory_app.add_middleware(type("Layer", (Middleware,), {moment: fail})())
    work = memory_app.task(lambda: 3)

    with memory_app.embedded():
        assert work.delay().get(timeout=SOON) == 3

    [record] = [record for record in caplog.records if record.message == "hook failed"]
    assert record.hook == moment


# --- around ---------------------------------------------------------------------------------------------


class Around(Watcher):
    """Notes when it is entered and left, too, and sets a context variable meanwhile."""

    where: ContextVar[str] = ContextVar("where", default="nowhere")

    @contextmanager
    def around_run(self, requests):
        self.note("enter", *[request.args for request in requests])
        token = self.where.set("inside")
        try:
            yield
        except BaseException as error:
            self.note("leave", type(error).__name__)
            raise
        else:
            self.note("leave", None)
        finally:
            self.where.reset(token)

    @contextmanager
    def around_publish(self, messages):
        self.note("send", *[message.name for message in messages])
        try:
            yield
        except OperationalError:
            self.note("not sent")
            raise
        self.note("sent")


@pytest.fixture
def around(memory_app) -> Around:
    around = Around()
    memory_app.add_middleware(around)
    return around


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_what_is_around_a_run_holds_all_of_it_and_its_variables(memory_app, around, kind):
    def look():
        return Around.where.get()

    async def alook():
        return Around.where.get()

    task = memory_app.task(look if kind == "def" else alook)
    with memory_app.embedded(threads=1):
        assert task.delay().get(timeout=SOON) == "inside"
    names = around.names

    assert names[names.index("enter") : names.index("leave") + 1] == [
        "enter", "before_run", "on_success", "after_run", "leave",
    ]  # fmt: skip
    assert ("leave", None) in around.seen
    assert Around.where.get() == "nowhere"


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_it_is_left_with_the_error_behind_a_retry_or_a_failure(memory_app, around, kind):
    def fail(self):
        raise self.retry(exc=KeyError("gone"), countdown=0, max_retries=1)

    async def afail(self):
        fail(self)

    task = memory_app.task(bind=True)(fail if kind == "def" else afail)
    with memory_app.embedded(), pytest.raises(KeyError):
        task.delay().get(timeout=SOON)
    told = [each for each in around.seen if each[0] in ("on_retry", "on_failure", "leave")]

    assert [each[0] for each in told] == ["on_retry", "leave", "on_failure", "leave"]
    assert [each for each in told if each[0] == "leave"] == [("leave", "KeyError")] * 2


def test_a_batch_is_surrounded_as_a_whole(memory_app, around):
    @memory_app.task(batch_size=2, batch_wait=30.0)
    def work(items):
        return [Around.where.get()] * len(items)

    with memory_app.embedded():
        results = [work.delay(n) for n in range(2)]
        assert [result.get(timeout=SOON) for result in results] == ["inside", "inside"]

    assert around.names.count("enter") == around.names.count("leave") == 1
    assert ("enter", ("0",), ("1",)) in [(name, *map(_texts, rest)) for name, *rest in around.seen]


def _texts(args):
    return tuple(map(str, args)) if isinstance(args, tuple) else args


def test_a_batch_that_fails_leaves_with_its_error(memory_app, around):
    @memory_app.task(batch_size=2, batch_wait=30.0)
    async def work(items):
        raise LookupError("nowhere")

    with memory_app.embedded():
        for result in [work.delay(n) for n in range(2)]:
            assert isinstance(result.get(timeout=SOON, propagate=False), LookupError)

    assert [each for each in around.seen if each[0] == "leave"] == [("leave", "LookupError")]
    assert around.names.count("on_failure") == 2


def test_an_error_on_the_way_in_fails_the_task_and_lets_go_of_the_others(memory_app, around):
    class Broken(Middleware):
        def around_run(self, requests):
            raise RuntimeError("no way in")

    memory_app.add_middleware(Broken())

    @memory_app.task
    def never():
        return None

    with memory_app.embedded(), pytest.raises(RuntimeError, match="no way in"):
        never.delay().get(timeout=SOON)

    assert ("leave", "RuntimeError") in around.seen
    assert "before_run" not in around.names


def test_an_error_on_the_way_out_changes_nothing(memory_app, around, caplog):
    class Broken(Middleware):
        @contextmanager
        def around_run(self, requests):
            yield
            raise RuntimeError("no way out")

    memory_app.add_middleware(Broken())

    @memory_app.task
    def fine():
        return 3

    with memory_app.embedded():
        assert fine.delay().get(timeout=SOON) == 3
        wait_until(lambda: "leave" in around.names, SOON, what="the other one to be left")

    assert ("leave", None) in around.seen
    assert [record.hook for record in caplog.records if record.message == "hook failed"] == ["around_run"]


def test_what_is_no_context_fails_the_task(memory_app):
    class Broken(Middleware):
        def around_run(self, requests):
            return None

    memory_app.add_middleware(Broken())

    @memory_app.task
    def never():
        return None

    with memory_app.embedded(), pytest.raises(TypeError, match="around_run"):
        never.delay().get(timeout=SOON)


def test_a_task_whose_rules_are_broken_is_left_too(memory_app, around):
    @memory_app.task
    def fail():
        raise ValueError

    fail.throws = ("no type",)  # after it was made, where nobody looks

    with memory_app.embedded(threads=1):
        fail.delay().get(timeout=SOON, propagate=False)

    assert ("leave", "ValueError") in around.seen


def test_what_is_around_a_send_knows_all_of_it_and_whether_it_went_well(memory_app, around, monkeypatch):
    @memory_app.task(name="shop.add")
    def add(x):
        return x

    add.delay_many([(1,), (2,)])
    monkeypatch.setattr(memory_app.broker, "send", _refuse)
    with pytest.raises(OperationalError):
        add.delay(3)

    assert around.names == [
        "send", "before_publish", "before_publish", "after_publish", "after_publish", "sent",
        "send", "before_publish", "not sent",
    ]  # fmt: skip
    assert around.seen[0] == ("send", "shop.add", "shop.add")


async def _asent(task):
    await task.adelay(1)


def test_an_asynchronous_send_is_surrounded_as_well(memory_app, around):
    @memory_app.task
    def add(x):
        return x

    asyncio.run(_asent(add))

    assert around.names == ["send", "before_publish", "after_publish", "sent"]


def _refuse(*_):
    raise OperationalError("disk full")
