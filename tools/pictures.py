"""``python -m tools.pictures``: take the pictures of the dashboard that the documentation shows.

A worker runs real tasks on a store of its own for a while, the dashboard shows them, Chromium looks. What is
seen on the pictures has happened; only that the shop is none is invented.
"""

import argparse
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celeriac import chord
from tests.browsers import Chromium
from tools import chromium, pictured
from tools.programs import ROOT

FOLDER = ROOT / "docs" / "images"
SIZE = {"width": 1280, "height": 720}
HEIGHTS = {"dashboard-failed": 600}  # of what has many small letters, which take bytes
MOST_BYTES = 150_000
QUEUES = "default,mail,pictures,newsletter"
LONG = 20_000  # milliseconds within which the page knows how long the task still takes
REGIONS = ("north", "south", "east", "west", "islands")


def main() -> int:
    """Take all pictures; return the exit code."""
    options = parser().parse_args()
    program = chromium.find()
    if program is None:
        print(chromium.HOW_TO_GET, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="shop-", ignore_cleanup_errors=True) as folder:
        store = f"sqlite:///{folder}/shop.db"
        pictured.app.conf.broker_url = store
        shutil.copyfile(pictured.__file__, f"{folder}/shop.py")
        words = ["worker", "-n", "shop@one", "--processes", "2", "-c", "4", "-Q", QUEUES]
        with pictured.app, celeriac(store, folder, *words):
            task = pictured.import_prices.delay("prices-2026-11.csv", rows_for(options.seconds))
            flow = chord([pictured.count.s(region) for region in REGIONS], pictured.report.s()).apply_async()
            with (
                business(options.seconds),
                celeriac(store, folder, "--json", "dashboard", "--port", "0") as dashboard,
            ):
                shown = {"task": task.id, "flow": flow.id, **found()}
                address = json.loads(dashboard.stdout.readline())["url"]
                too_large = take(program.path, address, shown, options.out, Path(folder))
    for path in too_large:
        print(f"{path.name} is above {MOST_BYTES:,} bytes", file=sys.stderr)
    return 1 if too_large else 0


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    options = argparse.ArgumentParser(prog="python -m tools.pictures", description=__doc__.splitlines()[0])
    options.add_argument(
        "--seconds", type=float, default=90.0, help="how long the shop works before (default: 90)"
    )
    options.add_argument("--out", type=Path, default=FOLDER, help=f"default: {FOLDER.relative_to(ROOT)}")
    return options


def rows_for(seconds: float) -> int:
    """Return how many rows the long task has, so that most are done when the pictures are taken."""
    return int((seconds * 1.25 + 45) * 4) * 40


@contextmanager
def celeriac(store: str, folder: str, *words: str) -> Iterator[Any]:
    """Run a `celeriac` command meanwhile, for the shop in that folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "celeriac", "-A", "shop", *words],
        cwd=folder,
        env={**os.environ, "CELERIAC_BROKER_URL": store},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


# --- what happens in the shop -----------------------------------------------------------------------------


@contextmanager
def business(seconds: float) -> Iterator[None]:
    """Let the shop do business for so long, and go on with it meanwhile."""
    over = threading.Event()
    shop = threading.Thread(target=send_until, args=(over,), name="business")
    pictured.app.pause("newsletter")
    for at in range(30):
        pictured.mail.apply_async((f"reader{at}@example.org", "newsletter"), queue="newsletter")
    shop.start()
    try:
        time.sleep(seconds)
        yield
    finally:
        over.set()
        shop.join()


def send_until(over: threading.Event) -> None:
    """Send for what a shop does, now more, now less."""
    for order in itertools.count(1_000):
        for _ in range(random.randint(1, 4)):
            pictured.resize.apply_async((f"celeriac-{order}.jpg", 640), queue="pictures")
            pictured.mail.apply_async((f"customer{order}@example.org", "receipt"), queue="mail")
        pictured.charge.delay(order, random.randint(500, 9_000))
        if order % 17 == 0:
            pictured.stock.delay({"celeriac": 12, "parsley": 40}, "truffle")
        if over.wait(0.5):
            return


def found() -> dict[str, str]:
    """Return the id of what the pictures show, by the names that `pictures` uses."""
    failed = pictured.app.search("state:failed name:shop.charge", count=1)
    return {"failed": failed.tasks[0].id}


# --- looking at it ----------------------------------------------------------------------------------------


def take(browser: str, address: str, shown: dict[str, str], out: Path, home: Path) -> list[Path]:
    """Take the pictures; return those that are too large for a page."""
    out.mkdir(parents=True, exist_ok=True)
    base = address.partition("/?")[0]
    taken = []
    running = Chromium(browser, home)
    try:
        with running.page() as page:
            page.set_viewport_size(SIZE)
            page.goto(address)
            for name, path, theme in pictures(shown):
                page.emulate_media(color_scheme=theme)
                page.goto(base + path)
                if name == "dashboard-failed":
                    page.locator("tbody[data-live=groups] a", has_text="CardExpired").first.click()
                page.locator(".livestate[data-state=live]").wait_for()
                if name == "dashboard-task":
                    page.locator("[data-k=progress]", has_text=" left").wait_for(timeout=LONG)
                taken.append(picture(page, out / f"{name}.png"))
            if page.problems:
                raise SystemExit(f"the browser complained: {page.problems}")
            page.goto("about:blank")
    finally:
        running.close()
    return [path for path in taken if path.stat().st_size > MOST_BYTES]


def pictures(shown: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Return name, address and theme of each picture; what changes fastest comes first."""
    yield "dashboard-task", f"/tasks/{shown['task']}", "light"
    yield "dashboard", "/", "light"
    yield "dashboard-dark", "/", "dark"
    yield "dashboard-failed", "/dead", "light"
    yield "dashboard-flow", f"/flows/{shown['flow']}", "light"
    yield "dashboard-failure", f"/tasks/{shown['failed']}", "light"


def picture(page: Any, path: Path) -> Path:
    """Take one of what is there, not of the empty rest, and say so."""
    bottom = page.evaluate("document.querySelector('main').lastElementChild.getBoundingClientRect().bottom")
    most = HEIGHTS.get(path.stem, SIZE["height"])
    clip = {"x": 0, "y": 0, "width": SIZE["width"], "height": max(520, min(most, bottom + 24))}
    page.screenshot(path=path, animations="disabled", caret="hide", clip=clip)
    kib = path.stat().st_size / 1024
    print(f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}  {kib:.0f} KiB", flush=True)
    return path


if __name__ == "__main__":
    sys.exit(main())
