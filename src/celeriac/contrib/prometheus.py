"""Metrics for Prometheus (extra `prometheus`): of one worker, or of everything that a store has counted.

Nothing is measured for it: it shows what workers count anyway, see `celeriac.statistics`. It has a registry
of its own, so what an application puts into the global one stays apart.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from celeriac import tally
from celeriac.broker import Broker, QueueInfo, WorkerInfo
from celeriac.clock import Clock, SystemClock
from celeriac.errors import ConfigurationError, MissingExtra, OperationalError
from celeriac.statistics import buckets_of
from celeriac.tally import BOUNDS, Numbers, Tally, merge

try:
    from prometheus_client import CollectorRegistry, generate_latest, start_http_server
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
        SummaryMetricFamily,
    )
    from prometheus_client.registry import Collector
except ImportError as error:
    raise MissingExtra("metrics need prometheus-client: pip install 'celeriac[prometheus]'") from error

__all__ = ["Endpoint", "StoreCollector", "WorkerMetrics", "registry_of", "text_of"]

DEFAULT_PORT: Final = 9808

_TASK: Final = ("queue", "name")
_OUTCOMES: Final = {
    "succeeded": tally.SUCCEEDED,
    "failed": tally.FAILED,
    "cancelled": tally.CANCELLED,
    "retried": tally.RETRIED,
    "crashed": tally.CRASHED,
}
_LE: Final = (*(f"{bound:g}" for bound in BOUNDS), "+Inf")


# --- from numbers to metrics --------------------------------------------------------------------------


def task_metrics(tallies: Iterable[Tally]) -> Iterator[Metric]:
    """Make metrics of what was counted of tasks."""
    named = [one for one in tallies if one.name]
    outcomes = CounterMetricFamily("celeriac_tasks", "Runs by their outcome", labels=(*_TASK, "outcome"))
    started = CounterMetricFamily("celeriac_tasks_started", "Runs that have begun and ended", labels=_TASK)
    run = HistogramMetricFamily("celeriac_task_run_seconds", "How long runs took", labels=_TASK)
    wait = HistogramMetricFamily(
        "celeriac_task_wait_seconds",
        "How long tasks waited for a worker before their first run",
        labels=_TASK,
    )
    for one in named:
        labels = (one.queue, one.name)
        for outcome, place in _OUTCOMES.items():
            if place in one.numbers:
                outcomes.add_metric((*labels, outcome), one.numbers[place])
        started.add_metric(labels, one.numbers.get(tally.STARTED, 0))
        run.add_metric(labels, _cumulative(one.numbers, tally.RUN), one.numbers.get(tally.RAN, 0) / 1e6)
        wait.add_metric(labels, _cumulative(one.numbers, tally.WAIT), one.numbers.get(tally.WAITED, 0) / 1e6)
    yield from (outcomes, started, run, wait)


def _cumulative(numbers: Numbers, first: int) -> list[tuple[str, float]]:
    total, found = 0, []
    for bound, number in zip(_LE, buckets_of(numbers, first), strict=True):
        total += number
        found.append((bound, float(total)))
    return found


def trip_metrics(numbers: Numbers) -> Iterator[Metric]:
    """Make metrics of the trips of workers to the store."""
    trips = numbers.get(tally.TRIPS, 0)
    yield CounterMetricFamily("celeriac_store_trips", "Trips of workers to the store", value=trips)
    yield SummaryMetricFamily(
        "celeriac_store_trip_seconds",
        "How long trips of workers to the store took",
        count_value=trips,
        sum_value=numbers.get(tally.TRIP_TIME, 0) / 1e6,
    )


def queue_metrics(queues: Iterable[QueueInfo], now: float) -> Iterator[Metric]:
    """Make metrics of what queues hold."""
    depth = GaugeMetricFamily("celeriac_queue_depth", "Tasks in a queue by state", labels=("queue", "state"))
    paused = GaugeMetricFamily(
        "celeriac_queue_paused", "1 while nothing is taken from a queue", labels=("queue",)
    )
    oldest = GaugeMetricFamily(
        "celeriac_queue_oldest_seconds",
        "How long ago the oldest of the first tasks in a queue was sent",
        labels=("queue",),
    )
    for queue in queues:
        for state in ("queued", "scheduled", "running", "parked", "held", "waiting"):
            depth.add_metric((queue.name, state), getattr(queue, state))
        paused.add_metric((queue.name,), queue.paused)
        oldest.add_metric((queue.name,), 0.0 if queue.oldest is None else max(0.0, now - queue.oldest))
    yield from (depth, paused, oldest)


def worker_metrics(workers: Sequence[WorkerInfo]) -> Iterator[Metric]:
    """Make metrics of the workers that are alive."""
    slots, busy = sum(each.slots for each in workers), sum(each.running for each in workers)
    yield GaugeMetricFamily("celeriac_workers", "Worker processes that are alive", value=len(workers))
    yield GaugeMetricFamily("celeriac_worker_slots", "Tasks that they run at once at most", value=slots)
    yield GaugeMetricFamily("celeriac_worker_slots_busy", "Tasks that they run now", value=busy)


def _up(is_up: bool) -> Metric:
    return GaugeMetricFamily("celeriac_store_up", "1 if the store has answered", value=is_up)


# --- of a whole store ---------------------------------------------------------------------------------


class StoreCollector(Collector):
    """Asks the store at each scrape for all that was ever counted, and for what there is now.

    While the store is away there is `celeriac_store_up 0`, and nothing else.
    """

    def __init__(self, broker: Broker, clock: Clock | None = None) -> None:
        self._broker, self._clock = broker, clock or SystemClock()

    def describe(self) -> Iterable[Metric]:
        """Describe nothing, so that the store is not asked before the first scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Ask the store."""
        now = self._clock.now()
        try:
            counted, queues = self._broker.counted(), self._broker.queues()
            workers = self._broker.workers(now)
        except OperationalError:
            yield _up(False)
            return
        others = tally.sum_of(one.numbers for one in counted if not one.queue)
        yield _up(True)
        yield from task_metrics(counted)
        yield from trip_metrics(others)
        yield CounterMetricFamily(
            "celeriac_tasks_expired",
            "Tasks cancelled because it was too late for them",
            value=others.get(tally.EXPIRED, 0),
        )
        yield CounterMetricFamily(
            "celeriac_tasks_recovered", "Runs taken from dead workers", value=others.get(tally.RECOVERED, 0)
        )
        yield from queue_metrics(queues, now)
        yield from worker_metrics(workers)


# --- of one worker ------------------------------------------------------------------------------------


class WorkerMetrics(Collector):
    """What the processes of one worker have counted since it started; the supervisor brings it.

    Args:
        host, port: where it answers `GET /metrics`.

    Raises:
        ConfigurationError: the address is taken, or none.
    """

    def __init__(self, host: str, port: int) -> None:
        self._lock = threading.Lock()
        self._sums: dict[tuple[str, str], Numbers] = {}
        self._processes: Callable[[], int] = lambda: 0
        self._endpoint = Endpoint(registry_of(self), host, port)
        self.port = self._endpoint.port

    def describe(self) -> Iterable[Metric]:
        """Describe nothing: it is all in `collect`."""
        return ()

    def watch(self, processes: Callable[[], int]) -> None:
        """Ask *processes* how many there are, whenever somebody wants to know."""
        self._processes = processes

    def count(self, tallies: Iterable[Tally]) -> None:
        """Add what a process has counted."""
        with self._lock:
            for one in tallies:
                merge(self._sums.setdefault((one.queue, one.name), {}), one.numbers)

    def collect(self) -> Iterator[Metric]:
        """Tell of all that was counted."""
        with self._lock:
            found = [Tally(0, queue, name, dict(sums)) for (queue, name), sums in self._sums.items()]
        yield from task_metrics(found)
        yield from trip_metrics(tally.sum_of(one.numbers for one in found if not one.queue))
        yield GaugeMetricFamily(
            "celeriac_worker_processes", "Processes of this worker", value=self._processes()
        )

    def close(self) -> None:
        """Answer no more."""
        self._endpoint.close()


# --- answering ----------------------------------------------------------------------------------------


def registry_of(collector: Collector) -> CollectorRegistry:
    """Return a registry with nothing in it but *collector*."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return registry


def text_of(collector: Collector) -> str:
    """Return the metrics as text, as a scrape has them."""
    return generate_latest(registry_of(collector)).decode()


class Endpoint:
    """Answers `GET /metrics` on a thread of its own.

    Raises:
        ConfigurationError: the address is taken, or none.
    """

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"metrics cannot be served at {host}:{port}: {error}; choose another port"
            ) from error
        self.port = int(self._server.server_address[1])

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
