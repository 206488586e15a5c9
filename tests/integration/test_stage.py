"""`app.test()`: the real engine within a test, with a clock that moves when told to."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

from celeriac import Celeriac, Middleware, chain, chord, group
from celeriac.errors import (
    BrokerUnavailable,
    ConfigurationError,
    InvalidArguments,
    TaskExpired,
    UnknownTask,
    WorkerLostError,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def app(tmp_path):
    with Celeriac("shop", broker=f"sqlite:///{tmp_path}/real.db", set_as_current=False) as app:
        app.task(name="double")(lambda n: 2 * n)
        yield app


@pytest.fixture
def t(app):
    with app.test(at=NOON) as t:
        yield t


# --- running ----------------------------------------------------------------------------------------


def test_whoever_waits_for_a_result_lets_tasks_run(app, t):
    result = app.tasks["double"].delay(21)

    assert result.state == "PENDING"
    assert result.get() == 42
    assert result.state == "SUCCESS"


def test_nothing_runs_by_itself_but_all_of_it_when_told(app, t):
    ran = []
    note = app.task(name="note")(ran.append)
    for number in range(3):
        note.delay(number)
    assert ran == []

    assert t.run_until_idle() == 3
    assert ran == [0, 1, 2]
    assert t.run_until_idle() == 0


def test_tasks_run_one_by_one_when_wanted_in_the_order_of_their_priorities(app, t):
    ran = []
    note = app.task(name="note")(ran.append)
    for priority in (0, 9, 5):
        note.apply_async((priority,), priority=priority)

    assert t.run_next()
    assert ran == [9]
    assert [t.run_next(), t.run_next(), t.run_next()] == [True, True, False]
    assert ran == [9, 5, 0]


def test_def_and_coroutine_run_in_the_order_in_which_they_were_sent(app, t):
    ran = []

    @app.task
    async def waits(name):
        await asyncio.sleep(0)
        ran.append(name)

    runs = app.task(name="runs")(ran.append)
    waits.delay("a")
    runs.delay("b")
    waits.delay("c")
    t.run_until_idle()

    assert ran == ["a", "b", "c"]


def test_everything_runs_in_the_thread_of_the_test(app, t):
    here = threading.get_ident()
    task = app.task(name="where")(lambda: threading.get_ident())

    assert task.delay().get() == here


def test_the_applications_own_store_is_not_touched(app, tmp_path):
    with app.test():
        assert app.tasks["double"].delay(1).get() == 2

    assert not (tmp_path / "real.db").exists()
    assert app.broker.url.startswith("sqlite")


def test_each_test_begins_with_an_empty_store(app):
    with app.test():
        first = app.tasks["double"].delay(1)
    with app.test() as t:
        assert t.tasks() == []
        assert app.AsyncResult(first.id).state == "UNKNOWN"


def test_closing_the_application_in_a_test_does_not_open_the_real_store(app, t, tmp_path):
    app.close()

    assert app.tasks["double"].delay(1).get() == 2
    assert not (tmp_path / "real.db").exists()


def test_two_tests_of_one_application_at_once_are_refused(app, t):
    with pytest.raises(ConfigurationError, match="another test"), app.test():
        pass


def test_arguments_go_through_json(app, t):
    kinds = app.task(name="kinds")(lambda *values: [type(value).__name__ for value in values])

    assert kinds.delay((1, 2), NOON).get() == ["list", "str"]
    with pytest.raises(InvalidArguments):
        app.tasks["double"].delay()


def test_tasks_that_send_each_other_for_ever_are_an_error(app, t, monkeypatch):
    monkeypatch.setattr("celeriac.testing.stage.MOST_RUNS", 100)

    @app.task
    def again():
        again.delay()

    again.delay()
    with pytest.raises(RuntimeError, match="after 100 runs"):
        t.run_until_idle()


def test_all_queues_are_served_unless_some_are_named(app):
    double = app.tasks["double"]
    with app.test():
        assert double.apply_async((1,), queue="elsewhere").get() == 2
    with app.test(queues=["default"]):
        assert double.delay(1).get() == 2
        with pytest.raises(TimeoutError, match="No live worker serves the queue elsewhere"):
            double.apply_async((1,), queue="elsewhere").get()


def test_chains_groups_and_chords_run(app, t):
    double = app.tasks["double"]
    total = app.task(name="total")(sum)

    assert chain(double.s(1), double.s(), double.s()).delay().get() == 8
    assert group(double.s(n) for n in range(3)).delay().get() == [0, 2, 4]
    assert chord([double.s(n) for n in range(50)], total.s()).delay().get() == 2450


def test_a_task_that_replaces_itself_and_one_that_waits_inside_run(app, t):
    double = app.tasks["double"]

    @app.task(bind=True)
    def instead(self, n):
        raise self.replace(double.s(n))

    @app.task
    def waits(n):
        return double.delay(n).get(disable_sync_subtasks=False)

    assert instead.delay(4).get() == 8
    assert waits.delay(5).get() == 10


def test_progress_is_seen_on_the_way(app, t):
    @app.task(bind=True)
    def work(self):
        self.progress(1, 2, "half")
        self.progress(2, 2, "all")

    seen = [(update.state, update.meta and update.meta["status"]) for update in work.delay().updates()]

    assert seen == [
        ("PENDING", None),
        ("STARTED", None),
        ("PROGRESS", "half"),
        ("PROGRESS", "all"),
        ("SUCCESS", "all"),
    ]


def test_hooks_and_middleware_are_called(app):
    told = []

    class Tells(Middleware):
        def on_worker_ready(self, hostname):
            told.append("ready")

        def before_run(self, request):
            told.append(request.task)

    app.add_middleware(Tells())
    with app.test():
        app.tasks["double"].delay(1).get()

    assert told == ["ready", "double"]


def test_tests_may_be_coroutines(app):
    @app.task
    async def where():
        await asyncio.sleep(0)
        return id(asyncio.get_running_loop())

    async def test():
        with app.test() as t:
            result = await where.adelay()
            first = await result
            assert first != id(asyncio.get_running_loop())
            assert await (await where.adelay()) == first
            later = await where.aapply_async(countdown=60)
            t.advance(minutes=1)
            assert await later == first
            assert [update.state async for update in later.aupdates()] == ["SUCCESS"]

    asyncio.run(test())


def test_a_task_whose_input_is_gone_fails_instead_of_hanging(app, t):
    double = app.tasks["double"]
    waits = chain(double.s(2), double.s().set(countdown=5)).delay()
    t.run_until_idle()
    t.broker._tasks.pop(t.tasks(double)[0].id)  # as if somebody had deleted the record

    t.clock.advance(5)
    t.run_until_idle()

    assert waits.state == "FAILURE"
    with pytest.raises(UnknownTask, match="is gone"):
        waits.get()


# --- time -------------------------------------------------------------------------------------------


def test_an_eta_comes_when_the_clock_gets_there(app, t):
    result = app.tasks["double"].apply_async((1,), countdown=3_600)

    assert t.advance(minutes=59) == 0
    assert result.state == "PENDING"
    assert t.advance(minutes=1) == 1
    assert result.get() == 2
    assert result.date_done == NOON + timedelta(hours=1)


def test_waiting_for_what_cannot_run_says_why_instead_of_hanging(app, t):
    result = app.tasks["double"].apply_async((1,), countdown=3_600)

    with pytest.raises(TimeoutError, match=r"due at 2026-03-01 13:00:00 UTC.*t\.advance"):
        result.get()
    with pytest.raises(TimeoutError):
        group(app.tasks["double"].s(1).set(countdown=9)).delay().get(timeout=1)


def test_time_stops_at_each_moment_on_the_way(app, t):
    ran = []
    note = app.task(name="note")(lambda: ran.append(t.now))
    note.apply_async(countdown=5)
    note.apply_async(countdown=2)

    t.advance(minutes=1)

    assert [moment - NOON for moment in ran] == [timedelta(seconds=2), timedelta(seconds=5)]
    assert t.now == NOON + timedelta(minutes=1)


def test_time_can_be_moved_to_a_moment_and_never_back(app, t):
    t.advance(to=datetime(2026, 3, 2, tzinfo=UTC))

    assert t.now == datetime(2026, 3, 2, tzinfo=UTC)
    with pytest.raises(ValueError, match="forwards only"):
        t.advance(to=NOON)
    with pytest.raises(ValueError, match="forwards only"):
        t.advance(-1)


def test_retries_wait_for_their_backoff(app, t):
    task = app.task(
        name="flaky", autoretry_for=(OSError,), retry_backoff=10, retry_jitter=False, max_retries=3
    )(lambda: "done")
    t.fail("flaky", OSError("away"), times=2)
    result = task.delay()
    t.run_until_idle()

    assert result.state == "RETRY"
    t.advance(10)
    assert (result.state, result.retries) == ("RETRY", 2)
    t.advance(19)
    assert result.state == "RETRY"
    t.advance(1)
    assert result.get() == "done"


def test_tasks_expire(app, t):
    result = app.tasks["double"].apply_async((1,), countdown=60, expires=30)
    t.advance(minutes=2)

    with pytest.raises(TaskExpired):
        result.get()


def test_schedules_fire_at_their_times(app):
    fired = []

    @app.periodic("0 3 * * *")
    @app.task(bind=True)
    def nightly(self):
        fired.append((t.now, self.request.due))

    with app.test(at=NOON) as t:
        t.advance(days=3)

    nights = [datetime(2026, 3, day, 3, tzinfo=UTC) for day in (2, 3, 4)]
    assert fired == [(night, night.timestamp()) for night in nights]


def test_schedules_can_be_added_in_the_test(app, t):
    app.schedules.add("hourly", timedelta(hours=1), app.tasks["double"], (1,))

    assert t.advance(hours=5) == 5
    app.schedules.pause("hourly")
    assert t.advance(hours=5) == 0


def test_rates_are_those_of_the_clock(app, t):
    limited = app.task(name="limited", rate_limit="6/m")(lambda: None)
    limited.delay_many([()] * 10)

    assert t.run_until_idle() == 1
    assert t.advance(30) == 3
    assert t.advance(minutes=1) == 6


def test_a_batch_starts_when_it_is_full_or_its_time_has_come(app, t):
    seen = []
    batched = app.task(name="batched", batch_size=3, batch_wait=5)(seen.append)
    batched.delay_many([(n,) for n in range(4)])

    assert t.run_until_idle() == 1
    assert seen == [[0, 1, 2]]
    assert t.advance(5) == 1
    assert seen == [[0, 1, 2], [3]]


def test_unique_and_debounced_tasks_are_what_they_are_elsewhere(app, t):
    saved = []
    save = app.task(name="save", debounce=5, key="doc")(lambda doc, text: saved.append(text))
    for text in ("a", "ab", "abc"):
        save.delay("readme", text)
        t.advance(1)

    t.advance(10)
    assert saved == ["abc"]


def test_results_are_forgotten_after_their_retention(app):
    app.conf.result_expires = 3_600
    with app.test() as t:
        result = app.tasks["double"].delay(1)
        t.run_until_idle()
        t.advance(hours=2)
        assert app.AsyncResult(result.id).state == "UNKNOWN"


# --- what goes wrong --------------------------------------------------------------------------------


def test_code_can_be_made_to_raise(app, t):
    t.fail(app.tasks["double"], ValueError("broken"))

    with pytest.raises(ValueError, match="broken"):
        app.tasks["double"].delay(1).get()
    assert app.tasks["double"].delay(1).get() == 2


def test_a_coroutine_can_be_made_to_raise(app, t):
    @app.task
    async def works():
        return "works"

    t.fail(works, ValueError("broken"))

    with pytest.raises(ValueError, match="broken"):
        works.delay().get()
    assert works.delay().get() == "works"


@pytest.mark.parametrize(("before", "runs"), [(False, 2), (True, 1)])
def test_a_worker_that_dies_has_its_task_run_again(app, t, before, runs):
    ran = []
    work = app.task(name="work")(lambda: ran.append(1))
    t.crash(work, before=before)

    work.delay().get()

    assert len(ran) == runs


def test_a_task_that_kills_its_workers_again_and_again_fails(app, t):
    work = app.task(name="work", crash_limit=2)(lambda: "done")
    t.crash(work, times=3)

    with pytest.raises(WorkerLostError):
        work.delay().get()


def test_what_another_worker_was_given_meanwhile_is_refused(app, t):
    ran = []

    @app.task
    def work():
        ran.append(1)
        return len(ran)

    t.lose_lease(work)

    assert work.delay().get() == 2


def test_a_checkpoint_survives_the_death_of_its_worker(app, t):
    seen = []

    @app.task(bind=True)
    def work(self):
        seen.append(self.cursor)
        self.checkpoint((self.cursor or 0) + 1)

    t.crash(work, times=2)
    work.delay().get()

    assert seen == [None, 1, 2]


def test_the_store_can_be_away(app, t):
    waits = app.tasks["double"].delay(1)

    with t.outage():
        with pytest.raises(BrokerUnavailable, match="away"):
            app.tasks["double"].delay(2)
        assert t.run_until_idle() == 0
    assert waits.get() == 2


def test_what_was_planned_and_did_not_happen_fails_the_test(app):
    with pytest.raises(AssertionError, match="double"), app.test() as t:
        t.crash("double")


def test_faults_are_for_tasks_that_there_are(app, t):
    with pytest.raises(UnknownTask, match="nothing"):
        t.crash("nothing")
    with pytest.raises(ValueError, match="once or more"):
        t.fail("double", ValueError(), times=0)


# --- looking ----------------------------------------------------------------------------------------


def test_what_was_sent_can_be_looked_at(app, t):
    double = app.tasks["double"]
    sent = [double.delay(1), double.apply_async((2,), countdown=9)]
    t.run_until_idle()

    assert t.tasks(double) == sent
    assert [result.args for result in t.tasks("double", state="PENDING")] == [[2]]
    assert t.tasks("other") == []
