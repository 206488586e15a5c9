"""An application that is traced, with tasks that a fresh process can import.

What its processes record goes to the file that the environment names, a line of JSON each.
"""

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from celeriac import Celeriac
from celeriac.contrib.opentelemetry import instrument


class FileExporter(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with Path(os.environ["SPANS_FILE"]).open("a", encoding="utf-8") as file:
            for span in spans:
                file.write(json.dumps(shown(span)) + "\n")
        return SpanExportResult.SUCCESS


def shown(span: ReadableSpan) -> dict[str, object]:
    return {
        "name": span.name,
        "pid": os.getpid(),
        "id": span.context.span_id,
        "trace": span.context.trace_id,
        "parent": span.parent and span.parent.span_id,
        "outcome": span.attributes.get("celeriac.task.outcome"),
    }


provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(FileExporter(), schedule_delay_millis=600_000))
app = Celeriac("traced", broker="memory://", set_as_current=False)
instrument(app, provider)


@app.task(name="alone", executor="process")
def alone() -> int:
    inside.delay()
    return os.getpid()


@app.task(name="die", executor="process", crash_limit=0)
def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="inside")
def inside() -> None:
    """Do nothing."""
