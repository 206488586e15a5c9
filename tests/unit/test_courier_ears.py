"""A courier whose sockets a task has closed: where no other process can take its place it makes new ones."""

import os
import threading

from celeriac import Celeriac
from celeriac.worker.courier import Courier
from tests.waiting import wait_until


def test_an_embedded_worker_whose_descriptors_were_closed_says_so_and_goes_on(caplog):
    with Celeriac("test", broker="memory://") as app:
        add = app.task(name="add")(lambda x, y: x + y)
        with app.embedded():
            assert add.delay(1, 2).get(timeout=10) == 3
            [courier] = [thread for thread in threading.enumerate() if isinstance(thread, Courier)]

            os.close(courier._ear.fileno())
            courier.wake()

            wait_until(lambda: "process is crippled" in caplog.text, what="the courier to notice")
            assert [add.delay(n, 1).get(timeout=10) for n in range(3)] == [1, 2, 3]
            assert courier.is_alive()
