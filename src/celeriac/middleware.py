"""The one mechanism for "when this happens, also do that": a class with the usual moments as methods.

Override what you need and hand an instance to `app.add_middleware`. A moment that nobody overrides
costs nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from celeriac.message import Message, Request
from celeriac.outcome import ErrorInfo

_log: Final = logging.getLogger("celeriac")


class Middleware:
    """The moments. Methods run in the thread or loop where the moment happens and must be quick.

    An error in a `before_` moment, or on the way into an `around_` one, is an error of the call or the
    task; in every other moment, and on the way out, it is logged and otherwise without effect.
    """

    def around_publish(self, messages: Sequence[Message]) -> AbstractContextManager[object]:  # noqa: ARG002
        """Return a context in which *messages* are made ready and sent; runs in the caller.

        It holds `before_publish`, the store's answer and `after_publish`, and is left with the error if they
        could not be sent. It cannot swallow that error.
        """
        return nullcontext()

    def before_publish(self, message: Message) -> Message:
        """Return the message to send, the same or a changed one; runs in the caller."""
        return message

    def after_publish(self, message: Message) -> None:
        """The store has accepted *message*."""

    def around_run(self, requests: Sequence[Request]) -> AbstractContextManager[object]:  # noqa: ARG002
        """Return a context in which a task runs, in its own thread or coroutine: context variables hold.

        It holds all other moments of the run, and is left last, with the error that the code has raised, if
        it did: the one behind a retry, too. *requests* is one request; of a batch, all of them.
        """
        return nullcontext()

    def before_run(self, request: Request) -> None:
        """A task is about to run (Celery's `task_prerun`); runs in its thread or on its loop."""

    def after_run(self, request: Request) -> None:
        """A task has run, however it ended (Celery's `task_postrun`)."""

    def on_success(self, request: Request, result: Any) -> None:
        """A task returned *result*."""

    def on_failure(self, request: Request, error: ErrorInfo) -> None:
        """A task failed for good."""

    def on_retry(self, request: Request, error: ErrorInfo, due: float) -> None:
        """A task will be run again at *due* (seconds since 1970 UTC)."""

    def on_revoked(self, request: Request) -> None:
        """A running task was terminated because somebody revoked it."""

    def on_worker_init(self, worker: str) -> None:
        """Worker *worker* starts: told once, in its first process, before that one's `on_process_init`."""

    def on_process_init(self, worker: str) -> None:
        """A process that runs tasks has started; runs in it, before the first of them.

        That is each worker process, and each isolated one (`executor="process"`).
        """

    def on_worker_ready(self, worker: str) -> None:
        """A worker process is about to claim."""

    def on_worker_shutdown(self, worker: str) -> None:
        """A worker process has finished its last task."""


MOMENTS: Final = tuple(name for name in vars(Middleware) if not name.startswith("__"))


class Moments:
    """All middleware of an application, by moment; only overridden methods are kept."""

    def __init__(self, layers: Sequence[Middleware] = ()) -> None:
        self.layers: list[Middleware] = []
        self.calls: dict[str, list[Callable[..., Any]]] = {name: [] for name in MOMENTS}
        for layer in layers:
            self.add(layer)

    def add(self, layer: Middleware) -> None:
        """Append *layer*; moments are called in the order of adding."""
        self.layers.append(layer)
        for name in MOMENTS:
            if getattr(type(layer), name) is not getattr(Middleware, name):
                self.calls[name].append(getattr(layer, name))

    def __getitem__(self, moment: str) -> list[Callable[..., Any]]:
        """Return what is to be called at *moment*."""
        return self.calls[moment]


class Surroundings:
    """What middleware has put around something: entered in order, left in reverse, whatever any of it does.

    Args:
        calls: make the contexts. subject: is given to each of them.
        fields: of the log line that tells of a context that could not be left.
    """

    def __init__(self, calls: Sequence[Callable[..., Any]], subject: object, **fields: object) -> None:
        self._calls, self._subject, self._fields = calls, subject, fields
        self._entered: list[AbstractContextManager[object]] = []

    def __enter__(self) -> None:
        try:
            for call in self._calls:
                context = call(self._subject)
                if not isinstance(context, AbstractContextManager):
                    raise TypeError(f"{call.__qualname__} must return a context manager, not {context!r:.80}")
                context.__enter__()
                self._entered.append(context)
        except BaseException as error:
            self.leave(error)
            raise

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.leave(error)

    def leave(self, error: BaseException | None) -> None:
        """Leave all contexts, with *error* if there was one; never raises."""
        entered, self._entered = self._entered, []
        told = (None, None, None) if error is None else (type(error), error, error.__traceback__)
        for context in reversed(entered):
            try:
                context.__exit__(*told)
            except BaseException as failure:  # noqa: BLE001 - user code; what it was around has ended
                if failure is not error:
                    _log.error("hook failed", extra=self._fields, exc_info=failure)
