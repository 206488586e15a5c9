"""Traces by OpenTelemetry's conventions for messaging: a span for each send, and one for each run.

A call's context travels in its headers, so a task that another one sends is in the same trace, however often
either is retried. What waits for several others has links to them, and so has a batch: a span has one parent.
Needs the extra `opentelemetry`; where no SDK is set up, nothing is recorded and no header is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from celeriac.context import current_run, in_isolated_process
from celeriac.errors import MissingExtra
from celeriac.message import Message, Request, decode_options, encode_options
from celeriac.middleware import Middleware
from celeriac.outcome import ErrorInfo
from celeriac.version import __version__

try:
    from opentelemetry import context, propagate, trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError as error:
    raise MissingExtra("traces need opentelemetry-api: pip install 'celeriac[opentelemetry]'") from error

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from celeriac.app import Celeriac

SYSTEM: Final = "celeriac"
LINKS: Final = "celeriac-links"  # the header with what a task has waited for
MOST_LINKS: Final = 128  # as many as the SDK keeps of one span, unless told otherwise
FLUSH_MILLISECONDS: Final = 1_000

_W3C: Final = TraceContextTextMapPropagator()

# Of messages that are being sent together: the contexts in which each was created; of a join those of all
# that it brings together. None while a single one is sent, or none.
_created: Final[ContextVar[dict[str, list[str]] | None]] = ContextVar("celeriac_created", default=None)
_told: Final[ContextVar[bool]] = ContextVar("celeriac_told", default=False)  # of a run without a span
_running: Final[ContextVar[trace.Span | None]] = ContextVar("celeriac_span", default=None)


def instrument(app: Celeriac, tracer_provider: trace.TracerProvider | None = None) -> OpenTelemetryMiddleware:
    """Trace what *app* sends and runs, and return the middleware that does; a second call changes nothing."""
    for layer in app.moments.layers:
        if isinstance(layer, OpenTelemetryMiddleware):
            return layer
    made = OpenTelemetryMiddleware(tracer_provider)
    app.add_middleware(made)
    return made


class OpenTelemetryMiddleware(Middleware):
    """Makes the spans.

    Args:
        tracer_provider: None takes the global one, also if it is set later.
    """

    def __init__(self, tracer_provider: trace.TracerProvider | None = None) -> None:
        self._provider = tracer_provider
        self._tracer = trace.get_tracer(SYSTEM, __version__, tracer_provider)

    # --- sending --------------------------------------------------------------------------------------

    def around_publish(self, messages: Sequence[Message]) -> AbstractContextManager[object]:
        """Make the span of a send current."""
        return self._send(messages) if messages else nullcontext()

    @contextmanager
    def _send(self, messages: Sequence[Message]) -> Iterator[None]:
        first, alone = messages[0], len(messages) == 1
        attributes = _attributes("send", first.name, first.queue)
        attributes |= {"messaging.message.id": first.id} if alone else _count(messages)
        kind = trace.SpanKind.PRODUCER if alone else trace.SpanKind.CLIENT
        token = _created.set(None if alone else {})
        try:
            with self._tracer.start_as_current_span(
                f"send {first.name}", kind=kind, attributes=attributes
            ) as span:
                try:
                    yield
                except Exception as error:
                    span.set_attribute("error.type", f"{type(error).__module__}.{type(error).__qualname__}")
                    raise
        finally:
            _created.reset(token)

    def before_publish(self, message: Message) -> Message:
        """Give *message* the context in which it was created."""
        carrier: dict[str, str] = {}
        created, links = _created.get(), list[str]()
        if created is None:
            propagate.inject(carrier)
        else:
            links = _known_parents(message, created)
            if message.after is not None and message.after.join:  # it does not run
                created[message.id] = links
                return message
            propagate.inject(carrier, trace.set_span_in_context(self._create(message)))
            created[message.id] = [carrier["traceparent"]] if "traceparent" in carrier else []
        return _with_headers(message, carrier, links)

    def _create(self, message: Message) -> trace.Span:
        """Return the span of one of many messages that are sent together; it is nothing but a moment."""
        attributes = _attributes("create", message.name, message.queue)
        attributes["messaging.message.id"] = message.id
        span = self._tracer.start_span(
            f"create {message.name}", kind=trace.SpanKind.PRODUCER, attributes=attributes
        )
        span.end()
        return span

    # --- running --------------------------------------------------------------------------------------

    @contextmanager
    def around_run(self, requests: Sequence[Request]) -> Iterator[None]:
        """Make the span of a run current, in the task's own thread or coroutine."""
        run = current_run()
        batched = run is not None and run.job.batching is not None
        where, span = self._batch_span(requests) if batched else self._run_span(requests[0])
        attached, token = context.attach(where), _running.set(span)
        try:
            with trace.use_span(
                span, end_on_exit=True, record_exception=False, set_status_on_exception=False
            ):
                yield
        finally:
            _running.reset(token)
            context.detach(attached)
            if in_isolated_process():  # which may be ended at any moment
                self._flush()

    def _run_span(self, request: Request) -> tuple[context.Context, trace.Span]:
        where = propagate.extract(_texts(request.headers), context.get_current())
        return where, self._process(request, where, _links_of(request.headers.get(LINKS)))

    def _batch_span(self, requests: Sequence[Request]) -> tuple[context.Context, trace.Span]:
        where = context.Context()
        links = [link for request in requests for link in _links_of([request.headers.get("traceparent")])]
        return where, self._process(requests[0], where, links[:MOST_LINKS], requests)

    def _process(
        self,
        request: Request,
        where: context.Context,
        links: Sequence[trace.Link],
        batch: Sequence[Request] | None = None,
    ) -> trace.Span:
        name = request.task or ""
        attributes = _attributes("process", name, request.queue or "")
        attributes |= _of_run(request) if batch is None else _count(batch)
        if request.hostname:
            attributes["messaging.client.id"] = request.hostname
        return self._tracer.start_span(
            f"process {name}",
            context=where,
            kind=trace.SpanKind.CONSUMER,
            attributes=attributes,
            links=links,
        )

    # --- how it ended ---------------------------------------------------------------------------------

    def on_success(self, request: Request, result: Any) -> None:  # noqa: ARG002 - a result is not for traces
        """Say so."""
        with self._span_of(request) as span:
            _end(span, request, "succeeded")

    def on_failure(self, request: Request, error: ErrorInfo) -> None:
        """Record *error*, and that the span has failed."""
        with self._span_of(request) as span:
            _end(span, request, "failed", error)
            span.set_attribute("error.type", error.type)
            span.set_status(trace.Status(trace.StatusCode.ERROR, f"{error.type}: {error.message}"[:1_000]))

    def on_retry(self, request: Request, error: ErrorInfo, due: float) -> None:
        """Record *error*; the span has not failed, since the task has not."""
        with self._span_of(request) as span:
            _end(span, request, "retried", error)
            span.set_attribute("celeriac.retry.due", due)

    def on_revoked(self, request: Request) -> None:
        """Say so."""
        with self._span_of(request) as span:
            _end(span, request, "revoked")

    @contextmanager
    def _span_of(self, request: Request) -> Iterator[trace.Span]:
        """Give the span of the run; one of its own where no code was started, or it died with its process."""
        running = _running.get()
        if running is not None:
            yield running
            return
        _, span = self._run_span(request)
        _told.set(True)
        try:
            yield span
        finally:
            span.end()

    def after_run(self, request: Request) -> None:
        """Tell of a run of which nothing was told: its process died, and the store says what comes of it."""
        if _running.get() is None and not _told.get():
            with self._span_of(request) as span:
                span.set_attribute("celeriac.task.outcome", "crashed")
                span.set_attribute("error.type", "celeriac.errors.WorkerLostError")
                span.set_status(trace.Status(trace.StatusCode.ERROR, "the process that ran it died"))
        _told.set(False)

    def on_worker_shutdown(self, worker: str) -> None:  # noqa: ARG002 - whichever it is
        """Export what has not been."""
        self._flush()

    def _flush(self) -> None:
        flush = getattr(self._provider or trace.get_tracer_provider(), "force_flush", None)
        if flush is not None:
            flush(FLUSH_MILLISECONDS)


def _attributes(operation: str, name: str, queue: str) -> dict[str, AttributeValue]:
    return {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": queue,
        "celeriac.task.name": name,
    }


def _count(many: Sequence[object]) -> dict[str, AttributeValue]:
    return {"messaging.batch.message_count": len(many)}


def _of_run(request: Request) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {"celeriac.task.retries": request.retries}
    if request.id:
        found["messaging.message.id"] = request.id
    if request.root_id:
        found["messaging.message.conversation_id"] = request.root_id
    return found


def _known_parents(message: Message, created: Mapping[str, list[str]]) -> list[str]:
    """Return where those were created that *message* waits for, as far as they are sent with it."""
    parents = () if message.after is None else message.after.parents
    found = [each for parent in parents for each in created.get(parent, ())]
    return found[:MOST_LINKS]


def _with_headers(message: Message, carrier: Mapping[str, str], links: Sequence[str]) -> Message:
    if not carrier:
        return message
    options = decode_options(message.options)
    headers: dict[str, Any] = {**(options.headers or {}), **carrier, LINKS: list(links)}
    if not links:  # what a task has handed on of its own headers is not this one's
        del headers[LINKS]
    return replace(message, options=encode_options(replace(options, headers=headers)))


def _texts(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return what can be a propagator's: it trusts that all is text, and anybody may have sent these."""
    return {name: value for name, value in headers.items() if isinstance(value, str)}


def _links_of(found: object) -> list[trace.Link]:
    """Read the contexts in a header; what is none is left out."""
    links = []
    for text in found[:MOST_LINKS] if isinstance(found, list) else ():
        where = _W3C.extract({"traceparent": text if isinstance(text, str) else ""}, context.Context())
        there = trace.get_current_span(where).get_span_context()
        if there.is_valid:
            links.append(trace.Link(there))
    return links


def _end(span: trace.Span, request: Request, how: str, error: ErrorInfo | None = None) -> None:
    """Note on *span* how a call ended: on a batch's, whose call it was."""
    run = current_run()
    if run is not None and run.job.batching is not None:
        which: dict[str, AttributeValue] = {"messaging.message.id": request.id or ""}
    else:
        which = {}
        span.set_attribute("celeriac.task.outcome", how)
    if error is not None:
        span.add_event("exception", dict([*_of_error(error), *which.items()]))


def _of_error(error: ErrorInfo) -> Iterable[tuple[str, str]]:
    """Return the conventional attributes of an exception."""
    yield "exception.type", error.type
    yield "exception.message", error.message
    if error.traceback:
        yield "exception.stacktrace", error.traceback
