"""What wakes an idle worker: a blocking pop on a connection of its own, sent without waiting for it.

The courier selects on the socket. Tokens are left by the scripts that queue tasks (`lua/include/lines.lua`)
and by `cancel`; a token that was popped but cannot be used is put back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import RedisError

from celeriac.broker import Bell
from celeriac.brokers.redis.connection import Client, Link, monotonic
from celeriac.brokers.redis.keys import Keys
from celeriac.errors import OperationalError

BLOCK_SECONDS: Final = 30
SILENCE: Final = BLOCK_SECONDS + 10.0  # without any answer for so long, the connection is dead
PATIENCE: Final = 1.0
TOKEN_SECONDS: Final = 60


class RedisBell(Bell):
    """The bell of one worker; see `Bell`."""

    def __init__(self, client: Client, keys: Keys, worker: str, queues: Sequence[str]) -> None:
        self._client = client
        self._personal = keys.personal_bell(worker)
        self._work = [keys.bell(queue) for queue in queues]
        self._link: Link | None = None
        self._id = 0
        self._armed: bool | None = None
        self._since = 0.0
        self._rung_by: bytes = b""

    def fileno(self) -> int:
        """Return the descriptor that becomes readable at a ring; -1 while the server is away."""
        return -1 if self._link is None else self._link.fileno()

    def arm(self, hungry: bool) -> None:
        """Send the blocking pop, if none is on its way already; never raises."""
        if self._armed is not None and monotonic() - self._since > SILENCE:
            self._lose()
        if self._armed is hungry:
            return
        try:
            link = self._connected()
            if self._armed is not None:
                self._disarm(link)
            keys = [self._personal, *self._work] if hungry else [self._personal]
            link.tell(("BLPOP", *keys, BLOCK_SECONDS))
            self._armed, self._since = hungry, monotonic()
        except (RedisError, OperationalError):
            self._lose()

    def heard(self) -> bool:
        """Take what is readable; say whether it was a ring for work."""
        link = self._link
        if link is None or self._armed is None:
            return False
        try:
            if not link.readable():
                return False
            popped = self._popped(link)
        except RedisError:
            self._lose()
            return False
        if popped is None or popped == self._personal.encode():
            return False
        self._rung_by = popped
        return True

    def pass_on(self) -> None:
        """Put the token back for another worker."""
        if self._rung_by:
            self._put_back(self._rung_by)
            self._rung_by = b""

    def close(self) -> None:
        """Close the connection."""
        self._lose()

    def _connected(self) -> Link:
        if self._link is None:
            link = self._client.connect(PATIENCE)
            self._id = link.ask(("CLIENT", "ID"))
            self._link = link
        return self._link

    def _popped(self, link: Link) -> bytes | None:
        """Read the answer of the blocking pop: from which key, None for none in time."""
        answer: Any = link.hear()
        self._armed = None
        return None if answer is None else bytes(answer[0])

    def _disarm(self, link: Link) -> None:
        """End the blocking pop. A token that it got meanwhile goes back: nobody was told of it."""
        self._client.ask_all([("CLIENT", "UNBLOCK", self._id)])
        popped = self._popped(link)
        if popped is not None:
            self._put_back(popped)

    def _put_back(self, key: bytes) -> None:
        try:
            self._client.ask_all([("RPUSH", key, "1"), ("EXPIRE", key, TOKEN_SECONDS)])
        except OperationalError:  # a ring may be lost: whoever waits also looks once in a while
            return

    def _lose(self) -> None:
        self._armed = None
        if self._link is not None:
            self._link.disconnect()
            self._link = None
