"""send: tasks come in."""

from __future__ import annotations

from collections.abc import Sequence

from celeriac.brokers.sqlite.store import Row, Transaction, as_json
from celeriac.message import Message
from celeriac.states import State


class Repeated(Exception):
    """Some message was known already; the batch must be sent again with care, to find out which."""


def send(transaction: Transaction, messages: Sequence[Message], now: float, *, careful: bool = False) -> int:
    """Accept *messages*; see `Broker.send`.

    Raises:
        Repeated: an id was known or stood twice, and this was not a careful call. Nothing is done.
    """
    if careful:
        messages = _new(transaction, messages)
    if not messages:
        return 0
    transaction.news = False  # nobody can be watching what is not there yet
    first = transaction.value("due_first") if any(_is_later(message, now) for message in messages) else None
    tasks, hungry = _tasks(transaction, messages, now)
    sent = [_sent(message, task[0]) for message, task in zip(messages, tasks, strict=True)]
    if transaction.insert("send_message", sent) != len(messages):
        raise Repeated
    transaction.insert("send_task", tasks)
    if hungry:
        _count(transaction, messages, now, first)
    return len(messages)


def _new(transaction: Transaction, messages: Sequence[Message]) -> Sequence[Message]:
    """Return those whose ids are not known, of several with one id the first."""
    known = set(transaction.column("send_known", as_json({message.id for message in messages})))
    new: dict[str, Message] = {}
    for message in messages:
        if message.id not in known:
            new.setdefault(message.id, message)
    return list(new.values())


def _is_later(message: Message, now: float) -> bool:
    return message.eta is not None and message.eta > now


def _tasks(transaction: Transaction, messages: Sequence[Message], now: float) -> tuple[list[Row], bool]:
    """Return the rows for `sql/send_task.sql`, and whether any worker wants to be rung."""
    tails: dict[tuple[str, int], int] = {}
    rows: list[Row] = []
    last, hungry = 0, False
    for message in messages:
        line = message.queue, message.priority
        if line not in tails:
            top, tail, hungry = transaction.one("send_place", *line) or (None, None, False)
            tails[line] = tail or 0
            last = last or top or 0
        last += 1
        if message.eta is not None and message.eta > now:
            rows.append((last, State.SCHEDULED, *line, 0, message.expires, message.eta))
        else:
            tails[line] += 1
            rows.append((last, State.QUEUED, *line, tails[line], message.expires, None))
    return rows, bool(hungry)


def _sent(message: Message, seq: int) -> Row:
    return (
        seq,
        message.id,
        message.name,
        message.crash_limit,
        message.created,
        message.eta,
        message.payload,
        message.options,
    )


def _count(transaction: Transaction, messages: Sequence[Message], now: float, first: float | None) -> None:
    """Say how many idle workers there is work for."""
    later = [message for message in messages if _is_later(message, now)]
    transaction.queued.update(message.queue for message in messages if not _is_later(message, now))
    soonest = min(later, key=lambda message: message.eta or 0.0, default=None)
    if soonest is not None and (first is None or (soonest.eta or 0.0) < first):
        transaction.queued[soonest.queue] += 1  # whoever sleeps until `first` must sleep shorter
