"""replace and extend: what changes whom a task waits for."""

from __future__ import annotations

from collections.abc import Sequence

from celeriac.brokers.sqlite import moves
from celeriac.brokers.sqlite.following import follow, hear_again
from celeriac.brokers.sqlite.lanes import lanes_of
from celeriac.brokers.sqlite.sending import send
from celeriac.brokers.sqlite.transaction import Transaction, as_json
from celeriac.message import Message
from celeriac.outcome import REVOKED
from celeriac.states import State


def replace(
    transaction: Transaction,
    worker: str,
    task: str,
    fence: int,
    graph: Sequence[Message],
    end: str,
    now: float,
) -> bool:
    """Let other tasks take one's place; see `Broker.replace`."""
    seq, *held, lane, cancelled = transaction.one("replace_held", task) or (0, None, None, None, None, 0)
    if held != [State.RUNNING, worker, fence]:
        return bool(transaction.value("linked", end, task))
    transaction.many("stop_drop", [(task,)])
    if lane is not None:
        lanes_of(transaction, now).stop(lane)
    if cancelled:
        moves.finish(transaction, [seq], State.CANCELLED, REVOKED, now)
    else:
        send(transaction, graph, now, careful=True)
        transaction.news = True
        transaction.run("replace_wait", seq)
        transaction.run("replace_task", seq)
        _wait_for(transaction, seq, [end], now)
    follow(transaction, now)
    return True


def extend(
    transaction: Transaction, join: str, messages: Sequence[Message], ends: Sequence[str], now: float
) -> bool:
    """Let a join wait for more; see `Broker.extend`."""
    seq = transaction.value("extend_join", join)
    if seq is None:
        return False
    send(transaction, messages, now, careful=True)
    transaction.news = True
    new = [end for end in ends if not transaction.value("linked", end, join)]
    transaction.run("extend_open", len(new), seq)
    _wait_for(transaction, seq, new, now)
    follow(transaction, now)
    return True


def _wait_for(transaction: Transaction, seq: int, parents: Sequence[str], now: float) -> None:
    known: dict[str, int] = dict(transaction.all("send_parents", as_json(parents)))
    for parent in parents:
        transaction.run("link_more", known[parent], seq)
    hear_again(transaction, seq, known.values(), now)
