"""The work: what the worker runs. The web page only starts these tasks and looks on."""

import asyncio
import os
import random
import time
from typing import Any

from celeriac import Celeriac, Task

app = Celeriac("flask_progress")

SECONDS = float(os.environ.get("TASK_SECONDS", "10"))

VERBS = ["Peeling", "Dicing", "Roasting", "Whisking", "Simmering", "Tasting", "Seasoning", "Plating"]
ADJECTIVES = ["earthy", "crisp", "golden", "velvety", "peppery", "nutty", "stubborn", "fragrant"]
NOUNS = ["celeriac", "broth", "remoulade", "fennel", "parsnip", "dumpling", "gratin", "crouton"]
PRICES = {"celeriac": 120, "broth": 80, "cream": 60, "parsley": 20}  # cents, for one guest


class LongTask(Task):
    """The classic: a class with ``run``. It reports 10 to 50 times in about ten seconds."""

    name = "flask_progress.long_task"

    def run(self, burn: bool = False) -> dict[str, Any]:
        total = random.randint(10, 50)
        for current in range(total):
            self.update_state(state="PROGRESS", meta=progress(current, total))
            if burn and current >= total // 2:
                raise RuntimeError(f"The {random.choice(NOUNS)} burned after {current} of {total} steps")
            time.sleep(SECONDS / total)
        return served(total)


long_task = app.register_task(LongTask())


@app.task(bind=True, name="flask_progress.long_async_task")
async def long_async_task(self: Task) -> dict[str, Any]:
    """The same as a coroutine: thousands of these can wait in one worker at once."""
    total = random.randint(10, 50)
    for current in range(total):
        self.update_state(state="PROGRESS", meta=progress(current, total))
        await asyncio.sleep(SECONDS / total)
    return served(total)


@app.task(bind=True, name="flask_progress.bill")
def bill(self: Task, guests: int) -> dict[str, Any]:
    """Adds up what the soup costs. There is a bug in it: the dashboard shows where (README.md)."""
    for current, ingredient in enumerate(PRICES):
        meta = {"current": current, "total": len(PRICES), "status": f"Weighing the {ingredient}"}
        self.update_state(state="PROGRESS", meta=meta)
        time.sleep(SECONDS / 2 / len(PRICES))
    each = sum(PRICES.values())
    result = "The bill: " + each * guests
    return {"current": 1, "total": 1, "status": "Added up", "result": result}


def progress(current: int, total: int) -> dict[str, Any]:
    words = random.choice(VERBS), random.choice(ADJECTIVES), random.choice(NOUNS)
    return {"current": current, "total": total, "status": "{} the {} {}".format(*words)}


def served(total: int) -> dict[str, Any]:
    result = f"Soup for {random.randint(2, 12)} guests"
    return {"current": total, "total": total, "status": "Served", "result": result}
