"""The threads of a worker as parts that are turned by hand: each says when it wants its turn."""

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

from celeriac.context import Run
from celeriac.worker.courier import Courier
from celeriac.worker.limits import Limits

SHORTEST = (
    0.02  # seconds for which a courier rests while work waits for room: sooner it would only look again
)


class SteppedCourier(Courier):
    """A courier that never sleeps: it says until when it would."""

    wakes = 0.0

    def turn(self) -> None:
        """Go once around the loop of `Courier.run`."""
        self.wakes = self._clock.monotonic()
        self.step()
        self._rest()

    def settle(self, settlement: Any) -> None:
        super().settle(settlement)
        self.wakes = 0.0

    def wake(self) -> None:
        self.wakes = 0.0

    def _sleep(self, timeout: float, *, bell: bool) -> None:
        self.wakes = self._clock.monotonic() + max(0.0 if bell else SHORTEST, timeout)


class SteppedLimits(Limits):
    """Limits without a thread."""

    def _at(self, moment: float, run: Run, then: Callable[[Run], None]) -> None:
        heapq.heappush(self._due, (moment, next(self._order), run, then))

    @property
    def wakes(self) -> float | None:
        return self._due[0][0] if self._due else None

    def turn(self) -> None:
        _, _, run, then = heapq.heappop(self._due)
        then(run)


class _Selector:
    """There is nothing to wait on."""

    def select(self, timeout: float | None) -> list[Any]:
        return []


class SteppedLoop(asyncio.BaseEventLoop):
    """An event loop on simulated time, turned by hand."""

    def __init__(self, clock: Any) -> None:
        super().__init__()
        self._simulated, self._selector = clock, _Selector()
        self._clock_resolution = 1e-6  # of a float that counts seconds since 1970

    def time(self) -> float:
        return self._simulated.monotonic()

    def _process_events(self, event_list: Any) -> None: ...

    def _write_to_self(self) -> None: ...

    @property
    def wakes(self) -> float | None:
        if self._ready:
            return 0.0
        return self._scheduled[0]._when if self._scheduled else None

    def turn(self) -> None:
        """Run what is ready, once."""
        self.stop()
        self.run_forever()
