"""dead, requeue: what has failed, and how it begins again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from celeriac.attempts import Attempt
from celeriac.broker import Dead
from celeriac.brokers.sqlite.lines import Lines
from celeriac.brokers.sqlite.moves import one_more
from celeriac.brokers.sqlite.rows import record
from celeriac.brokers.sqlite.sending import is_taken
from celeriac.brokers.sqlite.transaction import Transaction, as_json
from celeriac.states import Verdict


def dead(transaction: Transaction, after: str, count: int, before: float | None) -> Dead:
    """Walk over what has failed, the newest first; see `Backend.dead`."""
    moment, _, last = after.partition(" ")
    bound = (float(moment), int(last)) if after else (math.inf if before is None else before, 0)
    found = transaction.all("dead", *bound, count)
    rows = {row[0]: row for row in transaction.all("get", as_json([task_id for *_, task_id in found]))}
    records = [record(rows[task_id]) for *_, task_id in found if task_id in rows]
    more = len(found) == count
    return Dead(records, f"{found[-1][1]!r} {found[-1][0]}" if more else "")


def requeue(transaction: Transaction, ids: Sequence[str], now: float) -> list[bool]:
    """Queue failed tasks again; see `Broker.requeue`."""
    found = {row[0]: row[1:] for row in transaction.all("requeue_found", as_json(ids))}
    lines, answers = Lines(transaction, now), list[bool]()
    for task_id in ids:
        row = found.pop(task_id, None)
        failed = None if row is None else _Failed(*row)
        if failed is None or not _has_its_name(transaction, task_id, failed, now):
            answers.append(False)
            continue
        transaction.run("requeue_wait", failed.seq)
        position = lines.join_tail(failed.seq, failed.queue, failed.priority, failed.lane)
        transaction.run("requeue_task", position, failed.attempts(), failed.seq)
        answers.append(True)
    return answers


class _Failed(NamedTuple):
    """A task that has failed, as `sql/requeue_found.sql` gives it behind its id."""

    seq: int
    queue: str
    priority: int
    lane: str | None
    name: str | None
    fence: int
    started: float
    ended: float
    worker: str
    error: bytes
    earlier: bytes

    def attempts(self) -> bytes:
        """Return what is to be written of all its runs: the last one is among them now."""
        newest = Attempt(self.fence, self.started, self.ended, self.worker, Verdict.FAILED, self.error)
        return one_more(self.earlier, newest)


def _has_its_name(transaction: Transaction, task_id: str, failed: _Failed, now: float) -> bool:
    """Say whether a task has no unique name, or has it again."""
    return failed.name is None or _takes_name_back(transaction, task_id, failed.name, now)


def _takes_name_back(transaction: Transaction, task_id: str, name: str, now: float) -> bool:
    """Give a task its unique name again; False if another one has it."""
    row = transaction.one("unique", name)
    if row is not None and is_taken(row, now):
        return bool(row[0] == task_id)
    transaction.run("unique_put", name, task_id, now, None, 0)
    return True
