"""The application of the tests that count runs: each run of a task appends its id to a file, in one write."""

import os
import time
from collections import Counter
from pathlib import Path

from celeriac import Celeriac

app = Celeriac("shop")
LEDGER = Path(os.environ.get("SHOP_MARKS", ".")) / "ledger"


def note(task_id: str) -> None:
    """Append one line, which survives whatever happens to this process."""
    descriptor = os.open(LEDGER, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, f"{task_id}\n".encode())
    finally:
        os.close(descriptor)


@app.task(bind=True)
def work(self, number: int) -> int:
    note(self.request.id)
    time.sleep(0.005)
    return number


@app.task(bind=True)
async def work_async(self, number: int) -> int:
    note(self.request.id)
    return number


def runs(folder: Path) -> Counter[str]:
    """Return how often each task was begun."""
    file = folder / "ledger"
    return Counter(file.read_text().split() if file.exists() else [])
