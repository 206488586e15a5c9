"""How a worker shall work: what the command line and the configuration come to."""

from __future__ import annotations

import os
import resource
import socket
import sys
from pathlib import Path

import msgspec

from celeriac.broker import DEFAULT_LEASE

DEFAULT_SLOTS = 16
DEFAULT_GRACE = 8.0
DEFAULT_STATISTICS = 5.0
EXIT_APPLICATION = 5  # of a process that could not load the application


class WorkerOptions(msgspec.Struct, frozen=True):
    """The options of one worker; all of its processes share them.

    Attributes:
        queues: those it claims from, most important first.
        slots: tasks at once in each process. threads: how many of them may be `def`; None for all.
        processes: how many; 0 where the caller's own process is the worker.
        lease: seconds after which the tasks of a silent worker go to others.
        grace: seconds that running tasks get to finish at shutdown.
        max_tasks, max_memory_kib: a process is replaced past these; None for never.
        name: what people call it.
        beat: whether it sends for the schedules that are due.
        weights: shares of the queues; None to serve them strictly in their order.
        ageing: seconds in which a task that waits gains one priority; None for never.
        loop_patience: seconds for which a task may block the event loop before it is named in the log; 0 for
            ever.
        statistics: seconds between two visits to the store with what was counted; 0 to count nothing.
        task_log_level: from which level on what tasks log is kept; None for nothing.
        spare: whether a worker's only process has another one in reserve.
        autoscale: at most and at least how many processes; None for always as many as `processes` says.
    """

    queues: tuple[str, ...] = ("default",)
    slots: int = DEFAULT_SLOTS
    threads: int | None = None
    processes: int = 1
    lease: float = DEFAULT_LEASE
    grace: float = DEFAULT_GRACE
    max_tasks: int | None = None
    max_memory_kib: int | None = None
    name: str = ""
    beat: bool = True
    autoscale: tuple[int, int] | None = None
    weights: dict[str, int] | None = None
    ageing: float | None = None
    loop_patience: float = 0.1
    statistics: float = DEFAULT_STATISTICS
    task_log_level: int | None = None
    spare: bool = True

    @property
    def hostname(self) -> str:
        """The name, or `celeriac@host`."""
        return self.name or f"celeriac@{socket.gethostname()}"


def new_worker_id() -> str:
    """Draw an id under which no worker was ever enlisted."""
    host = "".join(c if c.isalnum() else "-" for c in socket.gethostname())[:40]
    return f"{host}.{os.getpid()}.{os.urandom(5).hex()}"


def resident_kib() -> int:
    """Return this process's resident memory in KiB; the peak where the present value cannot be had."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except (OSError, ValueError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // 1024 if sys.platform == "darwin" else peak
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024
