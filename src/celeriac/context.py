"""One run of one task: what it is given, how it reports, how it may be interrupted; and which run is current.

The worker creates runs, the task's code finds its own through `current_run`.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from celeriac import codec
from celeriac.batching import Batching
from celeriac.message import Delivery, Options, Request, decode_options
from celeriac.outcome import Outcome
from celeriac.retry import RetryPolicy
from celeriac.states import RESERVED
from celeriac.steering import Line

if TYPE_CHECKING:
    import asyncio

MOST_CHILDREN: Final = 10_000
ISOLATED: Final = "celeriac-isolated"  # the name of a process that runs one task at a time

Executor = Literal["loop", "thread", "process"]
Hook = Literal["before_start", "on_success", "on_failure", "on_retry", "after_return"]


class Job(Protocol):
    """What a worker knows of a task: its name, its rules, and how to call it."""

    name: str
    executor: Executor
    policy: RetryPolicy
    time_limit: float | None
    soft_time_limit: float | None
    throws: tuple[type[BaseException], ...]
    ignore_result: bool
    hooks: frozenset[Hook]
    batching: Batching | None

    def load(self, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Turn a message's bytes into the arguments of a call; raises `InvalidMessage`."""

    def load_failure(self, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Do the same for a task that is told of another one's failure, which stands before its arguments."""

    def dump(self, result: Any) -> bytes:
        """Turn what the call returned into bytes; raises `InvalidMessage`."""

    @property
    def body(self) -> Callable[..., Any]:
        """The function to call; a coroutine function when the executor is "loop"."""

    def hook(self, name: Hook) -> Callable[..., Any]:
        """Return the hook *name*; called only when it is among `hooks`."""


class Reporter(Protocol):
    """Where a run's progress goes."""

    def report(
        self,
        run: Run,
        *,
        state: str | None = None,
        meta: bytes | None = None,
        checkpoint: bytes | None = None,
        children: tuple[str, ...] = (),
    ) -> Callable[[float], None]:
        """Hand progress over; the returned function waits, at most so many seconds, until it is stored."""

    def log(self, run: Run, line: Line) -> None:
        """Hand over what a run has said."""


class Around(Protocol):
    """What is put around a run."""

    def leave(self, error: BaseException | None) -> None:
        """Come out of it, with the *error* that the run's code has raised."""


class Run:
    """A delivery on its way through the worker."""

    # What most runs never change stands here once, because a run is made for every task.
    args: tuple[Any, ...] = ()
    options: Options | None = None
    request_cache: Request | None = None
    latest_checkpoint: bytes | None = None
    children: list[str] | None = None  # what its code has sent and was not reported yet
    started = 0.0  # seconds since 1970; 0.0: not yet
    weight = 0  # for how many runs this one is timed; 0: it is not
    ended = 0.0  # when its outcome was handed over, if it is timed and had one
    moment_started = 0.0  # monotonic seconds
    done = False  # the task's code has ended
    settled = False  # an outcome was handed to the courier
    void = False  # the lease is lost: whatever comes out is not wanted
    interrupted: BaseException | None = None
    verdict: Outcome | None = None  # decided from outside: revoked, timed out, stopped
    thread: Any = None  # the pool's thread, or the isolated process, that runs it
    coroutine: asyncio.Task[Any] | None = None
    around: Around | None = None  # what middleware has put around its code

    def __init__(
        self,
        job: Job,
        delivery: Delivery,
        reporter: Reporter,
        hostname: str,
        claimed: float = 0.0,
        pool: Any = None,
    ) -> None:
        self.job = job
        self.delivery = delivery
        self.reporter = reporter
        self.hostname = hostname
        self.claimed = claimed  # monotonic seconds
        self.pool = pool
        self.kwargs: dict[str, Any] = {}

    @property
    def id(self) -> str:
        """The task's id."""
        return self.delivery.id

    def load_options(self) -> Options:
        """Decode the message's options, once."""
        if self.options is None:
            self.options = decode_options(self.delivery.options)
        return self.options

    def load(self) -> None:
        """Decode the arguments."""
        payload = self.delivery.payload
        if self.delivery.options and self.load_options().failure_of is not None:
            self.args, self.kwargs = self.job.load_failure(payload)
        else:
            self.args, self.kwargs = self.job.load(payload)

    @property
    def request(self) -> Request:
        """What the task may know of its call; made when first asked for."""
        if self.request_cache is None:
            self.request_cache = self._make_request()
        return self.request_cache

    def _make_request(self) -> Request:
        delivery, options = self.delivery, self.load_options()
        _, hard = self.limits()
        return Request(
            id=delivery.id,
            task=delivery.name,
            args=self.args,
            kwargs=self.kwargs,
            retries=delivery.retries,
            crashes=delivery.crashes,
            hostname=self.hostname,
            queue=delivery.queue,
            priority=delivery.priority,
            root_id=options.root_id or delivery.id,
            parent_id=options.parent_id,
            group=options.group_id,
            eta=options.eta,
            expires=options.expires,
            deadline=self.started + hard if hard and self.started else None,
            headers=options.headers or {},
            schedule=options.schedule,
            due=options.due,
        )

    def limits(self) -> tuple[float | None, float | None]:
        """Return the soft and the hard limit of this run in seconds."""
        if not self.delivery.options:
            return self.job.soft_time_limit, self.job.time_limit
        options = self.load_options()
        soft = self.job.soft_time_limit if options.soft_time_limit is None else options.soft_time_limit
        hard = self.job.time_limit if options.time_limit is None else options.time_limit
        return soft or None, hard or None

    @property
    def requests(self) -> list[Request]:
        """The requests of all calls that it works on: its own."""
        return [self.request]

    @property
    def calls(self) -> list[Run]:
        """The calls that it works on: itself."""
        return [self]

    def log(self, level: int, time: float, body: bytes) -> None:
        """Hand over what its code has said, for each call that it works on."""
        for call in self.calls:
            call.reporter.log(call, Line(call.delivery.id, call.delivery.fence, time, level, body))

    def of_call(self, task_id: str) -> Run:
        """Return what stands for one of the calls that it works on.

        Raises:
            ValueError: *task_id* is another task's.
        """
        if task_id == self.id:
            return self
        raise ValueError(f"task {self.id} cannot report for {task_id}: only the run that holds a task may")

    @property
    def keeps_result(self) -> bool:
        """Whether what the task returns is stored."""
        if self.delivery.options:
            asked = self.load_options().ignore_result
            if asked is not None:
                return not asked
        return not self.job.ignore_result

    def note_children(self, ids: Iterable[str]) -> None:
        """Remember that its code has sent these tasks; the first `MOST_CHILDREN` of a run are kept."""
        if self.children is None:
            self.children = []
        self.children.extend(itertools.islice(ids, MOST_CHILDREN - len(self.children)))

    def report_children(self) -> None:
        """Hand over what `note_children` remembered, before the run is settled."""
        children, self.children = self.children, None
        if children and not self.void:
            self.reporter.report(self, children=tuple(children))

    @property
    def checkpoint(self) -> bytes:
        """What was saved last, by this run or an earlier one; JSON, empty for nothing."""
        return self.delivery.checkpoint if self.latest_checkpoint is None else self.latest_checkpoint

    def update_state(self, state: str | None, meta: Any) -> None:
        """Report progress.

        Raises:
            ValueError: only the store gives *state*.
            EncodeError: *meta* has no JSON form.
        """
        self.reporter.report(self, state=checked_state(state), meta=encode_meta(meta))

    def save(self, checkpoint: Any, *, state: str | None = None, meta: Any = None) -> Callable[[float], None]:
        """Hand a checkpoint over, with progress in the same write; the returned function waits for it."""
        data = codec.encode(checkpoint, what=f"the checkpoint of {self.delivery.name}")
        done = self.reporter.report(self, state=checked_state(state), meta=encode_meta(meta), checkpoint=data)
        self.latest_checkpoint = data
        return done


def checked_state(state: str | None) -> str | None:
    """Return *state* if a task may give it to itself.

    Raises:
        ValueError: it may not.
    """
    if state is not None and (state in RESERVED or not 0 < len(state) <= 64):
        raise ValueError(
            f"update_state cannot set the state {state!r:.80}: Celeriac gives that one itself. Return to "
            "succeed, raise to fail, self.retry() to retry; any other name of up to 64 characters is yours"
        )
    return state


def encode_meta(meta: Any) -> bytes | None:
    """Write the meta of a progress report; None when there is none."""
    return None if meta is None else codec.encode(meta, what="the meta of update_state")


_current: Final[ContextVar[Run | None]] = ContextVar("celeriac_current_run", default=None)
set_current = _current.set
reset_current = _current.reset


def in_isolated_process() -> bool:
    """Say whether this process runs tasks with `executor="process"`, and may be killed at any moment."""
    multiprocessing = sys.modules.get("multiprocessing")
    return multiprocessing is not None and multiprocessing.current_process().name == ISOLATED


def current_run() -> Run | None:
    """Return the run in whose code this is called; None outside tasks."""
    return _current.get()
