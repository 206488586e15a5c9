"""find, totals: walks over what is in each state; a page takes a few short scripts, see `lua/find.lua`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from celeriac import codec
from celeriac.broker import Found, Total
from celeriac.brokers import places
from celeriac.brokers.redis.wire import counted
from celeriac.criteria import Criteria
from celeriac.message import Record
from celeriac.states import State

Place = tuple[str, str, str]

AT_ONCE: Final = 1_000  # tasks that one script looks at: others wait for the server meanwhile
MOST: Final = 5_000  # that one call looks at: each record has to be asked for
_START: Final[Place] = ("", "", "")
_FAILED: Final = frozenset({State.FAILED})
_WALKS: Final = {
    "r": frozenset({State.RUNNING}),
    "q": frozenset({State.QUEUED}),
    "s": frozenset({State.SCHEDULED}),
    "w": frozenset({State.WAITING}),
    "e": frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED}),
    "o": _FAILED,
    "f": _FAILED,
}


def walks(criteria: Criteria) -> list[str]:
    """Return the walks to make. What has failed is in an index of its own, and so are older failures."""
    names = [name for name in "rqsw" if criteria.any_of(*_WALKS[name])]
    if criteria.any_of(State.SUCCEEDED, State.CANCELLED):
        return [*names, "e", *(["o"] if criteria.wants(State.FAILED) else [])]
    return [*names, *(["f"] if criteria.wants(State.FAILED) else [])]


def find(
    ask: Callable[..., Any],
    record: Callable[[str, Any], Record | None],
    criteria: Criteria,
    ahead: float,
    after: str,
    count: int,
    limit: int,
) -> Found:
    """Look for tasks; see `Backend.find`.

    Args:
        ask: calls the script. record: reads a record. ahead: how far the server's clock is.
    """
    asked, limit = _written(criteria, ahead), min(limit, MOST)
    found: dict[str, Record] = {}
    met: list[str] = []
    searched = 0
    for name, start in _from(walks(criteria), after):
        place, is_over = start, False
        while not is_over:
            most = min(AT_ONCE, limit - searched)
            looked, over, last, *rows = ask(name, *place, most, count - len(found), asked)
            searched, is_over, place = searched + looked, bool(over), _place(last)
            for *at, task_id, flat in rows:
                each = record(task_id.decode(), flat)
                if each is not None and each.id not in found and _fits(each, name, criteria):
                    found[each.id] = each
                    met.append(places.written(name, *_place(at)))
            if not is_over and (len(found) >= count or searched >= limit):
                return Found([*found.values()], met, places.written(name, *place), searched)
        if len(found) >= count or searched >= limit:
            following = _following(walks(criteria), name)
            behind = places.written(following, *_START) if following else ""
            return Found([*found.values()], met, behind, searched)
    return Found([*found.values()], met, "", searched)


def _fits(record: Record, walk: str, criteria: Criteria) -> bool:
    return record.state in _WALKS[walk] and criteria.matches(record)


def _from(names: Sequence[str], after: str) -> Iterable[tuple[str, Place]]:
    """Give the walks that are left, and where each goes on."""
    if not after:
        return [(name, _START) for name in names]
    first, *place = places.read(after, (str, str, str, str))
    if first not in names:
        places.refuse(after)
    left = names[[*names].index(str(first)) :]
    a, b, c = map(str, place)
    return [(name, (a, b, c) if name == first else _START) for name in left]


def _following(names: Sequence[str], name: str) -> str:
    return next(iter(names[[*names].index(name) + 1 :]), "")


def _place(parts: Sequence[bytes]) -> Place:
    a, b, c = (part.decode() for part in parts)
    return a, b, c


def _written(criteria: Criteria, ahead: float) -> bytes:
    """Write what the script compares; times in the server's."""
    times = {"since": criteria.since, "till": criteria.until, "sent": criteria.sent_before}
    given: dict[str, Any] = {
        "states": "".join(str(int(state)) for state in State if criteria.wants(state)),
        "queues": criteria.queues,
        "names": [pattern.split("*") for pattern in criteria.names],
        "workers": [pattern.split("*") for pattern in criteria.workers],
        "ids": criteria.ids,
        **{name: moment + ahead for name, moment in times.items() if moment is not None},
    }
    return codec.encode(given)


def totals(reply: Any) -> dict[State, Total]:
    """Read how many tasks are in which state."""
    flat, ended, cancelled, failed_there, failed = reply
    numbers = dict.fromkeys(State, 0)
    for kind, _, count in counted(zip(flat[::2], flat[1::2], strict=True)):
        numbers[_KINDS.get(kind, State.QUEUED)] += count
    totals = {state: Total(number) for state, number in numbers.items()}
    succeeded = Total(max(0, ended - cancelled - failed_there), "about")
    totals |= {
        State.SUCCEEDED: succeeded,
        State.CANCELLED: msgspec.structs.replace(succeeded, number=max(0, cancelled)),
        State.FAILED: Total(failed),
    }
    return totals


_KINDS: Final = {"s": State.SCHEDULED, "r": State.RUNNING, "w": State.WAITING}
