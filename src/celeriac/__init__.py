"""Celeriac: a distributed task queue for Python.

from celeriac import Celeriac

app = Celeriac("proj")

@app.task
def add(x: int, y: int) -> int:
    return x + y
"""

from celeriac import errors, states
from celeriac.app import Celeriac
from celeriac.canvas import Signature, chain, chord, chunks, group, maybe_signature, signature, xmap, xstarmap
from celeriac.errors import Ignore, Reject, Retry
from celeriac.groups import GroupResult
from celeriac.middleware import Middleware
from celeriac.result import AsyncResult, EagerResult
from celeriac.shared import current_app, current_task, shared_task
from celeriac.task import Task
from celeriac.updates import Update
from celeriac.version import __version__

__all__ = [
    "AsyncResult",
    "Celeriac",
    "EagerResult",
    "GroupResult",
    "Ignore",
    "Middleware",
    "Reject",
    "Retry",
    "Signature",
    "Task",
    "Update",
    "__version__",
    "chain",
    "chord",
    "chunks",
    "current_app",
    "current_task",
    "errors",
    "group",
    "maybe_signature",
    "shared_task",
    "signature",
    "states",
    "xmap",
    "xstarmap",
]
