"""The task as its author writes it and its callers call it: a function or a class with `run`.

A task belongs to an application, or is shared and belongs to the current one. It turns calls into
messages; it runs nothing itself, except in `apply` and when it is called like a function.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NotRequired,
    Required,
    TypedDict,
    cast,
)

from msgspec.structs import replace

from celeriac import codec
from celeriac.arguments import Arguments
from celeriac.batching import one_call_of
from celeriac.calling import PLAIN_CALL, CallOptions, Envelope, Habits, arguments_of, as_call, habits_of
from celeriac.canvas.signature import Signature, chunks, xmap, xstarmap
from celeriac.clock import as_timestamp
from celeriac.context import Executor, Hook, Run, current_run
from celeriac.current import current_application
from celeriac.errors import ConfigurationError, DuplicateTask, InvalidMessage, Replaced, Retry
from celeriac.limiting import limiter_of
from celeriac.message import (
    Message,
    Request,
    check_id,
    encode_payload,
    new_ids,
)
from celeriac.options import Errors
from celeriac.outcome import ErrorInfo
from celeriac.result import AsyncResult, EagerResult
from celeriac.retry import DEFAULT_DELAY, DEFAULT_MAX_RETRIES
from celeriac.uniqueness import Uniqueness, once_of, uniqueness_of

if TYPE_CHECKING:
    from typing_extensions import ParamSpec, TypeVar

    P = ParamSpec("P", default=...)
    R = TypeVar("R", default=Any)
    T = TypeVar("T")
else:
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

HOOKS: Final[tuple[Hook, ...]] = ("before_start", "on_success", "on_failure", "on_retry", "after_return")
BULK: Final = 1_000  # messages that `delay_many` sends at once
CHECKPOINT_TIMEOUT: Final = 30.0  # seconds that `checkpoint` waits for the store


class TaskOptions(TypedDict, total=False):
    """The options of a task; each is also a class attribute of `Task`, where it is described."""

    name: str
    queue: str | None
    priority: int | None
    max_retries: int | None
    default_retry_delay: float | timedelta
    autoretry_for: Errors
    dont_autoretry_for: Errors
    retry_backoff: bool | float | timedelta
    retry_backoff_max: float | timedelta
    retry_jitter: bool
    time_limit: float | timedelta | None
    soft_time_limit: float | timedelta | None
    expires: float | timedelta | datetime | None
    ignore_result: bool | None
    crash_limit: int | None
    executor: Executor | None
    throws: Errors
    rate_limit: str | float | None
    burst: int | None
    concurrency: int | None
    key: str | Callable[..., Any] | None
    fair: bool
    unique: bool | float | timedelta
    on_conflict: Literal["return", "replace", "raise"]
    throttle: float | timedelta | None
    debounce: float | timedelta | None
    acks_late: bool
    reject_on_worker_lost: bool
    track_started: bool


class BatchOptions(TaskOptions):
    """The options of a task that works on many calls at once."""

    batch_size: Required[int]
    batch_wait: NotRequired[float | None]


OPTIONS: Final = frozenset(BatchOptions.__annotations__)


class Task(Generic[P, R]):
    """A unit of work: subclass it and write `run`, or let `@app.task` make one of a function.

    One instance serves all runs, so keep nothing of a run on `self`.

    Attributes:
        name: unique in the application; None takes `module.name`.
        queue, priority: where to; None takes the route's or the application's.
        max_retries: how often it may be retried; None for no end.
        default_retry_delay: seconds (or a timedelta, as for all that is in seconds) before a retry that
            names none.
        autoretry_for, dont_autoretry_for: errors that are retried without being asked, and those that are
            not: a class of exceptions, or a tuple of them.
        retry_backoff: seconds before the first automatic retry, doubled with each; True is 1.
        retry_backoff_max: its largest value. retry_jitter: a random part of it, so that a herd spreads.
        time_limit, soft_time_limit: seconds; None takes the application's.
        expires: seconds after sending (or a timedelta, or a moment) at which it is not worth running.
        ignore_result: do not keep what it returns; None takes the application's.
        crash_limit: how many dead workers it may cost; None takes the application's.
        executor: "loop" (`async def`), "thread" (`def`), or "process", where it can be killed at any moment.
        throws: errors that are expected: logged without a traceback.
        rate_limit: how many may start in a time, over all workers: "100/m", "5/s", or a number a second.
        burst: how many of them at once after a pause (1). concurrency: how many may run at once.
        key: the name of an argument, or a function of the call: limits are for each key apart.
        fair: tasks of different keys take turns.
        unique: while one like it (of the same key, or with the same arguments) has not ended, or for so many
            seconds, a call does what `on_conflict` says: "return" that one, "replace" it, or "raise".
        throttle: one call in so many seconds; others return it. debounce: a call waits so many seconds, and a
            newer one takes its place.
        batch_size: so many calls at most are worked on at once: `run` is given the list of their arguments.
        batch_wait: seconds for which the first of them waits for the others at most (0.5).
        acks_late, reject_on_worker_lost, track_started: accepted for Celery's sake; always so.
    """

    name: str = ""
    queue: str | None = None
    priority: int | None = None
    max_retries: int | None = DEFAULT_MAX_RETRIES
    default_retry_delay: float | timedelta = DEFAULT_DELAY
    autoretry_for: Errors = ()
    dont_autoretry_for: Errors = ()
    retry_backoff: bool | float | timedelta = False
    retry_backoff_max: float | timedelta = 600.0
    retry_jitter: bool = True
    time_limit: float | timedelta | None = None
    soft_time_limit: float | timedelta | None = None
    expires: float | timedelta | datetime | None = None
    ignore_result: bool | None = None
    crash_limit: int | None = None
    executor: Executor | None = None
    throws: Errors = ()
    rate_limit: str | float | None = None
    burst: int | None = None
    concurrency: int | None = None
    key: Any = None
    fair: bool = False
    unique: bool | float | timedelta = False
    on_conflict: Literal["return", "replace", "raise"] = "return"
    throttle: float | timedelta | None = None
    debounce: float | timedelta | None = None
    batch_size: int | None = None
    batch_wait: float | None = None
    acks_late: bool = True
    reject_on_worker_lost: bool = True
    track_started: bool = True

    run: Callable[..., Any]
    _app: ClassVar[Any] = None  # set on the class by `app.Task`, on the instance by `register_task`
    _cache: tuple[Any, int, Habits] | None = None  # whose settings, their version, what they come to
    _arguments: Arguments | None = None

    def __init_subclass__(cls, *, app: Any = None, register: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if app is not None:
            cls._app = app
        if register and cls._app is not None and "run" in vars(cls):
            cls._app.register_task(cls)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the task here and now, like the function that it is.

        Inside another task it is part of that one's run: it reports for it and has its `request`.
        """
        run = current_run()
        if run is None:
            return cast("R", self.run(*args, **kwargs))
        token = _inner.set((run, self))
        try:
            value = self.run(*args, **kwargs)
        finally:
            _inner.reset(token)
        return cast("R", self._awaited(value) if inspect.iscoroutine(value) else value)

    async def _awaited(self, call: Coroutine[Any, Any, Any]) -> Any:
        token = _inner.set((current_run(), self))
        try:
            return await call
        finally:
            _inner.reset(token)

    def __repr__(self) -> str:
        return f"<@task: {self.name or type(self).__qualname__}>"

    def __reduce__(self) -> Any:
        raise TypeError(f"{self!r} cannot be pickled; send its name")

    @property
    def app(self) -> Any:
        """The application that it belongs to: its own, or the current one.

        Raises:
            ConfigurationError: it was never registered, or no application is current.
        """
        if not self.name:
            raise ConfigurationError(
                f"this {type(self).__qualname__} was never registered: use what app.register_task returns"
            )
        return self._app if self._app is not None else current_application()

    @property
    def arguments(self) -> Arguments:
        """How calls fit its signature."""
        if self._arguments is None:
            call = self.run if self.batch_size is None else one_call_of(self.run, self.name)
            self._arguments = Arguments(call, self.name)
        return self._arguments

    # --- calling --------------------------------------------------------------------------------------

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Send a call; return when the store has committed it.

        Raises:
            InvalidArguments: the call does not fit the function's signature.
            EncodeError, PayloadTooLarge: an argument cannot be sent.
            OperationalError: the store does not take it; raised within `broker_connection_timeout` seconds.
        """
        return self._send(args, kwargs, PLAIN_CALL)

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Do what `delay` does without blocking the event loop; callers at once share one batch."""
        messages = self._messages([(args, kwargs)], PLAIN_CALL)
        return (await self._adispatch(messages, retry=None))[0]

    def apply_async(
        self,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        task_id: str | None = None,
        countdown: float | None = None,
        eta: datetime | float | None = None,
        expires: float | timedelta | datetime | None = None,
        queue: str | None = None,
        priority: int | None = None,
        headers: Mapping[str, Any] | None = None,
        time_limit: float | timedelta | None = None,
        soft_time_limit: float | timedelta | None = None,
        max_retries: int | None = None,
        ignore_result: bool | None = None,
        retry: bool | None = None,
        link: Any = None,
        link_error: Any = None,
        after: Any = None,
        idempotency_key: str | None = None,
    ) -> AsyncResult[R]:
        """Send a call with options.

        Args:
            task_id: an id of your own; sending it again changes nothing and gives the first one's result.
            countdown: seconds from now before which it is not started; negative counts as 0.
            eta: the same as a moment: a datetime (without zone: in the `timezone` setting) or seconds since
                1970.
            expires: seconds from now, a timedelta, or a datetime at which it is not worth running any more.
            priority: 0 to 9, larger first.
            headers: anything; `self.request.headers`.
            retry: False makes a store that is away an error at once.
            link, link_error: signatures, or lists of them, that are called once it has succeeded, or failed.
            after: results, or ids, of tasks that have to succeed before it; their results are not passed on.
            idempotency_key: any text; calls of this task with the same one return the first one's result, for
                as long as that is kept. Not for a task that is unique, throttled or debounced.

        Raises:
            As `delay`; InvalidMessage for an option that cannot be what it is.
        """
        if link or link_error or after:
            more = {"link": link, "link_error": link_error, "after": after, "task_id": task_id}
            more |= {"countdown": countdown, "eta": eta, "expires": expires, "queue": queue}
            more |= {"priority": priority, "headers": headers, "time_limit": time_limit}
            more |= {"soft_time_limit": soft_time_limit, "max_retries": max_retries}
            more |= {"ignore_result": ignore_result, "retry": retry, "idempotency_key": idempotency_key}
            return cast("AsyncResult[R]", self.signature(args, kwargs, **more).apply_async())
        call = CallOptions(
            task_id, countdown, eta, expires, queue, priority, headers,
            time_limit, soft_time_limit, max_retries, ignore_result, retry, idempotency_key,
        )  # fmt: skip
        return self._send(*arguments_of(self.name, args, kwargs), call)

    async def aapply_async(
        self,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncResult[R]:
        """Do what `apply_async` does, with the same options, without blocking the event loop."""
        if options.keys() & {"link", "link_error", "after"}:
            return cast("AsyncResult[R]", await self.signature(args, kwargs, **options).aapply_async())
        call = CallOptions(**options)
        messages = self._messages([arguments_of(self.name, args, kwargs)], call)
        return (await self._adispatch(messages, retry=call.retry))[0]

    def delay_many(self, calls: Iterable[Any], **options: Any) -> list[AsyncResult[R]]:
        """Send many calls in batches of 1,000; memory stays bounded by the results that are returned.

        Args:
            calls: each a tuple of positional arguments or a dict of keyword arguments.
            options: as `apply_async` has, but no `task_id`.

        Raises:
            As `delay`. Batches before the failing one have been sent; the error's note says how many calls.
            DuplicateTask: some calls have others that stand for them, and `on_conflict` is "raise". The
                others of the same batch have been sent; `sent` has the ids of all that were.
        """
        call = CallOptions(**options)
        sent: list[AsyncResult[R]] = []
        try:
            for messages in self._batches(calls, call):
                sent += self._dispatch(messages, retry=call.retry)
        except Exception as error:
            _tell_what_was_sent(error, sent)
            raise
        return sent

    async def adelay_many(self, calls: Iterable[Any], **options: Any) -> list[AsyncResult[R]]:
        """Do what `delay_many` does, without blocking the event loop."""
        call = CallOptions(**options)
        sent: list[AsyncResult[R]] = []
        try:
            for messages in self._batches(calls, call):
                sent += await self._adispatch(messages, retry=call.retry)
        except Exception as error:
            _tell_what_was_sent(error, sent)
            raise
        return sent

    def apply(
        self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> EagerResult[R]:
        """Run the task here and now: arguments through JSON, retries at once, no limits."""
        call = CallOptions(**options)
        message = self._messages([arguments_of(self.name, args, kwargs)], call)[0]
        return cast("EagerResult[R]", self.app.run_eagerly(self, message, propagate=False))

    # --- writing calls down -----------------------------------------------------------------------------

    def s(self, *args: Any, **kwargs: Any) -> Signature:
        """Write a call down; what a parent returns is put before its arguments."""
        return Signature(self, args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> Signature:
        """Write a call down that takes nothing from a parent."""
        return Signature(self, args, kwargs, immutable=True)

    def signature(
        self, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Signature:
        """Write a call down, with options; `immutable=True` for one that takes nothing from a parent."""
        return Signature(self, args, kwargs, **options)

    subtask = signature

    def map(self, it: Iterable[Any]) -> xmap:
        """Write down one task that calls this one with each item, one after another."""
        return xmap(self.s(), it)

    def starmap(self, it: Iterable[Any]) -> xstarmap:
        """Write down one task that calls this one with each item's parts, one after another."""
        return xstarmap(self.s(), it)

    def chunks(self, it: Iterable[Any], n: int) -> chunks:
        """Write down a group of tasks that make *n* of these calls each."""
        return chunks(self.s(), it, n)

    # --- from a call to a message -----------------------------------------------------------------------

    def _send(self, args: tuple[Any, ...], kwargs: dict[str, Any], call: CallOptions) -> AsyncResult[R]:
        return self._dispatch(self._messages([(args, kwargs)], call), retry=call.retry)[0]

    def _dispatch(self, messages: list[Message], *, retry: bool | None) -> list[AsyncResult[R]]:
        """Send *messages*, or run them here where `task_always_eager` says so."""
        app = self.app
        if self._habits(app).eager:
            propagate = app.conf.task_eager_propagates
            return [app.run_eagerly(self, message, propagate=propagate) for message in messages]
        if messages and messages[0].unique is not None:
            return self._unique_results(messages, app.publish_unique(messages, retry=retry))
        app.publish(messages, retry=retry)
        return self._results(messages)

    async def _adispatch(self, messages: list[Message], *, retry: bool | None) -> list[AsyncResult[R]]:
        app = self.app
        if self._habits(app).eager:
            import asyncio

            return await asyncio.to_thread(self._dispatch, messages, retry=retry)
        if messages and messages[0].unique is not None:
            import asyncio

            ids = await asyncio.to_thread(app.publish_unique, messages, retry=retry)
            return self._unique_results(messages, ids)
        await app.apublish(messages, retry=retry)
        return self._results(messages)

    def _unique_results(self, messages: list[Message], ids: list[str]) -> list[AsyncResult[R]]:
        """Return the tasks that stand for *messages*.

        Raises:
            DuplicateTask: another one does, and `on_conflict` is "raise".
        """
        uniqueness = self._habits(self.app).uniqueness
        if uniqueness is not None and uniqueness.conflict == "raise":
            taken = [holder for message, holder in zip(messages, ids, strict=True) if holder != message.id]
            if taken:
                sent = [
                    message.id for message, holder in zip(messages, ids, strict=True) if holder == message.id
                ]
                what = f"task {taken[0]} ({self.name}) stands for this call already"
                raise DuplicateTask(what, taken[0], sent)
        kind = self.arguments.result_type
        return [AsyncResult(holder, self.app, kind=kind) for holder in ids]

    def _results(self, messages: list[Message]) -> list[AsyncResult[R]]:
        app, kind = self.app, self.arguments.result_type
        return [AsyncResult(message.id, app, kind=kind) for message in messages]

    def _batches(self, calls: Iterable[Any], call: CallOptions) -> Iterator[list[Message]]:
        if call.task_id is not None:
            raise TypeError("delay_many gives each call an id of its own: task_id cannot be set")
        source = map(as_call, calls)
        while batch := list(itertools.islice(source, BULK)):
            yield self._messages(batch, call)

    def _messages(
        self, calls: list[tuple[tuple[Any, ...], dict[str, Any]]], call: CallOptions
    ) -> list[Message]:
        """Check *calls* and write them as messages; what they have in common is worked out once."""
        app = self.app
        now = app.clock.now()
        habits = self._habits(app)
        common: Envelope = habits.envelope
        options: bytes | None = habits.options
        if call is not PLAIN_CALL:
            common, options = common.with_call(call, now, app, self.name), None
        if (run := current_run()) is not None:
            common, options = common.sent_by(run), None
        expires = common.expires_at(now)
        if options is None or expires is not None:
            options = common.encoded(expires)
        ids = new_ids(len(calls), now) if call.task_id is None else [check_id(call.task_id)]
        check, what, limit, limiter = self.arguments.check, habits.what, habits.payload_limit, habits.limiter
        messages = []
        for task_id, (args, kwargs) in zip(ids, calls, strict=True):
            check(args, kwargs)
            payload = encode_payload(args, kwargs, what=what, limit=limit) if args or kwargs else b""
            messages.append(
                Message(
                    task_id,
                    self.name,
                    common.queue,
                    common.priority,
                    now,
                    payload,
                    common.eta,
                    expires,
                    common.crash_limit,
                    options,
                    None,
                    None if limiter is None else limiter.limit_of(args, kwargs),
                )
            )
        if habits.uniqueness is not None or call.idempotency_key is not None:
            return self._made_unique(messages, calls, call, habits.uniqueness)
        return messages

    def _made_unique(
        self,
        messages: list[Message],
        calls: list[tuple[tuple[Any, ...], dict[str, Any]]],
        call: CallOptions,
        uniqueness: Uniqueness | None,
    ) -> list[Message]:
        """Give each of *messages* the name that only one task can have.

        Raises:
            InvalidMessage: there would be two such names.
        """
        if call.idempotency_key is not None:
            if uniqueness is not None:
                raise InvalidMessage(
                    f"{self.name} is unique, throttled or debounced, so its calls can have no idempotency "
                    f"key: either of the two says which calls are the same"
                )
            once = once_of(self.name, call.idempotency_key)
            return [replace(message, unique=once) for message in messages]
        if uniqueness is None:
            return messages
        wait = uniqueness.wait
        made = zip(messages, calls, strict=True)
        return [
            replace(
                message,
                unique=uniqueness.unique_of(args, kwargs),
                eta=message.created + wait if wait is not None and message.eta is None else message.eta,
            )
            for message, (args, kwargs) in made
        ]

    def _habits(self, app: Any) -> Habits:
        """What every plain call of this task has in common; worked out again when the settings change."""
        cache, conf = self._cache, app.conf
        if cache is None or cache[0] is not conf or cache[1] != conf.version:
            self._cache = cache = (
                conf,
                conf.version,
                habits_of(self, conf, limiter_of(self), uniqueness_of(self)),
            )
        return cache[2]

    # --- inside a run -----------------------------------------------------------------------------------

    @property
    def request(self) -> Request:
        """The present call: id, arguments, retries, and so on."""
        run = current_run()
        return run.request if run is not None else _CALLED_DIRECTLY

    @property
    def requests(self) -> list[Request]:
        """The request of each call in the present batch, in the order of its list; else `[request]`."""
        run = current_run()
        return run.requests if run is not None else []

    def update_state(
        self, task_id: str | None = None, state: str | None = None, meta: Any = None, **_: Any
    ) -> None:
        """Report progress: a *state* of your own, such as "PROGRESS", and *meta*, anything with a JSON form.

        It is stored within milliseconds; of several in a row the last counts. Outside a run it does nothing.

        Raises:
            ValueError: only Celeriac gives this state, or *task_id* is no call that this run works on.
        """
        run = current_run()
        if run is not None:
            (run if task_id is None else run.of_call(task_id)).update_state(state, meta)

    def progress(self, current: float, total: float, status: str = "") -> None:
        """Report PROGRESS, *current* of *total*."""
        self.update_state(state="PROGRESS", meta={"current": current, "total": total, "status": status})

    def track(self, items: Iterable[T], total: int | None = None, status: str = "") -> Iterator[T]:
        """Iterate over *items* and report how many are done, about a hundred times.

        Args:
            total: how many there are, for an iterable without a length.
        """
        count = total if total is not None else _length(items)
        step = max(1, -(-count // 100))
        done = 0
        self.progress(0, count or 1, status)
        for done, item in enumerate(items, 1):
            yield item
            if done % step == 0 or done == count:
                self.progress(done, max(count, done), status)

    @property
    def cursor(self) -> Any:
        """What `checkpoint` saved last, in this run or an earlier one; None at first."""
        run = current_run()
        return None if run is None else codec.decode(run.checkpoint, what="the checkpoint")

    def checkpoint(
        self, value: Any, *, current: float | None = None, total: float | None = None, status: str = ""
    ) -> None:
        """Save *value* for a retried or recovered run, and progress with it in the same write.

        In a `def` it returns when the store has it. In an `async def` it hands it over and returns at once:
        use `acheckpoint` to wait.
        """
        wait = self._save(value, current, total, status)
        if wait is not None and not on_a_loop():
            wait(CHECKPOINT_TIMEOUT)

    async def acheckpoint(
        self, value: Any, *, current: float | None = None, total: float | None = None, status: str = ""
    ) -> None:
        """Do what `checkpoint` does, and wait for the store without blocking the event loop."""
        import asyncio

        wait = self._save(value, current, total, status)
        if wait is not None:
            await asyncio.to_thread(wait, CHECKPOINT_TIMEOUT)

    def _save(
        self, value: Any, current: float | None, total: float | None, status: str
    ) -> Callable[[float], None] | None:
        run = current_run()
        if run is None:
            return None
        if current is None:
            return run.save(value)
        meta = {"current": current, "total": 1 if total is None else total, "status": status}
        return run.save(value, state="PROGRESS", meta=meta)

    def retry(
        self,
        args: Any = None,
        kwargs: Any = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: datetime | float | None = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Retry:
        """Ask to be run again; write `raise self.retry(…)`.

        Args:
            exc: the error behind it: raised to the caller when no retry is left.
            eta, countdown: when; None takes `default_retry_delay` (or the backoff).
            max_retries: overrides the task's for this decision.
            throw: False returns the exception instead of raising it.

        Raises:
            Retry: always, unless *throw* is False.
            TypeError: new arguments were given; a retry runs the same call again.
        """
        if args is not None or kwargs is not None or options:
            given = ", ".join([*(["args"] if args else []), *(["kwargs"] if kwargs else []), *options])
            raise TypeError(f"a retry runs the same call again and cannot change {given or 'its arguments'}")
        if current_run() is None:
            raise exc if exc is not None else Retry("called outside a worker")
        when = countdown if eta is None else as_timestamp(self.app.aware(eta)) - self.app.clock.now()
        asked = Retry(exc=exc, when=when, max_retries=max_retries)
        if throw:
            raise asked from exc
        return asked

    # --- composing inside a run -------------------------------------------------------------------------

    def replace(self, sig: Signature) -> Any:
        """Let *sig* take this task's place: its result becomes this one's, and who waits goes on waiting.

        A group's result is the list of its members'. Write `raise self.replace(…)`, or `return` it. In
        `apply` it is run here and now; in a task that is called like a function its result is returned.

        Raises:
            Replaced: always, inside a run.
            As `Signature.apply_async`: it cannot be sent.
        """
        from celeriac.canvas.plan import in_place

        run = current_run()
        if run is None:
            return sig.apply().get()
        if run.request.is_eager:
            raise Replaced(value=sig.apply().get())
        raise in_place(self.app, sig)

    def add_to_chord(self, sig: Signature) -> AsyncResult[Any]:
        """Add *sig* to the header of the chord that this task is in; its result comes last in the list.

        Raises:
            ConfigurationError: this task is in no chord, or the chord does not wait any more.
        """
        from celeriac.canvas.plan import add_to_chord

        run = current_run()
        if run is None:
            raise ConfigurationError(f"{self.name} was called directly: it is in no chord")
        return cast("AsyncResult[Any]", add_to_chord(self.app, run.id, sig))

    # --- hooks ------------------------------------------------------------------------------------------

    def before_start(self, task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Called before `run`; an error in it fails the task."""

    def on_success(self, retval: Any, task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Called when `run` has returned."""

    def on_failure(
        self,
        exc: BaseException,
        task_id: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        einfo: ErrorInfo | None,
    ) -> None:
        """Called when the task has failed for good."""

    def on_retry(
        self,
        exc: BaseException,
        task_id: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        einfo: ErrorInfo | None,
    ) -> None:
        """Called when the task will be run again."""

    def after_return(
        self,
        status: str,
        retval: Any,
        task_id: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        einfo: ErrorInfo | None,
    ) -> None:
        """Called after every run."""


class AsyncTask(Task[P, R]):
    """A task made of an `async def`; called directly, it gives a coroutine."""

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:  # type: ignore[override]
            """Call the function: `await task(…)`."""


class BatchTask(Task[P, R]):
    """A task with `batch_size`: sent like a function of one item, called directly with the list of them."""

    if TYPE_CHECKING:

        def __call__(self, items: Sequence[Any], /) -> Any:  # type: ignore[override]
            """Call the function with a list."""


# The innermost task that another one called like a function, and in whose run.
_inner: Final[ContextVar[tuple[Run | None, Any]]] = ContextVar("celeriac_inner_task", default=(None, None))


def running_task() -> Any:
    """Return the task in whose code this is called, the innermost if one called another; None outside."""
    run = current_run()
    if run is None:
        return None
    within, inner = _inner.get()
    return inner if within is run else getattr(run.job, "task", None)


_CALLED_DIRECTLY: Final = Request(called_directly=True)


def _tell_what_was_sent(error: Exception, before: Sequence[AsyncResult[Any]]) -> None:
    """Note in *error* how much of a `delay_many` has been sent: all *before*, and part of a last batch."""
    count = len(before)
    if isinstance(error, DuplicateTask):
        error.sent = (*(result.id for result in before), *error.sent)
        count = len(error.sent)
    error.add_note(f"{count} calls had been sent before")


def _length(items: Iterable[Any]) -> int:
    """Return how many *items* there are; 0 when they do not tell."""
    try:
        return len(items)  # type: ignore[arg-type]
    except TypeError:
        return 0


def on_a_loop() -> bool:
    """Say whether this thread runs an event loop, which must not be blocked."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
