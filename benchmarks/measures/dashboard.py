"""Dashboard: what a visitor waits for, and what it costs the workers that somebody looks."""

from __future__ import annotations

import html
import itertools
import re
import time
from collections.abc import Iterator
from typing import Any, Final

from benchmarks import dashboards, workers
from benchmarks.dashboards import Dashboard
from benchmarks.figures import Figure, figure, percentile
from benchmarks.measures.drain import drain
from benchmarks.plan import Plan, in_turn
from benchmarks.site import Site, site
from benchmarks.stores import Store

LOADS: Final = 20
LISTS: Final = 40  # requests of each list
ENDED: Final = 100_000
FAILED: Final = 2_000
QUEUES: Final = 10
AT_ONCE: Final = 50_000
PAGES: Final = ("/", "/tasks", "/queues", "/workers", "/queue?name=default")  # what five people look at
RATE: Final = 1_000  # tasks a second; each starts and ends
BURST: Final = 0.05  # seconds
SMALLEST: Final = "50 ms"  # of the tasks that browsers tell of

PAINT: Final = """() => {
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    return paint ? paint.startTime : null;
}"""
SIZES: Final = """kind => performance.getEntriesByType("resource")
    .filter(one => new URL(one.name).pathname.endsWith(kind))
    .reduce((sum, one) => sum + one.decodedBodySize, 0)"""
NOTE_LONG_TASKS: Final = """() => {
    window.longest = 0;
    window.long = 0;
    new PerformanceObserver((list) => {
        for (const one of list.getEntries()) {
            window.long += 1;
            window.longest = Math.max(window.longest, one.duration);
        }
    }).observe({ type: "longtask" });
}"""
CLICK: Final = """() => new Promise(resolve => {
    const began = performance.now();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began), 0));
})"""


def measure(plan: Plan) -> Iterator[Figure]:
    """Load pages, also of a store with a million tasks; watch a storm; drain while five look."""
    for store in plan.of_any_disk:
        yield from _in_a_browser(plan, store)
        yield from _lists(plan, store)
        yield from _beside(plan, store)


# --- in a browser -----------------------------------------------------------------------------------------


def _in_a_browser(plan: Plan, store: Store) -> Iterator[Figure]:
    with (
        site(store) as here,
        workers.worker(here),
        dashboards.dashboard(here) as running,
        dashboards.browser(running, here.folder) as page,
    ):
        here.fill("noop", 1_000)
        here.wait_for(1_000)
        paints = [_first_paint(page, running.url + path) for path in _again(LOADS)]
        words = f"first contentful paint, p95 of {LOADS} loads"
        yield figure("dashboard", store.name, words, "ms", rounds=[percentile(paints, 0.95)])
        for kind in (".js", ".css"):
            size = max(_size(page, running.url + path, kind) for path in PAGES)
            yield figure("dashboard", store.name, f"{kind} of a page", "kB", rounds=[size / 1e3])
        yield from _storm(plan, store, here, running, page)


def _again(times: int) -> Iterator[str]:
    return itertools.islice(itertools.cycle(PAGES), times)


def _first_paint(page: Any, address: str) -> float:
    page.goto(address, wait_until="load")
    return float(page.wait_for_function(PAINT).json_value())


def _size(page: Any, address: str, kind: str) -> float:
    page.goto(address, wait_until="load")
    return float(page.evaluate(SIZES, kind))


def _storm(plan: Plan, store: Store, here: Site, running: Dashboard, page: Any) -> Iterator[Figure]:
    """Let so many tasks a second start and end while their list is looked at."""
    seconds = plan.count(20, 5)
    page.goto(running.url + "/tasks")
    page.locator(".livestate[data-state=live]").wait_for()
    page.evaluate(NOTE_LONG_TASKS)
    nodes = page.locator("*").count()
    inputs, cpu, began, before = [], running.cpu(), time.monotonic(), here.ran()
    for number in range(int(seconds / BURST)):
        here.fill("noop", int(RATE * BURST))
        if number % 10 == 0:
            inputs.append(page.evaluate(CLICK))
        time.sleep(max(0.0, began + (number + 1) * BURST - time.monotonic()))
    elapsed = time.monotonic() - began
    head = f"{RATE:,} tasks a second for {seconds} s"
    told = {
        f"longest task of the main thread (0: none above {SMALLEST})": (
            page.evaluate("window.longest"),
            "ms",
        ),
        f"tasks of the main thread above {SMALLEST}": (page.evaluate("window.long"), ""),
        "next frame, p95": (percentile(inputs, 0.95), "ms"),
        "more nodes in the page": (page.locator("*").count() - nodes, ""),
        "CPU of the dashboard": (100 * (running.cpu() - cpu) / elapsed, "% of a core"),
        "tasks run": ((here.ran() - before) / elapsed, "tasks/s"),
    }
    for words, (value, unit) in told.items():
        yield figure("dashboard", store.name, f"{head}, {words}", unit, rounds=[float(value)])


# --- lists of a large store -------------------------------------------------------------------------------


def _lists(plan: Plan, store: Store) -> Iterator[Figure]:
    """Ask for lists as browsers do; what is measured is the whole request, over loopback."""
    with site(store) as here:
        _seed(plan, here)
        with dashboards.dashboard(here) as running:
            for words, path in _addresses(running):
                connection = running.connect()
                cpu = running.cpu()
                spans = [running.time_of(connection, path)[0] for _ in range(LISTS)]
                cpu = 1e3 * (running.cpu() - cpu) / LISTS
                connection.close()
                told = {
                    f"p95 of {LISTS}": percentile(spans, 0.95),
                    "p50": percentile(spans, 0.5),
                    "CPU of one": cpu,
                }
                for part, value in told.items():
                    what = f"{plan.backlog:,} tasks, {words}, {part}"
                    yield figure("dashboard", store.name, what, "ms", rounds=[value])


def _seed(plan: Plan, here: Site) -> None:
    """Let a tenth of the tasks run, some fail, and all others wait in several queues."""
    ended = min(ENDED, plan.backlog // 10)
    with workers.worker(here):
        here.fill("spoil", FAILED)
        here.fill("noop", ended - FAILED)
        here.wait_for(ended)
        here.wait_until_stored()
    left = plan.backlog - ended
    for first in range(0, left, AT_ONCE):
        queue = f"queue-{first // AT_ONCE % QUEUES}"
        here.fill("noop", min(AT_ONCE, left - first), queue=queue)


def _addresses(running: Dashboard) -> Iterator[tuple[str, str]]:
    """Yield the lists, the first ones and a place far behind."""
    yield "overview", "/"
    yield "tasks", "/tasks"
    yield "tasks, 200 pages on", _far_on(running, 200)
    yield "failed tasks", "/tasks?q=state%3Afailed"
    yield "one queue's", "/tasks?q=queue%3Aqueue-3"
    yield "queues", "/queues"
    yield "dead letter by error", "/dead"


def _far_on(running: Dashboard, pages: int) -> str:
    connection, path = running.connect(), "/tasks"
    for _ in range(pages):
        _, body = running.time_of(connection, path)
        following = re.search(r'href="([^"]*[?&;]after=[^"]*)"', body)
        if following is None:
            break
        path = html.unescape(following.group(1))
    connection.close()
    return path


# --- what it costs the workers ----------------------------------------------------------------------------


def _beside(plan: Plan, store: Store) -> Iterator[Figure]:
    """Drain without and with five pages open, in turn."""
    count = plan.count(200_000, 60_000)
    floors, ours = in_turn(
        plan.rounds,
        lambda: drain(store, "noop", count),
        lambda: drain(store, "noop", count, beside=lambda here: dashboards.watched(here, PAGES)),
    )
    yield figure(
        "dashboard",
        store.name,
        f"drain with {len(PAGES)} pages open, beside none",
        "tasks/s",
        rounds=[drained.rate for drained in ours],
        floors=[drained.rate for drained in floors],
    )
