"""send: tasks come in."""

from __future__ import annotations

from collections.abc import Sequence

from celeriac.brokers.sqlite.transaction import Row, Transaction, as_json
from celeriac.message import Message
from celeriac.states import State


class Repeated(Exception):
    """Some message was known already; the batch must be sent again with care, to find out which."""


def send(transaction: Transaction, messages: Sequence[Message], now: float, *, careful: bool = False) -> int:
    """Accept *messages*; see `Broker.send`.

    Raises:
        Repeated: an id was known or stood twice, and this was not a careful call. Nothing is done.
    """
    transaction.news = False  # nobody can be watching what is not there yet
    if careful:
        messages = _new(transaction, messages)
    elif len(messages) == 1 and messages[0].eta is None:
        return _send_one(transaction, messages[0])
    if not messages:
        return 0
    place = _Places(transaction)
    tasks = [place.row(message, now) for message in messages]
    sent = [_sent(message, task[0]) for message, task in zip(messages, tasks, strict=True)]
    if transaction.insert("send_message", sent) != len(messages):
        raise Repeated
    if place.hungry:
        _count(transaction, messages, now)
    transaction.insert("send_task", tasks)
    return len(messages)


def _send_one(transaction: Transaction, message: Message) -> int:
    """Accept the usual lone *message*, which can start at once, in two statements."""
    kept = message.id, message.name, message.crash_limit, message.created, message.payload, message.options
    seq = transaction.add("send_one_message", *kept)
    if seq is None:
        raise Repeated
    line = message.queue, message.priority
    if transaction.value("send_one_task", seq, *line, *line, message.expires):
        transaction.ready(message.queue)
    return 1


def _new(transaction: Transaction, messages: Sequence[Message]) -> Sequence[Message]:
    """Return those whose ids are not known, of several with one id the first."""
    known = set(transaction.column("send_known", as_json({message.id for message in messages})))
    new: dict[str, Message] = {}
    for message in messages:
        if message.id not in known:
            new.setdefault(message.id, message)
    return list(new.values())


class _Places:
    """Gives new tasks their number and their place in line, within one transaction.

    Attributes:
        hungry: whether any worker wants to be rung.
    """

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._tails: dict[tuple[str, int], int] = {}
        self._last = 0
        self.hungry = False

    def row(self, message: Message, now: float) -> Row:
        """Return the row of *message* for `sql/send_task.sql`."""
        line = message.queue, message.priority
        tail = self._tails.get(line)
        if tail is None:
            tail = self._look(line)
        self._last += 1
        if message.eta is not None and message.eta > now:
            return (self._last, State.SCHEDULED, *line, 0, message.expires, message.eta)
        self._tails[line] = tail + 1
        return (self._last, State.QUEUED, *line, tail + 1, message.expires, None)

    def _look(self, line: tuple[str, int]) -> int:
        last, tail, hungry = self._transaction.one("send_place", *line) or (None, None, False)
        self._last = self._last or last or 0
        self.hungry = bool(hungry)
        self._tails[line] = tail or 0
        return tail or 0


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


def _count(transaction: Transaction, messages: Sequence[Message], now: float) -> None:
    """Say how many idle workers there is work for."""
    soonest: Message | None = None
    for message in messages:
        if message.eta is None or message.eta <= now:
            transaction.ready(message.queue)
        elif soonest is None or soonest.eta is None or message.eta < soonest.eta:
            soonest = message
    if soonest is not None and soonest.eta is not None:
        first = transaction.value("due_first")
        if first is None or soonest.eta < first:  # whoever sleeps until `first` must sleep shorter
            transaction.ready(soonest.queue)
