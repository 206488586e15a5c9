"""The file of those who may log in: names, roles, hashes of passwords and tokens; never a password.

Made by `celeriac dashboard user add`, readable by its owner only. A change counts from the next request on.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from celeriac.dashboard.roles import Role, User, role_of
from celeriac.errors import ConfigurationError

COST: Final = {"n": 2**14, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024}  # some 50 ms and 16 MiB for a try
LEAST: Final = 8  # characters of a password


class Entry(msgspec.Struct, frozen=True):
    """One who may come in: by *password* (salt and hash by scrypt), or with a *token* (its SHA-256)."""

    role: str
    password: str = ""
    token: str = ""


class Contents(msgspec.Struct, frozen=True):
    """What is in the file. *secret* signs sessions, so that they outlive a restart."""

    secret: str
    users: dict[str, Entry] = {}


class Users:
    """The users in a file, read again when it has changed.

    Args:
        path: of the file; it need not be there before somebody is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._contents = Contents("")

    # --- questions ----------------------------------------------------------------------------------

    @property
    def contents(self) -> Contents:
        """What is in the file now.

        Raises:
            ConfigurationError: there is no file, or something else is in it.
        """
        try:
            status = self.path.stat()
            if self._seen != (status.st_mtime_ns, status.st_ino):
                self._contents = msgspec.json.decode(self.path.read_bytes(), type=Contents)
                self._seen = (status.st_mtime_ns, status.st_ino)
        except FileNotFoundError:
            raise ConfigurationError(
                f"there is no file of users {self.path}: make it with `celeriac dashboard user add`"
            ) from None
        except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise ConfigurationError(f"the file of users {self.path} cannot be read: {error}") from error
        return self._contents

    def user(self, name: str) -> User | None:
        """Return the user who is called *name*; None for a stranger."""
        entry = self.contents.users.get(name)
        return None if entry is None or not entry.password else User(name, role_of(entry.role))

    def stamp(self, name: str) -> str:
        """Return what sessions of this user are bound to: a new password ends them all."""
        entry = self.contents.users.get(name)
        return "" if entry is None else entry.password

    def check(self, name: str, password: str) -> User | None:
        """Return the user if the *password* is right; takes as long for a name that there is not."""
        entry = self.contents.users.get(name)
        is_right = _matches(password, entry.password if entry and entry.password else _NOBODY)
        return self.user(name) if is_right else None

    def bearer(self, token: str) -> User | None:
        """Return the user who has this *token*; None for nobody."""
        given, found = _digest(token), None
        for name, entry in self.contents.users.items():
            if entry.token and hmac.compare_digest(entry.token.encode(), given.encode()):
                found = User(name, role_of(entry.role), bearer=True)
        return found

    # --- changes ------------------------------------------------------------------------------------

    def add(self, name: str, password: str, role: Role) -> None:
        """Add a user, or give one another password and role.

        Raises:
            ConfigurationError: the password is too short, or the name cannot be one.
        """
        if len(password) < LEAST:
            raise ConfigurationError(f"a password has {LEAST} characters or more")
        self._put(name, Entry(role.word, password=_hashed(password)))

    def add_token(self, name: str, role: Role) -> str:
        """Add a token for the API; return it: it is kept nowhere else."""
        token = secrets.token_urlsafe(32)
        self._put(name, Entry(role.word, token=_digest(token)))
        return token

    def knows(self, name: str) -> bool:
        """Say whether there is a user or a token of this name; nobody is known where there is no file."""
        return name in self._present().users

    def remove(self, name: str) -> bool:
        """Remove a user or a token, and with it all sessions; say whether there was one."""
        kept = dict(self._present().users)
        was = kept.pop(name, None) is not None
        if was:
            self._write(Contents(self._present().secret, kept))
        return was

    def _put(self, name: str, entry: Entry) -> None:
        if not name or len(name) > 64 or not name.isprintable() or any(c.isspace() for c in name):
            raise ConfigurationError(f"{name!r} cannot be a user's name: 1 to 64 characters without blanks")
        present = self._present()
        self._write(Contents(present.secret or secrets.token_hex(32), {**present.users, name: entry}))

    def _present(self) -> Contents:
        return self.contents if self.path.exists() else Contents("")

    def _write(self, contents: Contents) -> None:
        """Put a whole new file in the old one's place; only its owner may read it, from the first byte on."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")  # 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(contents), indent=2) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self._seen = None


def _hashed(password: str) -> str:
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, **COST).hex()}"


_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+")
_NOBODY: Final = f"scrypt${'00' * 16}${'00' * 64}"


def _matches(password: str, kept: str) -> bool:
    kind, _, rest = kept.partition("$")
    salt, _, wanted = rest.partition("$")
    if kind != "scrypt" or not _HEX.fullmatch(salt):
        return False
    given = hashlib.scrypt(password.encode("utf-8", "replace"), salt=bytes.fromhex(salt), **COST)
    return hmac.compare_digest(given.hex().encode(), wanted.encode())


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
