"""Weights of queues and ageing priorities, as people set them, on each store."""

import pytest

from celeriac.clock import ManualClock, SystemClock
from celeriac.errors import ConfigurationError

SOON = 10.0


@pytest.fixture
def ran(app):
    """What ran, in this order; `work` notes it."""
    ran = []
    app.task(name="work")(ran.append)
    return ran


@pytest.mark.parametrize("how", ["argument", "setting"])
def test_queues_with_weights_share_the_worker(app, ran, how):
    results = [
        app.send_task("work", (f"{queue}{number}",), queue=queue)
        for queue in ("high", "low")
        for number in range(30)
    ]
    weights = {"high": 2, "low": 1}
    if how == "setting":
        app.conf.worker_queue_weights = weights

    with app.embedded(queues=weights if how == "argument" else ["high", "low"], concurrency=1):
        for result in results:
            result.get(timeout=SOON)

    assert "low0" in ran[:30]  # with a strict order it would be the thirty-first
    assert len(ran) == 60


def test_without_weights_the_first_queue_goes_first(app, ran):
    results = [app.send_task("work", (f"{queue}",), queue=queue) for queue in ("low", "high") * 5]

    with app.embedded(queues=["high", "low"], concurrency=1):
        for result in results:
            result.get(timeout=SOON)

    assert ran == ["high"] * 5 + ["low"] * 5


def test_a_queue_that_the_weights_do_not_name_weighs_one(app):
    app.conf.worker_queue_weights = {"high": 3}

    assert app.embedded(queues=["high", "low"]).options.weights == {"high": 3, "low": 1}


@pytest.mark.parametrize("weights", [{"high": 0}, {"high": 1.5}, {"high": True}, {"no queue": 1}])
def test_weights_that_cannot_be_are_refused(memory_app, weights):
    with pytest.raises(ConfigurationError):
        memory_app.conf.worker_queue_weights = weights
    with pytest.raises((ConfigurationError, ValueError)):
        memory_app.embedded(queues=weights)


def test_an_old_task_goes_before_a_more_important_one_that_is_new(app, ran):
    app.conf.worker_priority_ageing = 60
    now = ManualClock(SystemClock.now())
    app.clock = now
    now.advance(-1_000)
    old = app.send_task("work", ("old",), priority=0)
    now.advance(1_000)
    results = [old, *(app.send_task("work", (f"new{n}",), priority=9) for n in range(3))]
    assert "unless its age passes them" in str(old.explain()) or "No live worker" in str(old.explain())

    with app.embedded(concurrency=1):
        for result in results:
            result.get(timeout=SOON)

    assert ran == ["old", "new0", "new1", "new2"]
