"""Who looks at the dashboard, and what that person may do. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

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


@dataclass(frozen=True, init=False)
class User:
    """Somebody who was let in.

    Attributes:
        role: its word will do, such as `"viewer"`.
        bearer: whether a token in the request's header says so, which no other site can make a browser send.

    Raises:
        ConfigurationError: there is no such role.
    """

    name: str
    role: Role
    bearer: bool = False

    def __init__(self, name: str, role: Role | str, *, bearer: bool = False) -> None:
        values = {"name": name, "role": role if isinstance(role, Role) else role_of(role), "bearer": bearer}
        for field, value in values.items():
            object.__setattr__(self, field, value)


def role_of(word: str) -> Role:
    """Return the role that is called *word*.

    Raises:
        ConfigurationError: there is none.
    """
    if word not in ROLES:
        raise ConfigurationError(f"{word!r} is no role of the dashboard; they are {', '.join(ROLES)}")
    return Role[word.upper()]
