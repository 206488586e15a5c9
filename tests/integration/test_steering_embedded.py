"""An embedded worker obeys too; and what people do is noted, what programs do is not."""

import threading

import pytest

from celeriac.errors import BrokerUnavailable
from celeriac.steering import Command
from tests.waiting import wait_until

QUICK = {"worker_lease": 1.0}  # so that a heartbeat comes five times a second


@pytest.fixture
def held(app):
    """A task that waits for the test, and what it waits for."""
    reached, go_on = threading.Event(), threading.Event()

    @app.task(name="held")
    def held() -> str:
        reached.set()
        assert go_on.wait(20)
        return "done"

    app.conf.update(QUICK)
    yield held, reached, go_on
    go_on.set()


def draining(app):
    return [worker.draining for worker in app.broker.workers(app.clock.now())]


def test_an_embedded_worker_drains_and_claims_again(app, held):
    task, _, go_on = held
    go_on.set()
    with app.embedded():
        app.control.drain("*")
        wait_until(lambda: draining(app) == [True], 20, what="the worker to drain")
        sent = task.delay()
        assert sent.state == "PENDING"
        assert sent.explain().code == "drained"
        assert "of the queue default drain" in sent.explain().text

        app.control.resume("*")

        assert sent.get(20) == "done"


def test_an_embedded_worker_ends_when_it_is_told_to_and_its_program_goes_on(app, held):
    task, reached, go_on = held
    with app.embedded() as embedded:
        sent = task.delay()
        assert reached.wait(20)
        app.control.stop("*")
        embedded.worker.wait_for_stop()
        go_on.set()

        assert sent.get(20) == "done"
        wait_until(lambda: app.broker.workers(app.clock.now()) == [], 20, what="the worker to sign off")


def test_an_embedded_worker_says_where_a_task_is(app, held):
    task, reached, go_on = held
    with app.embedded():
        sent = task.delay()
        assert reached.wait(20)

        stack = app.control.stack(sent.id, timeout=20)

        assert stack.frames[0].function == "held"
        assert stack.frames[0].source == "assert go_on.wait(20)"
        assert [line.logger for line in sent.log()] == ["celeriac.stack"]
        go_on.set()


def test_a_worker_obeys_a_command_once_though_it_is_told_again(memory_app):
    memory_app.conf.update(QUICK)
    with memory_app.embedded() as embedded:
        broker, told = memory_app.broker, []
        embedded.worker.drain = told.append
        for verb in ("drain", "resume", "drain"):
            broker.command([embedded.worker.id], Command(verb), 0.0)

        wait_until(lambda: len(told) >= 3, 20, what="the commands to be obeyed")
        heard = broker._workers[embedded.worker.id]
        wait_until(lambda: not heard.commands, 20, what="the commands to be dropped")

        assert told == [True, False, True]


# --- who did what ----------------------------------------------------------------------------------------


def deeds(app):
    return [(deed.who, deed.verb, deed.target, deed.count) for deed in app.activity()]


def test_what_somebody_does_is_noted_with_his_name(app):
    @app.task(name="fails")
    def fails() -> None:
        raise ValueError("no")

    with app.embedded():
        failed = fails.delay()
        failed.get(20, propagate=False)
    waits = fails.apply_async(countdown=3600)
    app.schedules.add("nightly", 60, "fails")

    with app.acting("ana"):
        app.pause("mail")
        app.pause("mail")  # changes nothing
        app.resume("mail")
        waits.reschedule(countdown=7200)
        waits.revoke()
        app.dead.requeue(task="fails", dry_run=True)
        app.dead.requeue(task="fails")
        app.schedules.pause("nightly")
        app.schedules.run("nightly")
        app.schedules.remove("nightly")
        waits.forget()

    assert deeds(app)[::-1] == [
        ("ana", "pause", "mail", 1),
        ("ana", "resume", "mail", 1),
        ("ana", "reschedule", waits.id, 1),
        ("ana", "revoke", waits.id, 1),
        ("ana", "requeue", "task:fails", 1),
        ("ana", "schedule pause", "nightly", 1),
        ("ana", "schedule run", "nightly", 1),
        ("ana", "schedule remove", "nightly", 1),
        ("ana", "forget", waits.id, 1),
    ]


def test_what_programs_do_is_not_noted(app):
    app.pause("mail")
    app.resume("mail")

    assert app.activity() == []


def test_what_cannot_be_noted_is_done_all_the_same(memory_app, monkeypatch, caplog):
    def away(*_: object) -> None:
        raise BrokerUnavailable("away")

    monkeypatch.setattr(memory_app.broker, "note", away)

    with memory_app.acting("ana"):
        assert memory_app.pause("mail")

    assert memory_app.broker.queues()[0].paused
    assert "could not note who did what" in caplog.text
