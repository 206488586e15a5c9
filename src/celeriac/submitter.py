"""The bridge from `await task.adelay()` to a store that blocks: group commit.

One thread sends whatever is waiting as one batch; while it is on its way the next batch gathers. The
more callers, the larger the batches, and no event loop ever waits for the store.
"""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from celeriac.broker import Broker
from celeriac.errors import CeleriacError, OperationalError
from celeriac.message import Message

if TYPE_CHECKING:
    import asyncio

MOST: Final = 1_000  # messages in one batch
LINGER: Final = 10.0  # seconds for which the thread stays without work


class _Parcel:
    """Messages of one caller and the future that it waits on."""

    __slots__ = ("future", "loop", "messages")

    def __init__(self, messages: Sequence[Message], loop: asyncio.AbstractEventLoop) -> None:
        self.messages = messages
        self.loop = loop
        self.future: asyncio.Future[None] = loop.create_future()


class Submitter:
    """Sends for all coroutines of this process; made inside one."""

    def __init__(self, broker: Broker, now: Callable[[], float]) -> None:
        import asyncio  # a program without coroutines need not load it

        self._broker = broker
        self._now = now
        self._running_loop = asyncio.get_running_loop
        self._waiting: deque[_Parcel] = deque()
        self._changed = threading.Condition()
        self._asleep = True  # the thread is, or there is none
        self._thread: threading.Thread | None = None

    def send(self, messages: Sequence[Message]) -> asyncio.Future[None]:
        """Send *messages* together with what other callers send now.

        The future ends when the store has them, or with the `OperationalError` that says why it did not take
        them.
        """
        parcel = _Parcel(messages, self._running_loop())
        self._waiting.append(parcel)
        # Either this sees that the thread sleeps, or the thread, which looks again before it does, sees this.
        if self._asleep:
            self._wake()
        return parcel.future

    def _wake(self) -> None:
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="celeriac-submitter", daemon=True)
                self._thread.start()
            self._asleep = False
            self._changed.notify()

    def _serve(self) -> None:
        while parcels := self._take():
            self._send(parcels)

    def _take(self) -> list[_Parcel]:
        """Wait for parcels and take a batch; empty when nothing came for a while."""
        if not self._waiting and not self._sleep():
            return []
        batch: list[_Parcel] = []
        count = 0
        while self._waiting and count < MOST:
            parcel = self._waiting.popleft()
            batch.append(parcel)
            count += len(parcel.messages)
        return batch

    def _sleep(self) -> bool:
        """Wait until something is there; False when nothing came for a while, and the thread shall end."""
        with self._changed:
            self._asleep = True
            if self._changed.wait_for(lambda: self._waiting, LINGER):
                self._asleep = False
                return True
            self._thread = None
            return False

    def _send(self, parcels: list[_Parcel]) -> None:
        messages = [message for parcel in parcels for message in parcel.messages]
        try:
            self._broker.send(messages, self._now())
        except OperationalError as error:
            _answer(parcels, error)
        except CeleriacError as error:
            self._send_apart(parcels, error)
        except BaseException as error:  # noqa: BLE001 - a caller must not wait for ever, whatever happened
            _answer(parcels, error)
        else:
            _answer(parcels, None)

    def _send_apart(self, parcels: list[_Parcel], error: CeleriacError) -> None:
        """One of the parcels cannot be sent: find it, and let the others pass."""
        if len(parcels) == 1:
            _answer(parcels, error)
        else:
            for parcel in parcels:
                self._send([parcel])


def _answer(parcels: Sequence[_Parcel], error: BaseException | None) -> None:
    """Wake each loop once for all of its callers."""
    by_loop: defaultdict[Any, list[asyncio.Future[None]]] = defaultdict(list)
    for parcel in parcels:
        by_loop[parcel.loop].append(parcel.future)
    for loop, futures in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            loop.call_soon_threadsafe(_resolve, futures, error)


def _resolve(futures: list[asyncio.Future[None]], error: BaseException | None) -> None:
    for future in futures:
        if future.done():  # its caller was cancelled
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
