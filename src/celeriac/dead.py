"""The dead letter: tasks that have failed for good, to look at, to run again, or to drop; `app.dead`.

It is no second queue: a failed task stays in the store with its arguments and its error, for
`dead_letter_expires`. What is asked for by filter is found page by page, so that any number may have failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from celeriac.broker import DEAD_AT_ONCE
from celeriac.clock import as_datetime, as_timestamp
from celeriac.errors import DecodeError, InvalidMessage
from celeriac.message import Record, check_id, decode_payload
from celeriac.outcome import ErrorInfo, decode_error
from celeriac.states import State

__all__ = ["Acted", "DeadLetter", "DeadTask"]

SOME_IDS: Final = 1_000  # of those with which something was done
SHOWN_IDS: Final = 10  # of those that are noted with who did it
ROUNDED: Final = 0.6e-6  # seconds by which a datetime may differ from the moment that it was made of


class DeadTask(msgspec.Struct, frozen=True):
    """A task that has failed for good.

    Attributes:
        record: all that the store keeps of it.
    """

    record: Record

    @property
    def id(self) -> str:
        """The task's id."""
        return self.record.id

    @property
    def task(self) -> str:
        """The task's name."""
        return self.record.message.name

    @property
    def queue(self) -> str:
        """The queue that it was sent to."""
        return self.record.message.queue

    @property
    def args(self) -> list[Any]:
        """The positional arguments, as JSON gives them back.

        Raises:
            DecodeError: the stored bytes cannot be read; that may be what it failed of.
        """
        return decode_payload(self.record.message.payload, what="the arguments")[0]

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments, as JSON gives them back.

        Raises:
            DecodeError: as for `args`.
        """
        return decode_payload(self.record.message.payload, what="the arguments")[1]

    @property
    def _info(self) -> ErrorInfo:
        try:
            return decode_error(self.record.error)
        except DecodeError as error:
            return ErrorInfo.of(error)

    @property
    def error(self) -> str:
        """What the error said."""
        return self._info.message

    @property
    def error_type(self) -> str:
        """The error's type, such as `builtins.ValueError`."""
        return self._info.type

    @property
    def traceback(self) -> str | None:
        """The traceback in the worker; None without one."""
        return self._info.traceback or None

    @property
    def origin(self) -> str | None:
        """The id of the task that failed first, where this one never ran because of it; else None."""
        return self._info.origin

    @property
    def failed(self) -> datetime:
        """When it failed, in UTC."""
        return as_datetime(self.record.finished or 0.0)

    @property
    def can_be_requeued(self) -> bool:
        """Whether it has run. What failed because of another task did not, nor has a join anything to run."""
        return self.record.fence > 0


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which failed tasks are meant; None for any. Times are seconds since 1970."""

    task: str | None = None
    queues: frozenset[str] | None = None
    error: str | None = None
    since: float | None = None
    until: float | None = None

    def has(self, dead: DeadTask) -> bool:
        """Say whether *dead* is one of them; the times are for the walk to heed."""
        return (
            (self.task is None or dead.task == self.task or fnmatchcase(dead.task, self.task))
            and (self.queues is None or dead.queue in self.queues)
            and (self.error is None or self.error in (dead.error_type, dead.error_type.rpartition(".")[2]))
        )


class Acted(NamedTuple):
    """What came of `requeue` or `drop`; of a dry run, what would.

    Attributes:
        done: how many were requeued or dropped. left: how many were not: they have not failed (any more),
            have not run, another task has their unique name, or is not done with their result.
        ids: of those that were, 1,000 at most. left_ids: of those that were not, as many.
    """

    done: int = 0
    left: int = 0
    ids: tuple[str, ...] = ()
    left_ids: tuple[str, ...] = ()

    def plus(self, ids: Sequence[str], left: Sequence[str]) -> Acted:
        """Count more."""
        return Acted(
            self.done + len(ids),
            self.left + len(left),
            (*self.ids, *ids[: max(0, SOME_IDS - len(self.ids))]),
            (*self.left_ids, *left[: max(0, SOME_IDS - len(self.left_ids))]),
        )


class DeadLetter:
    """The failed tasks of an application; `app.dead`. Iterating yields all, the newest failures first.

    Args:
        app: the application.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    # --- looking ------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[DeadTask]:
        return self._find(Filter())

    def list(self, *, limit: int = 100, **which: Any) -> list[DeadTask]:
        """Return up to *limit* failed tasks, the newest failures first.

        Args:
            limit: how many at most.
            which: as `find` takes it.
        """
        return list(islice(self.find(**which), limit))

    def find(
        self,
        *,
        task: str | None = None,
        queue: str | Iterable[str] | None = None,
        error: str | None = None,
        since: datetime | float | None = None,
        until: datetime | float | None = None,
    ) -> Iterator[DeadTask]:
        """Iterate over failed tasks, the newest failures first, in bounded memory.

        Args:
            task: only those of this name, or of names like this pattern (`mail.*`).
            queue: only those that were sent to this queue, or to one of several.
            error: only those whose error has this type: `ValueError`, or with its module.
            since, until: only those that failed at this moment or later, before this one; a datetime without
                a zone is in the zone of the `timezone` setting.
        """
        return self._find(
            Filter(
                task=task,
                queues=None if queue is None else frozenset([queue] if isinstance(queue, str) else queue),
                error=error,
                since=self._moment(since),
                until=self._moment(until),
            )
        )

    def get(self, id: str) -> DeadTask | None:
        """Return the failed task *id*; None when there is none, or it has not failed."""
        return self._get([check_id(id)])[0]

    # --- acting -------------------------------------------------------------------------------------

    def requeue(
        self,
        ids: str | DeadTask | Iterable[str | DeadTask] | None = None,
        *,
        dry_run: bool = False,
        all: bool = False,
        **which: Any,
    ) -> Acted:
        """Queue failed tasks again, at the tails of their queues, their retries counted from 0.

        Those that failed because of one of them stay as they are; see the how-to on the dead letter.

        Args:
            ids: of one or several tasks, or these themselves; or *which* by filter, as `find` takes it; or
                `all=True`.
            dry_run: only say what would be done, as far as that can be known.

        Raises:
            InvalidMessage: it is not said which, or in two ways.
        """
        return self._act(self._requeued, ids, which, all=all, dry_run=dry_run)

    def drop(
        self,
        ids: str | DeadTask | Iterable[str | DeadTask] | None = None,
        *,
        dry_run: bool = False,
        all: bool = False,
        **which: Any,
    ) -> Acted:
        """Delete the records of failed tasks for ever; the arguments are those of `requeue`.

        Raises:
            InvalidMessage: it is not said which, or in two ways.
        """
        return self._act(self._dropped, ids, which, all=all, dry_run=dry_run)

    # --- parts --------------------------------------------------------------------------------------

    def _act(
        self,
        do: Callable[[Sequence[DeadTask], bool], Sequence[str]],
        ids: str | DeadTask | Iterable[str | DeadTask] | None,
        which: dict[str, Any],
        *,
        all: bool,
        dry_run: bool,
    ) -> Acted:
        which = {name: value for name, value in which.items() if value is not None}
        if (ids is not None) + bool(which) + all != 1:
            raise InvalidMessage("say which failed tasks: by id, by filter, or all=True")
        acted = Acted()
        if ids is None:
            for some in _in_batches(self.find(**which)):
                done = do(some, dry_run)
                acted = acted.plus(done, _without([each.id for each in some], done))
            self._note(do, _words(which), acted, dry_run)
            return acted
        for batch in _in_batches(iter(_ids_of(ids))):
            done = do([dead for dead in self._get(batch) if dead is not None], dry_run)
            acted = acted.plus(done, _without(batch, done))
        self._note(do, " ".join(acted.ids[:SHOWN_IDS]), acted, dry_run)
        return acted

    def _note(self, do: Callable[..., Any], target: str, acted: Acted, dry_run: bool) -> None:
        if not dry_run:
            self._app.acted("requeue" if do == self._requeued else "drop", target, acted.done)

    def _requeued(self, some: Sequence[DeadTask], dry_run: bool) -> Sequence[str]:
        ids = [dead.id for dead in some if dead.can_be_requeued]
        answers = [True] * len(ids) if dry_run else self._app.broker.requeue(ids, self._app.clock.now())
        return [task_id for task_id, done in zip(ids, answers, strict=True) if done]

    def _dropped(self, some: Sequence[DeadTask], dry_run: bool) -> Sequence[str]:
        ids = [dead.id for dead in some]
        if dry_run or self._app.broker.forget(ids) == len(ids):
            return ids
        return [each for each, there in zip(ids, self._app.broker.get(ids), strict=True) if there is None]

    def _get(self, ids: Sequence[str]) -> Sequence[DeadTask | None]:
        records = self._app.broker.get(ids)
        return [
            DeadTask(record) if record is not None and record.state is State.FAILED else None
            for record in records
        ]

    def _find(self, wanted: Filter) -> Iterator[DeadTask]:
        after = ""
        while True:
            page = self._app.broker.dead(after, DEAD_AT_ONCE, wanted.until)
            for dead in map(DeadTask, page.records):
                if wanted.since is not None and (dead.record.finished or 0.0) < wanted.since:
                    return
                if wanted.has(dead):
                    yield dead
            after = page.after
            if not after:
                return

    def _moment(self, moment: datetime | float | None) -> float | None:
        if moment is None:
            return None
        seconds = as_timestamp(self._app.aware(moment))
        return seconds - ROUNDED if isinstance(moment, datetime) else seconds


def _ids_of(given: str | DeadTask | Iterable[str | DeadTask]) -> Iterable[str]:
    """Return ids, each once."""
    several = [given] if isinstance(given, str | DeadTask) else given
    return dict.fromkeys(check_id(each.id if isinstance(each, DeadTask) else each) for each in several)


def _in_batches(things: Iterator[Any]) -> Iterator[list[Any]]:
    while some := list(islice(things, DEAD_AT_ONCE)):
        yield some


def _words(which: dict[str, Any]) -> str:
    return " ".join(f"{name}:{value}" for name, value in which.items()) or "all that failed"


def _without(ids: Sequence[str], done: Sequence[str]) -> list[str]:
    gone = set(done)
    return [each for each in ids if each not in gone]
