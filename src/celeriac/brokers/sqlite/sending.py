"""send: tasks come in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celeriac.brokers.sqlite.lines import Lines
from celeriac.brokers.sqlite.store import Transaction
from celeriac.message import Message
from celeriac.states import State


def send(transaction: Transaction, messages: Sequence[Message], now: float) -> int:
    """Accept *messages*; see `Broker.send`."""
    lines = Lines(transaction)
    later = [message.eta for message in messages if message.eta is not None and message.eta > now]
    first = transaction.value("due_first") if later else None
    new = transaction.many("send", [_row(message, lines, now) for message in messages])
    ready = new - len(later)
    for message in messages:
        if ready <= 0:
            break
        if message.eta is None or message.eta <= now:
            transaction.queued[message.queue] += 1
            ready -= 1
    if (
        later and new and (first is None or min(later) < first)
    ):  # whoever sleeps until then must sleep shorter
        soonest = min((message for message in messages if message.eta is not None), key=_eta)
        transaction.queued[soonest.queue] += 1
    return new


def _eta(message: Message) -> float:
    return message.eta or 0.0


def _row(message: Message, lines: Lines, now: float) -> tuple[Any, ...]:
    eta = message.eta
    later = eta is not None and eta > now
    return (
        message.id,
        message.name,
        message.queue,
        message.priority,
        State.SCHEDULED if later else State.QUEUED,
        0 if later else lines.tail(message.queue, message.priority),
        message.crash_limit,
        message.created,
        eta,
        message.expires,
        eta if later else None,
        message.payload,
        message.options,
    )
