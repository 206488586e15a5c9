"""Traces: which spans there are, what stands in them, and how they hang together, on real workers."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from celeriac import chain, chord, group
from celeriac.contrib.opentelemetry import OpenTelemetryMiddleware, instrument
from celeriac.errors import ChordError, OperationalError, WorkerLostError
from celeriac.message import Message
from tests.integration import traced_jobs
from tests.integration.command_line import environment
from tests.waiting import wait_until

SOON = 10.0


class Traces:
    """What has been recorded, and a tracer for the caller's own spans."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("tests")

    def all(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def wait_for(self, name: str, count: int = 1) -> list[ReadableSpan]:
        wait_until(lambda: len(self.all(name)) >= count, SOON, what=f"{count} spans {name!r}")
        return self.all(name)

    def one(self, name: str) -> ReadableSpan:
        [span] = self.wait_for(name)
        return span


@pytest.fixture
def traces() -> Iterator[Traces]:
    traces = Traces()
    yield traces
    traces.provider.shutdown()


def is_child(span: ReadableSpan, parent: ReadableSpan) -> bool:
    return span.parent is not None and span.parent.span_id == parent.context.span_id


def linked(span: ReadableSpan) -> set[int]:
    return {link.context.span_id for link in span.links}


def ids(spans: list[ReadableSpan]) -> set[int]:
    return {span.context.span_id for span in spans}


def in_one_trace(*spans: ReadableSpan) -> bool:
    return len({span.context.trace_id for span in spans}) == 1


# --- one task -------------------------------------------------------------------------------------------


def test_a_send_and_its_run_are_two_spans_of_the_callers_trace(app, traces):
    instrument(app, traces.provider)

    @app.task(name="shop.add")
    def add(x, y):
        return x + y

    with app.embedded() as worker, traces.tracer.start_as_current_span("request"):
        result = add.delay(1, 2)
        result.get(timeout=SOON)
    request, send, process = (traces.one(name) for name in ("request", "send shop.add", "process shop.add"))

    assert in_one_trace(request, send, process)
    assert is_child(send, request)
    assert is_child(process, send)
    assert (send.kind, process.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert dict(send.attributes) == {
        "messaging.system": "celeriac",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "default",
        "messaging.message.id": result.id,
        "celeriac.task.name": "shop.add",
    }
    assert dict(process.attributes) == {
        "messaging.system": "celeriac",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "default",
        "messaging.message.id": result.id,
        "messaging.message.conversation_id": result.id,
        "messaging.client.id": worker.options.hostname,
        "celeriac.task.name": "shop.add",
        "celeriac.task.retries": 0,
        "celeriac.task.outcome": "succeeded",
    }
    assert process.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_the_span_of_a_run_is_current_in_its_code_and_parent_of_what_it_sends(memory_app, traces, kind):
    app = memory_app
    instrument(app, traces.provider)

    @app.task(name="inner")
    def inner():
        return None

    def begin():
        with traces.tracer.start_as_current_span("own"):
            return inner.delay().id

    async def abegin():
        with traces.tracer.start_as_current_span("own"):
            await asyncio.sleep(0)
            return (await inner.adelay()).id

    outer = app.task(name="outer")(begin if kind == "def" else abegin)
    with app.embedded():
        outer.delay().get(timeout=SOON)
        process = traces.one("process inner")
    own, send = traces.one("own"), traces.one("send inner")

    assert is_child(own, traces.one("process outer"))
    assert is_child(send, own)
    assert is_child(process, send)
    assert in_one_trace(process, traces.one("send outer"))


def test_nothing_of_a_run_is_left_for_the_next_one_in_its_thread(memory_app, traces):
    app = memory_app
    instrument(app, traces.provider)
    seen = []

    @app.task(throws=(ValueError,))
    def look(fails):
        seen.append(trace.get_current_span().get_span_context().span_id)
        if fails:
            raise ValueError

    with app.embedded(threads=1, concurrency=1):
        for fails in (True, False, True):
            look.delay(fails).get(timeout=SOON, propagate=False)
        app.moments.calls["around_run"].clear()
        look.delay(False).get(timeout=SOON)

    assert len(set(seen)) == 4
    assert seen[-1] == trace.INVALID_SPAN_ID


def test_coroutines_that_take_turns_keep_their_own_spans(memory_app, traces):
    app = memory_app
    instrument(app, traces.provider)

    @app.task
    async def look(number):
        before = trace.get_current_span().get_span_context().span_id
        for _ in range(5):
            await asyncio.sleep(0)
        return before == trace.get_current_span().get_span_context().span_id, f"{before:x}"

    with app.embedded():
        found = [result.get(timeout=SOON) for result in look.delay_many([(n,) for n in range(20)])]

    assert all(same for same, _ in found)
    assert len({span_id for _, span_id in found}) == 20


def test_headers_of_the_callers_own_stay_and_baggage_arrives(memory_app, traces):
    app = memory_app
    instrument(app, traces.provider)

    @app.task(bind=True)
    def look(self):
        headers = self.request.headers
        return headers["shop"], sorted(headers), baggage.get_baggage("customer")

    token = context.attach(baggage.set_baggage("customer", "7"))
    try:
        with app.embedded():
            found = look.apply_async(headers={"shop": "north"}).get(timeout=SOON)
    finally:
        context.detach(token)

    assert found == ["north", ["baggage", "shop", "traceparent"], "7"]


def test_an_eager_run_is_part_of_what_its_caller_does(memory_app, traces):
    app = memory_app
    instrument(app, traces.provider)

    @app.task(name="shop.add")
    def add(x, y):
        return x + y

    with traces.tracer.start_as_current_span("request"):
        assert add.apply((1, 2)).get() == 3

    assert is_child(traces.one("process shop.add"), traces.one("request"))


# --- how it ends ----------------------------------------------------------------------------------------


def test_a_failure_has_its_error_and_the_status(memory_app, traces):
    app = memory_app
    instrument(app, traces.provider)

    @app.task(name="shop.fail")
    def fail():
        raise ValueError("no such card")

    with app.embedded():
        fail.delay().get(timeout=SOON, propagate=False)
        process = traces.one("process shop.fail")
    [event] = process.events

    assert process.status.status_code is StatusCode.ERROR
    assert process.status.description == "builtins.ValueError: no such card"
    assert process.attributes["error.type"] == "builtins.ValueError"
    assert process.attributes["celeriac.task.outcome"] == "failed"
    assert event.name == "exception"
    assert event.attributes["exception.type"] == "builtins.ValueError"
    assert event.attributes["exception.message"] == "no such card"
    assert 'raise ValueError("no such card")' in event.attributes["exception.stacktrace"]


def test_each_attempt_is_a_span_and_a_retry_is_no_failure(app, traces):
    instrument(app, traces.provider)

    @app.task(name="shop.fetch", bind=True, autoretry_for=(OSError,), default_retry_delay=0.01)
    def fetch(self):
        if self.request.retries < 2:
            raise OSError("line broke")

    with app.embedded():
        fetch.delay().get(timeout=SOON)
        spans = traces.wait_for("process shop.fetch", 3)
    first, second, third = sorted(spans, key=lambda span: span.attributes["celeriac.task.retries"])
    send = traces.one("send shop.fetch")

    assert all(is_child(span, send) for span in spans)
    outcomes = [span.attributes["celeriac.task.outcome"] for span in (first, second, third)]
    assert outcomes == ["retried", "retried", "succeeded"]
    assert {span.status.status_code for span in spans} == {StatusCode.UNSET}
    assert first.attributes["celeriac.retry.due"] > 0
    assert first.events[0].attributes["exception.message"] == "line broke"


def test_a_revoked_run_says_so(memory_app, traces):
    app = memory_app
    instrument(app, traces.provider)

    @app.task(name="shop.wait", bind=True)
    async def wait(self):
        self.update_state(state="HERE")
        await asyncio.sleep(60)

    with app.embedded():
        result = wait.delay()
        wait_until(lambda: result.state == "HERE", SOON, what="the task to run")
        result.revoke(terminate=True)
        process = traces.one("process shop.wait")

    assert process.attributes["celeriac.task.outcome"] == "revoked"
    assert process.status.status_code is StatusCode.UNSET


def test_a_call_that_cannot_start_has_a_span_too(memory_app, traces):
    app = memory_app
    instrument(app, traces.provider)

    @app.task(name="shop.add")
    def add(x, y):
        return x + y

    with app.embedded():
        app.publish([Message("1" * 28, "shop.add", payload=b"[[1],{}]", created=app.clock.now())])
        process = traces.one("process shop.add")

    assert process.status.status_code is StatusCode.ERROR
    assert "InvalidArguments" in process.attributes["error.type"]
    assert is_child(process, traces.one("send shop.add"))


def test_a_send_that_the_store_does_not_take_is_a_failed_span(memory_app, traces, monkeypatch):
    app = memory_app
    instrument(app, traces.provider)

    @app.task(name="shop.add")
    def add():
        return None

    def refuse(*_):
        raise OperationalError("disk full")

    monkeypatch.setattr(app.broker, "send", refuse)
    with pytest.raises(OperationalError):
        add.delay()
    send = traces.one("send shop.add")

    assert send.status.status_code is StatusCode.ERROR
    assert send.attributes["error.type"] == "celeriac.errors.OperationalError"


# --- shapes ---------------------------------------------------------------------------------------------


def test_calls_that_are_sent_together_are_created_each_below_one_send(app, traces):
    instrument(app, traces.provider)

    @app.task(name="shop.add")
    def add(x, y):
        return x + y

    with app.embedded():
        for result in add.delay_many([(n, n) for n in range(5)]):
            result.get(timeout=SOON)
        processes = traces.wait_for("process shop.add", 5)
    send, creates = traces.one("send shop.add"), traces.all("create shop.add")

    assert (send.kind, send.attributes["messaging.batch.message_count"]) == (SpanKind.CLIENT, 5)
    assert {span.kind for span in creates} == {SpanKind.PRODUCER}
    assert all(is_child(span, send) for span in creates)
    assert {span.parent.span_id for span in processes} == ids(creates)


def test_a_step_of_a_chain_has_a_link_to_the_one_before(app, traces):
    instrument(app, traces.provider)

    @app.task(name="first")
    def first():
        return 1

    @app.task(name="second")
    def second(x):
        return x + 1

    with app.embedded():
        assert chain(first.s(), second.s())().get(timeout=SOON) == 2
        process = traces.one("process second")

    assert is_child(process, traces.one("create second"))
    assert linked(process) == ids(traces.all("create first"))
    assert linked(traces.one("process first")) == set()
    assert in_one_trace(process, traces.one("process first"))


def test_the_body_of_a_chord_has_links_to_all_that_it_waited_for(app, traces):
    instrument(app, traces.provider)

    @app.task(name="part")
    def part(x):
        return x

    @app.task(name="total")
    def total(values):
        return sum(values)

    with app.embedded(), traces.tracer.start_as_current_span("request"):
        assert chord(group(part.s(n) for n in range(4)), total.s())().get(timeout=SOON) == 6
        process = traces.one("process total")
    members = traces.all("create part")

    assert len(members) == 4
    assert linked(process) == ids(members)
    assert is_child(process, traces.one("create total"))
    assert in_one_trace(traces.one("request"), process, *traces.all("process part"))
    assert not [span for span in traces.exporter.get_finished_spans() if "join" in span.name]


def test_what_never_runs_has_no_run(memory_app, traces):
    app = memory_app
    instrument(app, traces.provider)

    @app.task(name="part")
    def part():
        raise ValueError("broken")

    @app.task(name="total")
    def total(values):
        return sum(values)

    with app.embedded():
        with pytest.raises(ChordError):
            chord([part.si(), part.si()], total.s())().get(timeout=SOON)
        traces.wait_for("process part", 1)

    assert traces.all("process total") == []


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_batch_is_one_span_with_links_to_its_calls(memory_app, traces, kind):
    app = memory_app
    instrument(app, traces.provider)

    def work(items):
        return [ValueError(f"no {item}") if item == 2 else item for item in items]

    async def awork(items):
        return work(items)

    save = app.task(name="save", batch_size=3, batch_wait=30.0)(work if kind == "def" else awork)
    with app.embedded():
        results = [save.delay(n) for n in range(3)]
        ended = [result.get(timeout=SOON, propagate=False) for result in results]
        process = traces.one("process save")

    assert ended[:2] == [0, 1]
    assert process.parent is None
    assert linked(process) == ids(traces.all("send save"))
    assert process.attributes["messaging.batch.message_count"] == 3
    assert process.status.status_code is StatusCode.ERROR
    [event] = process.events
    assert event.attributes["messaging.message.id"] == results[2].id
    assert event.attributes["exception.message"] == "no 2"


# --- other processes ------------------------------------------------------------------------------------


@pytest.fixture
def traced(tmp_path, monkeypatch) -> Iterator[Callable[[], dict[str, dict]]]:
    """Run a worker of `traced_jobs`; return what gives its spans by name, once the worker has ended."""
    file, app = tmp_path / "spans", traced_jobs.app
    monkeypatch.setenv("SPANS_FILE", str(file))
    app.close()
    app.conf.update(broker_url=f"sqlite:///{tmp_path}/traced.db")
    worker = app.embedded().start()

    def spans() -> dict[str, dict]:
        worker.stop()
        return {each["name"]: each for each in map(json.loads, file.read_text("utf-8").splitlines())}

    yield spans
    worker.stop()
    app.close()


def test_a_task_in_a_process_of_its_own_is_in_the_trace(traced):
    pid = traced_jobs.alone.delay().get(timeout=30)

    spans = traced()

    assert pid != os.getpid()
    assert spans["process alone"]["pid"] == pid
    assert spans["process alone"]["parent"] == spans["send alone"]["id"]
    assert spans["send inside"]["parent"] == spans["process alone"]["id"]
    assert len({span["trace"] for span in spans.values()}) == 1


def test_a_process_that_died_leaves_a_span_all_the_same(traced):
    result = traced_jobs.die.delay()
    with pytest.raises(WorkerLostError):
        result.get(timeout=30)

    spans = traced()

    assert spans["process die"]["outcome"] == "crashed"
    assert spans["process die"]["parent"] == spans["send die"]["id"]


# --- safety, and what it costs --------------------------------------------------------------------------


def test_without_an_sdk_no_header_is_added(memory_app):
    app = memory_app
    instrument(app)

    @app.task(bind=True)
    def look(self):
        return self.request.headers

    with app.embedded():
        assert look.delay().get(timeout=SOON) == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": 7, "celeriac-links": 8},
        {"traceparent": ["00-1-2-3"], "celeriac-links": [None, {}, "nonsense"]},
        {"traceparent": "00-" + "f" * 500, "celeriac-links": ["00-" + "0" * 32]},
        {"tracestate": {"a": 1}, "baggage": [["x"]], "celeriac-links": {"a": "b"}},
    ],
)
def test_headers_that_are_nonsense_do_no_harm(memory_app, traces, headers):
    app = memory_app

    @app.task(name="shop.add")
    def add():
        return 3

    app.add_middleware(_Only(traces))
    with app.embedded():
        assert add.apply_async(headers=headers).get(timeout=SOON) == 3
        process = traces.one("process shop.add")

    assert process.parent is None
    assert process.links == ()


class _Only(OpenTelemetryMiddleware):
    """Traces runs, and leaves what is sent as it is."""

    def __init__(self, traces: Traces) -> None:
        super().__init__(traces.provider)

    def before_publish(self, message: Message) -> Message:
        return message


def test_an_application_is_instrumented_once(memory_app, traces):
    first = instrument(memory_app, traces.provider)

    assert instrument(memory_app) is first
    assert memory_app.moments.layers == [first]


def test_nothing_is_imported_that_was_not_asked_for():
    import subprocess
    import sys

    code = "import celeriac, sys; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())

    assert ran.stdout.strip() == "[]", ran.stderr


def test_the_lack_of_the_extra_is_told():
    import subprocess
    import sys

    code = "import sys; sys.modules['opentelemetry'] = None; import celeriac.contrib.opentelemetry"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())

    assert "pip install 'celeriac[opentelemetry]'" in ran.stderr
