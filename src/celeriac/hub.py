"""Waiting for tasks: one thread and one listener serve everybody in the process who waits for anything.

Ten thousand waiting callers cost ten thousand entries in a dictionary, not connections. The thread
starts with the first waiter and ends a while after the last.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from celeriac.broker import Backend, Listener
from celeriac.errors import CeleriacError
from celeriac.message import Record

Sink = Callable[[str, Record | None], None]

WAIT: Final = 1.0  # seconds in one wait for news
RECHECK: Final = 5.0  # seconds after which everything is read again, in case news was lost
LINGER: Final = 10.0  # seconds for which the thread stays without waiters
BATCH: Final = 1_000
PAUSE: Final = 0.5  # seconds between tries while the store is away

_log: Final = logging.getLogger("celeriac")


class Following:
    """A subscription to the changes of some tasks; close it when it is not needed any more."""

    def __init__(self, hub: Hub, ids: Sequence[str], sink: Sink) -> None:
        self._hub, self.ids, self.sink = hub, tuple(ids), sink

    def close(self) -> None:
        """Hear nothing more."""
        self._hub.leave(self)

    def __enter__(self) -> Following:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Hub:
    """Hears for all who wait in this process; every method may be called from any thread."""

    def __init__(self, backend: Backend, now: Callable[[], float]) -> None:
        self._backend = backend
        self._now = now  # monotonic seconds
        self._lock = threading.Lock()
        self._followers: defaultdict[str, set[Following]] = defaultdict(set)
        self._new: list[str] = []
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def follow(self, ids: Sequence[str], sink: Sink) -> Following:
        """Call *sink*, in the hub's thread, with each task's record as it is now and after every change.

        A record of None means that there is no such task (any more). *sink* must be quick and must not raise.
        """
        following = Following(self, ids, sink)
        with self._lock:
            for task_id in following.ids:
                self._followers[task_id].add(following)
            self._new.extend(following.ids)
            self._ensure_thread()
            listener = self._listener
        if listener is not None:
            listener.wake()
        return following

    def leave(self, following: Following) -> None:
        """End a subscription."""
        with self._lock:
            for task_id in following.ids:
                followers = self._followers.get(task_id)
                if followers is not None:
                    followers.discard(following)
                    if not followers:
                        del self._followers[task_id]

    def close(self) -> None:
        """End the thread; whoever waits hears nothing more."""
        with self._lock:
            self._closed = True
            listener, thread = self._listener, self._thread
        if listener is not None:
            listener.wake()
        if thread is not None and thread is not threading.current_thread():
            thread.join(2 * WAIT)

    # --- the thread ---------------------------------------------------------------------------------

    def _ensure_thread(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._serve, name="celeriac-hub", daemon=True)
            self._thread.start()

    def _serve(self) -> None:
        listener: Listener | None = None
        last_needed = last_check = self._now()
        while not self._may_end(last_needed):
            try:
                if listener is None:
                    listener = self._connect()
                self._watch_new(listener)
                self._hear(listener.wait(WAIT))
                if self._now() - last_check > RECHECK:
                    last_check = self._now()
                    self._read(self._followed())
            except CeleriacError as error:
                _log.debug("news cannot be heard now", extra={"reason": str(error)})
                self._pause(listener)
                listener = None
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must not wait for ever
                _log.error("news could not be passed on", exc_info=error)
                self._pause(listener)
                listener = None
            if self._followers:
                last_needed = self._now()
        self._disconnect(listener)

    def _pause(self, listener: Listener | None) -> None:
        """Let go of *listener*, and leave the store alone for a moment."""
        self._disconnect(listener)
        threading.Event().wait(PAUSE)

    def _may_end(self, last_needed: float) -> bool:
        with self._lock:
            unused = not self._followers and not self._new and self._now() - last_needed > LINGER
            if unused or self._closed:
                self._thread = None
                return True
            return False

    def _connect(self) -> Listener:
        listener = self._backend.listener()
        with self._lock:
            self._listener = listener
            self._new = list(self._followers)  # a new listener knows nothing
        return listener

    def _disconnect(self, listener: Listener | None) -> None:
        with self._lock:
            if self._listener is listener:  # else the next thread has its own already
                self._listener = None
        if listener is not None:
            listener.close()

    def _watch_new(self, listener: Listener) -> None:
        with self._lock:
            new, self._new = [task_id for task_id in self._new if task_id in self._followers], []
        try:
            for batch in _batches(new):
                self._deliver(zip(batch, listener.watch(batch), strict=True))
        except CeleriacError:
            with self._lock:
                self._new.extend(new)
            raise

    def _hear(self, changed: set[str] | None) -> None:
        if changed is None:
            self._read(self._followed())
        elif changed:
            self._read([task_id for task_id in changed if task_id in self._followers])

    def _followed(self) -> list[str]:
        with self._lock:
            return list(self._followers)

    def _read(self, ids: Sequence[str]) -> None:
        for batch in _batches(ids):
            self._deliver(zip(batch, self._backend.get(batch), strict=True))

    def _deliver(self, records: Iterable[tuple[str, Record | None]]) -> None:
        for task_id, record in records:
            with self._lock:
                followers = list(self._followers.get(task_id, ()))
            for following in followers:
                following.sink(task_id, record)


def _batches(ids: Sequence[str]) -> Iterable[list[str]]:
    source = iter(ids)
    while batch := list(itertools.islice(source, BATCH)):
        yield batch
