"""An application for real worker commands: tasks that log, and that wait where one can look."""

import asyncio
import logging
import os
import time
from pathlib import Path

from celeriac import Celeriac

app = Celeriac("steered")
log = logging.getLogger("shop.orders")


def wait_here(name: str) -> None:
    """Wait until a test says to go on."""
    marks = Path(os.environ["STEERED_MARKS"])
    (marks / f"{name}.here").touch()
    while not (marks / f"{name}.go").exists():
        time.sleep(0.01)


async def await_here(name: str) -> None:
    marks = Path(os.environ["STEERED_MARKS"])
    (marks / f"{name}.here").touch()
    while not (marks / f"{name}.go").exists():
        await asyncio.sleep(0.01)


@app.task
def quick(text: str) -> str:
    log.info("does %s", text)
    return text


@app.task
def in_thread(name: str) -> None:
    secret = f"password of {name}"
    wait_here(name)
    del secret


@app.task(soft_time_limit=60)
async def on_loop(name: str) -> None:
    await await_here(name)


@app.task(executor="process")
def isolated(name: str) -> None:
    log.info("isolated %s", name)
    wait_here(name)


@app.task(batch_size=3, batch_wait=0.05)
def gathered(names: list[str]) -> list[str]:
    log.info("gathered %s", len(names))
    wait_here(names[0])
    return names


@app.task(bind=True, max_retries=1)
def twice(self) -> int:
    log.warning("attempt %s", self.request.retries + 1)
    if not self.request.retries:
        raise self.retry(countdown=0)
    return 2


@app.task
def chatty(lines: int) -> None:
    log.debug("not kept")
    for number in range(lines):
        log.info("line %s \x1b[31mred", number)
    try:
        {}["key"]
    except KeyError:
        log.exception("it went wrong")
    log.info("x" * 10_000)
