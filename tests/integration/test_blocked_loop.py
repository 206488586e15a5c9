"""A task that blocks the event loop: the others are neither hoarded nor claimed again and again."""

import threading
import time

from celeriac import Celeriac
from tests.waiting import wait_until

SOON = 10.0


def test_what_a_blocked_loop_cannot_start_goes_back_once_and_runs_when_it_is_free():
    with Celeriac("blocked", broker="memory://") as app:
        go_on = threading.Event()
        blocking = threading.Event()

        @app.task
        async def block() -> None:
            blocking.set()
            go_on.wait(SOON)

        @app.task
        async def quick() -> int:
            return 1

        with app.embedded():
            first = block.delay()
            assert blocking.wait(SOON)
            results = quick.delay_many(() for _ in range(5))
            wait_until(lambda: app.broker.get([results[0].id])[0].fence == 1, what="the claim")
            wait_until(lambda: app.broker.get([results[0].id])[0].state.name == "QUEUED", what="its return")
            given_back = time.monotonic()
            wait_until(lambda: time.monotonic() - given_back > 0.5, what="half a second to pass")
            claims = [record.fence for record in app.broker.get([result.id for result in results])]
            go_on.set()

            assert [result.get(SOON) for result in results] == [1] * 5
            first.get(SOON)
        assert max(claims) <= 2  # once before the first return, and perhaps once beside it
