"""From a signature to messages: who waits for whom, and what each is given of the others' results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from celeriac.calling import CallOptions, Envelope, envelope_of
from celeriac.canvas.signature import Signature, chain, chord, chunks, group, signature
from celeriac.context import current_run
from celeriac.errors import ConfigurationError, InvalidArguments, InvalidMessage, Replaced
from celeriac.groups import JOIN_NAME, GroupResult
from celeriac.lanes import Limit
from celeriac.limiting import Limiter, limiter_of
from celeriac.message import (
    After,
    Message,
    check_circles,
    check_id,
    encode_options,
    encode_payload,
    new_ids,
)
from celeriac.result import AsyncResult
from celeriac.uniqueness import uniqueness_of

ACCUMULATE: Final = "celeriac.accumulate"
DEEPEST: Final = 100
AT_ONCE: Final = 1_000  # messages of a group that are sent together

_GIVEN: Final = object()  # stands for an argument that will be known when the task starts
_FOR_ALL: Final = (
    "queue",
    "priority",
    "expires",
    "headers",
    "time_limit",
    "soft_time_limit",
    "max_retries",
    "ignore_result",
)
_FOR_FIRST: Final = ("countdown", "eta")
_KNOWN: Final = frozenset(CallOptions.__struct_fields__) | {"link", "link_error", "after", "remote"}


class Source(NamedTuple):
    """What something waits for: a task whose result it is given (None for none), and others."""

    gives: str | None = None
    also: tuple[str, ...] = ()

    @property
    def parents(self) -> tuple[str, ...]:
        """The ids of all of them, each once."""
        first = () if self.gives is None else (self.gives,)
        return tuple(dict.fromkeys((*first, *self.also)))


class Laid(NamedTuple):
    """What a signature has become.

    Attributes:
        ends: ids of what has to succeed for all of it to have succeeded.
        result: an AsyncResult, or for a group a GroupResult.
        source: what it waited for, which a group of nobody hands on.
    """

    ends: list[str]
    result: Any
    source: Source


class Known(NamedTuple):
    """A task as far as it matters for sending it."""

    envelope: Envelope
    task: Any  # None where it is known elsewhere only
    limiter: Limiter | None = None
    is_unique: bool = False


class Plan:
    """The messages of one graph.

    Args:
        app: the application. sig: the whole. now: when it is made; None asks the application's clock.
    """

    def __init__(self, app: Any, sig: Signature, now: float | None = None) -> None:
        self._app = app
        self._now = app.clock.now() if now is None else now
        self._limit = app.conf.task_payload_limit
        self._ids = _endless_ids(self._now)
        self._written: tuple[Any, bytes] = (None, b"")  # options, and for what they were written
        self._known: dict[str, Known] = {}
        self._joins: set[str] = set()  # ids of groups that have one
        self._run = current_run()
        self._root: str | None = None
        if self._run is not None:
            self._root = self._run.load_options().root_id or self._run.id
        self.messages: list[Message] = []
        self.unique: list[str] = []  # calls for which another task may stand, and why
        after = sig.options.get("after") or ()
        self.laid = self._lay(sig, Source(None, self._ids_of(after)), {}, None, 0)

    def _ids_of(self, after: Any) -> tuple[str, ...]:
        some = [after] if isinstance(after, str | AsyncResult | GroupResult) else after
        return tuple(check_id(str(each)) for each in some)

    # --- shapes -------------------------------------------------------------------------------------

    def _lay(
        self, sig: Signature, source: Source, above: Mapping[str, Any], group_id: str | None, depth: int
    ) -> Laid:
        """Add what *sig* comes to.

        Args:
            above: the options of the shapes that it is in. group_id: of the group that it is in.
        """
        if depth > DEEPEST:
            raise InvalidMessage(f"shapes are nested more than {DEEPEST} deep")
        if unknown := sig.options.keys() - _KNOWN:
            raise InvalidMessage(f"{sig!r:.80} has the options {sorted(unknown)}, which no call has")
        options = {**above, **{key: value for key, value in sig.options.items() if value is not None}}
        if isinstance(sig, chain | chord) and options.get("idempotency_key") is not None:
            self.unique.append(f"{sig!r:.80} has an idempotency key")
        links = options.pop("link", None) or (), options.pop("link_error", None) or ()
        if isinstance(sig, chunks):
            sig = sig.group()
        if isinstance(sig, chain):
            laid = self._chain(sig, source, options, group_id, depth)
        elif isinstance(sig, group):
            laid = self._group(sig, source, options, depth)
        elif isinstance(sig, chord):
            laid = self._chord(sig, source, options, group_id, depth)
        else:
            laid = self._task(sig, source, options, group_id)
        self._call_back(laid, *links, depth)
        return laid

    def _chain(
        self, sig: chain, source: Source, options: dict[str, Any], group_id: str | None, depth: int
    ) -> Laid:
        steps = sig.tasks
        if not steps:
            raise InvalidMessage("a chain of nothing cannot be sent")
        if sig.args:
            steps = [steps[0].clone(sig.args), *steps[1:]]
        everywhere, last_id = _some(options, _FOR_ALL), options.get("task_id")
        here: dict[str, Any] = {**everywhere, **_some(options, _FOR_FIRST)}
        laid, before = None, None
        for number, step in enumerate(steps):
            is_last = number == len(steps) - 1
            if is_last and last_id is not None:
                here = {**here, "task_id": last_id}
            laid = self._lay(step, source, here, group_id if is_last else None, depth + 1)
            _set_parent(laid.result, before)
            if not is_last:
                before, source = laid.result, self._source_of(laid)
            here = everywhere
        assert laid is not None
        return laid

    def _group(self, sig: group, source: Source, options: dict[str, Any], depth: int) -> Laid:
        whole = options.pop("task_id", None)
        result = GroupResult(self._new_id() if whole is None else check_id(whole), [], home=self._app)
        ends: list[str] = []
        for member in sig.tasks:
            laid = self._lay(
                member.clone(sig.args) if sig.args else member, source, options, result.id, depth + 1
            )
            if isinstance(laid.result, GroupResult):
                result.results += laid.result.results
                ends += laid.ends
            else:
                result.results.append(laid.result)
                ends += laid.ends
        return Laid(ends, result, source)

    def _chord(
        self, sig: chord, source: Source, options: dict[str, Any], group_id: str | None, depth: int
    ) -> Laid:
        body = sig.body
        if body is None:
            raise InvalidMessage("a chord without a body cannot be sent: call it with one")
        header = sig.header.clone(sig.args) if sig.args else sig.header
        everywhere = _some(options, _FOR_ALL)
        first = {**everywhere, **_some(options, _FOR_FIRST)}
        above = self._lay(header, source, first, None, depth + 1)
        if self._app.conf.task_allow_error_cb_on_chord_header:
            for errback in _listed(sig.options.get("link_error") or ()):
                for end in above.ends:
                    self._errback(errback, end)
        named = {"task_id": options["task_id"]} if options.get("task_id") else {}
        laid = self._lay(body, self._source_of(above), {**everywhere, **named}, group_id, depth + 1)
        _set_parent(laid.result, above.result)
        return laid

    def _source_of(self, laid: Laid) -> Source:
        """Return what the next one waits for."""
        if laid.ends or not isinstance(laid.result, GroupResult):
            return Source(self._as_one(laid))
        return Source(self._as_one(laid), laid.source.parents)  # a group of nobody keeps nobody waiting

    def _as_one(self, laid: Laid) -> str:
        """Return the id of the one task that ends last; that is a join's for a group."""
        if not isinstance(laid.result, GroupResult):
            return laid.ends[0]
        join = laid.result.id
        if join not in self._joins:
            self._joins.add(join)
            self.messages.append(
                Message(
                    join,
                    JOIN_NAME,
                    self._app.conf.task_default_queue,
                    created=self._now,
                    after=After(tuple(dict.fromkeys(laid.ends)), join=True),
                )
            )
        return join

    def as_one(self) -> str:
        """Return the id of the one task with whose end all has ended."""
        return self._as_one(self.laid)

    def _call_back(
        self,
        laid: Laid,
        link: Iterable[Any],
        link_error: Iterable[Any],
        depth: int,
    ) -> None:
        for callback in _listed(link):
            if isinstance(laid.result, GroupResult):
                callback = callback.clone().set(immutable=True)
            self._lay(callback, self._source_of(laid), {}, None, depth + 1)
        for errback in _listed(link_error):
            self._errback(errback, self._as_one(laid))

    # --- one task -----------------------------------------------------------------------------------

    def _task(self, sig: Signature, source: Source, options: dict[str, Any], group_id: str | None) -> Laid:
        takes = None if sig.immutable else source.gives
        after = After(source.parents, countdown=options.pop("countdown", None)) if source.parents else None
        what = {"parent_id": source.gives, "input": takes, "group_id": group_id}
        message = self._message(sig, options, after, 0 if takes is None else 1, what)
        self.messages.append(message)
        result: AsyncResult[Any] = AsyncResult(message.id, self._app, kind=self._kind(sig))
        return Laid([message.id], result, source)

    def _errback(self, sig: Signature, failure_of: str) -> None:
        options = {key: value for key, value in sig.options.items() if value is not None}
        after = After((failure_of,), on="failure", countdown=options.pop("countdown", None))
        task = self._look_up(sig, options).task
        given = (
            1 if task is None or not task.arguments.fits((_GIVEN,) * 3 + tuple(sig.args), sig.kwargs) else 3
        )
        what = {"parent_id": failure_of, "failure_of": None if sig.immutable else failure_of}
        self.messages.append(self._message(sig, options, after, 0 if sig.immutable else given, what))

    def _message(
        self,
        sig: Signature,
        options: dict[str, Any],
        after: After | None,
        given: int,
        what: dict[str, Any],
    ) -> Message:
        """Write one message.

        Args:
            given: how many arguments it gets from what it waits for. what: more of its `Options`.
        """
        known = self._look_up(sig, options)
        for gone in ("link", "link_error", "after", "remote"):
            options.pop(gone, None)
        call = CallOptions(**options)
        envelope = (
            known.envelope.with_call(call, self._now, self._app, sig.task) if options else known.envelope
        )
        args, kwargs = tuple(sig.args), sig.kwargs
        if known.task is not None:
            try:
                known.task.arguments.check((_GIVEN,) * given + args, kwargs)
            except InvalidArguments as error:
                if given:
                    error.add_note(f"{given} of its arguments come from the task before it")
                raise
        if known.is_unique or call.idempotency_key is not None:
            why = "is unique" if known.is_unique else "has an idempotency key"
            self.unique.append(f"{sig!r:.80} {why}")
        task_id = self._new_id() if call.task_id is None else check_id(call.task_id)
        if self._root is None:
            self._root = task_id
        if what["parent_id"] is None and self._run is not None:
            what["parent_id"] = self._run.id
        what["follows"] = None if after is None else True
        expires = envelope.expires_at(self._now)
        same = (envelope, *what.items())  # as the one before: so it is in a group
        if self._written[0] != same or options:
            written = msgspec.structs.replace(
                envelope.options, root_id=self._root, eta=envelope.eta, expires=expires, **what
            )
            self._written = same, encode_options(written)
        return Message(
            task_id,
            sig.task,
            envelope.queue,
            envelope.priority,
            self._now,
            encode_payload(args, kwargs, what=f"the arguments of {sig.task}", limit=self._limit),
            envelope.eta,
            expires,
            envelope.crash_limit,
            self._written[1],
            after,
            _limit_of(known.limiter, (_GIVEN,) * given + args, kwargs),
        )

    def _look_up(self, sig: Signature, options: Mapping[str, Any]) -> Known:
        known = self._known.get(sig.task)
        if known is None:
            if options.get("remote"):
                known = Known(self._app.foreign_envelope(sig.task), None)
            else:
                task = self._app.find_task(sig.task)
                unique = uniqueness_of(task) is not None
                known = Known(envelope_of(task, self._app.conf), task, limiter_of(task), unique)
            self._known[sig.task] = known
        return known

    def _kind(self, sig: Signature) -> Any:
        task = self._known[sig.task].task
        return Any if task is None else task.arguments.result_type

    def _new_id(self) -> str:
        return next(self._ids)


def _limit_of(limiter: Limiter | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Limit | None:
    return None if limiter is None else limiter.limit_of(args, kwargs, unknown=_GIVEN)


def _endless_ids(now: float) -> Iterator[str]:
    while True:
        yield from new_ids(64, now)


def _some(options: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: options[name] for name in names if name in options}


def _listed(callbacks: Any) -> list[Signature]:
    return [signature(each) for each in ([callbacks] if isinstance(callbacks, dict) else callbacks)]


def _set_parent(result: Any, parent: Any) -> None:
    """Let *parent* stand before the first of what led to *result*."""
    if parent is None:
        return
    while result.parent is not None and result.parent is not parent:
        result = result.parent
    result.parent = parent


# --- sending ----------------------------------------------------------------------------------------


def send(sig: Signature) -> Any:
    """Send *sig* whole, and return its result."""
    app = sig.app
    if app.conf.task_always_eager:
        from celeriac.canvas.inline import run

        return run(sig, propagate=app.conf.task_eager_propagates)
    plan = Plan(app, sig)
    if plan.unique:
        return _called_alone(plan, sig)
    for batch in _batches(plan.messages):
        app.publish(batch, retry=sig.options.get("retry"))
    return plan.laid.result


def _called_alone(plan: Plan, sig: Signature) -> Any:
    """Call a unique task as such; it can be no part of anything larger.

    Raises:
        InvalidMessage: it is one.
    """
    _refuse_unique(plan, alone=sig.shape is None and len(plan.messages) == 1)
    not_here = ("link", "link_error", "after", "remote")
    options = {name: value for name, value in sig.options.items() if name not in not_here}
    return sig.app.send_task(sig.task, tuple(sig.args), sig.kwargs, **options)


def _refuse_unique(plan: Plan, *, alone: bool = False) -> None:
    if plan.unique and not alone:
        raise InvalidMessage(
            f"{plan.unique[0]}, so another task may stand for it: it can be no chain, group or chord, and no "
            f"part of one, have no callbacks, and be sent by no schedule"
        )


async def asend(sig: Signature) -> Any:
    """Do what `send` does without blocking the event loop."""
    import asyncio

    app = sig.app
    if app.conf.task_always_eager:
        return await asyncio.to_thread(send, sig)
    plan = Plan(app, sig)
    if plan.unique:
        return await asyncio.to_thread(_called_alone, plan, sig)
    for batch in _batches(plan.messages):
        await app.apublish(batch, retry=sig.options.get("retry"))
    return plan.laid.result


def _batches(messages: list[Message]) -> Iterator[list[Message]]:
    """Return all of it as one batch if any waits for others; else parts that hold nobody up."""
    if any(message.after is not None for message in messages):
        check_circles(messages)
        yield messages
        return
    for start in range(0, len(messages), AT_ONCE):
        yield messages[start : start + AT_ONCE]


def freeze(sig: Signature, task_id: str | None = None) -> Any:
    """Give *sig* its id now, and return the result that it will have."""
    app = sig.app
    chosen = task_id or sig.options.get("task_id") or new_ids(1, app.clock.now())[0]
    sig.options["task_id"] = check_id(chosen)
    if isinstance(sig, group):
        return GroupResult(chosen, [freeze(task) for task in sig.tasks], home=app)
    return AsyncResult(chosen, app)


# --- inside a run -----------------------------------------------------------------------------------


def in_place(app: Any, sig: Signature) -> Replaced:
    """Return what a task raises so that *sig* takes its place."""
    plan = Plan(app, sig)
    if isinstance(plan.laid.result, GroupResult):
        plan = Plan(app, chord(sig, Signature(ACCUMULATE), app=app))
    _refuse_unique(plan)
    check_circles(plan.messages)
    end = plan.laid.ends[0]
    return Replaced(f"replaced by {end}", app.prepared(plan.messages), end)


def as_one(app: Any, sig: Signature, now: float) -> tuple[list[Message], str]:
    """Return the messages of *sig*, made at *now*, and the id of the one with whose end all has ended."""
    plan = Plan(app, sig, now)
    _refuse_unique(plan)
    end = plan.as_one()
    check_circles(plan.messages)
    return plan.messages, end


def add_to_chord(app: Any, task_id: str, sig: Signature) -> Any:
    """Let the join that waits for task *task_id* wait for *sig* too; return its result.

    Raises:
        ConfigurationError: there is none, or it waits no more.
    """
    plan = Plan(app, sig)
    _refuse_unique(plan)
    join = next((each for each in _dependants(app, task_id) if _is_join(each)), None)
    if join is None:
        raise ConfigurationError(f"task {task_id} is in no chord")
    messages = app.prepared(plan.messages)
    if not app.broker.extend(join.id, messages, plan.laid.ends, app.clock.now()):
        raise ConfigurationError(f"the chord {join.id} does not wait any more: one of its tasks has failed")
    return plan.laid.result


def _dependants(app: Any, task_id: str) -> Iterator[Any]:
    yield from app.broker.get(app.broker.dependants(task_id))


def _is_join(record: Any) -> bool:
    return record is not None and record.message.after is not None and record.message.after.join
