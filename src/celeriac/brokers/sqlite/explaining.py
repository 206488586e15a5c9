"""explain, pending: what waits, and all that decides whether it may be claimed, in one snapshot."""

from __future__ import annotations

from typing import Final

from celeriac.broker import MOST_BEFORE, SOME, Pending, Situation
from celeriac.brokers.sqlite.rows import record
from celeriac.brokers.sqlite.transaction import Transaction, as_json, limit_of
from celeriac.lanes import Limit
from celeriac.states import State

LOOKED_AT: Final = 10_000  # messages at a time: those of finished tasks stand among them


def pending(transaction: Transaction, after: str, count: int) -> Pending:
    """Walk over what was sent, in that order; see `Backend.pending`."""
    looked_at = transaction.all("pending", int(after or 0), LOOKED_AT)
    waiting = [row for row in looked_at if row[2]][:count]
    more = len(waiting) == count or len(looked_at) == LOOKED_AT
    last = waiting[-1][0] if len(waiting) == count else looked_at[-1][0] if looked_at else 0
    rows = transaction.all("get", as_json([task_id for _, task_id, _ in waiting]))
    return Pending([record(row) for row in rows], str(last) if more else "")


def explain(transaction: Transaction, id: str, now: float) -> Situation | None:
    """Look at one task; see `Backend.explain`."""
    rows = transaction.all("get", as_json([id]))
    found = transaction.one("explain", id)
    if not rows or found is None:
        return None
    seq, queue, priority, name, lane, paused, parked, held = found
    task = record(rows[0])
    workers = transaction.all("explain_workers", name, now, queue)
    open_parents = transaction.column("explain_parents", seq) if task.state is State.WAITING else []
    running, wakes = _lane(transaction, lane, now)
    stands = task.state is State.QUEUED and not parked and not held
    return Situation(
        task,
        paused=bool(paused),
        parked=bool(parked),
        held=bool(held),
        listening=len(workers),
        knowing=sum(knows for knows, _, _ in workers),
        free=sum(max(0, slots - runs) for knows, slots, runs in workers if knows),
        before=transaction.value("explain_before", queue, priority, seq, MOST_BEFORE) if stands else 0,
        parents=tuple(open_parents[:SOME]),
        open=len(open_parents),
        running=running,
        holders=tuple(transaction.column("explain_holders", limit_of(lane).lane, SOME)) if lane else (),
        wakes=wakes,
    )


def _lane(transaction: Transaction, text: str | None, now: float) -> tuple[int, float | None]:
    """Return how many tasks of a lane run, and when it gets a token, if it lacks one."""
    row = None if text is None else transaction.one("lane", limit_of(text).lane)
    if text is None or row is None:
        return 0, None
    rate, burst, concurrency, tokens, since, running = row
    limit = Limit(limit_of(text).lane, rate, burst, concurrency)
    tokens = limit.tokens_at(tokens, since, now)
    lacks = not limit.has_room(tokens, running)
    return running, limit.wakes(tokens, max(since, now), running) if lacks else None
