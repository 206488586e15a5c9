"""An event loop without threads and sockets: nothing happens on it but what is turned by hand."""

import asyncio
from typing import Any


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
