"""exchange: the hot path. One trip of a worker settles what it finished and claims what it runs next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from celeriac.broker import TEND_LIMIT, Exchanged
from celeriac.brokers.sqlite import moves
from celeriac.brokers.sqlite.lines import Lines
from celeriac.brokers.sqlite.store import Transaction
from celeriac.message import Delivery
from celeriac.outcome import EXPIRED, Settlement
from celeriac.states import State

_QUEUE: Final = 2
_LOST: Final = Exchanged(lost=True)


class Known(msgspec.Struct, frozen=True):
    """What a worker told about itself when it enlisted."""

    id: str
    queues: tuple[str, ...]
    names: frozenset[str]


class Refused(Exception):
    """Some settlement came too late; the trip must be made again with care, to find out which."""


class Peeked(msgspec.Struct, frozen=True):
    """What a look without writing found."""

    trip: int
    hungry: bool
    due: float | None
    stops: list[str]
    ready: bool


def peek(transaction: Transaction, worker: str) -> Peeked | None:
    """Look whether *worker* has anything to do; None if it is not known."""
    row = transaction.one("exchange_peek", worker)
    if row is None:
        return None
    trip, hungry, due, stops, ready = row
    asked = transaction.column("stops_of", worker) if stops else []
    return Peeked(trip, bool(hungry), due, asked, bool(ready))


def exchange(
    transaction: Transaction,
    worker: Known,
    *,
    trip: int,
    finished: Sequence[Settlement],
    want: int,
    now: float,
    careful: bool,
) -> Exchanged:
    """Make one trip; see `Broker.exchange`.

    Raises:
        Refused: a settlement came too late, and this was not a careful trip. Nothing is done.
    """
    row = transaction.one("exchange_worker", worker.id)
    if row is None:
        return _LOST
    last, hungry, stops = row
    if trip == last:
        return _answer(transaction, worker, _again(transaction, worker, trip), [], stops=stops)
    refused = _settle(transaction, worker, finished, now, careful=careful or stops > 0)
    due = transaction.value("due_first")
    if due is not None and due <= now:
        moves.promote(transaction, now, TEND_LIMIT)
    claims = _claim(transaction, worker, trip, want, now)
    transaction.run("exchange_trip", trip, len(claims) < want, worker.id)
    del hungry
    return _answer(transaction, worker, claims, refused, stops=stops)


def _answer(
    transaction: Transaction, worker: Known, claims: list[Delivery], refused: list[str], *, stops: int
) -> Exchanged:
    asked = transaction.column("stops_of", worker.id) if stops else []
    return Exchanged(claims, refused, asked, transaction.value("due_first"))


def _again(transaction: Transaction, worker: Known, trip: int) -> list[Delivery]:
    held = [Delivery(*row) for row in transaction.all("exchange_again", worker.id, trip)]
    order = {queue: place for place, queue in enumerate(worker.queues)}
    return sorted(held, key=lambda task: order.get(task.queue, len(order)))


# --- settle -----------------------------------------------------------------------------------------


def _settle(
    transaction: Transaction, worker: Known, finished: Sequence[Settlement], now: float, *, careful: bool
) -> list[str]:
    if not finished:
        return []
    if careful or any(settlement.verdict not in moves.FINAL for settlement in finished):
        return moves.settle(transaction, moves.held_by(transaction, worker.id), finished, now)
    rows = [_settled(settlement, worker.id, now) for settlement in finished]
    if transaction.many("exchange_settle", rows) != len(rows):
        raise Refused
    return []


def _settled(settlement: Settlement, worker: str, now: float) -> tuple[Any, ...]:
    state = moves.FINAL[settlement.verdict]
    body = settlement.body
    result, error = (body, b"") if state is State.SUCCEEDED else (b"", body)
    return state, now, result, error, settlement.id, settlement.fence, worker


# --- claim ------------------------------------------------------------------------------------------


def _claim(transaction: Transaction, worker: Known, trip: int, want: int, now: float) -> list[Delivery]:
    claims: list[Delivery] = []
    looks = want + TEND_LIMIT
    for queue in worker.queues:
        while len(claims) < want and looks > 0:
            most = min(want - len(claims), looks)
            rows = transaction.all("exchange_ready", now, queue, most)
            looks -= len(rows)
            good = _set_aside(transaction, worker, rows, now)
            transaction.many("exchange_claim", [(now, worker.id, trip, row[0]) for row in good])
            claims.extend(Delivery(*row[2:]) for row in good)
            transaction.queued[queue] -= len(rows)
            if len(rows) < most:
                break
    return claims


def _set_aside(
    transaction: Transaction, worker: Known, rows: list[tuple[Any, ...]], now: float
) -> list[tuple[Any, ...]]:
    """Return the rows that may be claimed; cancel the expired, park those with unknown names."""
    names = worker.names
    good = [row for row in rows if not row[1] and row[3] in names]
    if len(good) < len(rows):
        lines = Lines(transaction)
        expired = [row[0] for row in rows if row[1]]
        moves.finish(transaction, expired, State.CANCELLED, EXPIRED, now)
        unknown = [row for row in rows if not row[1] and row[3] not in names]
        transaction.many("exchange_park", [(lines.parked(row[3]), row[0]) for row in unknown])
    return good
