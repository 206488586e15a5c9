"""Bulk actions that take longer than anybody waits for a page: they go on in a thread of this process."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextvars import copy_context
from typing import Final

from celeriac.bulk import Action, Bulk
from celeriac.errors import CeleriacError

MOST: Final = 50  # that are remembered; the oldest that have ended are forgotten

_log: Final = logging.getLogger("celeriac.dashboard")


class Stopped(CeleriacError):
    """Somebody has stopped it."""


class Job:
    """One bulk action. *work* does it, and tells of each step to the function that it is given.

    Attributes:
        state: `running`, `done`, `stopped` or `failed`. result: how far it is. error: why it failed.
    """

    def __init__(self, query: str, verb: Action, work: Callable[[Callable[[Bulk], None]], Bulk]) -> None:
        self.id = secrets.token_hex(8)
        self.query, self.verb = query, verb
        self.state, self.error = "running", ""
        self.result = Bulk(verb, dry_run=False, until=0.0)
        self._work = work
        self._stop, self._over = threading.Event(), threading.Event()

    def begin(self) -> None:
        """Begin, in a thread that acts for whoever acts here."""
        context = copy_context()
        name = "celeriac-dashboard-bulk"
        threading.Thread(target=context.run, args=(self._run,), name=name, daemon=True).start()

    def stop(self) -> None:
        """End it after the step at which it is."""
        self._stop.set()

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._over.is_set()

    def wait(self, seconds: float) -> bool:
        """Return whether it has ended, after so many seconds at most."""
        return self._over.wait(seconds)

    def _run(self) -> None:
        try:
            self.result = self._work(self._told)
            self.state = "done"
        except Stopped:
            self.state = "stopped"
        except CeleriacError as error:
            self.state, self.error = "failed", str(error)
        except Exception as error:  # noqa: BLE001 - a bug ends this one action, and its page says so
            _log.exception("a bulk action has failed")
            self.state, self.error = "failed", type(error).__name__
        finally:
            self._over.set()

    def _told(self, result: Bulk) -> None:
        self.result = result
        if self._stop.is_set():
            raise Stopped


class Jobs:
    """The bulk actions of one dashboard; may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def begin(self, job: Job) -> None:
        """Begin *job*, and remember it."""
        with self._lock:
            self._jobs[job.id] = job
            over = [each.id for each in self._jobs.values() if each.is_over]
            for each in over[: max(0, len(self._jobs) - MOST)]:
                del self._jobs[each]
        job.begin()

    def get(self, id: str) -> Job | None:
        """Return one; None when it is not of this process, or forgotten."""
        with self._lock:
            return self._jobs.get(id)

    def end(self) -> None:
        """Stop all: the server ends."""
        with self._lock:
            for job in self._jobs.values():
                job.stop()
