"""The ear of a process that waits for results: rung when there is news, and it looks by itself as well."""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import threading
from collections.abc import Sequence
from typing import Final

from celeriac.broker import Listener
from celeriac.brokers.sqlite.bell import drain, new_ear
from celeriac.brokers.sqlite.rows import record
from celeriac.brokers.sqlite.store import Store
from celeriac.brokers.sqlite.transaction import Row, Transaction, as_json
from celeriac.clock import SystemClock
from celeriac.errors import CeleriacError, StoreReadOnly
from celeriac.message import Record

_LOOK_EVERY: Final = 0.1
_LOOK_EVERY_WITHOUT_EAR: Final = 0.02
_BATCH: Final = 10_000


class SqliteListener(Listener):
    """A socket to be rung at, a pair of sockets to be woken with, and the number of the last news read.

    A ring may be lost: it looks ten times a second all the same, which is two cheap reads.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._address = f"l-{secrets.token_hex(8)}"
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._sleeping = threading.Lock()
        self._closed = False
        self._ear: socket.socket | None = None
        self._last: int | None = None
        self._watched: set[str] = set()

    # --- watch ------------------------------------------------------------------------------------

    def watch(self, ids: Sequence[str]) -> list[Record | None]:
        """Return the records and hear of their changes; see `Listener.watch`."""
        if self._last is None:
            self._start()
        text = as_json(ids)
        if needed := self._store.read(Transaction.column, "watch_needed", text):
            with contextlib.suppress(StoreReadOnly):  # then whoever may write can watch for it
                self._store.write(Transaction.run, "watch", as_json(needed))
        found = {each.id: each for each in map(record, self._store.read(Transaction.all, "get", text))}
        self._watched.update(task_id for task_id, each in found.items() if not each.state.final)
        return [found.get(task_id) for task_id in ids]

    def _start(self) -> None:
        with contextlib.suppress(StoreReadOnly):
            self._ear = self._ear or new_ear(self._store.place, self._address)
            if self._ear is not None:
                self._store.write(Transaction.run, "listener_add", self._address)
        _, self._last = self._store.read(Transaction.one, "news_state") or (0, 0)

    # --- wait -------------------------------------------------------------------------------------

    def wait(self, timeout: float) -> set[str] | None:
        """Wait for news; see `Listener.wait`."""
        until = SystemClock.monotonic() + timeout
        while True:
            changed = self._look()
            left = until - SystemClock.monotonic()
            if changed is None or changed or left <= 0 or self._closed:
                return changed
            if self._sleep(left):
                return set() if self._closed else self._look()

    def _look(self) -> set[str] | None:
        """Return what changed since the last look; None if something may have been missed."""
        if self._last is None:
            return set()
        last, (dropped, newest), news = self._last, *self._store.read(_news_since, self._last)
        if newest < last:  # another file has taken the place of the one that was there
            self._start()
            return None
        self._last = max(last, dropped, *(seq for seq, _, _ in news))
        changed = {task_id for _, task_id, _ in news} & self._watched
        self._watched.difference_update(task_id for _, task_id, final in news if final)
        return None if dropped > last else changed

    def _sleep(self, longest: float) -> bool:
        """Sleep until rung, or for a moment; say whether `wake` or `close` was called."""
        ears = [self._woken] if self._ear is None else [self._woken, self._ear]
        step = _LOOK_EVERY_WITHOUT_EAR if self._ear is None else _LOOK_EVERY
        with self._sleeping:
            if self._closed:
                return True
            heard, _, _ = select.select(ears, [], [], min(longest, step))
            for ear in heard:
                drain(ear)
        return self._woken in heard

    # --- the end ----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Make `wait` return; any thread may call it."""
        with contextlib.suppress(OSError):  # full: it will wake; closed: nobody sleeps
            self._waker.send(b"x")

    def close(self) -> None:
        """Let go of the sockets and be rung no more."""
        self._closed = True
        self.wake()
        with self._sleeping:
            ear, self._ear = self._ear, None
            self._woken.close()
            self._waker.close()
        if ear is not None:
            ear.close()
            self._store.place.bell(self._address).unlink(missing_ok=True)
            with contextlib.suppress(CeleriacError):
                self._store.write(Transaction.run, "listener_drop", self._address)


def _news_since(transaction: Transaction, last: int) -> tuple[Row, list[Row]]:
    state = transaction.one("news_state") or (0, 0)
    return state, transaction.all("news_since", last, _BATCH)
