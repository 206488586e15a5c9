"""dead, requeue: what has failed, and how it begins again."""

from __future__ import annotations

import math
from collections.abc import Sequence

from celeriac.broker import Dead
from celeriac.brokers.sqlite.lines import Lines
from celeriac.brokers.sqlite.rows import record
from celeriac.brokers.sqlite.sending import is_taken
from celeriac.brokers.sqlite.transaction import Transaction, as_json


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
        seq, queue, priority, lane, name = found.pop(task_id, (None, "", 0, None, None))
        if seq is None or (name is not None and not _takes_name_back(transaction, task_id, name, now)):
            answers.append(False)
            continue
        transaction.run("requeue_wait", seq)
        transaction.run("requeue_task", lines.join_tail(seq, queue, priority, lane), seq)
        answers.append(True)
    return answers


def _takes_name_back(transaction: Transaction, task_id: str, name: str, now: float) -> bool:
    """Give a task its unique name again; False if another one has it."""
    row = transaction.one("unique", name)
    if row is not None and is_taken(row, now):
        return bool(row[0] == task_id)
    transaction.run("unique_put", name, task_id, now, None, 0)
    return True
