"""The web side: starts tasks, and answers for them. No task runs in this process."""

import os
import random
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from tasks import app, bill, long_async_task, long_task
from wire import describe

from celeriac.contrib import progress
from celeriac.errors import OperationalError

STATUS_SECONDS = 5.0
A_DAY = 86_400  # for as long are results kept, and may the browser that started a task look at it

KINDS: dict[str, Callable[[], Any]] = {
    "classic": lambda: long_task.delay(),
    "async": lambda: long_async_task.delay(),
    "burning": lambda: long_task.delay(burn=True),
    "bill": lambda: bill.delay(guests=random.randint(2, 12)),
}

SAFETY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

web = Flask(__name__)
web.register_blueprint(progress.blueprint(app, streams=100))


@web.get("/")
def page() -> ResponseReturnValue:
    return render_template("index.html", dashboard=os.environ.get("DASHBOARD_URL", ""))


@web.post("/longtask")
def start() -> ResponseReturnValue:
    kind = request.form.get("kind", "classic")
    if kind not in KINDS:
        return {"error": f"There is no task of the kind {kind!r}; there are {', '.join(KINDS)}."}, 400
    result = KINDS[kind]()
    token = app.progress_token(result, A_DAY, outcome=True)
    return {"id": result.id, "token": token}, 202, {"Location": url_for("status", task_id=result.id)}


@web.get("/status/<task_id>")
def status(task_id: str) -> ResponseReturnValue:
    facts = describe(next(app.updates([task_id], timeout=STATUS_SECONDS)))
    return facts, 404 if facts["state"] == "UNKNOWN" else 200, {"Cache-Control": "no-store"}


@web.post("/cancel/<task_id>")
def cancel(task_id: str) -> ResponseReturnValue:
    result = app.AsyncResult(task_id)
    if result.state == "UNKNOWN":
        return {"error": f"No task has the id {task_id!r}."}, 404
    result.revoke(terminate=True)
    return {"id": task_id}, 202


@web.before_request
def refuse_other_sites() -> ResponseReturnValue | None:
    """Another site's page must not start or cancel tasks through its visitor's browser."""
    if request.method == "GET":
        return None
    if request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none"):
        return None
    return {"error": "This may be asked from the page's own site only."}, 403


@web.after_request
def add_safety(response: Response) -> Response:
    response.headers.update(SAFETY)
    return response


@web.errorhandler(OperationalError)
@web.errorhandler(TimeoutError)
def store_is_away(error: Exception) -> ResponseReturnValue:
    return {"error": f"The task store cannot be reached just now: {error}"}, 503
