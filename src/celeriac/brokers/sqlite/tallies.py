"""count, statistics, counted, and the ageing of what was counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from celeriac.brokers.sqlite.transaction import Transaction
from celeriac.tally import EVER, KEPT, NEXT, TELLERS_KEPT, Tally, begin, merge, read, row_for, written


def count(transaction: Transaction, teller: str, number: int, tallies: Sequence[Tally], now: float) -> bool:
    """Take *tallies* in; see `Broker.count`."""
    transaction.news = False
    if number <= (transaction.value("teller", teller) or 0):
        return False
    transaction.run("teller_put", teller, number, now)
    for tally in tallies:
        _put(transaction, tally.step, tally.moment, tally.queue, tally.name, tally.numbers)
        _put(transaction, EVER, 0, tally.queue, tally.name, tally.numbers)
    return True


def _put(
    transaction: Transaction, step: int, moment: int, queue: str, name: str, numbers: Mapping[int, int]
) -> None:
    kept = transaction.value("tally", step, moment, queue, name)
    if kept is None:
        queue, name = row_for(queue, name, transaction.value("tally_rows", step, moment))
        kept = transaction.value("tally", step, moment, queue, name)
    total = read(kept or "")
    merge(total, numbers)
    transaction.run("tally_put", step, moment, queue, name, written(total))


def over(now: float) -> tuple[float, ...]:
    """Return the last moments at which a minute, an hour, a day and a teller are over their time."""
    return *(now - kept - step for step, kept in KEPT.items()), now - TELLERS_KEPT


def age(transaction: Transaction, now: float) -> bool:
    """Put the oldest bucket that is over its time into the next larger one; say whether there was one."""
    transaction.news = False
    *moments, long_ago = over(now)
    transaction.run("tellers_drop", long_ago)
    for (step, larger), last in zip(NEXT.items(), moments, strict=True):
        moment = transaction.value("tally_oldest", step, last)
        if moment is None:
            continue
        rows = transaction.all("tally_bucket", step, moment)
        transaction.run("tally_drop", step, moment)
        if larger is not None:
            for queue, name, numbers in rows:
                _put(transaction, larger, begin(moment, larger), queue, name, read(numbers))
        return True
    return False


def between(transaction: Transaction, since: float, until: float) -> list[Tally]:
    """Return what was counted in a span; see `Backend.statistics`."""
    return [
        Tally(moment, queue, name, read(numbers), step)
        for step in KEPT
        for moment, queue, name, numbers in transaction.all("statistics", step, since - step, until)
    ]


def counted(transaction: Transaction) -> list[Tally]:
    """Return what was ever counted; see `Backend.counted`."""
    rows = transaction.all("tally_bucket", EVER, 0)
    return [Tally(0, queue, name, read(numbers), EVER) for queue, name, numbers in rows]
