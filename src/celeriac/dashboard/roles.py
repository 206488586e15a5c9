"""Who looks at the dashboard, and what that person may do. Pure."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from celeriac.errors import ConfigurationError


class Role(IntEnum):
    """What somebody may do; each may do what those before it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """Its name as people write it."""
        return self.name.lower()


ROLES = tuple(role.word for role in Role)


class User(msgspec.Struct, frozen=True):
    """Somebody who was let in.

    Attributes:
        bearer: whether a token in the request's header says so, which no other site can make a browser send.
    """

    name: str
    role: Role
    bearer: bool = False


def role_of(word: str) -> Role:
    """Return the role that is called *word*.

    Raises:
        ConfigurationError: there is none.
    """
    if word not in ROLES:
        raise ConfigurationError(f"{word!r} is no role of the dashboard; they are {', '.join(ROLES)}")
    return Role[word.upper()]
