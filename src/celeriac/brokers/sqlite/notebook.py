"""command, write_log, note and their questions: what workers are told, what tasks log, who did what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from celeriac.brokers.sqlite.transaction import Transaction
from celeriac.steering import (
    ACTIVITY_KEPT,
    LINE_COSTS,
    LOG_ATTEMPTS,
    LOG_RING,
    MOST_ACTIVITY,
    MOST_COMMANDS,
    Command,
    Deed,
    Entry,
    Line,
    Pulse,
    cost_of,
    encode_pulse,
)

# --- commands ---------------------------------------------------------------------------------------


def command(transaction: Transaction, workers: Sequence[str], given: Command) -> list[bool]:
    """Tell workers what to do; see `Broker.command`."""
    known = [transaction.one("worker_known", worker) is not None for worker in workers]
    for worker, is_known in zip(workers, known, strict=True):
        if is_known:
            transaction.run("command_put", worker, given.verb, given.task)
            transaction.run("command_old", worker, worker, MOST_COMMANDS)
    return known


def listen(transaction: Transaction, workers: Sequence[str], pulses: Mapping[str, Pulse]) -> dict[str, Any]:
    """Keep what *workers*, which are known, tell of themselves; return what each is told to do."""
    for worker in workers:
        if (pulse := pulses.get(worker)) is not None:
            transaction.run("pulse_put", worker, encode_pulse(pulse))
            transaction.run("command_heard", worker, pulse.heard)
    rows = {worker: transaction.all("commands_of", worker) for worker in workers}
    return {worker: [Command(*row) for row in found] for worker, found in rows.items() if found}


# --- logs -------------------------------------------------------------------------------------------


def write_log(transaction: Transaction, worker: str, lines: Iterable[Line]) -> list[str]:
    """Add lines to the logs of tasks; see `Broker.write_log`."""
    refused: list[str] = []
    for (task_id, fence), some in groupby(lines, attrgetter("id", "fence")):
        seq = transaction.value("log_task", task_id, fence, worker)
        if seq is None:
            refused.append(task_id)
        else:
            _add(transaction, seq, fence, list(some))
    return list(dict.fromkeys(refused))


def _add(transaction: Transaction, seq: int, attempt: int, lines: list[Line]) -> None:
    last, size = transaction.one("log_last", attempt, LINE_COSTS, seq) or (0, 0)
    rows = [
        (seq, number, attempt, line.time, line.level, line.body)
        for number, line in enumerate(lines, last + 1)
    ]
    transaction.insert("log_put", rows)
    if not size and attempt > LOG_ATTEMPTS:
        transaction.run("log_old", seq, attempt - LOG_ATTEMPTS)
    size += sum(cost_of(line.body) for line in lines)
    if size > LOG_RING:
        _trim(transaction, seq, attempt, size)


def _trim(transaction: Transaction, seq: int, attempt: int, size: int) -> None:
    """Let go of the first lines of an attempt until the rest is no more than a ring; the last one stays."""
    *first, (last, _) = transaction.all("log_sizes", LINE_COSTS, seq, attempt)
    for number, cost in first:
        if size <= LOG_RING:
            last = number
            break
        size -= cost
    transaction.run("log_trim", seq, attempt, last)


def read_log(transaction: Transaction, id: str, after: int, count: int) -> list[Entry]:
    """Return lines of a task's log; see `Backend.read_log`."""
    return [Entry(*row) for row in transaction.all("log_read", id, after, count)]


# --- activity ---------------------------------------------------------------------------------------


def note(transaction: Transaction, deeds: Iterable[Deed], now: float) -> None:
    """Remember who did what; see `Broker.note`."""
    transaction.many("deed_put", [(deed.at, deed.body) for deed in deeds])
    transaction.run("deed_old", MOST_ACTIVITY, now - ACTIVITY_KEPT)


def activity(transaction: Transaction, after: int, count: int) -> list[Deed]:
    """Return what was done last; see `Backend.activity`."""
    return [Deed(at, body, number) for at, body, number in transaction.all("deeds", after, after, count)]
