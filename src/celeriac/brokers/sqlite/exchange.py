"""exchange: the hot path. One trip of a worker settles what it finished and claims what it runs next."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from celeriac.broker import TEND_LIMIT, Exchanged
from celeriac.brokers.sqlite import moves
from celeriac.brokers.sqlite.following import follow
from celeriac.brokers.sqlite.lanes import lanes_of
from celeriac.brokers.sqlite.lines import Lines
from celeriac.brokers.sqlite.transaction import Transaction, as_json, blob, limit_of
from celeriac.message import Delivery
from celeriac.outcome import EXPIRED, Settlement
from celeriac.states import State, Verdict

_LOST: Final = Exchanged(lost=True)


class Known(msgspec.Struct, frozen=True):
    """What a worker told about itself when it enlisted, and what it has claimed since.

    Attributes:
        held: the seq of each claimed task by its id. Only a short cut: what it does not know is looked up.
        lanes: how those of them are limited that are.
    """

    id: str
    queues: tuple[str, ...]
    names: frozenset[str]
    held: dict[str, int] = {}
    lanes: dict[str, str] = {}


class Rules(msgspec.Struct, frozen=True):
    """How a trip claims: how many, from which queues if not as its worker said, and by which age."""

    want: int
    queues: tuple[str, ...] | None
    ageing: float | None


class Refused(Exception):
    """Some settlement came too late; the trip must be made again with care, to find out which."""


class Peeked(msgspec.Struct, frozen=True):
    """What a look without writing found."""

    trip: int
    hungry: bool
    due: float | None
    stops: list[str]
    ready: bool
    parked: bool


def peek(transaction: Transaction, worker: str) -> Peeked | None:
    """Look whether *worker* has anything to do; None if it is not known."""
    row = transaction.one("exchange_peek", worker)
    if row is None:
        return None
    trip, hungry, due, stops, ready, parked = row
    asked = transaction.column("stops_of", worker) if stops else []
    return Peeked(trip, bool(hungry), due, asked, bool(ready), bool(parked))


def exchange(
    transaction: Transaction,
    worker: Known,
    *,
    trip: int,
    finished: Sequence[Settlement],
    rules: Rules,
    now: float,
    careful: bool = False,
) -> Exchanged:
    """Make one trip; see `Broker.exchange`.

    Raises:
        Refused: a settlement came too late, and this was not a careful trip. Nothing is done.
    """
    row = transaction.one("exchange_worker", worker.id)
    if row is None:
        return _LOST
    last, stops, due, wakes, listened, parked, linked, paused = row
    if trip < last:
        return Exchanged()
    transaction.news = bool(listened)
    refused: list[str] = []
    if trip == last:
        claims = _again(transaction, worker, trip)
    else:
        if careful or stops or not _settle_quickly(transaction, worker, finished, now):
            refused = moves.settle(transaction, moves.held_by(transaction, worker.id), finished, now)
            for settlement in finished if worker.lanes else ():
                worker.lanes.pop(settlement.id, None)
            due = transaction.value("due_first")
        told = follow(transaction, now) if linked else 0
        if linked:
            due = transaction.value("due_first")
        due = _promote(transaction, due, wakes, now)
        queues = _open(transaction, rules.queues or worker.queues, bool(paused))
        if parked and rules.want > 0:
            _unpark(transaction, worker, queues, rules.want, now)
        claims = _claim(transaction, worker, queues, trip, rules, now)
        if linked:
            follow(transaction, now, TEND_LIMIT - told)
        transaction.run("exchange_trip", trip, len(claims) < rules.want, worker.id)
    if wakes is not None or transaction.lanes is not None:
        due = _first_due(transaction)
    asked = transaction.column("stops_of", worker.id) if stops else []
    return Exchanged(claims, refused, asked, due)


def _promote(transaction: Transaction, due: float | None, wakes: float | None, now: float) -> float | None:
    """Queue what has become due, and let lanes go on that got a token; return when the next one is due."""
    if wakes is not None and wakes <= now:
        lanes_of(transaction, now).wake()
    if due is None or due > now:
        return due
    moves.promote(transaction, now, TEND_LIMIT)
    following: float | None = transaction.value("due_first")
    return following


def _first_due(transaction: Transaction) -> float | None:
    """Return when something is due, after what this trip has changed about lanes."""
    if transaction.lanes is not None:
        transaction.lanes.close()
    first: float | None = transaction.value("due_first")
    return first


def _again(transaction: Transaction, worker: Known, trip: int) -> list[Delivery]:
    rows = transaction.all("exchange_again", worker.id, trip)
    worker.held.update((row[1], row[0]) for row in rows)
    worker.lanes.update((row[1], row[-1]) for row in rows if row[-1] is not None)
    return [Delivery(*row[1:-1]) for row in rows]


# --- settle -----------------------------------------------------------------------------------------


def _settle_quickly(
    transaction: Transaction, worker: Known, finished: Sequence[Settlement], now: float
) -> bool:
    """Settle *finished* without looking at the tasks first; False, with nothing done, if that is not enough.

    Raises:
        Refused: some came too late.
    """
    values: dict[Verdict, list[Any]] = {verdict: [] for verdict in moves.FINAL}
    ended = []
    for settlement in finished:
        seq = worker.held.pop(settlement.id, None)
        if seq is None or settlement.verdict not in moves.FINAL:
            return False
        values[settlement.verdict] += (seq, settlement.fence, blob(settlement.body))
        ended.append(seq)
    count = transaction.update("exchange_succeed", (now,), values.pop(Verdict.SUCCEEDED), (worker.id,))
    for verdict, rows in values.items():
        count += transaction.update("exchange_fail", (moves.FINAL[verdict], now), rows, (worker.id,))
    if count != len(finished):
        raise Refused
    if worker.lanes:
        _stop_limited(transaction, worker, finished, now)
    transaction.ended = ended
    return True


def _stop_limited(
    transaction: Transaction, worker: Known, finished: Sequence[Settlement], now: float
) -> None:
    """Give back the places that *finished* tasks held in their lanes."""
    limited = [worker.lanes.pop(settlement.id, None) for settlement in finished]
    for text in filter(None, limited):
        lanes_of(transaction, now).stop(text)
    if transaction.lanes is not None:
        transaction.lanes.make_room()


# --- claim ------------------------------------------------------------------------------------------


def _open(transaction: Transaction, queues: Sequence[str], any_paused: bool) -> Sequence[str]:
    """Return those of *queues* from which one may claim now."""
    if not any_paused:
        return queues
    paused = set(transaction.column("paused"))
    return [queue for queue in queues if queue not in paused]


def _unpark(transaction: Transaction, worker: Known, queues: Sequence[str], want: int, now: float) -> None:
    """Take up to *want* parked tasks that *worker* knows back to the head of their lines."""
    names = sorted(transaction.column("exchange_parked", worker.id))
    taken: list[tuple[int, str, int]] = []
    for queue, name in itertools.product(queues if names else (), names):
        if len(taken) == want:
            break
        taken += transaction.all("exchange_unpark", name, queue, want - len(taken))
    lines = Lines(transaction, now)
    for seq, queue, priority in reversed(taken):
        transaction.run("unpark", lines.join_head(seq, queue, priority), seq)


def _claim(
    transaction: Transaction, worker: Known, queues: Sequence[str], trip: int, rules: Rules, now: float
) -> list[Delivery]:
    claims: list[Delivery] = []
    want = rules.want
    looks = want + TEND_LIMIT
    for queue in queues:
        while len(claims) < want and looks > 0:
            most = min(want - len(claims), looks)
            if rules.ageing is None:
                found = transaction.all("exchange_ready", now, queue, most)
            else:
                found = _first_by_age(transaction, queue, rules.ageing, most, now)
            rows, limited = _up_to_lane(found)
            looks -= len(rows)
            for priority, last in {row[5]: row[-1] for row in rows}.items():
                transaction.run("exchange_taken", queue, priority, last)
            good = _set_aside(transaction, worker, rows, now)
            if limited:
                left = want - len(claims)
                good = _start_limited(transaction, worker, good, left, now, may_pass=rules.ageing is None)
            if good:
                seqs = as_json([row[0] for row in good])
                transaction.run("exchange_claim", queue, now, worker.id, trip, len(claims), seqs)
                worker.held.update([(row[2], row[0]) for row in good])
                if limited:
                    worker.lanes.update([(row[2], row[-2]) for row in good if row[-2] is not None])
                claims += [Delivery(*row[2:-2]) for row in good]
            transaction.ready(queue, -len(rows))
            if not found or (len(found) < most and not limited and rules.ageing is None):
                break
    return claims


def _first_by_age(
    transaction: Transaction, queue: str, ageing: float, most: int, now: float
) -> list[tuple[Any, ...]]:
    """Return the first rows of the line whose first task goes next, up to where another line goes on."""
    heads = sorted(
        (created - priority * ageing, -priority)
        for priority, created in transaction.all("exchange_heads", queue, queue, queue)
        if created is not None
    )
    if not heads:
        return []
    rows = transaction.all("exchange_line", now, queue, -heads[0][1], most)
    if len(heads) == 1:
        return [row[1:] for row in rows]
    first = itertools.takewhile(lambda row: (row[0] - row[6] * ageing, -row[6]) < heads[1], rows)
    return [row[1:] for row in first]


def _up_to_lane(rows: list[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], bool]:
    """Return the rows that may be taken at once, and whether one of them is limited.

    Behind a limited one the next of its lane may join.
    """
    priority = next((row[5] for row in rows if row[-2] is not None), None)
    if priority is None:
        return rows, False
    return [row for row in rows if row[5] >= priority], True


def _start_limited(
    transaction: Transaction,
    worker: Known,
    rows: Sequence[tuple[Any, ...]],
    want: int,
    now: float,
    *,
    may_pass: bool,
) -> list[tuple[Any, ...]]:
    """Return those of *rows* that may start, and the next ones of their lanes, in turn, up to *want*.

    Args:
        may_pass: whether those of the same priority go before all others; by age they may not.

    The next one of a lane joins the line at its tail. Where *rows* are all that stand in the line, that is
    behind them, so that it can be taken without joining it first.
    """
    lanes, todo, started = lanes_of(transaction, now), deque(rows), []
    is_tail = may_pass and bool(rows) and not transaction.value("line_tail", rows[-1][4], rows[-1][5])
    while todo:
        row = todo.popleft()
        if row[-2] is None:
            started.append(row)
            continue
        place = limit_of(row[-2]).lane, row[4], row[5]
        if row[1]:
            moves.finish(transaction, [row[0]], State.CANCELLED, EXPIRED, now)
            lanes.leave_line(place)
            is_tail = False
            continue
        if not lanes.start(row):
            continue
        started.append(row)
        following = lanes.take_next(place, 1 + (want - len(started)) // (1 + len(todo)))
        if following is None:
            continue
        room = is_tail and row[5] == rows[-1][5] and len(started) + len(todo) < want
        if room and following[3] in worker.names and not following[1]:
            todo.append(following)
        else:
            is_tail = False  # others must not pass it
            lanes.stand(following)
    return started


def _set_aside(
    transaction: Transaction, worker: Known, rows: list[tuple[Any, ...]], now: float
) -> list[tuple[Any, ...]]:
    """Return the rows that may be claimed; cancel the expired, park those with unknown names.

    Limited ones that have expired are returned too: the next ones of their lanes take their places in turn.
    """
    names = worker.names
    good = [row for row in rows if (row[3] in names if not row[1] else row[-2] is not None)]
    if len(good) < len(rows):
        lines = Lines(transaction, now)
        expired = [row[0] for row in rows if row[1] and row[-2] is None]
        moves.finish(transaction, expired, State.CANCELLED, EXPIRED, now)
        unknown = [row for row in rows if not row[1] and row[3] not in names]
        parked = [(row[4], row[3], lines.parked(row[3]), row[0]) for row in unknown]
        transaction.many("exchange_park", parked)
        for row in unknown:
            transaction.parked(row[4], row[3])
    return good
