"""Secrets in arguments, results and progress are hidden before anything leaves the server. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any, Final

from celeriac.dashboard.shown import HIDDEN

SECRETS: Final = frozenset(
    {
        *("password", "passwd", "pwd", "secret", "token", "authorization", "cookie", "credential"),
        *("credentials", "apikey", "passphrase", "jwt", "session", "signature"),
    }
)
PAIRS: Final = frozenset({("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key")})
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
DEEPEST: Final = 200


class Hiding:
    """Knows which names stand for secrets.

    Args:
        more: names besides the usual ones; a name stands for all that contain it as a word.
    """

    def __init__(self, more: Collection[str] = ()) -> None:
        self._words = SECRETS | {name.lower() for name in more}

    def is_secret(self, name: str) -> bool:
        """Say whether what is called *name* is a secret: `api_key`, `userPassword`, `X-Auth-Token`."""
        if name.lower() in self._words:
            return True
        found = [word.lower() for word in _WORDS.findall(name)]
        singular = {word.removesuffix("s") for word in found} | set(found)
        return not singular.isdisjoint(self._words) or any(pair in PAIRS for pair in pairwise(found))

    def hide(self, value: Any, depth: int = DEEPEST) -> Any:
        """Return *value* with every secret in it replaced, at any depth."""
        if not depth:
            return HIDDEN
        if isinstance(value, Mapping):
            return {
                name: HIDDEN if self.is_secret(str(name)) else self.hide(each, depth - 1)
                for name, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.hide(each, depth - 1) for each in value]
        return value
