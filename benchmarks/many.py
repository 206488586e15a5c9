"""A second application that is measured: a thousand task names, for fifty queues."""

import os
from typing import Final

from benchmarks.peers.adapters import ticks
from celeriac import Celeriac

NAMES: Final = 1_000
QUEUES: Final = tuple(f"queue-{number}" for number in range(50))

if "BENCH_TICKS" in os.environ:
    ticks._open()  # noqa: SLF001 - as in `work`
app = Celeriac("bench", broker=os.environ.get("CELERIAC_BROKER_URL", "memory://"), set_as_current=False)


def _noop() -> None:
    ticks.tick()


for _number in range(NAMES):
    app.task(name=f"noop-{_number}")(_noop)
