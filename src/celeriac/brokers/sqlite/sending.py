"""send: tasks come in."""

from __future__ import annotations

from collections.abc import Sequence

from celeriac.brokers.sqlite.following import follow, hear_of_parents, link
from celeriac.brokers.sqlite.lanes import lanes_of
from celeriac.brokers.sqlite.moves import finish_waiting
from celeriac.brokers.sqlite.transaction import Row, Transaction, as_json, blob
from celeriac.message import Message
from celeriac.outcome import SUPERSEDED
from celeriac.states import State


class Repeated(Exception):
    """Some message was known already; the batch must be sent again with care, to find out which."""


def send(transaction: Transaction, messages: Sequence[Message], now: float, *, careful: bool = False) -> int:
    """Accept *messages*; see `Broker.send`.

    Raises:
        Repeated: an id was known or stood twice, and this was not a careful call. Nothing is done.
    """
    transaction.news = False  # nobody can be watching what is not there yet
    for message in messages:
        if message.limit is not None:
            lanes_of(transaction, now).learn(str(message.limit))
    if careful:
        messages = _new(transaction, messages)
    elif len(messages) == 1 and _is_plain(messages[0]):
        return _send_one(transaction, messages[0])
    if not messages:
        return 0
    rows = _Rows(transaction, now)
    for message in messages:
        rows.add(message, now)
    if transaction.insert("send_message", rows.sent) != len(messages):
        raise Repeated
    if rows.hungry:
        _count(transaction, rows.ready, messages, now)
    transaction.insert("line_join", rows.ready)
    transaction.insert("send_task", rows.tasks)
    if rows.waiting:
        seqs = {row[1]: row[0] for row in rows.sent}
        link(transaction, messages, seqs)
        hear_of_parents(transaction, messages, seqs, now)
    return len(messages)


def _is_plain(message: Message) -> bool:
    return message.eta is None and message.expires is None and message.after is None and message.limit is None


def _send_one(transaction: Transaction, message: Message) -> int:
    """Accept a lone *message* that can start at once and never expires: as `_Rows` would, with less ado."""
    queue, priority = message.queue, message.priority
    last, tail, hungry = transaction.one("send_place", queue, priority) or (None, None, False)
    seq, place = (last or 0) + 1, (tail or 0) + 1
    if not transaction.run("send_message", *_sent(message, seq, place)):
        raise Repeated
    transaction.run("line_join", queue, priority, place, seq)
    if hungry:
        transaction.ready(queue)
    return 1


def _new(transaction: Transaction, messages: Sequence[Message]) -> Sequence[Message]:
    """Return those whose ids are not known, of several with one id the first."""
    known = set(transaction.column("send_known", as_json({message.id for message in messages})))
    new: dict[str, Message] = {}
    for message in messages:
        if message.id not in known:
            new.setdefault(message.id, message)
    return list(new.values())


class _Rows:
    """What new tasks add to the tables: numbered, and with their places in line, within one transaction.

    Attributes:
        sent: the rows of `messages`. ready: those of the lines. tasks: those of what is scheduled, waits or
            expires.
        waiting: whether any waits for others.
        hungry: whether any worker wants to be rung.
    """

    def __init__(self, transaction: Transaction, now: float) -> None:
        self._transaction = transaction
        self._now = now
        self._tails: dict[tuple[str, int], int] = {}
        self._last = 0
        self.sent: list[Row] = []
        self.ready: list[Row] = []
        self.tasks: list[Row] = []
        self.waiting = False
        self.hungry = False

    def add(self, message: Message, now: float) -> None:
        """Give *message* its number and its place."""
        line = message.queue, message.priority
        tail = self._tails.get(line)
        if tail is None:
            tail = self._look(line)
        self._last = seq = self._last + 1
        if message.after is not None:
            self.waiting = True
            self.sent.append(_sent(message, seq, 0))
            self.tasks.append((seq, State.WAITING, message.queue, 0, message.expires, None))
            return
        if message.eta is not None and message.eta > now:
            self.sent.append(_sent(message, seq, 0))
            self.tasks.append((seq, State.SCHEDULED, message.queue, 0, message.expires, message.eta))
            return
        if message.limit is not None:
            is_first = lanes_of(self._transaction, self._now).enter(seq, str(message.limit), *line)
            place = tail + 1 if is_first else 0
            self.tasks.append((seq, State.QUEUED, message.queue, place, message.expires, None))
            if not is_first:
                self.sent.append(_sent(message, seq, 0))
                return
        self._tails[line] = place = tail + 1
        self.sent.append(_sent(message, seq, place))
        self.ready.append((*line, place, seq))
        if message.expires is not None and message.limit is None:
            self.tasks.append((seq, State.QUEUED, message.queue, place, message.expires, None))

    def _look(self, line: tuple[str, int]) -> int:
        last, tail, hungry = self._transaction.one("send_place", *line) or (None, None, False)
        self._last = self._last or last or 0
        self.hungry = bool(hungry)
        return tail or 0


def _sent(message: Message, seq: int, place: int) -> Row:
    return (
        seq,
        message.id,
        message.name,
        message.queue,
        message.priority,
        place,
        message.crash_limit,
        message.created,
        "" if message.eta is None else message.eta,
        blob(message.payload),
        blob(message.options),
        "" if message.limit is None else str(message.limit),
    )


def _count(transaction: Transaction, ready: Sequence[Row], messages: Sequence[Message], now: float) -> None:
    """Say how many idle workers there is work for."""
    for queue, *_ in ready:
        transaction.ready(queue)
    later = (m for m in messages if m.after is None and m.eta is not None and m.eta > now)
    soonest = min(later, key=lambda message: message.eta or 0.0, default=None)
    if soonest is not None and soonest.eta is not None:
        first = transaction.value("due_first")
        if first is None or soonest.eta < first:  # whoever sleeps until `first` must sleep shorter
            transaction.ready(soonest.queue)


def send_unique(transaction: Transaction, messages: Sequence[Message], now: float) -> list[str]:
    """Send what nobody stands for; see `Broker.send_unique`."""
    answers = [_send_unique(transaction, message, now) for message in messages]
    transaction.news = True
    follow(transaction, now)
    return answers


def _send_unique(transaction: Transaction, message: Message, now: float) -> str:
    unique = message.unique
    if unique is not None and not transaction.column("send_known", as_json([message.id])):
        row = transaction.one("unique", unique.name)
        if row is not None and is_taken(row, now):
            holder, _, _, _, seq, state, _ = row
            if not unique.replace:
                return str(holder)
            if seq is not None and state < State.RUNNING:
                finish_waiting(transaction, [seq], State.CANCELLED, SUPERSEDED, now)
        until = int(unique.until == "forgotten")
        transaction.run("unique_put", unique.name, message.id, now, unique.seconds, until)
        send(transaction, [message], now, careful=True)
        transaction.run("unique_named", unique.name, message.id)
    else:
        send(transaction, [message], now, careful=True)
    return message.id


def is_taken(row: Row, now: float) -> bool:
    """Say whether a name is taken; the row is as `sql/unique.sql` gives it."""
    _, since, seconds, until, seq, state, expires = row
    if seconds is not None:
        return bool(now < since + seconds)
    is_late = state < State.RUNNING and expires is not None and expires <= now
    return seq is not None and bool(until or (state < State.SUCCEEDED and not is_late))
