"""enlist, heartbeat, retire, report: what workers say of themselves and of what they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from celeriac.broker import Beat, Report, WorkerInfo
from celeriac.brokers.sqlite import moves, notebook
from celeriac.brokers.sqlite.following import follow
from celeriac.brokers.sqlite.lines import Lines
from celeriac.brokers.sqlite.transaction import Transaction, as_json, from_json
from celeriac.outcome import Settlement
from celeriac.states import Verdict
from celeriac.steering import Pulse


def enlist(transaction: Transaction, worker: WorkerInfo, now: float, boot: str) -> bool:
    """Make *worker* known; say whether it was not known before. See `Broker.enlist`."""
    new = transaction.one("worker_known", worker.id) is None
    names, queues = as_json(sorted(worker.names)), as_json(worker.queues)
    transaction.run(
        "enlist",
        *(worker.id, now + worker.lease, now, now, worker.lease, worker.slots, worker.pid),
        *(worker.name, worker.host, boot, worker.version, queues),
    )
    transaction.run("enlist_names", worker.id, names)
    lines = Lines(transaction, now)
    parked = transaction.all("unpark_tasks", names)
    transaction.many("unpark", [(lines.join_tail(*task), task[0]) for task in parked])
    return new


def heartbeat(
    transaction: Transaction, workers: Sequence[str], now: float, pulses: Mapping[str, Pulse]
) -> Beat:
    """Renew leases; see `Broker.heartbeat`."""
    known = [worker for worker in workers if transaction.run("heartbeat", now, now, worker)]
    asked: dict[str, dict[str, float]] = {
        worker: dict(transaction.all("stops_of", worker)) for worker in known
    }
    return Beat(
        lost=[worker for worker in workers if worker not in asked],
        stops={worker: stops for worker, stops in asked.items() if stops},
        commands=notebook.listen(transaction, list(asked), pulses),
    )


def retire(transaction: Transaction, workers: Sequence[str], now: float, error: bytes) -> int:
    """Forget dead workers; see `Broker.retire`."""
    count = 0
    for worker in workers:
        pass_on(transaction, worker)  # it may have been rung and not have come any more
        if not transaction.run("retire_worker", worker):
            continue
        for part in ("retire_names", "retire_pulse", "retire_commands"):
            transaction.run(part, worker)
        held = moves.held_by(transaction, worker)
        crashes = [Settlement(task.id, task.fence, Verdict.CRASHED, error) for task in held.values()]
        count += len(crashes)
        moves.settle(transaction, held, crashes, now)
    follow(transaction, now)
    return count


def pass_on(transaction: Transaction, worker: str) -> None:
    """Ring for others where work is ready that *worker* may have been rung for, and cannot take."""
    transaction.run("bell_rung", worker)
    row = transaction.one("worker_known", worker)
    for queue in from_json(row[0]) if row else ():
        transaction.ready(queue, transaction.value("bell_ready", queue))


def report(transaction: Transaction, worker: str, reports: Sequence[Report]) -> list[str]:
    """Keep progress; see `Broker.report`."""
    refused = []
    for each in reports:
        parts = each.state, each.meta, each.checkpoint
        if not transaction.run("report", *parts, each.id, each.fence, worker):
            refused.append(each.id)
        elif each.children:
            transaction.run("report_children", as_json(dict.fromkeys(each.children)), each.id)
    return refused
