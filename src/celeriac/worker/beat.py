"""Beat as a process of its own: sends for what is due and tends the store; it runs no task."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

from celeriac.beat.ticker import Ticker
from celeriac.broker import DEFAULT_LEASE, Broker
from celeriac.clock import Clock
from celeriac.errors import BrokerUnavailable, OperationalError
from celeriac.worker.keeper import Keeper
from celeriac.worker.log import log

AWAY_PAUSE = 1.0


class BeatService:
    """Keeps time until it is told to stop. Any number may run, beside workers that do the same.

    Args:
        declare: brings the schedules that stand in code to the store.
        counts: write once a minute how much the queues hold.
    """

    def __init__(
        self, broker: Broker, clock: Clock, *, declare: Callable[[], None], counts: bool = False
    ) -> None:
        self._declare = declare
        self._keeper = Keeper(
            broker,
            clock,
            workers=lambda: (),
            lease=DEFAULT_LEASE,
            ticker=Ticker(broker, clock),
            counts=counts,
        )
        self._stopped = threading.Event()
        self._is_away = False

    def run(self, *, signals: bool = False) -> None:
        """Keep time until `stop` is called, or with *signals* until SIGTERM, SIGINT or SIGHUP comes.

        Raises:
            OperationalError: the store refused at start. One that is away is waited for.
        """
        before = self._take_signals() if signals else []
        try:
            while not self._stopped.is_set() and not self._declared():
                self._stopped.wait(AWAY_PAUSE)
            while not self._stopped.is_set():
                self._stopped.wait(self._keep())
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    def stop(self) -> None:
        """End `run` after what it is just doing. From any thread, and from signal handlers."""
        self._stopped.set()

    def _take_signals(self) -> list[Any]:
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        return [(number, signal.signal(number, lambda *_: self.stop())) for number in numbers]

    def _declared(self) -> bool:
        try:
            self._declare()
        except BrokerUnavailable as error:
            self._away(error)
            return False
        return True

    def _keep(self) -> float:
        """Do what is due; return after how many seconds to do it again."""
        try:
            self._keeper.keep()
        except OperationalError as error:
            self._away(error)
            return AWAY_PAUSE
        if self._is_away:
            self._is_away = False
            log.warning("store is back")
        return self._keeper.pause()

    def _away(self, error: OperationalError) -> None:
        if not self._is_away:
            log.warning("store is away", extra={"reason": str(error)})
        self._is_away = True
