"""What wakes an idle worker: a blocking pop on a connection of its own, sent without waiting for it.

The courier selects on the socket. `exchange` notes a worker that got less than it wanted as hungry;
scripts that queue tasks put `work` into the lists of as many hungry workers, and `cancel` puts `stop`
(see `lua/include/bells.lua`). So a busy worker is never rung, and nobody rings for one that is gone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from redis.exceptions import RedisError

from celeriac.broker import Bell
from celeriac.brokers.redis.connection import Client, Link, monotonic
from celeriac.errors import OperationalError

BLOCK_SECONDS: Final = 30
SILENCE: Final = BLOCK_SECONDS + 10.0  # without any answer for so long, the connection is dead
PATIENCE: Final = 1.0


class RedisBell(Bell):
    """The bell of one worker; see `Bell`.

    Args:
        key: the list that it hears. pass_on: wakes another worker.
    """

    def __init__(self, client: Client, key: str, pass_on: Callable[[], None]) -> None:
        self._client = client
        self._key = key
        self._pass_on = pass_on
        self._link: Link | None = None
        self._pid = os.getpid()
        self._armed = False
        self._since = 0.0
        self._losses = 0

    def fileno(self) -> int:
        """Return the descriptor that becomes readable at a ring; -1 while the server is away."""
        return -1 if self._link is None else self._link.fileno()

    def arm(self, hungry: bool) -> None:  # noqa: ARG002 - the exchange has noted who is hungry
        """Send the blocking pop, if none is on its way already; return quietly when the server is away."""
        if self._may_be_dead() or self._pid != os.getpid():
            self._lose()
        if self._armed:
            return
        try:
            if self._link is None:
                self._losses = self._client.losses
                self._link, self._pid = self._client.connect(PATIENCE), os.getpid()
            self._link.tell(("BLPOP", self._key, BLOCK_SECONDS))
            self._armed, self._since = True, monotonic()
        except (RedisError, OperationalError):
            self._lose()

    def _may_be_dead(self) -> bool:
        """Say whether it has been silent for too long, or other connections of its age have broken."""
        if self._link is None or not self._armed:
            return False
        if monotonic() - self._since > SILENCE:
            return True
        return self._losses != self._client.losses and not self._link.readable()

    def heard(self) -> bool:
        """Take what is readable; say whether it was a ring for work."""
        link = self._link
        try:
            if link is None or not self._armed or not link.readable():
                return False
            answer = link.hear()
        except RedisError:
            self._lose()
            return False
        self._armed = False
        return answer is not None and bool(answer[1] == b"work")

    def pass_on(self) -> None:
        """Ring for another worker; a ring may be lost, so a server that is away is no error."""
        try:
            self._pass_on()
        except OperationalError:
            return

    def close(self) -> None:
        """Close the connection."""
        self._lose()

    def _lose(self) -> None:
        self._armed = False
        if self._link is not None:
            self._link.disconnect()
            self._link = None
