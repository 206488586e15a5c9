"""What becomes of tasks that a worker lets go of: by its own settlements or by its death, the same moves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from celeriac import attempts
from celeriac.attempts import Attempt
from celeriac.brokers.sqlite.lanes import lanes_of, leave_all
from celeriac.brokers.sqlite.lines import Lines
from celeriac.brokers.sqlite.transaction import Transaction
from celeriac.outcome import REVOKED, Settlement
from celeriac.states import State, Verdict

FINAL: Final = {
    Verdict.SUCCEEDED: State.SUCCEEDED,
    Verdict.FAILED: State.FAILED,
    Verdict.CANCELLED: State.CANCELLED,
}


class Held(NamedTuple):
    """A running task, as `sql/held.sql` gives it."""

    seq: int
    id: str
    fence: int
    queue: str
    priority: int
    retries: int
    crashes: int
    crash_limit: int
    cancelled: int
    error: bytes
    lane: str | None
    worker: str
    started: float
    attempts: bytes

    def after(self, verdict: Verdict, error: bytes, now: float) -> Held:
        """Return it with the run that ends now among its attempts."""
        newest = Attempt(self.fence, self.started, now, self.worker, verdict, error)
        return self._replace(attempts=one_more(self.attempts, newest))


def one_more(kept: bytes, newest: Attempt) -> bytes:
    """Return what is to be written of the attempts that are written as *kept*, and the *newest*."""
    try:
        earlier = attempts.read(kept)
    except (ValueError, TypeError):  # somebody has damaged them; how it ran now is known
        earlier = ()
    return attempts.written(attempts.added(earlier, newest))


def held_by(transaction: Transaction, worker: str) -> dict[str, Held]:
    """Return what *worker* runs, by id and in the order of ids."""
    return {row[1]: Held(*row) for row in transaction.all("held", worker)}


def settle(
    transaction: Transaction, held: dict[str, Held], finished: Iterable[Settlement], now: float
) -> list[str]:
    """Settle *finished*, taking each task out of *held*; return the ids refused."""
    refused: list[str] = []
    heads: list[Held] = []
    let_go: list[tuple[str]] = []
    lines = Lines(transaction, now)
    for settlement in finished:
        task = held.get(settlement.id)
        if task is None or task.fence != settlement.fence:
            refused.append(settlement.id)
            continue
        del held[settlement.id]
        let_go.append((settlement.id,))
        if task.lane is not None:
            lanes_of(transaction, now).stop(task.lane, began=settlement.verdict is not Verdict.RETURNED)
        heads.extend(_settle_one(transaction, lines, task, settlement, now))
    for task in reversed(heads):
        _queue(transaction, task, lines.join_head(task.seq, task.queue, task.priority, task.lane))
    if transaction.lanes is not None:
        transaction.lanes.make_room()
    transaction.many("stop_drop", let_go)
    return refused


def _settle_one(
    transaction: Transaction, lines: Lines, task: Held, settlement: Settlement, now: float
) -> Sequence[Held]:
    """Move *task*, or return it changed if it goes to the head of its line (the caller keeps their order)."""
    verdict, body = settlement.verdict, settlement.body
    if verdict in FINAL:
        finish(transaction, [task.seq], FINAL[verdict], body, now)
    elif task.cancelled:
        finish(transaction, [task.seq], State.CANCELLED, REVOKED, now)
    elif verdict is Verdict.CRASHED:
        task = task._replace(crashes=task.crashes + 1)
        if task.crashes <= task.crash_limit:
            return [task.after(verdict, body, now)]
        transaction.run("move_crashed", task.crashes, task.seq)
        finish(transaction, [task.seq], State.FAILED, body, now)
    elif verdict is Verdict.RETURNED or (verdict is Verdict.RELEASE and not settlement.due):
        return [task]
    else:
        if verdict is Verdict.RETRY:
            task = task._replace(retries=task.retries + 1, error=body).after(verdict, body, now)
        _put_off(transaction, lines, task, settlement.due, now)
    return ()


def _put_off(transaction: Transaction, lines: Lines, task: Held, due: float, now: float) -> None:
    if due <= now:
        _queue(transaction, task, lines.join_tail(task.seq, task.queue, task.priority, task.lane))
        return
    transaction.run("move_put_off", task.retries, task.error, task.attempts, task.seq)
    schedule(transaction, task.seq, task.queue, due)


def schedule(transaction: Transaction, seq: int, queue: str, due: float) -> None:
    """Let a task wait until the moment *due*."""
    first = transaction.value("due_first")
    if first is None or due < first:  # whoever sleeps until `first` must sleep shorter
        transaction.ready(queue)
    transaction.run("move_schedule", due, seq)


def _queue(transaction: Transaction, task: Held, position: int) -> None:
    transaction.run("move_queue", position, task.retries, task.crashes, task.error, task.attempts, task.seq)


def finish(transaction: Transaction, tasks: Sequence[int], state: State, body: bytes, now: float) -> None:
    """Make *tasks* (their seq), which stand in no line, final."""
    result, error = (body, b"") if state is State.SUCCEEDED else (b"", body)
    transaction.many("move_finish", [(state, now, result, error, seq) for seq in tasks])
    transaction.ended += tasks


def finish_waiting(
    transaction: Transaction, tasks: Sequence[int], state: State, body: bytes, now: float
) -> None:
    """Make *tasks* (their seq) final, which may stand in their lines."""
    transaction.many("line_leave", [(seq, seq) for seq in tasks])
    leave_all(transaction, tasks, now)
    finish(transaction, tasks, state, body, now)


def promote(transaction: Transaction, now: float, limit: int) -> int:
    """Queue the scheduled tasks that are due, earliest first; return how many."""
    due = transaction.all("promote_due", now, limit)
    if not due:
        return 0
    lines = Lines(transaction, now)
    transaction.many("promote", [(lines.join_tail(*task), task[0]) for task in due])
    return len(due)
