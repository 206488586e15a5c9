"""find, totals: walks over what is in each state, along the index that holds it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from celeriac.broker import MOST_COUNTED, Found, Total
from celeriac.brokers import places
from celeriac.brokers.sqlite.rows import record
from celeriac.brokers.sqlite.transaction import Row, Transaction, as_json
from celeriac.criteria import ENDED, Criteria
from celeriac.message import Record
from celeriac.states import State

Key = tuple[Any, ...]

_LAST: Final = 2**63 - 1
_LAST_TEXT: Final = "\U0010ffff"
_CHUNK: Final = 100
_LARGEST_CHUNK: Final = 2_500
_MOST_STARS: Final = 2  # of a pattern that SQLite compares: it tries all ways


class Walk(msgspec.Struct, frozen=True):
    """One way through the tasks in some states.

    Attributes:
        states: those in which a task that it meets is.
        next: returns rows that end with a seq, behind a key or from the start: how many at most. What stands
            before the seq is the key of the row.
        kinds: the types of a key's parts.
    """

    states: frozenset[State]
    next: Callable[[Transaction, Criteria, Key | None, int], Sequence[Row]]
    kinds: tuple[places.Kind, ...]


def _by(statement: str, *start: Any) -> Callable[[Transaction, Criteria, Key | None, int], Sequence[Row]]:
    """Walk with a statement that takes a key and a number."""

    def rows(transaction: Transaction, criteria: Criteria, key: Key | None, count: int) -> Sequence[Row]:  # noqa: ARG001
        return transaction.all(statement, *(start if key is None else key), count)

    return rows


def _lines(transaction: Transaction, criteria: Criteria, key: Key | None, count: int) -> Sequence[Row]:
    """Walk over the lines of the queues, each from its tail."""
    found: list[Row] = []
    for queue, priority in transaction.all("find_lines"):
        if len(found) == count:
            break
        if (criteria.queues and queue not in criteria.queues) or (
            key is not None and (queue, -priority) < (key[0], -key[1])
        ):
            continue
        is_here = key is not None and (queue, priority) == (key[0], key[1])
        before = key[2] if key is not None and is_here else _LAST
        rows = transaction.all("find_line", queue, priority, before, count - len(found))
        found += [(queue, priority, *row) for row in rows]
    return found


def _ended(transaction: Transaction, criteria: Criteria, key: Key | None, count: int) -> Sequence[Row]:
    """Walk over what has ended, the last one first; no further back than anything may fit."""
    until = math.inf if criteria.until is None else criteria.until
    bound = key or (until, -1)
    since = -math.inf if criteria.since is None else criteria.since
    others = count if criteria.any_of(State.SUCCEEDED, State.CANCELLED) else 0
    failed = count if criteria.wants(State.FAILED) else 0
    arms = [(*bound, since, most) for most in (others, others, failed)]
    return transaction.all("find_ended", *(value for arm in arms for value in arm), count)


_NUMBER: Final = (int, float)
_WALKS: Final = {
    "r": Walk(frozenset({State.RUNNING}), _by("find_running", _LAST), (int,)),
    "q": Walk(frozenset({State.QUEUED}), _lines, (str, int, int)),
    "h": Walk(frozenset({State.QUEUED}), _by("find_held", _LAST), (int,)),
    "p": Walk(frozenset({State.QUEUED}), _by("find_parked", _LAST_TEXT, 0, "", 0), (str, int, str, int)),
    "s": Walk(frozenset({State.SCHEDULED}), _by("find_scheduled", -math.inf, "", 0), (_NUMBER, str, int)),
    "w": Walk(frozenset({State.WAITING}), _by("find_waiting", _LAST_TEXT, 0), (str, int)),
    "e": Walk(ENDED, _ended, (_NUMBER, int)),
}


def find(transaction: Transaction, criteria: Criteria, after: str, count: int, limit: int) -> Found:
    """Look for tasks; see `Backend.find`."""
    search = _Search(transaction, criteria, count, limit)
    for name, key in _walks(criteria, after):
        search.walk(name, key)
        if search.is_over:
            break
    return search.found()


def _walks(criteria: Criteria, after: str) -> Iterator[tuple[str, Key | None]]:
    """Give the walks to make, and where the first one goes on."""
    wanted = [name for name, walk in _WALKS.items() if criteria.any_of(*walk.states)]
    if not after:
        yield from ((name, None) for name in wanted)
        return
    kinds = [(str, *walk.kinds) for walk in _WALKS.values()]
    first, *key = places.read(after, *kinds)
    names = [*_WALKS]
    if first not in names:
        places.refuse(after)
    places.read(after, (str, *_WALKS[str(first)].kinds))
    for name in wanted:
        if names.index(name) >= names.index(first):
            yield name, tuple(key) if name == first else None


class _Search:
    """What a call has found so far, and what it may still look at."""

    def __init__(self, transaction: Transaction, criteria: Criteria, count: int, limit: int) -> None:
        self._transaction, self._criteria, self._count, self._limit = transaction, criteria, count, limit
        self._records: dict[str, Record] = {}
        self._places: list[str] = []
        self._searched = 0
        self._after = ""

    @property
    def is_over(self) -> bool:
        """Whether it may look no further."""
        return bool(self._after)

    def found(self) -> Found:
        """Return what it has found."""
        return Found([*self._records.values()], self._places, self._after, self._searched)

    def walk(self, name: str, key: Key | None) -> None:
        """Look along one walk, to its end or as far as may be."""
        walk, chunk = _WALKS[name], max(_CHUNK, self._count)
        while True:
            most = min(chunk, self._limit - self._searched)
            rows = walk.next(self._transaction, self._criteria, key, most)
            key = self._take(walk, name, rows, key)
            if self.is_over or len(rows) < most:
                return
            if self._searched >= self._limit:
                self._after = places.written(name, *(key or ()))
                return
            chunk = min(4 * chunk, _LARGEST_CHUNK)

    def _take(self, walk: Walk, name: str, rows: Sequence[Row], key: Key | None) -> Key | None:
        """Take those of *rows* that fit, until there are enough; return the key of the last one looked at."""
        fitting = self._fitting(walk, [row[-1] for row in rows])
        for start in range(0, len(rows), _CHUNK):
            some = rows[start : start + _CHUNK]
            records = self._read([fitting[row[-1]] for row in some if row[-1] in fitting])
            for row in some:
                key, self._searched = row[:-1], self._searched + 1
                found = records.get(fitting.get(row[-1], ""))
                if found is None or found.state not in walk.states or not self._criteria.matches(found):
                    continue
                if found.id not in self._records:
                    self._records[found.id] = found
                    self._places.append(places.written(name, *key))
                if len(self._records) == self._count:
                    self._after = self._places[-1]
                    return key
        return key

    def _read(self, ids: Sequence[str]) -> dict[str, Record]:
        rows = self._transaction.all("get", as_json(ids)) if ids else []
        return {row[0]: record(row) for row in rows}

    def _fitting(self, walk: Walk, seqs: Sequence[int]) -> dict[int, str]:
        """Return the ids of those that may fit, by seq."""
        wanted = self._criteria
        states = "".join(str(int(state)) for state in walk.states if wanted.wants(state))
        given = (
            states,
            as_json(wanted.queues),
            _globs(wanted.names),
            _globs(wanted.workers),
            as_json(wanted.ids),
            wanted.since,
            wanted.until,
            wanted.sent_before,
            as_json(seqs),
        )
        return dict(self._transaction.all("find_fitting", *given)) if seqs else {}


def _globs(patterns: Sequence[str]) -> str:
    """Write patterns for GLOB; none, so that all fit, where one of them would take long."""
    if any(pattern.count("*") > _MOST_STARS for pattern in patterns):
        return "[]"
    return as_json(pattern.replace("[", "[[]").replace("?", "[?]") for pattern in patterns)


def totals(transaction: Transaction) -> dict[State, Total]:
    """Count tasks; see `Backend.totals`."""
    most = MOST_COUNTED + 1
    counts = dict.fromkeys(State, 0)
    for state, count in transaction.all("totals", *(most,) * 7):
        counts[State(state)] += count
    ended: dict[int, int] = dict(transaction.all("totals_ended", most, most))
    counts.update({State(state): count for state, count in ended.items()})
    is_short = sum(ended.values()) > MOST_COUNTED
    return {state: _total(count, is_short=is_short and state in _OTHERS) for state, count in counts.items()}


_OTHERS: Final = frozenset({State.SUCCEEDED, State.CANCELLED})


def _total(count: int, *, is_short: bool) -> Total:
    if count > MOST_COUNTED:
        return Total(MOST_COUNTED, "least")
    return Total(count, "least" if is_short else "exact")
