"""Keys, and what they do to bytes: sign, encrypt, and open again. Pure; the only user of `cryptography`.

What is sealed begins with a byte that no JSON text has:

| bytes | what |
|---|---|
| 1 | `0xC1` |
| 1 | `s` signed, `e` encrypted |
| 4 | which key: the first bytes of a hash of it |
| 16 | the tag |
| rest | the body, readable or encrypted |

Signed is HMAC-SHA-256 (RFC 2104), cut to 128 bits; encrypted is AES-256 in SIV mode (RFC 5297), which signs
too. Both are deterministic: the same body in the same place is the same bytes again, so that a store may be
told the same thing twice; and no random number can repeat. Beside the body the tag covers what the bytes are
and whose they are: they are worth nothing anywhere else.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import msgspec

from celeriac.codec import END, REFUSED, SEALED
from celeriac.errors import ConfigurationError, MissingExtra, SecurityError

SHORTEST_KEY: Final = 32  # characters
MAX_AGE: Final = 45 * 86_400.0  # more than failed tasks are kept, to be queued again

Unsigned = Literal["refuse", "accept", "send"]

_SIGNED: Final = b"s"
_ENCRYPTED: Final = b"e"
_FILL: Final = b"\0"  # some versions of OpenSSL refuse to encrypt nothing
_HEAD: Final = 6
_TAG: Final = 16


class Security(msgspec.Struct, frozen=True):
    """How an application's bytes are sealed.

    Attributes:
        keys: the first one seals, each of them opens. encrypt: seal by encrypting, not only by signing.
        unsigned: what becomes of bytes without a seal: "refuse", "accept", or even "send" some.
        max_age: seconds after which a call that has not started is taken for a replay; None for never.
    """

    keys: tuple[str, ...]
    encrypt: bool = False
    unsigned: Unsigned = "refuse"
    max_age: float | None = MAX_AGE

    def __repr__(self) -> str:
        how = "encrypts" if self.encrypt else "signs"
        return f"<Security: {how}, {len(self.keys)} keys, unsigned: {self.unsigned}>"


class Secrets(tuple[str, ...]):
    """Keys that do not show themselves."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(("***",) * len(self))


def check_keys(name: str, keys: Sequence[str]) -> None:
    """Return if each of *keys* can be one.

    Raises:
        ConfigurationError: one is too short, or there twice; the message speaks of *name*, and shows no key.
    """
    for number, key in enumerate(keys, 1):
        if len(key) < SHORTEST_KEY:
            raise ConfigurationError(
                f"the setting {name!r}: key {number} has {len(key)} characters, it needs {SHORTEST_KEY} of "
                'chance: python -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
    if len(set(keys)) < len(keys):
        raise ConfigurationError(f"the setting {name!r} has a key twice")


class _Key:
    """One key: what is derived from it, and for which purpose."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode("utf-8", "surrogatepass")
        self.id: Final = self._derived(b"name")[:4]
        self._mac = hmac.new(self._derived(b"sign"), digestmod="sha256")
        self._cipher: Any = None

    def _derived(self, purpose: bytes) -> bytes:
        return hmac.digest(self._secret, b"celeriac 1 " + purpose, "sha512")

    def tag(self, place: bytes, body: bytes) -> bytes:
        """Return the tag of *body* in its *place*."""
        mac = self._mac.copy()
        mac.update(b"%d %b%b" % (len(place), place, body))
        return mac.digest()[:_TAG]

    @property
    def cipher(self) -> Any:
        """What encrypts and decrypts.

        Raises:
            MissingExtra: the library is not installed.
        """
        if self._cipher is None:
            try:
                from cryptography.hazmat.primitives.ciphers.aead import AESSIV
            except ImportError as error:
                raise MissingExtra(
                    "encryption needs a library: pip install 'celeriac[encryption]'"
                ) from error
            self._cipher = AESSIV(self._derived(b"encrypt"))
        return self._cipher


class Keyring:
    """Seals and opens bytes.

    Args:
        keys: the first one seals, each of them opens.
        encrypt: seal by encrypting.

    Raises:
        MissingExtra: *encrypt*, and the library is not installed.
    """

    def __init__(self, keys: Sequence[str], *, encrypt: bool = False) -> None:
        self._keys = [_Key(secret) for secret in keys]
        self._first = self._keys[0]
        self._head = SEALED + (_ENCRYPTED if encrypt else _SIGNED) + self._first.id
        self._encrypt: Callable[..., bytes] | None = self._first.cipher.encrypt if encrypt else None

    def __repr__(self) -> str:
        return f"<Keyring of {len(self._keys)}>"

    def seal(self, place: bytes, body: bytes) -> bytes:
        """Return *body* sealed for its *place*."""
        if self._encrypt is not None:
            return self._head + self._encrypt(_FILL + body, [place])
        return self._head + self._first.tag(place, body) + body

    def open(self, place: bytes, data: bytes) -> bytes:
        """Return the body that was sealed for this *place*.

        Raises:
            SecurityError: it was not, by none of the keys; the error says what may be the reason.
        """
        name, how = data[2:_HEAD], data[1:2]
        known = [key for key in self._keys if key.id == name]
        if not known or len(data) < _HEAD + _TAG:
            raise SecurityError("it is sealed with a key that is not, or no longer, among security_keys")
        for key in known:
            body = _opened(key, how, place, data)
            if body is not None:
                return body
        raise SecurityError("its seal is broken: it was changed, or moved here from elsewhere")


def _opened(key: _Key, how: bytes, place: bytes, data: bytes) -> bytes | None:
    if how == _SIGNED:
        body = data[_HEAD + _TAG :]
        return body if hmac.compare_digest(key.tag(place, body), data[_HEAD : _HEAD + _TAG]) else None
    if how == _ENCRYPTED:
        return _decrypted(key, place, data[_HEAD:])
    return None


def _decrypted(key: _Key, place: bytes, data: bytes) -> bytes | None:
    try:
        cipher = key.cipher
    except MissingExtra as error:
        raise SecurityError(f"it is encrypted: {error}") from error
    from cryptography.exceptions import InvalidTag

    try:
        body: bytes = cipher.decrypt(data, [place])
    except (InvalidTag, ValueError):
        return None
    return body[len(_FILL) :]


def place_of(kind: str, owner: str, name: str = "") -> bytes:
    """Name the place of some bytes: what they are, whose, and of which task; no two places have one name."""
    return f"{kind} {len(owner)} {owner} {name}".encode("utf-8", "surrogatepass")


def is_sealed(data: bytes) -> bool:
    """Say whether *data* claims to be sealed."""
    return data[:1] == SEALED


def refusal(reason: str, data: bytes = b"") -> bytes:
    """Return what stands for *data* that cannot be trusted: whoever decodes it gets a `SecurityError`."""
    return REFUSED + reason.encode("utf-8", "replace").replace(END, b" ") + END + data


def refused(data: bytes) -> bytes | None:
    """Return what *data* stands for, if it is a `refusal`."""
    return data.partition(END)[2] if data.startswith(REFUSED) else None
