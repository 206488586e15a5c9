"""Those who work: are they alive, do their clocks agree, are they of one release? Judged purely."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from celeriac.broker import WorkerInfo
from celeriac.findings import Finding, Severity, ok
from celeriac.version import __version__

if TYPE_CHECKING:
    from celeriac.app import Celeriac

CLOCK: Final = 1.0  # seconds
SOME: Final = 3
GRACE: Final = 5.0  # seconds in which others bury a worker


def examine(app: Celeriac) -> Iterator[Finding]:
    """Look at all workers that the store knows, those too whose lease has run out."""
    now = app.clock.now()
    yield from judged(app.broker.workers(0.0), now)


def judged(known: Sequence[WorkerInfo], now: float) -> Iterator[Finding]:
    """Say what the workers' last heartbeats and releases mean at *now*."""
    dead = [worker for worker in known if worker.seen + worker.lease + GRACE < now]
    alive = [worker for worker in known if worker.seen + worker.lease > now]
    if dead:
        yield _dead(dead, now)
    if not alive:
        remedy = "Start one."
        yield Finding("workers", Severity.NOTE, "No worker is there.", remedy, ("worker",))
        return
    slots = sum(worker.slots for worker in alive)
    yield ok(
        "workers",
        f"{len(alive)} worker {_process(alive)} with {slots} slots {_is(alive)} alive: {_some(alive)}.",
    )
    yield from _silent([worker for worker in alive if worker.seen + worker.lease / 2 < now], now)
    yield from _ahead([worker for worker in alive if worker.seen > now + CLOCK], now)
    yield _versions(alive)


def _dead(dead: Sequence[WorkerInfo], now: float) -> Finding:
    last, held = max(worker.seen for worker in dead), sum(worker.running for worker in dead)
    text = (
        f"{_some(dead)} {_is(dead)} dead, last seen {now - last:,.0f} s ago, and nobody has given "
        f"the {held} {'task' if held == 1 else 'tasks'} back that ran there."
    )
    remedy = "Start a worker, or beat: it does so at once."
    return Finding("workers.dead", Severity.WARNING, text, remedy, ("worker",))


def _silent(silent: Sequence[WorkerInfo], now: float) -> Iterator[Finding]:
    if silent:
        longest = max(now - worker.seen for worker in silent)
        text = (
            f"{_some(silent)} {_has(silent)} not been heard of for {longest:.1f} s, more than half a lease; "
            "after a lease the tasks are given to others."
        )
        remedy = "Look at the machine: is it overloaded, asleep, or cut off from the store?"
        yield Finding("workers.silent", Severity.WARNING, text, remedy, ("status",))


def _ahead(ahead: Sequence[WorkerInfo], now: float) -> Iterator[Finding]:
    if ahead:
        furthest = max(worker.seen - now for worker in ahead)
        text = (
            f"The last heartbeat of {_some(ahead)} lies {furthest:,.1f} s ahead: the clocks disagree, or "
            "this one was set back."
        )
        yield Finding(
            "workers.clock", Severity.WARNING, text, "Set the clocks by NTP.", (), "timedatectl status"
        )


def _versions(alive: Sequence[WorkerInfo]) -> Finding:
    versions, code = sorted({worker.version or "unknown" for worker in alive}), "workers.version"
    if versions == [__version__]:
        return ok(code, f"All workers run this release ({__version__}).")
    if len(versions) > 1:
        text = (
            f"Workers of different releases run side by side: {', '.join(versions)}; here is {__version__}."
        )
        return Finding(code, Severity.WARNING, text, "Restart those of the older ones.", ("status", "--json"))
    text = f"The workers run the release {versions[0]}, and here is {__version__}."
    remedy = "Restart them, or use the same release here."
    return Finding(code, Severity.WARNING, text, remedy, ("status", "--json"))


def _some(workers: Iterable[WorkerInfo]) -> str:
    """Name some of the workers; the processes of one have its name in common."""
    names = list(dict.fromkeys(worker.name for worker in workers))
    more = f" and {len(names) - SOME} more" if len(names) > SOME else ""
    return ", ".join(names[:SOME]) + more


def _process(workers: Sequence[WorkerInfo]) -> str:
    return "process" if len(workers) == 1 else "processes"


def _is(workers: Sequence[WorkerInfo]) -> str:
    return "is" if len({worker.name for worker in workers}) == 1 else "are"


def _has(workers: Sequence[WorkerInfo]) -> str:
    return "has" if len({worker.name for worker in workers}) == 1 else "have"
