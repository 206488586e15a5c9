"""Secrets in arguments, results and progress are hidden before anything leaves the server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celeriac.redaction import redacted


class Hiding:
    """Knows which names stand for secrets.

    Args:
        keys: names besides the usual ones.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self.keys = tuple(keys)

    def hide(self, value: Any) -> Any:
        """Return *value* with every secret in it replaced, at any depth."""
        return redacted(value, self.keys)
