"""The application and the producers of the tests that kill at random, and the account that they keep.

A ledger is a file to which everybody appends lines, each in one write: so it survives any death, and says
what was accepted and what was run, whatever the store says.
"""

import os
import time
from collections import Counter
from pathlib import Path

from celeriac import Celeriac

app = Celeriac("shop", worker_lease=float(os.environ.get("SHOP_LEASE", "10")))
LEDGER = Path(os.environ.get("SHOP_MARKS", ".")) / "ledger"


def note(*words: object) -> None:
    """Append one line."""
    descriptor = os.open(LEDGER, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    finally:
        os.close(descriptor)


@app.task(bind=True, crash_limit=10_000)
def work(self, number: int) -> int:
    note("run", self.request.id)
    time.sleep(0.005)
    return number


@app.task(bind=True, crash_limit=10_000)
async def work_async(self, number: int) -> int:
    note("run", self.request.id)
    return number


def lines(folder: Path) -> list[list[str]]:
    """Return the words of each line of the ledger in *folder*."""
    file = folder / "ledger"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def accepted(folder: Path) -> set[str]:
    """Return the ids of the tasks whose sender was told that they are stored."""
    return {task_id for word, *ids in lines(folder) if word == "sent" for task_id in ids}


def runs(folder: Path) -> Counter[str]:
    """Return how often each task was begun."""
    return Counter(words[1] for words in lines(folder) if words[0] == "run")


def produce(name: str) -> None:
    """Send for ever, singly and in groups of ten; note what was accepted after each call."""
    number = 0
    while True:
        number += 1
        result = work.apply_async((number,), task_id=f"{name}-{number}")
        note("sent", result.id)
        many = work_async.delay_many((n,) for n in range(10))
        note("sent", *[each.id for each in many])
        time.sleep(0.05)
