"""A store that has something hostile in every field that anybody can see, and every page that shows it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import msgspec

from celeriac import Celeriac, chord
from celeriac.broker import Report, WorkerInfo
from celeriac.clock import SystemClock
from celeriac.dashboard import pages
from celeriac.outcome import ErrorInfo, Settlement
from celeriac.states import Verdict
from celeriac.steering import Line, body_of
from tests.dashboard import shop

HOSTILE = (*shop.HOSTILE, "\x9b31m\x1b]0;title\x07", "\u2028\u200f\u061c\ufeff", "<!--<script>", "&lt;b&gt;")
EXACT = (2**63, -(2**63), 2**63 - 1, 2**53 + 1, 10**40)
LONG = "x<b>" * 25_000  # characters of one argument
QUEUE = "javascript:alert"  # what a queue may be called at worst
NAMES = ("<script>", "</script>", "//evil.example/..", "javascript:alert", "<img/onerror>")
SCHEDULES = ('"><img src=x onerror=alert(1)>', "</script><script>alert(1)</script>", "javascript:alert(1)")
WORKER = "worker-1"
FAILING = """
def fail(text):
    raise Trap(text)
"""


class World(msgspec.Struct):
    """What there is: addresses of the store, of the dashboard and of each of its pages."""

    store: str
    paths: list[str]
    done: str
    failed: list[str]
    running: str
    url: str = ""


def build(folder: Path) -> World:
    """Fill a store, and let nothing run on."""
    store = f"sqlite:///{folder}/world.db"
    with Celeriac("shop <b>", broker=store, clock=SystemClock()) as app:
        tasks, trap = shop.make(app), _trap(app)
        done = tasks.echo.delay([*HOSTILE, *EXACT, LONG], **{"token": "s3cret", HOSTILE[0]: HOSTILE[1]})
        failed = [trap.delay(text) for text in HOSTILE]
        flow = chord([tasks.add.s(at, 1) for at in range(4)], tasks.total.s()).apply_async()
        with app.embedded():
            for each in (flow, done, *failed):
                each.get(timeout=30, propagate=False)
        waiting = _waiting(app, tasks)
        running = _running(app, tasks)
        for name in SCHEDULES:
            app.schedules.add(
                name, "30 2 * * *", "shop.add", (HOSTILE[0], EXACT[0]), timezone="Europe/Berlin"
            )
        with app.acting(HOSTILE[0]):
            app.pause(QUEUE)
        ids = [done.id, failed[0].id, failed[1].id, waiting, running]
        return World(store, _paths(app, ids, flow.id), done.id, [each.id for each in failed], running)


def _trap(app: Celeriac) -> Any:
    """A task whose error is called, comes from, and says what is hostile."""
    kind = type(HOSTILE[0], (Exception,), {"__module__": "javascript:alert(1)"})
    names: dict[str, Any] = {"Trap": kind, "__name__": "</script>"}
    exec(compile(FAILING, "/srv/</script><img src=x onerror=alert(1)>.py", "exec"), names)
    return app.task(name="shop.trap")(names["fail"])


def _waiting(app: Celeriac, tasks: SimpleNamespace) -> str:
    for name in NAMES:
        app.send_task(name, (HOSTILE[1],), queue=QUEUE)
    tasks.add.apply_async((1, 2), countdown=3_600)
    return tasks.echo.apply_async((HOSTILE[0],), queue=QUEUE, task_id="javascript:alert~1").id


def _running(app: Celeriac, tasks: SimpleNamespace) -> str:
    """A worker from elsewhere, which tells of itself and of its task what it likes."""
    sent, now = tasks.echo.apply_async((HOSTILE[2],), queue="elsewhere"), app.clock.now()
    app.broker.enlist(
        WorkerInfo(
            id=WORKER,
            name=HOSTILE[0],
            host=HOSTILE[1],
            pid=2**31,
            queues=("elsewhere", QUEUE),
            names=frozenset({*NAMES, "shop.echo"}),
            lease=3_600.0,
            slots=4,
            version=HOSTILE[5],
        ),
        now,
    )
    [first] = app.broker.exchange(WORKER, trip=1, want=1, now=now, queues=("elsewhere",)).claims
    error = msgspec.json.encode(ErrorInfo(HOSTILE[0], " ".join(HOSTILE), f"Traceback\n{HOSTILE[1]}"))
    again = Settlement(sent.id, first.fence, Verdict.RETRY, error, now)
    [claim] = app.broker.exchange(
        WORKER, trip=2, finished=[again], want=1, now=now, queues=("elsewhere",)
    ).claims
    meta = {"current": 1, "total": EXACT[0], "status": " ".join(HOSTILE), HOSTILE[0]: HOSTILE[1]}
    report = Report(sent.id, claim.fence, "PROGRESS", msgspec.json.encode(meta), msgspec.json.encode(HOSTILE))
    app.broker.report(WORKER, [report], now)
    lines = [Line(sent.id, claim.fence, now, 40, body_of(HOSTILE[0], text)) for text in (*HOSTILE, "\ud800")]
    app.broker.write_log(WORKER, lines, now)
    return str(sent.id)


def _paths(app: Celeriac, ids: list[str], flow: str) -> list[str]:
    """Every page, with something to see; made from the table of pages, so that none is forgotten."""
    from celeriac.dashboard.access import Open
    from celeriac.dashboard.roles import Role, User
    from celeriac.dashboard.site import Site
    from celeriac.dashboard.visit import Visit

    visit = Visit(Site(app, Open()), User("x", Role.ADMIN))
    [group, *_] = pages.dead.look(visit).groups
    given: dict[str, list[dict[str, Any]]] = {
        "/tasks": [{}, {"q": 'state:failed error:"alert"'}, {"q": '"><script>alert(1)</script>'}],
        "/queue": [{"name": QUEUE}],
        "/worker": [{"id": WORKER}],
        "/schedule": [{"name": SCHEDULES[0]}],
        "/schedules/try": [{"rule": "0 3 * * *"}, {"rule": HOSTILE[0]}],
        "/dead/group": [{"key": group.key}],
        "/name": [{"name": NAMES[0]}],
    }
    found = []
    for page in pages.PAGES:
        if page.path == "/bulk/{id}":  # there only while somebody acts, and here everybody only looks
            continue
        filling = [flow] if page.path.startswith("/flows") else ids
        for address in dict.fromkeys(page.path.replace("{id}", each) for each in filling):
            queries = given.get(address, [{}])
            found += [f"{address}?{urlencode(query)}" if query else address for query in queries]
    return found
