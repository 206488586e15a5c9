"""One process's ear: a pub/sub connection whose channel the records that are watched name."""

from __future__ import annotations

import os
import selectors
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis.exceptions import RedisError

from celeriac.broker import Listener
from celeriac.brokers.redis.connection import Client, Link, monotonic
from celeriac.brokers.redis.keys import Keys
from celeriac.message import Record

PATIENCE: Final = 1.0
RETRY_PAUSE: Final = 0.25


class RedisListener(Listener):
    """See `Listener`.

    Args:
        watch: registers a listener's id with tasks and returns their records.
    """

    def __init__(
        self, client: Client, keys: Keys, watch: Callable[[str, Sequence[str]], list[Record | None]]
    ) -> None:
        self._id = os.urandom(8).hex()
        self._client = client
        self._channel = keys.channel(self._id)
        self._watch = watch
        self._link: Link | None = None
        self._losses = 0
        self._ear, self._mouth = socket.socketpair()
        self._ear.setblocking(False)
        self._mouth.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._waiting = False
        self._closed = threading.Event()

    def watch(self, ids: Sequence[str]) -> list[Record | None]:
        """Return the records and hear of their changes; see `Listener.watch`."""
        if self._link is None:
            self._client.run(lambda _link, _attempt: self._subscribe())
        return self._watch(self._id, ids)

    def wait(self, timeout: float) -> set[str] | None:
        """Wait for news; see `Listener.wait`."""
        with self._lock:
            if self._closed.is_set():
                return set()
            self._waiting = True
        try:
            return self._wait(timeout)
        finally:
            with self._lock:
                self._waiting = False
                if self._closed.is_set():
                    self._release()

    def wake(self) -> None:
        """Make `wait` return at once."""
        try:
            self._mouth.send(b".")
        except OSError:  # full: it is awake already; closed: nobody waits
            return

    def close(self) -> None:
        """Let go of everything, at once or as soon as `wait` has returned."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            if not self._waiting:
                self._release()
                return
        self.wake()

    def _wait(self, timeout: float) -> set[str] | None:
        if self._losses != self._client.losses:  # others have broken; this one may be dead without a sign
            self._lose()
        if self._link is None:
            self._connect_again(timeout)
            return None
        until = monotonic() + timeout
        changed: set[str] = set()
        while True:
            woken = self._sleep(max(0.0, until - monotonic()))
            try:
                self._read(changed)
            except RedisError:
                self._lose()
                return None
            if changed or woken or monotonic() >= until:
                return changed

    def _connect_again(self, timeout: float) -> None:
        """Subscribe again; when the server is away, sleep a little, so that the caller cannot spin."""
        try:
            self._subscribe()
        except RedisError:
            self._sleep(min(timeout, RETRY_PAUSE))

    def _sleep(self, seconds: float) -> bool:
        """Wait for the socket or the pipe; say whether somebody called `wake`."""
        ready = {key.fileobj for key, _ in self._selector.select(seconds)}
        if self._ear not in ready:
            return False
        try:
            self._ear.recv(4096)
        except BlockingIOError:
            return False
        return True

    def _read(self, changed: set[str]) -> None:
        while self._link is not None and self._link.readable():
            kind, _, ids = self._link.hear()
            if kind == b"message":
                changed.update(ids.decode().split())

    def _subscribe(self) -> None:
        self._lose()
        self._losses = self._client.losses
        link = self._client.connect(PATIENCE)
        link.ask(("SUBSCRIBE", self._channel))
        self._selector.register(link, selectors.EVENT_READ)
        self._link = link

    def _lose(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            self._selector.unregister(link)
            link.disconnect()

    def _release(self) -> None:
        self._lose()
        self._selector.close()
        self._ear.close()
        self._mouth.close()

    def __del__(self) -> None:
        selector: Any = getattr(self, "_selector", None)
        if selector is not None and not self._closed.is_set():
            self._release()
