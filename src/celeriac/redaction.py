"""What nobody who looks shall read: values under keys such as `password`, wherever they stand. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

HIDDEN: Final = "•••"
KEYS: Final = (
    "password",
    "passwords",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "secrets",
    "token",
    "authorization",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "api_key",
    "apikey",
    "access_key",
    "private_key",
    "session_id",
)

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD: Final = re.compile(r"[\W_]+")


def redacted(value: Any, keys: Iterable[str] = ()) -> Any:
    """Return *value* with `•••` in place of what stands under a telling key, at any depth.

    Args:
        value: made of JSON's types. A key tells if its words have those of one of `KEYS` among them, side by
            side: `X-Api-Key`, `accessToken` and `DB_PASSWORD` do, `passwordless` does not.
        keys: more of them.
    """
    return _redacted(value, tuple(map(_words, (*KEYS, *keys))))


def redacted_call(
    args: Sequence[Any], kwargs: Mapping[str, Any], parameters: Sequence[str] = (), keys: Iterable[str] = ()
) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a call as `redacted` does, also where they have no key of their own.

    Args:
        parameters: what the function calls its positional arguments, as far as that is known.
        keys: more keys that tell.
    """
    told = tuple(keys)
    shown, named = redacted([[*args], {**kwargs}], told)
    for place, name in enumerate(parameters[: len(shown)]):
        if tells(name, told):
            shown[place] = HIDDEN
    return shown, named


def tells(key: str, keys: Iterable[str] = ()) -> bool:
    """Say whether what stands under *key* is not to be shown."""
    words = _words(key)
    return any(f" {each} " in f" {words} " for each in map(_words, (*KEYS, *keys)))


def _redacted(value: Any, telling: tuple[str, ...]) -> Any:
    """Go through *value* level by level: it may be nested deeper than Python calls may be."""
    top: list[Any] = [value]
    waiting: list[Any] = [top]
    while waiting:
        place = waiting.pop()
        pairs = [*place.items()] if isinstance(place, dict) else [*enumerate(place)]
        for key, item in pairs:
            if isinstance(place, dict) and _tells(str(key), telling):
                place[key] = HIDDEN
            elif isinstance(item, dict):
                place[key] = dict(item)
                waiting.append(place[key])
            elif isinstance(item, list | tuple):
                place[key] = [*item]
                waiting.append(place[key])
    return top[0]


def _tells(key: str, telling: tuple[str, ...]) -> bool:
    words = _words(key)
    return any(f" {each} " in f" {words} " for each in telling)


@lru_cache(maxsize=4096)
def _words(key: str) -> str:
    return _NO_WORD.sub(" ", _HUMP.sub(" ", key)).strip().lower()
