"""Who acts: whoever steers by a terminal or a page is noted with what is done; programs are not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_actor: Final[ContextVar[str | None]] = ContextVar("celeriac_actor", default=None)


def actor() -> str | None:
    """Return who acts in this context; None where nobody is to be noted."""
    return _actor.get()


@contextmanager
def acting(who: str) -> Iterator[None]:
    """Let *who* be noted with what is done within."""
    token = _actor.set(who)
    try:
        yield
    finally:
        _actor.reset(token)
