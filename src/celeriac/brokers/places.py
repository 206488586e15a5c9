"""Where a walk over a store goes on, as text that may stand in an address or on a command line."""

from __future__ import annotations

import base64
from typing import Final, NoReturn

import msgspec

from celeriac.errors import InvalidFilter

Part = str | int | float
_TOO_LARGE: Final = 2**63  # for a whole number of SQLite's
_parts: Final = msgspec.json.Decoder(list[Part])


def written(*parts: Part) -> str:
    """Write a place."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")


Kind = type[Part] | tuple[type[Part], ...]


def read(text: str, *kinds: tuple[Kind, ...]) -> list[Part]:
    """Read a place that one of *kinds* describes: the types of its parts.

    Raises:
        InvalidFilter: it is none.
    """
    try:
        parts = _parts.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:  # binascii.Error and msgspec's errors are such
        parts = []
    if not any(len(parts) == len(kind) and all(map(_is, parts, kind)) for kind in kinds):
        refuse(text)
    return parts


def refuse(text: str) -> NoReturn:
    """Raise the error that says that *text* is no place.

    Raises:
        InvalidFilter: always.
    """
    raise InvalidFilter(text, 0, "a place where an earlier answer said to go on")


def _is(part: Part, kind: Kind) -> bool:
    if isinstance(part, int) and not -_TOO_LARGE <= part < _TOO_LARGE:
        return False
    return isinstance(part, kind) and not isinstance(part, bool)
