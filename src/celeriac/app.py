"""The application: the one object that a project makes, and where all parts meet."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, Unpack, cast, overload
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from celeriac import builtin as _builtin  # noqa: F401 - its tasks are everybody's
from celeriac.acting import acting, actor
from celeriac.broker import LOOKED_AT, Broker, QueueInfo, Situation, Total, WorkerInfo
from celeriac.brokers import connect, masked
from celeriac.bulk import Action, Bulk, bulk
from celeriac.calling import (
    PLAIN_CALL,
    CallOptions,
    Envelope,
    arguments_of,
    envelope_of,
    moment_of,
    unchecked_message,
)
from celeriac.canvas.signature import Signature, signature
from celeriac.clock import Clock, SystemClock, as_timestamp
from celeriac.config import Config
from celeriac.connection import Connection
from celeriac.context import current_run
from celeriac.control import Control
from celeriac.current import set_current_application
from celeriac.dead import DeadLetter
from celeriac.discovery import import_object, project_directory
from celeriac.errors import CeleriacError, ConfigurationError, StoreCorrupt
from celeriac.explaining import Reason, reason_of
from celeriac.filters import Filter
from celeriac.groups import GroupResult
from celeriac.hub import Hub
from celeriac.jobs import TaskJob
from celeriac.keyring import SHORTEST_KEY, Security
from celeriac.making import (
    BatchDecorator,
    BoundBatchDecorator,
    BoundDecorator,
    PlainDecorator,
    make_task,
    prepare,
)
from celeriac.message import (
    Message,
    check_id,
    check_names,
    check_queue_name,
    check_task_name,
    first_of,
)
from celeriac.middleware import Middleware, Moments, Surroundings
from celeriac.registry import Registry
from celeriac.result import AsyncResult, EagerResult
from celeriac.schedules import POLICIES, Schedules, call_of, name_of
from celeriac.sealing import sealed
from celeriac.search import Page, TaskView, search
from celeriac.states import State
from celeriac.statistics import By, Statistics, statistics_of, steps_of
from celeriac.steering import (
    ACTIVITY_AT_ONCE,
    LOG_AT_ONCE,
    Activity,
    LogLine,
    activity_of,
    deed_of,
    line_of,
)
from celeriac.submitter import Submitter
from celeriac.task import AsyncTask, BatchOptions, Task, TaskOptions
from celeriac.tickets import Ticket, Tickets
from celeriac.uniqueness import once_of
from celeriac.updates import Update, aupdates, updates
from celeriac.worker.inputs import completed

if TYPE_CHECKING:
    from typing_extensions import ParamSpec, TypeVar

    from celeriac.embedded import Embedded
    from celeriac.testing.stage import Stage

    P = ParamSpec("P")
    R = TypeVar("R")
    T = TypeVar("T", bound=Task[Any, Any])


AnyTask = Task[Any, Any]  # inside the class, `Task` and `AsyncResult` are its own members
AnyResult = AsyncResult[Any]
AnyBase: type[AnyTask] = Task

_log: Final = logging.getLogger("celeriac")
_NOTHING: Final = nullcontext()


class Celeriac:
    """A task queue application.

    Args:
        main: its name; names tasks that are defined in a script, and keeps applications apart on one Redis.
        broker: URL of the store; None takes `CELERIAC_BROKER_URL`, else `sqlite:///celeriac.db` in the
            project's directory (the nearest parent of the current one with a `pyproject.toml`, `setup.py`,
            `manage.py` or `.git`, else the current one).
        backend: absent, or the same URL: one store keeps tasks and results.
        include: modules that a worker imports at start.
        clock: where the time comes from; for tests.
        conf: settings, as `app.conf` has them.

    Raises:
        ConfigurationError: a setting is wrong, or *backend* names another store.
    """

    def __init__(
        self,
        main: str = "celeriac",
        broker: str | None = None,
        backend: str | None = None,
        include: Iterable[str] = (),
        *,
        clock: Clock | None = None,
        set_as_current: bool = True,
        **conf: Any,
    ) -> None:
        self.main = main
        self.clock: Clock = clock or SystemClock()
        self.conf = Config()
        if broker is not None:
            self.conf.broker_url = broker
        if backend is not None:
            self.conf.result_backend = backend
        self.conf.update(conf if include == () else {"include": tuple(include), **conf})
        self._check_backend()
        self._registry = Registry()
        self._moments = Moments()
        self._connection = Connection(self, self._connect)
        self._secret: tuple[Broker, str] | None = None
        self.schedules = Schedules(self)
        self.dead = DeadLetter(self)
        self.control = Control(self)
        if set_as_current:
            set_current_application(self)

    def __repr__(self) -> str:
        return f"<Celeriac {self.main!r} on {masked(self.broker_url)}>"

    # --- tasks ------------------------------------------------------------------------------------------

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(
        self, *, bind: Literal[True], base: type[AnyTask] = ..., **options: Unpack[BatchOptions]
    ) -> BoundBatchDecorator: ...
    @overload
    def task(
        self, *, bind: Literal[False] = ..., base: type[AnyTask] = ..., **options: Unpack[BatchOptions]
    ) -> BatchDecorator: ...
    @overload
    def task(
        self, *, bind: Literal[True], base: type[AnyTask] = ..., **options: Unpack[TaskOptions]
    ) -> BoundDecorator: ...
    @overload
    def task(
        self, *, bind: Literal[False] = ..., base: type[AnyTask] = ..., **options: Unpack[TaskOptions]
    ) -> PlainDecorator: ...

    def task(
        self,
        function: Callable[..., Any] | None = None,
        *,
        bind: bool = False,
        base: type[AnyTask] = AnyBase,
        **options: Any,
    ) -> Any:
        """Make a task of a function: `@app.task`, or `@app.task(queue="mail", max_retries=5)`.

        Args:
            bind: the function's first parameter is the task itself (`self`).
            base: a subclass of `Task` with hooks or defaults.
            options: any option of `Task`.

        Raises:
            ConfigurationError: an option is not one, or the name is taken by another function.
        """
        if function is None:
            return lambda function: self.task(function, bind=bind, base=base, **options)  # type: ignore[call-overload]
        return self._add(make_task(function, bind=bind, base=base, options=cast("TaskOptions", options)))

    @overload
    def register_task(self, task: T) -> T: ...
    @overload
    def register_task(self, task: type[T]) -> T: ...

    def register_task(self, task: Any) -> Any:
        """Add a task class, or an instance of one; return the instance.

        Raises:
            ConfigurationError: it has no `run`, or the name is taken by another task.
        """
        return self._add(task() if isinstance(task, type) else task)

    def _add(self, task: AnyTask) -> AnyTask:
        prepare(task, self, self.main)
        return self._registry.add(task)

    @property
    def Task(self) -> type[AnyTask]:  # noqa: N802 - Celery's name for it
        """A base class whose subclasses are registered when they are defined."""
        return cast("type[AnyTask]", type("Task", (Task,), {"_app": self}, register=False))

    @property
    def tasks(self) -> Mapping[str, AnyTask]:
        """All tasks by name, the shared ones too."""
        return self._registry.all()

    def find_task(self, name: str) -> AnyTask:
        """Return the task called *name*.

        Raises:
            NotRegistered: there is none; the message names near ones.
        """
        return self._registry.find(name, self.main)

    def autodiscover_tasks(
        self, packages: Iterable[str] | Callable[[], Iterable[str]] = (), related_name: str = "tasks"
    ) -> None:
        """Import `package.tasks` of each package when a worker starts (or `import_modules` is called).

        Args:
            packages: their names, or a function that returns them then; `shop.apps.ShopConfig`, as Django
                lists it, stands for the package that it is in.
            related_name: the name of the module; "" for the package itself.
        """
        self._registry.discover(packages, related_name)

    def import_modules(self) -> None:
        """Import the modules of the settings `imports` and `include`, and what `autodiscover_tasks` names.

        Raises:
            Exception: whatever a module raises when it is imported. A package without the module is skipped.
        """
        self._registry.import_modules(self._named_modules)

    def task_modules(self) -> Iterator[str]:
        """Give the names of those modules, one by one: what is imported may name more."""
        return self._registry.modules(self._named_modules)

    @property
    def _named_modules(self) -> tuple[str, ...]:
        return (*self.conf.imports, *self.conf.include)

    # --- configuration ----------------------------------------------------------------------------------

    def config_from_object(self, source: object, namespace: str = "") -> None:
        """Take settings from an object, a mapping, a module, or the name of one: `module` or `module:object`.

        Args:
            namespace: only names in capitals with this prefix and an underscore, such as `CELERIAC_…`.

        Raises:
            ConfigurationError: a name or a value is wrong.
        """
        self.conf.load(import_object(source) if isinstance(source, str) else source, namespace)
        self._check_backend()

    def _check_backend(self) -> None:
        backend = self.conf.result_backend
        if backend is not None and backend != self.broker_url:
            raise ConfigurationError(
                f"one store keeps tasks and results: result_backend ({masked(backend)}) must be absent, or "
                f"the same as broker_url ({masked(self.broker_url)})"
            )

    def add_middleware(self, layer: Middleware) -> None:
        """Have *layer* called at the moments that it overrides."""
        self._moments.add(layer)

    @property
    def moments(self) -> Moments:
        """The middleware, by moment."""
        return self._moments

    def aware(self, moment: datetime | float) -> datetime | float:
        """Give a naive datetime the zone of the `timezone` setting."""
        if isinstance(moment, datetime) and moment.tzinfo is None:
            zone = self.conf.timezone
            return moment.replace(tzinfo=UTC if zone == "UTC" else ZoneInfo(zone))
        return moment

    # --- the store --------------------------------------------------------------------------------------

    @property
    def broker_url(self) -> str:
        """The URL of the store, with its password."""
        url = self.conf.broker_url
        return f"sqlite:///{project_directory() / 'celeriac.db'}" if url is None else str(url)

    @property
    def broker(self) -> Broker:
        """The store; opened when it is first used, and anew in a forked process."""
        return self._connection.broker

    backend = broker

    @property
    def store_options(self) -> dict[str, Any]:
        """What `brokers.connect` is told besides the URL."""
        conf = self.conf
        return {
            "namespace": conf.namespace or self.main,
            "retention": conf.result_expires,
            "dead_retention": conf.dead_letter_expires,
            "deadline": conf.broker_connection_timeout,
        }

    @property
    def security(self) -> Security | None:
        """How what goes into the store is sealed; None for not at all.

        Raises:
            ConfigurationError: it shall be encrypted, and there is no key.
        """
        conf = self.conf
        if conf.security_keys:
            return Security(
                conf.security_keys, conf.security_encrypt, conf.security_unsigned, conf.security_max_age
            )
        if conf.security_encrypt:
            raise ConfigurationError("security_encrypt needs a key: set security_keys")
        return None

    def _connect(self, **options: Any) -> Broker:
        self._check_backend()
        return sealed(connect(self.broker_url, **{**self.store_options, **options}), self.security)

    @property
    def hub(self) -> Hub:
        """Who waits for all results in this process."""
        return self._connection.hub

    @property
    def submitter(self) -> Submitter:
        """Who sends for all coroutines in this process."""
        return self._connection.submitter

    def cut_off(self, reason: str) -> None:
        """Refuse every use of the store, in a process that cannot reach the one that is meant."""
        self._connection.refuse(reason)

    def lent(self, broker: Broker, clock: Clock, hub: Hub) -> AbstractContextManager[None]:
        """Use another store, another clock and another hub for a while; for tests, see `test`."""
        return self._connection.lent(broker, clock, hub)

    def close(self) -> None:
        """Let go of threads, connections and files; the next use opens them again."""
        self._connection.close()

    def __enter__(self) -> Celeriac:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- sending ----------------------------------------------------------------------------------------

    def publish(self, messages: list[Message], *, retry: bool | None = None) -> None:
        """Send ready *messages*; what every way of calling a task comes to."""
        with self._surrounded(messages):
            messages = self.prepared(messages)
            patient = self.conf.task_publish_retry if retry is None else retry
            self._connection.broker_for(patient=patient).send(messages, self.clock.now())
            self._after_publish(messages)

    async def apublish(self, messages: list[Message], *, retry: bool | None = None) -> None:
        """Do what `publish` does without blocking the event loop."""
        with self._surrounded(messages):
            messages = self.prepared(messages)
            if self.conf.task_publish_retry if retry is None else retry:
                await self.submitter.send(messages)
            else:
                import asyncio  # a program without coroutines need not load it

                send = self._connection.broker_for(patient=False).send
                await asyncio.to_thread(send, messages, self.clock.now())
            self._after_publish(messages)

    def publish_unique(self, messages: list[Message], *, retry: bool | None = None) -> list[str]:
        """Send those of *messages* for which no other task stands; return whose ids stand for them."""
        with self._surrounded(messages):
            messages = self.prepared(messages)
            patient = self.conf.task_publish_retry if retry is None else retry
            ids = self._connection.broker_for(patient=patient).send_unique(messages, self.clock.now())
            self._after_publish(
                [message for message, holder in zip(messages, ids, strict=True) if message.id == holder]
            )
        return ids

    def _surrounded(self, messages: list[Message]) -> AbstractContextManager[None]:
        """Return what middleware puts around the sending of *messages*."""
        calls = self._moments["around_publish"]
        return Surroundings(calls, messages, hook="around_publish") if calls else _NOTHING

    def prepared(self, messages: list[Message]) -> list[Message]:
        """Return *messages* as the application's middleware wants them sent."""
        calls = self._moments["before_publish"]
        for call in calls:
            messages = [call(message) for message in messages]
        for message in messages if calls else ():  # its names are those that the middleware has made of them
            check_names(message)
        return messages

    def _after_publish(self, messages: list[Message]) -> None:
        if (run := current_run()) is not None:
            run.note_children(first_of(messages))
        for call in self._moments["after_publish"]:
            for message in messages:
                try:
                    call(message)
                except Exception as error:  # noqa: BLE001 - user code; the task has been sent
                    fields = {"hook": "after_publish", "task": message.name, "id": message.id}
                    _log.error("hook failed", extra=fields, exc_info=error)

    def send_task(
        self,
        name: str,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AnyResult:
        """Send a task by its name; options as `Task.apply_async` has them.

        The name need not be known here. When it is, the call is checked against its signature.

        Raises:
            As `Task.apply_async`; InvalidName for a name that cannot be a task's.
        """
        task = self._registry.get(name)
        if task is not None:
            return task.apply_async(args, kwargs, **options)
        call = CallOptions(**options) if options else PLAIN_CALL
        now = self.clock.now()
        envelope = self.foreign_envelope(name).with_call(call, now, self, name)
        if (run := current_run()) is not None:
            envelope = envelope.sent_by(run)
        message = unchecked_message(
            name, *arguments_of(name, args, kwargs), envelope, call, now, self.conf.task_payload_limit
        )
        if call.idempotency_key is None:
            self.publish([message], retry=call.retry)
            return AsyncResult(message.id, self)
        message = replace(message, unique=once_of(name, call.idempotency_key))
        return AsyncResult(self.publish_unique([message], retry=call.retry)[0], self)

    def foreign_envelope(self, name: str) -> Envelope:
        """Return what calls of a task have in common that is known elsewhere only.

        Raises:
            InvalidName: it cannot be a task's.
        """
        stranger = AnyTask()
        stranger.name = check_task_name(name)
        return envelope_of(stranger, self.conf)

    def run_eagerly(self, task: AnyTask, message: Message, *, propagate: bool) -> EagerResult[Any]:
        """Run *message* here and now; see `Task.apply`."""
        from celeriac import eager

        record = eager.run(TaskJob(task, self.conf), message, self._moments, self.clock)
        result: EagerResult[Any] = EagerResult(message.id, self, record=record)
        if propagate:
            result.get()
        return result

    def signature(self, task: Any, *args: Any, **kwargs: Any) -> Signature:
        """Make a signature of a task, its name, or a dictionary that was one; see `celeriac.signature`."""
        return signature(task, *args, app=self, **kwargs)

    # --- schedules --------------------------------------------------------------------------------------

    def add_periodic_task(
        self,
        schedule: Any,
        sig: Any,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        name: str | None = None,
        **options: Any,
    ) -> str:
        """Have a task run on time; it stands in the code, and comes to the store when a worker or beat
        starts.

        Args:
            schedule: a number of seconds, a timedelta, `crontab(…)`, `every(…)` or cron text.
            sig: a signature, a task, or the name of one that is known by then.
            name: of the schedule; None makes one of the call and the rule.
            options: of the call; and `timezone`, `missed`, `grace`, `max_jitter`, `overlap` as
                `schedules.add`.

        Returns:
            The name.

        Raises:
            ConfigurationError, InvalidMessage: the rule or an option is wrong, this is no call, or the name
                is taken. What is wrong in the call is told when it comes to the store.
        """
        policy = {key: options.pop(key) for key in POLICIES & options.keys()}
        made = call_of(self, name, sig, args, kwargs, options)
        chosen = name_of(name, made, schedule)
        self.schedules.define(chosen, schedule, made, policy)
        return chosen

    def periodic(
        self,
        schedule: Any,
        *,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Callable[[Any], Any]:
        """Have a task run on time: `@app.periodic("*/5 * * * *")` above `@app.task`, or above a function.

        Args:
            schedule, options: as `add_periodic_task` has them.
            name: of the schedule; None takes the task's, and adds the rule if that is taken.

        Raises:
            ConfigurationError: the rule or an option is wrong, or the name is taken.
        """

        def decorate(given: Any) -> Any:
            task = given if isinstance(given, AnyBase) else self.task(given)
            chosen = name or task.name
            if name is None and self.schedules.is_defined(chosen):
                chosen = name_of(None, task.name, schedule)
            self.add_periodic_task(schedule, task.s(), args, kwargs, chosen, **options)
            return task

        return decorate

    # --- queues -----------------------------------------------------------------------------------------

    def pause(self, queue: str) -> bool:
        """Have no worker take anything from *queue* until it is resumed; False if it was paused already.

        Durable, for all workers at once. What runs, runs on; sending goes on.

        Raises:
            InvalidName: it cannot be a queue's.
        """
        done = self.broker.pause(check_queue_name(queue), self.clock.now())
        self.acted("pause", queue, int(done))
        return done

    def resume(self, queue: str) -> bool:
        """Let workers take from *queue* again, idle ones at once; False if it was not paused.

        Raises:
            InvalidName: it cannot be a queue's.
        """
        done = self.broker.resume(check_queue_name(queue), self.clock.now())
        self.acted("resume", queue, int(done))
        return done

    # --- who did what -----------------------------------------------------------------------------------

    @contextmanager
    def acting(self, who: str) -> Iterator[None]:
        """Let *who*, such as the user of a page, be noted with what is done within; see `activity`.

        Without it nothing is noted: what programs do is no activity.
        """
        with acting(who):
            yield

    def acted(self, verb: str, target: str = "", count: int = 1) -> None:
        """Note that whoever acts now (see `acting`) has done *verb* to *count* things; nothing for none.

        Never fails: what was done was done, also when the store cannot note it.
        """
        who = actor()
        if who is None or not count:
            return
        now = self.clock.now()
        try:
            self.broker.note([deed_of(who, verb, target, count, now)], now)
        except CeleriacError as error:
            _log.warning("could not note who did what: %s", error)

    def activity(self, after: int = 0, count: int = ACTIVITY_AT_ONCE) -> list[Activity]:
        """Return what people have done last, the newest first; 10,000 entries of 90 days are kept.

        Args:
            after: the number of the last entry that is known; those before it are returned.
        """
        return [activity_of(deed) for deed in self.broker.activity(after, count)]

    def queues(self) -> list[QueueInfo]:
        """Return what waits and runs in each queue that has tasks which have not ended, or is paused."""
        return self.broker.queues()

    # --- looking for tasks ------------------------------------------------------------------------------

    def search(
        self, query: str | Filter = "", *, after: str = "", count: int = 50, limit: int = LOOKED_AT
    ) -> Page:
        """Look for tasks: running ones first, then those that wait, then what has ended, the last ones first.

        Args:
            query: such as `state:failed queue:mail since:2h`; see the how-to on finding tasks.
            after: the `after` of a page, or the `place` of a task, to go on behind it.
            count: how many tasks at most.
            limit: how many the store looks at, at most, so that an answer takes a bounded time; then the page
                is shorter, and its `after` says where to search on.

        Raises:
            InvalidFilter: the query cannot be read, or *after* is none of those.
        """
        return search(self, query, after=after, count=max(1, count), limit=max(1, limit))

    async def asearch(
        self, query: str | Filter = "", *, after: str = "", count: int = 50, limit: int = LOOKED_AT
    ) -> Page:
        """Do as `search` does, without blocking the event loop."""
        import asyncio  # a program without coroutines need not load it

        return await asyncio.to_thread(self.search, query, after=after, count=count, limit=limit)

    def view(self, id: str) -> TaskView | None:
        """Return one task, ready to be shown; None when the store does not know it.

        Among its arguments is the result that it was given as a part of a chain or chord, unless that is gone
        or comes from more than 100 tasks.
        """
        [record] = self.broker.get([check_id(id)])
        if record is None:
            return None
        record = completed(self.broker, record)
        return TaskView.of(record, parameters=self.parameters_of(record.message.name))

    def totals(self) -> dict[State, Total]:
        """Return how many tasks are in each state; `str()` of a total says how exactly that is known."""
        return self.broker.totals()

    def bulk(
        self,
        query: str | Filter,
        action: Action,
        *,
        dry_run: bool = True,
        terminate: bool = False,
        until: float | None = None,
        progress: Callable[[Bulk], object] | None = None,
    ) -> Bulk:
        """Do the same with all tasks that a filter means; without *dry_run* as False only count them.

        Args:
            query: as for `search`, but not empty.
            action: `revoke`, `retry` what has failed, `delete` what has ended, `run-now` what is scheduled.
            terminate: with `revoke`: also end what is running.
            until: leave alone what was sent at this moment or later, in seconds since 1970 UTC; None for now.
            progress: is called with each result so far, after each step of 500 tasks; an exception ends it.

        Raises:
            InvalidFilter: the query cannot be read.
            InvalidMessage: it is empty, or there is no such action.
        """
        return bulk(self, query, action, dry_run=dry_run, terminate=terminate, until=until, progress=progress)

    async def abulk(self, query: str | Filter, action: Action, **options: Any) -> Bulk:
        """Do as `bulk` does, without blocking the event loop; *progress* is called in another thread."""
        import asyncio  # a program without coroutines need not load it

        return await asyncio.to_thread(self.bulk, query, action, **options)

    # --- statistics -------------------------------------------------------------------------------------

    def stats(
        self,
        *,
        since: datetime | timedelta | float = timedelta(hours=1),
        until: datetime | float | None = None,
        step: timedelta | float | None = None,
        by: By | None = None,
        queue: str | None = None,
        name: str | None = None,
    ) -> Statistics:
        """Return what was counted of tasks: throughput, failures, waiting and running times, depth of queues.

        Args:
            since: a moment, or how long ago. until: a moment; None for now.
            step: seconds from point to point; None chooses what gives a good chart. What is more than 48
                hours old is kept by the hour, more than 30 days by the day: steps are not shorter than that.
            by: also tell of each queue, or of each task name. queue, name: count only those.

        Raises:
            ConfigurationError: the span is empty, or has more than 3,000 steps.
            OperationalError: the store is away.
        """
        if by not in (None, "queue", "name"):
            raise ConfigurationError(f"statistics are by 'queue' or by 'name', not by {by!r}")
        now = self.clock.now()
        begins = now - since.total_seconds() if isinstance(since, timedelta) else self._moment(since)
        ends = now if until is None else self._moment(until)
        first, seconds = steps_of(begins, ends, now, step)
        found = self.broker.statistics(first, ends)
        return statistics_of(found, since=first, until=ends, step=seconds, by=by, queue=queue, name=name)

    async def astats(
        self,
        *,
        since: datetime | timedelta | float = timedelta(hours=1),
        until: datetime | float | None = None,
        step: timedelta | float | None = None,
        by: By | None = None,
        queue: str | None = None,
        name: str | None = None,
    ) -> Statistics:
        """Return what `stats` does, without blocking the event loop."""
        import asyncio

        return await asyncio.to_thread(
            self.stats, since=since, until=until, step=step, by=by, queue=queue, name=name
        )

    def _moment(self, moment: datetime | float) -> float:
        return as_timestamp(self.aware(moment))

    # --- results ----------------------------------------------------------------------------------------

    def AsyncResult(self, id: str) -> AnyResult:  # noqa: N802 - Celery's name for it
        """Return the task with this id, whoever sent it."""
        return AsyncResult(check_id(id), self)

    def GroupResult(self, id: str) -> GroupResult | None:  # noqa: N802 - Celery's name for it
        """Return the group that was saved under this id; None when there is none."""
        return GroupResult.restore(check_id(id), self)

    def result_type(self, name: str) -> Any:
        """Return the type that the task *name* is annotated to return; Any when that is not known here."""
        task = self._registry.get(name)
        return Any if task is None else task.arguments.result_type

    def parameters_of(self, name: str) -> tuple[str, ...]:
        """Return what the task *name* calls its positional arguments; none when that is not known here."""
        task = self._registry.get(name)
        return () if task is None else task.arguments.places

    def reschedule(
        self, id: str, *, countdown: float | None = None, eta: datetime | float | None = None
    ) -> bool:
        """Have a task start at another moment than the one it waits for; see `AsyncResult.reschedule`."""
        now = self.clock.now()
        due = moment_of(countdown, eta, now, self)
        done = self.broker.reschedule([check_id(id)], now if due is None else due, now)[0]
        self.acted("reschedule", id, int(done))
        return done

    def log(self, id: str, after: int = 0, count: int = LOG_AT_ONCE) -> list[LogLine]:
        """Return what a task has logged; see `AsyncResult.log`."""
        return [line_of(entry) for entry in self.broker.read_log(check_id(id), after, count)]

    def explain(self, id: str) -> Reason:
        """Say why a task has not run, or what it does instead, by the rules by which workers claim.

        Returns:
            A word for programs and a sentence for people; see `explaining.Reason`.
        """
        now = self.clock.now()
        situation = self.broker.explain(check_id(id), now)
        return reason_of(
            id,
            situation,
            now,
            ageing=self.conf.worker_priority_ageing is not None,
            drained=self._is_drained(situation, now),
            holder=self._holder_of(situation),
        )

    def _holder_of(self, situation: Situation | None) -> WorkerInfo | None:
        """Return the worker that runs a task, also one whose lease has run out."""
        if situation is None or situation.record.state is not State.RUNNING:
            return None
        holder = situation.record.worker
        return next((worker for worker in self.broker.workers(0.0) if worker.id == holder), None)

    def _is_drained(self, situation: Situation | None, now: float) -> bool:
        """Say whether all workers that serve the queue of a task that waits were told to claim nothing."""
        if situation is None or not situation.listening or situation.record.state is not State.QUEUED:
            return False
        queue = situation.record.message.queue
        return all(worker.draining for worker in self.broker.workers(now) if queue in worker.queues)

    def updates(
        self,
        ids: Iterable[str | AnyResult],
        *,
        timeout: float | None = None,
        tick: float | None = None,
    ) -> Iterator[Update | None]:
        """Follow many tasks over one connection: each as it is now, then each change, until all have ended.

        Args:
            timeout: seconds; `TimeoutError` when they have not ended by then.
            tick: yield None whenever so many seconds have passed without a change; None for never.
        """
        return updates(self, [check_id(str(task_id)) for task_id in ids], timeout=timeout, tick=tick)

    def aupdates(
        self,
        ids: Iterable[str | AnyResult],
        *,
        timeout: float | None = None,
        tick: float | None = None,
    ) -> AsyncIterator[Update | None]:
        """Do what `updates` does, without blocking the event loop."""
        return aupdates(self, [check_id(str(task_id)) for task_id in ids], timeout=timeout, tick=tick)

    # --- for browsers ------------------------------------------------------------------------------------

    def progress_token(
        self, result: str | AnyResult, expires: float | timedelta = 3_600, *, outcome: bool = False
    ) -> str:
        """Return a signed text with which a browser may see the progress of this task, and of no other.

        It is signed with the first of `security_keys`; without those with a secret that the store keeps, and
        that is read when it is first needed. See `celeriac.contrib.progress`.

        Args:
            result: the task, or its id.
            expires: seconds, or a timedelta, for which it is valid.
            outcome: whether it also shows what the task returned, or its error.

        Raises:
            ValueError: *expires* is no positive number.
        """
        seconds = expires.total_seconds() if isinstance(expires, timedelta) else expires
        if isinstance(seconds, bool) or not math.isfinite(seconds) or seconds <= 0:
            raise ValueError(
                f"a progress token must be valid for a number of seconds above 0, not {expires!r}"
            )
        return self.tickets.issue(Ticket(check_id(str(result)), self.clock.now() + seconds, outcome))

    @property
    def tickets(self) -> Tickets:
        """Who signs and reads progress tokens."""
        conf = self.conf
        return Tickets(conf.security_keys or (self._shared_secret(),), conf.namespace or self.main)

    def _shared_secret(self) -> str:
        broker = self.broker
        if self._secret is None or self._secret[0] is not broker:
            found = broker.secret(secrets.token_urlsafe(SHORTEST_KEY).encode()).decode("utf-8", "replace")
            if len(found) < SHORTEST_KEY:
                raise StoreCorrupt("the store's secret is broken: something else has written to it")
            self._secret = broker, found
        return self._secret[1]

    # --- tests -------------------------------------------------------------------------------------------

    def test(self, *, at: datetime | str | float | None = None, queues: Sequence[str] | None = None) -> Stage:
        """Run tasks within a test: `with app.test() as t: …`; see `celeriac.testing.Stage`.

        Args:
            at: the first time: a datetime, ISO text, or seconds since 1970; None takes the present.
            queues: those that its worker serves; None for all.
        """
        from celeriac.testing.stage import Stage

        return Stage(self, at=at, queues=queues)

    # --- a worker in this process -------------------------------------------------------------------------

    def embedded(
        self,
        *,
        queues: Sequence[str] | Mapping[str, int] | None = None,
        concurrency: int | None = None,
        threads: int | None = None,
    ) -> Embedded:
        """Run a worker inside this process: `with app.embedded(): …`.

        Args:
            queues: those that it serves, the most important first; or their weights by name.
            concurrency: tasks at once. threads: how many of them may be `def`.

        It has a thread of its own and stops when the block ends, or with the process. Without a
        supervisor its own courier renews the lease: a task that holds the interpreter for longer than
        `worker_lease` loses it.
        """
        from celeriac.embedded import Embedded

        return Embedded(self, queues=queues, concurrency=concurrency, threads=threads)
