"""From an application to a worker: the table of tasks, the options, the worker in the caller's process."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from celeriac.config import check_weights
from celeriac.context import Job
from celeriac.errors import CeleriacError, ConfigurationError
from celeriac.jobs import TaskJob
from celeriac.loading import load_app
from celeriac.message import check_queue_name
from celeriac.middleware import Moments
from celeriac.tally import Tally
from celeriac.worker.options import DEFAULT_SLOTS, WorkerOptions
from celeriac.worker.process import Overseer, Worker


def jobs_of(app: Any) -> dict[str, Job]:
    """Return the table of *app*'s tasks as a worker sees them."""
    return {name: TaskJob(task, app.conf) for name, task in app.tasks.items()}


def reference_of(app: Any) -> str | None:
    """Return `module:attribute` under which a fresh process finds *app*; None when no module has it."""
    for name, module in list(sys.modules.items()):
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is app and name != __name__:
                return f"{name}:{attribute}"
    return None


def load_table(
    reference: str | None, main: str, settings: Mapping[str, Any]
) -> tuple[Mapping[str, Job], Moments]:
    """Make the table of tasks in a fresh process, where nothing but modules was imported yet.

    Args:
        reference: `module:attribute` of the application; None when no module has it.
        settings: what code has set in the parent, perhaps after the modules were imported.
    """
    if reference is None:
        raise ConfigurationError(
            f"a task with executor='process' runs in a fresh process, which must find the application "
            f"{main!r}: make it a global name of a module"
        )
    app = load_app(reference)
    app.import_modules()
    app.conf.update(settings)
    if app.broker_url.startswith("memory:"):
        app.cut_off("a memory:// store is one process's own: a task with executor='process' cannot reach it")
    return jobs_of(app), app.moments


def options_of(app: Any, **given: Any) -> WorkerOptions:
    """Merge what was *given* (None: not given) with the application's settings."""
    conf = app.conf
    queues = given.get("queues") or (conf.task_default_queue,)
    weights = dict(queues) if isinstance(queues, Mapping) else conf.worker_queue_weights
    values = {
        "slots": conf.worker_concurrency or DEFAULT_SLOTS,
        "threads": conf.worker_threads,
        "processes": conf.worker_processes or os.cpu_count() or 1,
        "lease": conf.worker_lease,
        "grace": conf.worker_soft_shutdown_timeout,
        "max_tasks": conf.worker_max_tasks_per_child,
        "max_memory_kib": conf.worker_max_memory_per_child,
        "beat": conf.worker_beat,
        "autoscale": conf.worker_autoscale,
        "ageing": conf.worker_priority_ageing,
        "weights": weights,
        "loop_patience": conf.worker_slow_callback_duration,
        "statistics": conf.worker_statistics,
        "spare": conf.worker_spare_process,
        "task_log_level": level_of(conf.worker_task_log_level),
    }
    values |= {name: value for name, value in given.items() if value is not None}
    if not values["processes"]:  # the caller's process, whose logging is the caller's too
        values["task_log_level"] = None
    if values["autoscale"] is not None and values["processes"]:  # an embedded worker has no processes
        values["autoscale"] = tuple(values["autoscale"])
        values["processes"] = values["autoscale"][1]
    values["spare"] = values["spare"] and values["processes"] == 1
    values["queues"] = tuple(dict.fromkeys(check_queue_name(queue) for queue in queues))
    if weights := values["weights"]:
        check_weights("weights", weights)
        values["weights"] = {queue: weights.get(queue, 1) for queue in values["queues"]}
    return WorkerOptions(**values)


def level_of(name: str | None) -> int | None:
    """Return the number of a level of `logging`."""
    return None if name is None else int(logging.getLevelNamesMapping()[name])


def build_worker(
    app: Any,
    options: WorkerOptions,
    *,
    overseer: Overseer | None = None,
    first: bool = True,
    reference: str | None = None,
    counted: Callable[[Sequence[Tally]], None] | None = None,
) -> Worker:
    """Make a worker process of *app*; nothing is started yet."""
    return Worker(
        app.broker,
        jobs_of(app),
        moments=app.moments,
        clock=app.clock,
        options=options,
        loader=partial(load_table, reference or reference_of(app), app.main, app.conf.changed()),
        overseer=overseer,
        first=first,
        counted=counted,
    )


class Embedded:
    """A worker inside this process; `app.embedded()` makes it."""

    def __init__(
        self,
        app: Any,
        *,
        queues: Sequence[str] | Mapping[str, int] | None,
        concurrency: int | None,
        threads: int | None,
    ) -> None:
        self._app = app
        self.options = options_of(app, queues=queues, slots=concurrency, threads=threads, processes=0)
        self.options = replace(self.options, max_tasks=None, max_memory_kib=None)  # the caller's process
        self.worker: Worker | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Embedded:
        """Start the worker and return when it is ready.

        Raises:
            CeleriacError: it runs already. OperationalError: the store is away.
        """
        if self.worker is not None:
            raise CeleriacError("this embedded worker runs already")
        self._app.import_modules()
        if self.options.beat:
            self._app.schedules.declare()
        self.worker = build_worker(self._app, self.options)
        self._thread = threading.Thread(target=self._run, name="celeriac-worker", daemon=True)
        self._thread.start()
        try:
            self.worker.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def _run(self) -> None:
        try:
            if self.worker is not None:
                self.worker.run()
        except Exception:  # noqa: BLE001 - kept in worker.failure, raised by wait_ready
            return

    def stop(self) -> None:
        """Stop the worker: running tasks may finish within the grace period, the rest is given back."""
        worker, thread = self.worker, self._thread
        if worker is None or thread is None:
            return
        worker.stop()
        worker.join(self.options.grace + 40.0)
        thread.join(5.0)
        self.worker = self._thread = None

    def __enter__(self) -> Embedded:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Embedded:
        import asyncio

        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        import asyncio

        await asyncio.to_thread(self.stop)
