"""The application that is measured: tasks that do nothing, so that all of the time is the queue's own."""

import os

from celeriac import Celeriac

app = Celeriac("bench", broker=os.environ.get("CELERIAC_BROKER_URL", "memory://"))


@app.task
def noop() -> None:
    """Do nothing, in a thread."""


@app.task
async def anoop() -> None:
    """Do nothing, on the event loop."""
