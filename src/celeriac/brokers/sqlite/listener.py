"""The ear of a process that waits for results: rung when there is news, and it looks by itself as well."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import socket
import threading
from collections.abc import Sequence
from typing import Final

from celeriac.broker import Listener
from celeriac.brokers.sqlite.bell import drain, new_ear
from celeriac.brokers.sqlite.rows import record
from celeriac.brokers.sqlite.store import Store, Transaction, as_json
from celeriac.clock import SystemClock
from celeriac.errors import CeleriacError, StoreReadOnly
from celeriac.message import Record

_LOOK_EVERY: Final = 0.1
_LOOK_EVERY_WITHOUT_EAR: Final = 0.02
_BATCH: Final = 10_000


class SqliteListener(Listener):
    """One ear: a socket, a pipe that wakes it, and the number of the last news that it read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._address = f"l-{secrets.token_hex(8)}"
        self._waker, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._closing = threading.Lock()
        self._ear: socket.socket | None = None
        self._last: int | None = None
        self._watched: set[str] = set()
        self._version: int | None = None

    # --- watch ------------------------------------------------------------------------------------

    def watch(self, ids: Sequence[str]) -> list[Record | None]:
        """Return the records and hear of their changes; see `Listener.watch`."""
        if self._last is None:
            self._start()
        text = as_json(ids)
        if needed := self._store.read(Transaction.column, "watch_needed", text):
            with contextlib.suppress(StoreReadOnly):
                self._store.write(Transaction.run, "watch", as_json(needed))
        found = {each.id: each for each in map(record, self._store.read(Transaction.all, "get", text))}
        self._watched.update(task_id for task_id, each in found.items() if not each.state.final)
        return [found.get(task_id) for task_id in ids]

    def _start(self) -> None:
        with contextlib.suppress(StoreReadOnly):
            self._ear = new_ear(self._store.place, self._address)
            if self._ear is not None:
                self._store.write(Transaction.run, "listener_add", self._address)
        self._last = self._store.read(Transaction.value, "news_newest") or 0

    # --- wait -------------------------------------------------------------------------------------

    def wait(self, timeout: float) -> set[str] | None:
        """Wait for news; see `Listener.wait`."""
        until = SystemClock.monotonic() + timeout
        while True:
            changed = self._look()
            left = until - SystemClock.monotonic()
            if changed is None or changed or left <= 0:
                return changed
            if self._sleep(left):
                return self._look()

    def _look(self) -> set[str] | None:
        """Return what changed since the last look."""
        if self._last is None:
            return set()
        before = self._last
        dropped, news = self._store.read(_news_since, before)
        if not news:
            self._last = max(before, dropped)
            return None if dropped > before else set()
        self._last = news[-1][0]
        changed = {task_id for _, task_id, _ in news} & self._watched
        self._watched.difference_update(task_id for _, task_id, final in news if final)
        return None if dropped > before else changed

    def _sleep(self, longest: float) -> bool:
        """Sleep until rung, or for a moment; say whether `wake` was called."""
        ears: list[int | socket.socket] = [self._waker]
        step = _LOOK_EVERY_WITHOUT_EAR
        if self._ear is not None:
            ears.append(self._ear)
            step = _LOOK_EVERY
        try:
            heard, _, _ = select.select(ears, [], [], min(longest, step))
        except (OSError, ValueError):  # closed meanwhile
            return True
        if self._ear in heard and self._ear is not None:
            drain(self._ear)
        if self._waker not in heard:
            return False
        with contextlib.suppress(OSError):
            os.read(self._waker, 4096)
        return True

    # --- the end ----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Make `wait` return; any thread may call it."""
        with self._closing, contextlib.suppress(OSError):
            if self._wake >= 0:
                os.write(self._wake, b"x")

    def close(self) -> None:
        """Let go of the socket and be rung no more."""
        self.wake()
        with self._closing:
            ear, self._ear = self._ear, None
            ends, self._waker, self._wake = (self._waker, self._wake), -1, -1
        for end in ends:
            if end >= 0:
                os.close(end)
        if ear is not None:
            ear.close()
            self._store.place.bell(self._address).unlink(missing_ok=True)
            with contextlib.suppress(CeleriacError):
                self._store.write(Transaction.run, "listener_drop", self._address)


def _news_since(transaction: Transaction, last: int) -> tuple[int, list[tuple[int, str, int]]]:
    dropped = transaction.value("news_dropped") or 0
    return dropped, transaction.all("news_since", last, _BATCH)
