"""The difference between this host's clock and the server's, so that it cannot break leases.

Workers on several hosts compare `now` with what others have written: with clocks that differ by more than a
lease, a healthy worker would be taken for dead. So the store keeps the server's time. Each broker object
measures the difference when it connects and with each heartbeat, whose answer brings the time, adds it to
every time that it writes and takes it off every time that it reads: its caller sees its own clock throughout.
Differences below 50 ms are left alone, since measuring them is no better than that over a busy network;
nothing is then computed.

What is corrected is the difference to the *system* clock. A caller with another clock (a test's, say)
gets the same correction, which between processes of one host is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from celeriac.broker import WorkerInfo
from celeriac.clock import SystemClock
from celeriac.message import Message, Record
from celeriac.outcome import Settlement

IGNORED: Final = 0.05


class Skew:
    """How many seconds the server's clock is ahead of ours.

    Args:
        enabled: whether to measure at all (`clock=server`); else the caller's clock counts (`clock=caller`).
    """

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.seconds = 0.0

    def measure(self, link: Any) -> None:
        """Ask the server for the time."""
        if self.enabled:
            before = SystemClock.now()
            time = link.ask(("TIME",))
            self.learn(before, time, SystemClock.now())

    def learn(self, before: float, time: Sequence[bytes], after: float) -> None:
        """Take note of the server's *time*, as TIME gives it.

        Args:
            before, after: when it was asked and when the answer was here, in seconds since 1970.
        """
        if not self.enabled:
            return
        ahead = int(time[0]) + int(time[1]) / 1e6 - (before + after) / 2
        unsure = (after - before) / 2  # what the trip itself took is what the measurement may be wrong by
        if unsure > IGNORED and abs(ahead - self.seconds) <= unsure:
            return  # what is known may be nearer
        self.seconds = ahead if abs(ahead) >= max(IGNORED, unsure) else 0.0

    def messages(self, given: Sequence[Message]) -> Sequence[Message]:
        """Put the times of messages into the server's time."""
        return [_moved(message, self.seconds) for message in given] if self.seconds else given

    def settlements(self, given: Sequence[Settlement]) -> Sequence[Settlement]:
        """Put the due times of settlements into the server's time."""
        if not self.seconds:
            return given
        return [replace(one, due=one.due + self.seconds) if one.due else one for one in given]

    def record(self, record: Record | None) -> Record | None:
        """Put the times of a record back into our time."""
        if record is None or not self.seconds:
            return record
        times = {
            name: _later(getattr(record, name), -self.seconds) for name in ("due", "started", "finished")
        }
        return replace(record, message=_moved(record.message, -self.seconds), **times)

    def worker(self, info: WorkerInfo) -> WorkerInfo:
        """Put the times of a worker back into our time."""
        if not self.seconds:
            return info
        return replace(info, started=info.started - self.seconds, seen=info.seen - self.seconds)

    def back(self, moment: float | None) -> float | None:
        """Put a moment back into our time."""
        return _later(moment, -self.seconds)


def _moved(message: Message, seconds: float) -> Message:
    return replace(
        message,
        created=message.created + seconds,
        eta=_later(message.eta, seconds),
        expires=_later(message.expires, seconds),
    )


def _later(moment: float | None, seconds: float) -> float | None:
    return moment if moment is None or not seconds else moment + seconds
