"""The bridge from `await task.adelay()` to a store that blocks: group commit.

One thread sends whatever is waiting as one batch; while it is on its way the next batch gathers. The
more callers, the larger the batches, and no event loop ever waits for the store.
"""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
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
    """Sends for all coroutines of this process."""

    def __init__(self, broker: Broker, now: Callable[[], float]) -> None:
        self._broker = broker
        self._now = now
        self._waiting: list[_Parcel] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    async def send(self, messages: Sequence[Message]) -> None:
        """Send *messages* together with what other callers send now; return when the store has them.

        Raises:
            OperationalError: the store did not take them.
        """
        import asyncio  # a program without coroutines need not load it

        parcel = _Parcel(messages, asyncio.get_running_loop())
        with self._changed:
            self._waiting.append(parcel)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="celeriac-submitter", daemon=True)
                self._thread.start()
            elif len(self._waiting) == 1:
                self._changed.notify()
        await parcel.future

    def _serve(self) -> None:
        while parcels := self._take():
            self._send(parcels)

    def _take(self) -> list[_Parcel]:
        """Wait for parcels and take a batch; empty when nothing came for a while."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting, LINGER):
                self._thread = None
                return []
            count, taken = 0, 0
            for parcel in self._waiting:
                taken += 1
                count += len(parcel.messages)
                if count >= MOST:
                    break
            batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
            return batch

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
