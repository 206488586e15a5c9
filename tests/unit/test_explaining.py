"""Why a task does not go on, where the store alone cannot tell."""

import pytest

from celeriac import Celeriac
from celeriac.broker import WorkerInfo
from celeriac.clock import ManualClock

LEASE = 10.0


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def app(clock):
    with Celeriac("shop", broker="memory://", clock=clock) as app:
        yield app


@pytest.fixture
def running(app, clock):
    """A task that a worker has claimed, of which nothing is heard from then on."""
    result = app.send_task("shop.pay")
    names = frozenset({"shop.pay"})
    app.broker.enlist(WorkerInfo(id="worker-1", name="w", names=names, lease=LEASE), clock.now())
    assert app.broker.exchange("worker-1", trip=1, want=1, now=clock.now()).claims
    return result


def test_a_task_whose_worker_is_within_its_lease_runs(app, clock, running):
    clock.advance(LEASE - 0.5)

    assert app.explain(running.id).code == "running"


def test_a_task_whose_worker_is_silent_for_too_long_is_lost_and_will_run_again(app, clock, running):
    clock.advance(LEASE + 4.0)

    reason = app.explain(running.id)

    assert reason.code == "lost"
    assert "worker-1 has not been heard of for 14 s" in reason.text
    assert "is run again" in reason.text


def test_one_that_was_revoked_meanwhile_will_not(app, clock, running):
    running.revoke()
    clock.advance(LEASE + 4.0)

    assert "is cancelled when another worker" in app.explain(running.id).text
