"""What a worker counts, and what its stop waits for."""

from __future__ import annotations

import threading

import pytest
from msgspec.structs import replace

from celeriac import Celeriac
from celeriac.context import Run
from celeriac.embedded import build_worker, jobs_of, options_of
from celeriac.message import Delivery
from celeriac.outcome import Settlement
from celeriac.states import Verdict

SOON = 5.0


@pytest.fixture
def worker():
    with Celeriac("counted", broker="memory://") as app:

        @app.task(name="work")
        def work(): ...

        made = build_worker(app, replace(options_of(app), max_tasks=2, grace=60.0))
        made.job = jobs_of(app)["work"]
        yield made
        made._courier.close()
        made._loop.close()


def test_tasks_that_are_given_back_do_not_count_as_run(worker):
    worker.settled([Settlement(str(number), 1, Verdict.RELEASE) for number in range(5)])

    assert not worker._stopping.is_set()


def test_a_stop_does_not_wait_for_tasks_whose_lease_was_lost(worker):
    run = Run(worker.job, Delivery("a", "work", "default", 0, b"", b"", 1, 0, 0, 3, b""), worker, "here")
    run.pool = worker._rooms.pools["thread"]
    worker._held["a"] = run
    waiting = threading.Thread(target=worker._wait_until_empty, args=(60.0,), daemon=True)
    waiting.start()

    worker.lost()

    waiting.join(SOON)
    assert not waiting.is_alive()
