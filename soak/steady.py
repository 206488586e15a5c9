"""Let millions of tasks through, and ask whether memory, files and waiting times stay as they are."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from celeriac.errors import BrokerUnavailable
from soak.processes import Site

BACKLOG: Final = 20_000  # tasks that wait, at most
BATCH: Final = 1_000
PERIOD: Final = 5.0  # seconds between two looks
PROBE: Final = 0.2  # seconds between two tasks that are waited for
ENVIRONMENT: Final = {"CELERIAC_RESULT_EXPIRES": "60"}  # so that the store gets steady soon
FLAT: Final = 0.05  # of what it was at first, for what must not grow


class Look(msgspec.Struct):
    """How things stand; bytes.

    Attributes:
        worker: of all processes of the workers; each: of every one, supervisors first.
    """

    at: float
    done: int
    worker: int
    each: tuple[int, ...]
    store: int
    wal: int
    descriptors: int
    threads: int


class Verdict(msgspec.Struct):
    """What has come out of it, at first and at last; the first fifth, in which all fills, is left out.

    Attributes:
        worker_slope, store_slope: bytes that one task more costs, of the workers' memory and the store's.
        latency: p50 and p99, in milliseconds, of a task that is sent beside all others.
        refused: how many times the store was not to be had for two seconds.
    """

    store: str
    seconds: float = 0.0
    tasks: int = 0
    rate: float = 0.0
    worker: tuple[int, int] = (0, 0)
    worker_slope: float = 0.0
    store_bytes: tuple[int, int] = (0, 0)
    store_slope: float = 0.0
    most_wal: int = 0
    descriptors: tuple[int, int] = (0, 0)
    threads: tuple[int, int] = (0, 0)
    latency_first: tuple[float, float] = (0.0, 0.0)
    latency_last: tuple[float, float] = (0.0, 0.0)
    refused: int = 0

    @property
    def good(self) -> bool:
        """Whether it ended as it began."""
        grown = [self.worker, self.store_bytes, self.descriptors, self.threads]
        flat = all(last <= first * (1 + FLAT) + 2 for first, last in grown)
        return flat and self.latency_last[1] <= self.latency_first[1] * 1.2 + 1.0


def run(
    site: Site,
    *,
    minutes: float,
    tasks: int,
    rate: float,
    period: float = PERIOD,
    tell: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Send for *minutes*, and until *tasks* have been done; return what came out.

    Args:
        rate: tasks that are sent in a second, at most: a machine that is full measures how it shares itself.
        period: seconds between two looks.
    """
    worker = site.worker("--processes", "2", "-Q", "work")
    quick = site.worker("--processes", "1", "-Q", "probes")
    supervisors = [worker.process.pid, quick.process.pid]
    began, sent, refused, looks = time.monotonic(), 0, 0, list[Look]()
    probes = Probes(site)
    probes.start()
    next_look = next_word = began
    while (now := time.monotonic()) - began < minutes * 60 or _done(site, sent) < tasks:
        if now >= next_look:
            next_look = now + period
            looks.append(_look(site, supervisors, _done(site, sent), now - began))
        if now >= next_word:
            next_word = now + 30
            tell(_told(looks[-1]))
        if sent <= (now - began) * rate and sent - _done(site, sent) < BACKLOG:
            try:
                _noop(site).delay_many([(sent + number,) for number in range(BATCH)])
                sent += BATCH
            except BrokerUnavailable:  # all of them or none
                refused += 1
        else:
            time.sleep(0.02)
    looks.append(_look(site, supervisors, _done(site, sent), time.monotonic() - began))
    probes.close()
    verdict = _judge(site, looks, probes.times, time.monotonic() - began)
    return msgspec.structs.replace(verdict, refused=refused)


def _told(look: Look) -> str:
    each = " ".join(f"{size / 2**20:.1f}" for size in look.each)
    return f"{look.done:,} tasks; MiB: workers {look.worker >> 20} ({each}), store {look.store >> 20}"


def _noop(site: Site) -> Any:
    return site.app.tasks["soak.shop.noop"]


def _done(site: Site, sent: int) -> int:
    waiting = next((queue for queue in site.app.broker.queues() if queue.name == "work"), None)
    return sent if waiting is None else sent - waiting.queued - waiting.running


class Probes(threading.Thread):
    """Sends a task every so often, and measures how long its result takes."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self._site = site
        self._closed = threading.Event()
        self.times: list[float] = []

    def run(self) -> None:
        """Probe until told to stop."""
        noop = _noop(self._site)
        while not self._closed.wait(PROBE):
            began = time.perf_counter()
            noop.apply_async((1,), queue="probes").get(timeout=60)
            self.times.append((time.perf_counter() - began) * 1000)

    def close(self) -> None:
        """Stop."""
        self._closed.set()
        self.join()


def _look(site: Site, supervisors: Sequence[int], done: int, at: float) -> Look:
    found = [psutil.Process(pid) for pid in supervisors]
    processes = [*found, *(child for each in found for child in each.children(recursive=True))]
    store, wal = _store_bytes(site)
    sizes = tuple(each.memory_info().rss for each in processes)
    return Look(
        at=at,
        done=done,
        worker=sum(sizes),
        each=sizes,
        store=store,
        wal=wal,
        descriptors=sum(each.num_fds() for each in processes),
        threads=sum(each.num_threads() for each in processes),
    )


def _store_bytes(site: Site) -> tuple[int, int]:
    """Return the bytes of the store, and of its write-ahead log."""
    if site.url.startswith("sqlite"):
        file = Path(site.url.removeprefix("sqlite:///"))
        wal = Path(f"{file}-wal")
        return file.stat().st_size, wal.stat().st_size if wal.exists() else 0
    import redis

    client = redis.Redis.from_url(site.url)
    with client:
        info: Any = client.info("memory")
    return int(info["used_memory"]), 0


def _judge(site: Site, looks: list[Look], times: list[float], seconds: float) -> Verdict:
    fifth = max(1, len(looks) // 5)
    settled = looks[fifth:]  # caches and the store have filled by then
    first, last = settled[:fifth], settled[-fifth:]

    def grown(what: Callable[[Look], int]) -> tuple[int, int]:
        return round(statistics.median(map(what, first))), round(statistics.median(map(what, last)))

    span = max(1, len(times) // 5)
    return Verdict(
        store=site.url.partition(":")[0],
        seconds=seconds,
        tasks=looks[-1].done,
        rate=looks[-1].done / seconds,
        worker=grown(lambda look: look.worker),
        worker_slope=_slope(settled, lambda look: look.worker),
        store_bytes=grown(lambda look: look.store),
        store_slope=_slope(settled, lambda look: look.store),
        most_wal=max(look.wal for look in looks),
        descriptors=grown(lambda look: look.descriptors),
        threads=grown(lambda look: look.threads),
        latency_first=_percentiles(times[span : 2 * span]),
        latency_last=_percentiles(times[-span:]),
    )


def _slope(looks: Sequence[Look], what: Callable[[Look], int]) -> float:
    if len({look.done for look in looks}) < 2:
        return 0.0
    return statistics.linear_regression([look.done for look in looks], [what(look) for look in looks]).slope


def _percentiles(times: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(times) or [0.0]
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
