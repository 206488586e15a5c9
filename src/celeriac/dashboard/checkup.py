"""What is wrong, by the rules of `celeriac doctor`: what is cheap to know at once, the rest once a minute."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from celeriac.broker import QueueInfo, WorkerInfo
from celeriac.doctor import queues, schedules, workers
from celeriac.errors import CeleriacError
from celeriac.findings import Finding

if TYPE_CHECKING:
    from celeriac.app import Celeriac

EVERY: Final = 60.0  # seconds between two examinations of the store's place

_log: Final = logging.getLogger("celeriac.dashboard")


class Checkup:
    """Remembers what was found at the store's place, which may take long to examine."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._place: tuple[Finding, ...] = ()
        self._examined: float | None = None
        self._thread: threading.Thread | None = None

    def findings(
        self, app: Celeriac, known: Sequence[QueueInfo], living: Sequence[WorkerInfo]
    ) -> list[Finding]:
        """Return what is wrong now; never waits for an examination of the store's place.

        Args:
            known: the queues, which are costly to count. living: the workers.
        """
        self._examine_soon(app)
        served = {name for worker in living for name in worker.queues}
        return [
            *self._place,
            *workers.examine(app),
            *queues.judged(known, served),
            *schedules.examine(app, named=False),
        ]

    def wait(self) -> None:
        """Return when no examination is going on."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _examine_soon(self, app: Celeriac) -> None:
        now = app.clock.monotonic()
        with self._lock:
            is_due = self._examined is None or now - self._examined >= EVERY
            if not is_due or (self._thread is not None and self._thread.is_alive()):
                return
            self._examined = now
            name = "celeriac-dashboard-checkup"
            self._thread = threading.Thread(target=self._examine, args=(app,), name=name, daemon=True)
            self._thread.start()

    def _examine(self, app: Celeriac) -> None:
        try:
            self._place = app.broker.examine(app.clock.now()).findings
        except CeleriacError as error:
            _log.warning("the store cannot be examined", extra={"reason": str(error)})
