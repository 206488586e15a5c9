"""Errors to Sentry: one event for each task that has failed for good, with the exception's own traceback.

Each run has an isolation scope, in threads and coroutines: tags and breadcrumbs of one task are in no
event of another one. Needs `sentry-sdk` 2; does nothing until the application has called `sentry_sdk.init`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Final

from celeriac.context import current_run, in_isolated_process
from celeriac.errors import MissingExtra, WorkerLostError
from celeriac.message import Request
from celeriac.middleware import Middleware
from celeriac.outcome import ErrorInfo

try:
    import sentry_sdk
    from sentry_sdk.integrations.logging import ignore_logger
    from sentry_sdk.utils import event_from_exception
except ImportError as error:
    raise MissingExtra("events for Sentry need its SDK: pip install 'sentry-sdk>=2.20'") from error

if TYPE_CHECKING:
    from sentry_sdk import Scope

FLUSH_SECONDS: Final = 2.0

_told: Final[ContextVar[bool]] = ContextVar("celeriac_sentry_told", default=False)  # of a run without a scope
_around: Final[ContextVar[_Around | None]] = ContextVar("celeriac_sentry", default=None)


class SentryMiddleware(Middleware):
    """Sends the events.

    The worker's own lines, logger `celeriac`, make no events and breadcrumbs any more: `task failed` would be
    a second one.

    Args:
        retries: send one for each attempt that will be retried, too, as a warning.
        expected: send one for errors that the task has named in `throws`, too.
    """

    def __init__(self, *, retries: bool = False, expected: bool = False) -> None:
        self._retries, self._expected = retries, expected
        ignore_logger("celeriac")

    def around_run(self, requests: Sequence[Request]) -> AbstractContextManager[object]:
        """Give the run a scope of its own."""
        return _Around(requests)

    def on_failure(self, request: Request, error: ErrorInfo) -> None:
        """Send an event when the code has been left; at once where none has run."""
        if self._expected or not _is_expected(error):
            self._tell(request, error, "error")
        _told.set(True)

    def on_retry(self, request: Request, error: ErrorInfo, due: float) -> None:  # noqa: ARG002 - whenever
        """Send an event if that was asked for."""
        if self._retries:
            self._tell(request, error, "warning")
        _told.set(True)

    def _tell(self, request: Request, error: ErrorInfo, level: str) -> None:
        around = _around.get()
        if around is not None:
            around.ended.append((request, error, level))
            return
        with sentry_sdk.isolation_scope() as scope:
            _describe(scope, request)
            _send(error.rebuild(), None, level)

    def after_run(self, request: Request) -> None:
        """Send an event for a task whose isolated process has died, once more often than it may."""
        if _around.get() is None and not _told.get():
            last = _has_crashed_for_good()
            if last or self._retries:
                lost = ErrorInfo.of(WorkerLostError("the process that ran it died"))
                self._tell(request, lost, "error" if last else "warning")
        _told.set(False)

    def on_worker_shutdown(self, worker: str) -> None:  # noqa: ARG002 - whichever it is
        """Send what has not been."""
        sentry_sdk.flush(FLUSH_SECONDS)


class _Around:
    """The scope of one run, and what there is to be told of it when its code has been left."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.ended: list[tuple[Request, ErrorInfo, str]] = []
        self._requests = requests
        self._isolated = sentry_sdk.isolation_scope()

    def __enter__(self) -> None:
        scope = self._isolated.__enter__()
        scope.clear_breadcrumbs()
        _describe(scope, *self._requests)
        self._token = _around.set(self)

    def __exit__(self, _kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        _around.reset(self._token)
        try:
            self._send(error, trace)
        finally:
            self._isolated.__exit__(None, None, None)
        if self.ended and in_isolated_process():  # which may be ended at any moment
            sentry_sdk.flush(FLUSH_SECONDS)

    def _send(self, error: BaseException | None, trace: TracebackType | None) -> None:
        whole = error is not None and len(self._requests) > 1  # it is that of each call
        for request, info, level in self.ended[:1] if whole else self.ended:
            if error is not None and info.type == f"{type(error).__module__}.{type(error).__qualname__}":
                _send(error, trace, level)
                continue
            rebuilt = info.rebuild()  # what was decided is not what was raised
            rebuilt.__cause__ = error
            with sentry_sdk.new_scope() as scope:
                if len(self._requests) > 1:
                    _describe(scope, request)
                _send(rebuilt, None, level)


def _describe(scope: Scope, *requests: Request) -> None:
    """Say in *scope* which task it is; of a batch what its calls have in common."""
    first = requests[0]
    name = first.task or ""
    scope.set_transaction_name(name, source="task")
    tags = {"celeriac.task": name, "celeriac.queue": first.queue, "celeriac.worker": first.hostname}
    more: dict[str, object] = {"name": name, "queue": first.queue, "worker": first.hostname}
    if len(requests) == 1:
        tags["celeriac.task_id"] = first.id
        more |= {"id": first.id, "retries": first.retries, "root_id": first.root_id}
        more |= {"parent_id": first.parent_id, "schedule": first.schedule}
    else:
        more |= {"ids": [request.id for request in requests]}
    for key, value in tags.items():
        if value:
            scope.set_tag(key, value)
    scope.set_context("celeriac", more)


def _has_crashed_for_good() -> bool:
    run = current_run()
    return run is not None and run.delivery.crashes >= run.delivery.crash_limit


def _is_expected(error: ErrorInfo) -> bool:
    run, kind = current_run(), error.kind
    return run is not None and kind is not None and issubclass(kind, run.job.throws)


def _send(error: BaseException, trace: TracebackType | None, level: str) -> None:
    event, hint = event_from_exception(
        (type(error), error, trace),
        client_options=sentry_sdk.get_client().options,
        mechanism={"type": "celeriac", "handled": level != "error"},
    )
    event["level"] = level  # type: ignore[typeddict-item]
    sentry_sdk.capture_event(event, hint=hint)
