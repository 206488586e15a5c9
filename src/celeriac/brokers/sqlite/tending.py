"""cancel, forget, purge, tend: what ends tasks other than their run, and what time asks for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from celeriac.broker import Cancelled
from celeriac.brokers.sqlite import moves
from celeriac.brokers.sqlite.bell import STOP
from celeriac.brokers.sqlite.following import follow
from celeriac.brokers.sqlite.lanes import lanes_of
from celeriac.brokers.sqlite.lines import Lines
from celeriac.brokers.sqlite.tallies import over
from celeriac.brokers.sqlite.transaction import Ring, Transaction, as_json
from celeriac.brokers.sqlite.workers import retire
from celeriac.outcome import EXPIRED, LEASE_LOST, PURGED
from celeriac.states import State

_MARK_EVERY: Final = 10.0
_NEWS_KEPT: Final = 60.0
_SLACK: Final = 1.0  # sums of floats round: look at a little more than will be dropped


def cancel(
    transaction: Transaction, ids: Sequence[str], now: float, *, terminate: bool, error: bytes
) -> list[Cancelled]:
    """Revoke tasks; see `Broker.cancel`."""
    found = {row[0]: row[1:] for row in transaction.all("cancel_states", as_json(ids))}
    answers: list[Cancelled] = []
    for task_id in ids:
        if task_id not in found:
            answers.append("unknown")
            continue
        seq, state, worker = found[task_id]
        if state >= State.SUCCEEDED:
            answers.append("final")
        elif state == State.RUNNING:
            answers.append(_revoke_running(transaction, seq, task_id, worker, now, terminate=terminate))
        else:
            moves.finish_waiting(transaction, [seq], State.CANCELLED, error, now)
            found[task_id] = seq, State.CANCELLED, worker
            answers.append("cancelled")
    follow(transaction, now)
    return answers


def _revoke_running(
    transaction: Transaction, seq: int, task_id: str, worker: str, now: float, *, terminate: bool
) -> Cancelled:
    transaction.run("cancel_note", seq)
    if not terminate:
        return "noted"
    transaction.run("stop_add", worker, task_id, now)
    if address := transaction.value("bell_address", worker):
        transaction.rings.append(Ring(address, STOP))
    return "stopping"


def reschedule(transaction: Transaction, ids: Sequence[str], due: float, now: float) -> list[bool]:
    """Let scheduled tasks become due at another moment; see `Broker.reschedule`."""
    found = {row[0]: row[1:] for row in transaction.all("reschedule_found", as_json(ids))}
    lines, answers = Lines(transaction, now), list[bool]()
    for task_id in ids:
        answers.append(task_id in found)
        if task_id not in found:
            continue
        seq, queue, priority, lane = found[task_id]
        if due > now:
            moves.schedule(transaction, seq, queue, due)
        else:
            del found[task_id]
            transaction.run("promote", lines.join_tail(seq, queue, priority, lane), seq)
    return answers


def forget(transaction: Transaction, ids: Collection[str]) -> int:
    """Delete finished records; see `Broker.forget`."""
    return _delete(transaction, transaction.column("forget_final", as_json(set(ids))))


def _delete(transaction: Transaction, doomed: list[int]) -> int:
    seqs = as_json(doomed)
    transaction.run("unique_forget", seqs)
    transaction.run("forget_named", seqs)
    transaction.run("forget_task", seqs)
    if transaction.value("log_any"):
        transaction.run("forget_logs", seqs)
    if transaction.run("forget_waits", seqs) or transaction.value("follow_linked"):
        transaction.run("forget_links", seqs)
    return transaction.run("forget_message", seqs)


def purge(transaction: Transaction, queue: str, now: float, limit: int) -> int:
    """Cancel what has not started; see `Broker.purge`."""
    doomed = transaction.column("purge_queued", queue, limit)
    if len(doomed) < limit:
        doomed += transaction.column("purge_scheduled", queue, limit - len(doomed))
    moves.finish_waiting(transaction, doomed, State.CANCELLED, PURGED, now)
    follow(transaction, now)
    return len(doomed)


def pause(transaction: Transaction, queue: str) -> bool:
    """Have nothing claimed from a queue; see `Broker.pause`."""
    return transaction.run("pause", queue) > 0


def resume(transaction: Transaction, queue: str) -> bool:
    """Let a queue be claimed from again; see `Broker.resume`."""
    if not transaction.run("resume", queue):
        return False
    transaction.ready(queue, transaction.value("resume_ready", queue))
    for name in transaction.column("resume_parked", queue):
        transaction.parked(queue, name)
    return True


def secret(transaction: Transaction) -> bytes:
    """Return the secret of this store; nothing if it has none yet."""
    return bytes(transaction.value("secret") or b"")


def keep_secret(transaction: Transaction, fresh: bytes) -> bytes:
    """Keep *fresh*, unless somebody was faster; return what is kept."""
    transaction.run("secret_keep", fresh)
    return secret(transaction)


class Needed(NamedTuple):
    """What time asks for; see `sql/tend_look.sql`."""

    bury: bool
    expire: bool
    promote: bool
    drop: bool
    mark_news: bool
    drop_news: bool
    hear: bool
    follow: bool
    wake: bool
    idle_lanes: bool
    age: bool
    next_schedule: float | None


class Retention(NamedTuple):
    """Seconds for which the records of finished tasks are kept, and those of failed ones."""

    finished: float
    failed: float


def look(transaction: Transaction, now: float, retention: Retention) -> Needed:
    """See what there is to do, without writing."""
    olds = [now - seconds + _SLACK for seconds in retention]
    moments = now, *olds, now - _MARK_EVERY, now - _NEWS_KEPT, *over(now)
    *needed, coming = transaction.one("tend_look", *moments) or ()
    return Needed._make([*map(bool, needed), coming])


def bury(transaction: Transaction, now: float, limit: int) -> tuple[list[str], int]:
    """Retire workers whose lease has run out; return them, and how many tasks they held."""
    dead = transaction.column("tend_dead", now, limit)
    return dead, retire(transaction, dead, now, LEASE_LOST)


def expire(transaction: Transaction, now: float, limit: int) -> int:
    """Cancel what expired before it could start; return how many."""
    doomed = transaction.column("tend_expired", now, limit)
    moves.finish_waiting(transaction, doomed, State.CANCELLED, EXPIRED, now)
    follow(transaction, now)
    return len(doomed)


def drop(transaction: Transaction, now: float, limit: int, retention: Retention) -> int:
    """Delete finished records whose retention is over; return how many."""
    transaction.run("unique_old", now)
    doomed: list[int] = []
    for look_for, seconds in (
        ("tend_old", retention.finished),
        ("tend_failed", retention.failed),
        ("tend_kept", retention.failed),
    ):
        bounds = now - seconds + _SLACK, seconds, now
        doomed += transaction.column(look_for, *bounds, limit - len(doomed))
    return _delete(transaction, doomed)


def wake_lanes(transaction: Transaction, now: float) -> None:
    """Let those go whose lane has a token by now."""
    lanes_of(transaction, now).wake()


def drop_lanes(transaction: Transaction, now: float, limit: int) -> bool:
    """Forget lanes that nobody uses; say whether there may be more."""
    return transaction.run("lanes_drop", now, limit) == limit


def mark_news(transaction: Transaction, now: float) -> None:
    """Remember how far the news have come by *now*."""
    transaction.run("tend_mark", now)


def drop_news(transaction: Transaction, now: float, limit: int) -> bool:
    """Delete news that everybody has had time to hear; say whether there are more."""
    old = transaction.value("tend_marked", now - _NEWS_KEPT)
    if old is None:
        return False
    transaction.run("tend_dropped", old)
    if transaction.run("tend_news", old, limit) == limit:
        return True
    transaction.run("tend_unmark", old)
    return False
