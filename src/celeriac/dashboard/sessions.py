"""Cookies that prove that somebody has logged in, and addresses that let somebody in once."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from typing import Final

LIFE: Final = 30 * 86_400.0  # seconds for which a cookie is good


def signed(secret: str, name: str, stamp: str, until: float) -> str:
    """Make the cookie of the user *name*; good until then, and for as long as the *stamp* is the same."""
    who = base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")
    return f"{who}.{int(until)}.{_mac(secret, name, stamp, int(until))}"


def name_in(cookie: str, now: float) -> str:
    """Return whose *cookie* it says that it is, if it is not over; "" if it makes no sense. No proof yet."""
    who, _, rest = cookie.partition(".")
    until = rest.partition(".")[0]
    try:
        name = base64.urlsafe_b64decode(who + "=" * (-len(who) % 4)).decode()
        return name if int(until) > now else ""
    except (binascii.Error, ValueError):
        return ""


def is_genuine(cookie: str, secret: str, name: str, stamp: str) -> bool:
    """Say whether we have made this *cookie*."""
    parts = cookie.split(".")
    if len(parts) != 3 or not cookie.isascii() or not parts[1].isdecimal() or len(parts[1]) > 15:
        return False
    return hmac.compare_digest(parts[2], _mac(secret, name, stamp, int(parts[1])))


def _mac(secret: str, name: str, stamp: str, until: int) -> str:
    text = "\0".join((name, stamp, str(until))).encode("utf-8", "replace")
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


class OneTime:
    """A token that lets in once; then there is another one.

    Args:
        spent: called, in the request's thread, with the next token after each one that was used.
    """

    def __init__(self, spent: Callable[[str], None] = lambda _: None) -> None:
        self._lock = threading.Lock()
        self._spent = spent
        self.token = secrets.token_urlsafe(24)

    def spend(self, token: str) -> bool:
        """Say whether *token* lets in, which it does once."""
        with self._lock:
            if not hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode()):
                return False
            self.token = following = secrets.token_urlsafe(24)
        self._spent(following)
        return True
