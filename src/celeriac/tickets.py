"""Tickets: signed notes that let their bearer see one task for a while. Pure; `keyring` signs them.

A ticket is text that fits into an address. It says which task, until when, and whether the outcome is shown
too; whoever holds one can read that, and nobody without a key can make or change one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Final

import msgspec

from celeriac.errors import SecurityError
from celeriac.keyring import Keyring, is_sealed, place_of

LONGEST: Final = 1_000  # characters; nobody is made to check more


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """What a ticket says.

    Attributes:
        id: the task that may be seen. until: seconds since 1970.
        outcome: whether what it returned, or its error, may be seen too.
    """

    id: str
    until: float
    outcome: bool = False


class Tickets:
    """Issues and reads tickets.

    Args:
        keys: the first one signs, each of them is accepted.
        audience: the application; tickets of others are worth nothing here.
    """

    def __init__(self, keys: Sequence[str], audience: str) -> None:
        self._keyring = Keyring(keys)
        self._place = place_of("ticket", audience)

    def issue(self, ticket: Ticket) -> str:
        """Return *ticket* signed, as text."""
        sealed = self._keyring.seal(self._place, msgspec.json.encode(ticket))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def read(self, text: str, now: float) -> Ticket | None:
        """Return the ticket that *text* is; None if it is none, or not of ours, or not valid any more."""
        if len(text) > LONGEST or not text.isascii():
            return None
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            if not is_sealed(sealed):
                return None
            ticket = msgspec.json.decode(self._keyring.open(self._place, sealed), type=Ticket)
        except (binascii.Error, SecurityError, msgspec.MsgspecError):
            return None
        return ticket if now < ticket.until else None
