"""What a process holds open of an application's store: the store itself, and who waits and sends for all."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from celeriac.broker import Broker
from celeriac.clock import Clock
from celeriac.errors import BrokerUnavailable, ConfigurationError
from celeriac.hub import Hub
from celeriac.submitter import Submitter

IMPATIENCE: Final = 0.1  # seconds that a call with `retry=False` gives a store that is away


class Connection:
    """The store of *app*, opened when it is first used, and anew in a forked process.

    Every method may be called from any thread.

    Args:
        connect: opens the store; its keywords go before the application's own options for it.
    """

    def __init__(self, app: Any, connect: Callable[..., Broker]) -> None:
        self._app = app
        self._connect = connect
        self._lock = threading.RLock()
        self._pid = 0
        self._broker: Broker | None = None
        self._impatient: Broker | None = None
        self._hub: Hub | None = None
        self._submitter: Submitter | None = None
        self._refusal = ""
        self._is_lent = False

    # --- what is held -----------------------------------------------------------------------------

    @property
    def broker(self) -> Broker:
        """The store."""
        broker = self._broker
        if broker is None or self._pid != os.getpid():
            with self._lock:
                self._forget_parent()
                broker = self._broker = self._broker or self._open()
        return broker

    def broker_for(self, *, patient: bool) -> Broker:
        """Return the store; not *patient*, one whose calls fail at once when it is away."""
        if patient or self._is_in_memory():
            return self.broker
        with self._lock:
            self._forget_parent()
            if self._impatient is None:
                self._impatient = self._open(deadline=IMPATIENCE)
            return self._impatient

    @property
    def hub(self) -> Hub:
        """Who waits for all results in this process."""
        broker = self.broker
        with self._lock:
            if self._hub is None:
                self._hub = Hub(broker, self._app.clock.monotonic)
            return self._hub

    @property
    def submitter(self) -> Submitter:
        """Who sends for all coroutines in this process."""
        broker = self.broker
        submitter = self._submitter
        if submitter is None:
            with self._lock:
                submitter = self._submitter = self._submitter or Submitter(broker, self._app.clock.now)
        return submitter

    def _open(self, **options: Any) -> Broker:
        if self._refusal:
            raise BrokerUnavailable(self._refusal)
        return self._connect(**options)

    def _is_in_memory(self) -> bool:
        return str(self._app.broker_url).startswith("memory:")

    def _forget_parent(self) -> None:
        """Drop what belongs to the process that this one was forked from."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._hub = self._submitter = self._impatient = None
            if not self._is_in_memory():
                self._broker = None

    # --- who may use it ---------------------------------------------------------------------------

    def refuse(self, reason: str) -> None:
        """Open no store any more: each use raises BrokerUnavailable, with this *reason*."""
        self._refusal = reason

    def use(self, broker: Broker) -> None:
        """Take *broker*, which is open, for the store, in this process."""
        with self._lock:
            self._forget_parent()
            self._broker = broker

    @contextmanager
    def lent(self, broker: Broker, clock: Clock, hub: Hub) -> Iterator[None]:
        """Have the application use another store, another clock and another hub for a while.

        Raises:
            ConfigurationError: it does so already.
        """
        app = self._app
        with self._lock:
            if self._is_lent:
                raise ConfigurationError(f"{app!r} is in another test already")
            mine = self._broker, self._impatient, self._hub, self._submitter, app.clock, self._pid
            self._broker = self._impatient = broker
            self._hub, self._submitter, app.clock, self._pid = hub, None, clock, os.getpid()
            self._is_lent = True
        try:
            yield
        finally:
            with self._lock:
                self._broker, self._impatient, self._hub, self._submitter, app.clock, self._pid = mine
                self._is_lent = False

    def close(self) -> None:
        """Let go of threads, connections and files; the next use opens them again."""
        if self._is_lent:  # what it would open instead is the real store
            return
        with self._lock:
            hub, brokers = self._hub, (self._broker, self._impatient)
            self._hub = self._submitter = self._broker = self._impatient = None
        if hub is not None:
            hub.close()
        for broker in brokers:
            if broker is not None:
                broker.close()
