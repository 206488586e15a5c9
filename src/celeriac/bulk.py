"""Doing the same with all tasks that a filter means: first it is counted, then it is done, in steps."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec.structs import replace

from celeriac.criteria import ENDED, UNENDED, Criteria
from celeriac.errors import InvalidMessage
from celeriac.filters import Filter
from celeriac.message import Record
from celeriac.search import meant
from celeriac.states import State

__all__ = ["Bulk"]

Action = Literal["revoke", "retry", "delete", "run-now"]
ACTIONS: Final = get_args(Action)
STEP: Final = 500
MOST_PASSES: Final = 100
SOME_IDS: Final = 1_000

_ELIGIBLE: Final[dict[str, frozenset[State]]] = {
    "revoke": UNENDED,
    "retry": frozenset({State.FAILED}),
    "delete": ENDED,
    "run-now": frozenset({State.SCHEDULED}),
}
_WHY_NOT: Final = {
    "revoke": "it has ended",
    "retry": "it has not failed",
    "delete": "it has not ended",
    "run-now": "it does not wait for its moment",
}
_REFUSED: Final = {
    "revoke": "it ended meanwhile",
    "retry": "its unique name is taken, others took its place, or it was run again meanwhile",
    "delete": "a task that has not ended may need its result",
    "run-now": "it was started meanwhile",
}
NEVER_RAN: Final = "it never ran, since another one failed, or was revoked"


class Bulk(msgspec.Struct, frozen=True):
    """What an action on a filter came to, so far; of a dry run, what it would come to.

    Attributes:
        matched: how many tasks fit the filter. eligible: with how many of them the action can be done.
        done: with how many it was done; 0 in a dry run.
        left: why it cannot be, or was not, done with others, and with how many.
        left_ids: of those, 1,000 at most.
        until: tasks that were sent at this moment or later are left alone; seconds since 1970 UTC.
    """

    action: Action
    dry_run: bool
    until: float
    matched: int = 0
    eligible: int = 0
    done: int = 0
    left: dict[str, int] = {}
    left_ids: tuple[str, ...] = ()

    def without(self, why: str, ids: Sequence[str]) -> Bulk:
        """Count tasks with which it is not done."""
        if not ids:
            return self
        left = {**self.left, why: self.left.get(why, 0) + len(ids)}
        return replace(self, left=left, left_ids=(*self.left_ids, *ids)[:SOME_IDS])


def bulk(
    app: Any,
    query: str | Filter,
    action: Action,
    *,
    dry_run: bool = True,
    terminate: bool = False,
    until: float | None = None,
    progress: Callable[[Bulk], object] | None = None,
) -> Bulk:
    """Do *action* with all tasks that *query* means; see `Celeriac.bulk`."""
    if action not in ACTIONS:
        raise InvalidMessage(f"{action!r} cannot be done with many tasks: use one of {', '.join(ACTIONS)}")
    wanted = meant(app, query)
    if not wanted.terms:
        raise InvalidMessage("say which tasks are meant: an empty filter would mean all of them")
    result = Bulk(action, dry_run, app.clock.now() if until is None else until)
    result = _last(_counted(app, wanted, result), progress) or result
    if dry_run or not result.eligible:
        return result
    with closing(_noted(app, _done(app, wanted, result, terminate=terminate), str(wanted))) as steps:
        return _last(steps, progress) or result


def _last(results: Iterator[Bulk], progress: Callable[[Bulk], object] | None) -> Bulk | None:
    """Return the last one; tell of each."""
    last = None
    for last in results:
        if progress is not None:
            progress(last)
    return last


def _noted(app: Any, results: Iterator[Bulk], query: str) -> Generator[Bulk, None, None]:
    """Have it noted who did it, also when it ends halfway."""
    result = None
    try:
        for result in results:
            yield result
    finally:
        if result is not None:
            app.acted(result.action, query, result.done)


def _counted(app: Any, wanted: Filter, result: Bulk) -> Iterator[Bulk]:
    """Count what fits, step by step."""
    criteria = replace(wanted.criteria, sent_before=result.until)
    yield result
    for some in _steps(app, wanted, criteria):
        reasons = [(_why_not(record, result.action), record.id) for record in some]
        result = replace(
            result,
            matched=result.matched + len(some),
            eligible=result.eligible + sum(why is None for why, _ in reasons),
        )
        for why in dict.fromkeys(why for why, _ in reasons if why is not None):
            result = result.without(why, [task_id for reason, task_id in reasons if reason == why])
        yield result


def _why_not(record: Record, action: Action) -> str | None:
    if record.state not in _ELIGIBLE[action]:
        return _WHY_NOT[action]
    if action == "retry" and not record.fence:
        return NEVER_RAN
    return None


def _done(app: Any, wanted: Filter, counted: Bulk, *, terminate: bool) -> Iterator[Bulk]:
    """Do it, in passes: what was done is met no more, and others may stand where they were not met.

    The last pass does nothing, and knows what is left.
    """
    done, seen = 0, set[str]()
    states = frozenset(filter(wanted.criteria.wants, _ELIGIBLE[counted.action]))
    criteria = replace(wanted.criteria, states=states, sent_before=counted.until)
    for _ in range(MOST_PASSES if states else 0):
        result, before = replace(counted, done=done), done
        for some in _steps(app, wanted, criteria):
            ids = [record.id for record in some if _why_not(record, counted.action) is None]
            acted = _act(app, counted.action, [each for each in ids if each not in seen], terminate=terminate)
            done += len(acted)
            seen.update(acted if counted.action == "revoke" else ())
            result = replace(result, done=done)
            result = result.without(
                _REFUSED[counted.action], [each for each in ids if each not in acted and each not in seen]
            )
            yield result
        if done == before:
            return


def _steps(app: Any, wanted: Filter, criteria: Criteria) -> Iterator[list[Record]]:
    """Give the records that fit, some at a time."""
    after = ""
    while True:
        found = app.broker.find(criteria, after, STEP)
        some = [record for record in found.records if wanted.matches(record)]
        if some:
            yield some
        if not (after := found.after):
            return


def _act(app: Any, action: Action, ids: Sequence[str], *, terminate: bool) -> set[str]:
    """Do it with these; return with which it was done."""
    broker, now = app.broker, app.clock.now()
    if not ids:
        return set()
    match action:
        case "revoke":
            cancelled = broker.cancel(ids, now, terminate=terminate)
            answers = [answer in ("cancelled", "stopping", "noted") for answer in cancelled]
        case "retry":
            answers = broker.requeue(ids, now)
        case "run-now":
            answers = broker.reschedule(ids, now, now)
        case _:
            gone = broker.forget(ids)
            known = broker.get(ids) if gone < len(ids) else [None] * len(ids)
            answers = [record is None for record in known]
    return {task_id for task_id, done in zip(ids, answers, strict=True) if done}
