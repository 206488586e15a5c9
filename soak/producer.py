"""A process that sends, and writes down what the store has taken: `python -m soak.producer LOG SECONDS`."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from typing import Final

from celeriac import chain, chord
from celeriac.errors import OperationalError
from soak.shop import limited, once_more, plain, plain_async, total

BATCH: Final = 50


def main(log: str, pause: float) -> None:
    """Send until killed. A kill in the middle of a sending leaves nothing in the log: it was not promised."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    chance = random.Random()
    number = 0
    while True:
        number += 1
        try:
            sent = chance.choices(KINDS, WEIGHTS)[0](number)
        except OperationalError:  # nobody was promised this one either
            continue
        os.write(out, "".join(f"{task_id}\n" for task_id in sent).encode())
        time.sleep(pause)


def _many(number: int) -> list[str]:
    return [result.id for result in plain.delay_many([(number,)] * BATCH)]


def _coroutines(number: int) -> list[str]:
    return [result.id for result in plain_async.delay_many([(number,)] * BATCH)]


def _one(number: int) -> list[str]:
    return [plain.delay(number).id]


def _later(number: int) -> list[str]:
    return [plain.apply_async((number,), countdown=0.3, priority=number % 10).id]


def _retried(number: int) -> list[str]:
    return [once_more.delay(number).id]


def _limited(number: int) -> list[str]:
    return [result.id for result in limited.delay_many([(number,)] * 5)]


def _chain(number: int) -> list[str]:
    return [chain(plain.s(number), plain_async.si(number), plain.si(number)).delay().id]


def _chord(_: int) -> list[str]:
    return [chord([plain.s(each) for each in range(5)], total.s()).delay().id]


KINDS: Final[tuple[Callable[[int], list[str]], ...]] = (
    *(_many, _coroutines, _one, _later, _retried, _limited, _chain, _chord),
)
WEIGHTS: Final = (6, 4, 2, 2, 2, 1, 1, 1)

if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
