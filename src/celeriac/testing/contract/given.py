"""What the contract's tests begin with: messages, workers that count their trips, settlements. No assertions.

`Courier` is a worker as the store sees it. The builders give every message another id, in rising order.
"""

import itertools
import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from celeriac.broker import Bell, Broker, Exchanged, Listener, WorkerInfo
from celeriac.clock import ManualClock
from celeriac.message import Delivery, Message, Record
from celeriac.outcome import Settlement
from celeriac.states import State, Verdict

NAME = "shop.add"
DEADLINE = 10.0  # seconds after which a test gives up hope
QUIET = 0.05  # seconds after which a test believes that nothing will come
EVERY_BYTE = bytes(range(256))

_numbers = itertools.count(1)


def a_message(**fields) -> Message:
    """A message with a fresh id; ids sort in the order of their making."""
    number = next(_numbers)
    return Message(**{"id": f"task-{number:06d}", "name": NAME, "created": 1_600_000_000.0, **fields})


def messages(count: int, **fields) -> list[Message]:
    return [a_message(**fields) for _ in range(count)]


def ids(things: Iterable[Message | Delivery]) -> list[str]:
    return [thing.id for thing in things]


def a_worker(id: str = "worker-a", *, names: Iterable[str] = (NAME,), **fields) -> WorkerInfo:
    return WorkerInfo(id=id, **{"name": f"{id}@host", "names": frozenset(names), **fields})


# --- settlements --------------------------------------------------------------------------------


def succeeded(task: Delivery, body: bytes = b'"fine"') -> Settlement:
    return Settlement(task.id, task.fence, Verdict.SUCCEEDED, body)


def failed(task: Delivery, body: bytes = b'"broken"') -> Settlement:
    return Settlement(task.id, task.fence, Verdict.FAILED, body)


def stopped(task: Delivery, body: bytes = b'"stopped"') -> Settlement:
    return Settlement(task.id, task.fence, Verdict.CANCELLED, body)


def retry(task: Delivery, due: float, body: bytes = b'"again"') -> Settlement:
    return Settlement(task.id, task.fence, Verdict.RETRY, body, due)


def release(task: Delivery, due: float = 0.0) -> Settlement:
    return Settlement(task.id, task.fence, Verdict.RELEASE, b"", due)


def returned(task: Delivery) -> Settlement:
    return Settlement(task.id, task.fence, Verdict.RETURNED)


def crashed(task: Delivery, body: bytes = b'"lost"') -> Settlement:
    return Settlement(task.id, task.fence, Verdict.CRASHED, body)


# --- a worker -----------------------------------------------------------------------------------


class Courier:
    """A worker as the store sees it: enlisted, and counting its trips."""

    def __init__(self, broker: Broker, clock: ManualClock, id: str = "worker-a", **fields) -> None:
        self.broker, self.clock, self.id = broker, clock, id
        self.number = 0
        self.last: tuple[tuple[Settlement, ...], int] = ((), 0)
        self.rules: dict[str, Any] = {}
        broker.enlist(a_worker(id, **fields), clock.now())

    def trip(self, *finished: Settlement, want: int = 0, **rules: Any) -> Exchanged:
        """Settle and claim under the next number; *rules* are for this trip and its repetitions."""
        self.number += 1
        self.last, self.rules = (finished, want), rules
        return self.repeat()

    def repeat(self, number: int | None = None) -> Exchanged:
        """Make the last trip again, under its own or an older *number*."""
        finished, want = self.last
        return self.broker.exchange(
            self.id,
            trip=number or self.number,
            finished=finished,
            want=want,
            now=self.clock.now(),
            **self.rules,
        )

    def claim(self, want: int = 1, **rules: Any) -> list[Delivery]:
        return list(self.trip(want=want, **rules).claims)

    def claim_all(self) -> list[Delivery]:
        return self.claim(1000)

    def settles(self, *finished: Settlement) -> bool:
        """Settle; say whether the store accepted all of it."""
        return not self.trip(*finished).refused

    def has(self, task: Delivery) -> bool:
        """Say whether the store lets this worker settle *task*; harmless where it does not."""
        return self.settles(succeeded(task))


def given_running(broker: Broker, clock: ManualClock, worker: str = "worker-a", **fields) -> Delivery:
    """Send a task and let a fresh *worker* claim it."""
    return given_held(broker, clock, worker, **fields)[1]


def given_held(
    broker: Broker, clock: ManualClock, worker: str = "worker-a", **fields
) -> tuple[Courier, Delivery]:
    """Send a task and let a fresh *worker* claim it; return both."""
    broker.send([a_message(**fields)], clock.now())
    courier = Courier(broker, clock, worker)
    [task] = courier.claim()
    return courier, task


def given_finished(broker: Broker, clock: ManualClock, worker: str = "worker-a", **fields) -> Delivery:
    courier, task = given_held(broker, clock, worker, **fields)
    assert courier.settles(succeeded(task))
    return task


# --- looking ------------------------------------------------------------------------------------


def record_of(broker: Broker, task: Message | Delivery | str) -> Record:
    """The record of a task that must be there."""
    [record] = broker.get([task if isinstance(task, str) else task.id])
    assert record is not None
    return record


def state_of(broker: Broker, task: Message | Delivery | str) -> State:
    return record_of(broker, task).state


def counts_of(broker: Broker, queue: str = "default") -> tuple[int, int, int, int]:
    """How many tasks of *queue* are queued, scheduled, running and parked."""
    found = [info for info in broker.queues() if info.name == queue]
    return (found[0].queued, found[0].scheduled, found[0].running, found[0].parked) if found else (0, 0, 0, 0)


# --- hearing ------------------------------------------------------------------------------------


def hears(listener: Listener, task: Message | Delivery, timeout: float = DEADLINE) -> bool:
    """Wait for news of *task*; "something may have been missed" counts as news, as it does for users."""
    end = time.monotonic() + timeout
    while (left := end - time.monotonic()) > 0:
        news = listener.wait(left)
        if news is None or task.id in news:
            return True
    return False


def settle_down(listener: Listener) -> None:
    """Take what is still under way."""
    while listener.wait(QUIET):
        pass


def rings(bell: Bell, timeout: float = DEADLINE) -> bool:
    """Wait until *bell* is rung, for whatever reason; take nothing."""
    assert bell.fileno() >= 0, "this store has no bell"
    return bool(select.select([bell.fileno()], [], [], timeout)[0])


def rung_among(bells: Iterable[Bell]) -> list[Bell]:
    """Wait until some of *bells* is rung; return all that are rung a moment later."""
    assert select.select([bell.fileno() for bell in bells], [], [], DEADLINE)[0], "no bell was rung"
    return [bell for bell in bells if not is_silent(bell)]


def is_silent(bell: Bell) -> bool:
    """Say whether *bell* stays unrung for a moment."""
    return not rings(bell, QUIET)


# --- at the same time ---------------------------------------------------------------------------


@contextmanager
def in_threads(*jobs: Callable[[], object]) -> Iterator[None]:
    """Run *jobs*, each in its own thread, beside the block; raise their first error at its end."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(jobs) + 1)

    def run(job: Callable[[], object]) -> None:
        start.wait(DEADLINE)
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    start.wait(DEADLINE)
    yield
    for thread in threads:
        thread.join(DEADLINE)
    assert not any(thread.is_alive() for thread in threads), "a thread did not come to its end"
    if errors:
        raise errors[0]


def together(*jobs: Callable[[], object]) -> None:
    """Run *jobs* at the same time, to their end."""
    with in_threads(*jobs):
        pass
