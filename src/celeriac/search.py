"""Looking for tasks in words: `app.search("state:failed since:2h")`; and tasks as people see them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from celeriac import codec
from celeriac.attempts import Attempt
from celeriac.broker import LOOKED_AT
from celeriac.criteria import Criteria
from celeriac.errors import DecodeError
from celeriac.filters import Filter
from celeriac.message import PLAIN, Options, Record, decode_options, decode_payload
from celeriac.outcome import ErrorInfo, decode_error
from celeriac.parsing import parse
from celeriac.redaction import redacted, redacted_call
from celeriac.states import State, Verdict

__all__ = ["AttemptView", "Page", "TaskView"]

MOST_READ: Final = 1_000  # records of a page that are read one by one where the store cannot choose
_AT_ONCE: Final = 250


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was not the last one, ready to be shown. Times are seconds since 1970 UTC.

    Attributes:
        attempt: which one; those that are missing were given back by a worker that stopped, or are long ago.
        how: it was `retried`, has `crashed` with its worker, or has `failed` and was requeued.
        error_type, error, traceback: of what; None where that is not known.
    """

    attempt: int
    started: float
    ended: float
    worker: str
    how: str
    error_type: str | None = None
    error: str | None = None
    traceback: str | None = None

    @classmethod
    def of(cls, attempt: Attempt) -> AttemptView:
        """Show *attempt*; never raises, whatever its bytes are."""
        view = cls(
            attempt=attempt.fence,
            started=attempt.started,
            ended=attempt.ended,
            worker=attempt.worker,
            how=_HOW.get(attempt.verdict, attempt.verdict.name.lower()),
        )
        try:
            error = decode_error(attempt.error) if attempt.error else None
        except DecodeError as why:
            return replace(view, error=str(why))
        if error is None:
            return view
        traceback = error.traceback or None
        return replace(view, error_type=error.type, error=error.message, traceback=traceback)


_HOW: Final = {Verdict.RETRY: "retried", Verdict.CRASHED: "crashed", Verdict.FAILED: "failed"}


class TaskView(msgspec.Struct, frozen=True, kw_only=True):
    """A task, ready to be shown. What cannot be decoded is None, and `unreadable` says why. Times are seconds
    since 1970 UTC.

    Attributes:
        state, inside: its state in Celery's words, and in those of the store (`queued`, `succeeded`).
        due: when it becomes queued. started: when its last run began.
        worker: the id of the one that runs it, or ran it last; "" for none.
        attempts: how often it was started. earlier: how each run ended before the last one, the latest 20.
        cancelled: it was revoked while it runs.
        args, kwargs, meta, result: as JSON gives them back.
        error_type, error, traceback: of what it failed of, or last was retried for.
        origin: the id of the task that failed first, where this one never ran because of it.
        schedule, scheduled_for: the schedule that sent it, and the moment for which it did.
        unreadable: of each part that cannot be decoded, why.
        place: where to go on behind it; for `app.search`.
        parameters: what the task's function calls its positional arguments; none where that is not known.
    """

    id: str
    name: str
    state: str
    inside: str
    queue: str
    priority: int
    created: float
    eta: float | None = None
    expires: float | None = None
    due: float | None = None
    started: float | None = None
    finished: float | None = None
    worker: str = ""
    attempts: int = 0
    retries: int = 0
    crashes: int = 0
    cancelled: bool = False
    args: list[Any] | None = None
    kwargs: dict[str, Any] | None = None
    meta: Any = None
    result: Any = None
    error: str | None = None
    error_type: str | None = None
    traceback: str | None = None
    origin: str | None = None
    root_id: str = ""
    parent_id: str | None = None
    group_id: str | None = None
    schedule: str | None = None
    scheduled_for: float | None = None
    limit: str | None = None
    children: tuple[str, ...] = ()
    earlier: tuple[AttemptView, ...] = ()
    unreadable: dict[str, str] = {}
    place: str = ""
    parameters: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: Record, place: str = "", parameters: tuple[str, ...] = ()) -> TaskView:
        """Show *record*; never raises, whatever its bytes are."""
        sent, unreadable = record.message, dict[str, str]()
        options: Options = _read("options", unreadable, lambda: decode_options(sent.options)) or PLAIN
        args, kwargs = _read(
            "args", unreadable, lambda: decode_payload(sent.payload, what="the arguments")
        ) or (
            None,
            None,
        )
        error: ErrorInfo | None = _error_of(record, unreadable)
        return cls(
            id=record.id,
            name=sent.name,
            state=record.outside,
            inside=record.state.name.lower(),
            queue=sent.queue,
            priority=sent.priority,
            created=sent.created,
            eta=sent.eta,
            expires=sent.expires,
            due=record.due,
            started=record.started,
            finished=record.finished,
            worker=record.worker,
            attempts=record.fence,
            retries=record.retries,
            crashes=record.crashes,
            cancelled=record.cancelled,
            args=args,
            kwargs=kwargs,
            meta=_read("meta", unreadable, lambda: codec.decode(record.meta, what="the meta")),
            result=_read("result", unreadable, lambda: codec.decode(record.result, what="the result")),
            error=None if error is None else error.message,
            error_type=None if error is None else error.type,
            traceback=None if error is None else error.traceback or None,
            origin=None if error is None else error.origin,
            root_id=options.root_id or record.id,
            parent_id=options.parent_id,
            group_id=options.group_id,
            schedule=options.schedule,
            scheduled_for=options.due,
            limit=None if sent.limit is None else sent.limit.lane,
            children=record.children,
            earlier=tuple(map(AttemptView.of, record.attempts)),
            unreadable=unreadable,
            place=place,
            parameters=parameters,
        )

    @property
    def has_ended(self) -> bool:
        """Whether it has."""
        return State[self.inside.upper()].final

    def redacted(self, keys: Iterable[str] = ()) -> TaskView:
        """Return it with `•••` in place of values under keys such as `password`; see `redaction.redacted`.

        The same goes for a positional argument, where the function calls it so.

        Args:
            keys: more keys, such as `app.conf.redact_keys`.
        """
        told = tuple(keys)
        values = {name: redacted(getattr(self, name), told) for name in ("meta", "result")}
        if self.args is not None and self.kwargs is not None:
            values["args"], values["kwargs"] = redacted_call(self.args, self.kwargs, self.parameters, told)
        return replace(self, **values)


def _read(part: str, unreadable: dict[str, str], read: Any) -> Any:
    try:
        return read()
    except DecodeError as error:
        unreadable[part] = str(error)
        return None


def _error_of(record: Record, unreadable: dict[str, str]) -> ErrorInfo | None:
    if not record.error:
        return None
    found: ErrorInfo | None = _read("error", unreadable, lambda: decode_error(record.error))
    return found


class Page(NamedTuple):
    """Some of the tasks that were looked for.

    Attributes:
        tasks: perhaps none, also where there are more behind.
        after: what to ask for next; "" at the end.
        searched: how many tasks were looked at.
        more: whether there may be more behind.
    """

    tasks: Sequence[TaskView]
    after: str
    searched: int
    more: bool


def search(
    app: Any,
    query: str | Filter,
    *,
    after: str = "",
    count: int = 50,
    limit: int = LOOKED_AT,
    sent_before: float | None = None,
) -> Page:
    """Look for tasks; see `Celeriac.search`."""
    wanted = meant(app, query)
    criteria = replace(wanted.criteria, sent_before=sent_before)
    tasks, searched, read = [], 0, 0
    for step in _records(app, criteria, after, count, limit, exact=wanted.is_exact):
        searched, after = searched + step.looked, step.behind
        if step.record is None:
            continue
        read += 1
        if wanted.matches(step.record):
            parameters = app.parameters_of(step.record.message.name)
            tasks.append(TaskView.of(step.record, step.place, parameters))
        if len(tasks) == count or (read >= MOST_READ and not wanted.is_exact):
            break
    return Page(tasks, after, searched, bool(after))


class _Step(NamedTuple):
    """A record that was met, or none; its place, where to go on behind it, and how many were looked at."""

    record: Record | None = None
    place: str = ""
    behind: str = ""
    looked: int = 0


def _records(
    app: Any, criteria: Criteria, after: str, count: int, limit: int, *, exact: bool
) -> Iterator[_Step]:
    """Give what the store finds, until it may look no further; last where to go on."""
    while limit > 0:
        found = app.broker.find(criteria, after, count if exact else max(count, _AT_ONCE), limit)
        after, limit = found.after, limit - found.searched
        yield _Step(behind=after, looked=found.searched)
        last = len(found.records) - 1
        for number, (record, place) in enumerate(zip(found.records, found.places, strict=True)):
            yield _Step(record, place, after if number == last else place)
        if not after or exact:  # then the store has found enough, or may look no further
            return


def meant(app: Any, query: str | Filter) -> Filter:
    """Read a filter; where it names workers, those that live may be called by their names.

    Raises:
        InvalidFilter: it cannot be read.
    """
    wanted = parse(query, app.clock.now()) if isinstance(query, str) else query
    if not any(term.field == "worker" for term in wanted.terms):
        return wanted
    workers = app.broker.workers(app.clock.now())
    return wanted.with_workers({worker.id: worker.name for worker in workers})
