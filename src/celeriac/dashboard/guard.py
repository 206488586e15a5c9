"""What every request must keep to, and every answer says: host, origin, headers. Pure.

A browser sends its user's cookie along with whatever another site makes it send. So a change is let through
only when the browser itself says that the request comes from our own page, or when a token in a header proves
that no browser was tricked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)

HEADERS: Final = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
)
UNKEPT: Final = ("cache-control", "no-store")  # unless an answer says something else


def is_loopback(host: str) -> bool:
    """Say whether *host* is this machine's own name or address: nobody else reaches what listens there."""
    return host in LOOPBACK or (host.startswith("127.") and host.replace(".", "").isdecimal())


def host_name(host: str) -> str:
    """Return the name in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def is_host_allowed(host: str, allowed: Collection[str] | None) -> bool:
    """Say whether the Host header may be *host*; None allows any.

    A name that somebody else lets point to this machine (DNS rebinding) is not among those.
    """
    return allowed is None or host_name(host) in allowed


def is_bearer(headers: Mapping[str, str]) -> bool:
    """Say whether a request with these *headers* comes with a token, as programs do and no browser does."""
    return headers.get("authorization", "").lower().startswith("bearer ")


def may_change(
    method: str, headers: Mapping[str, str], *, trusted: Collection[str] = (), is_bearer: bool = False
) -> bool:
    """Say whether a request with these *headers* (names in lower case) may change anything.

    Args:
        trusted: origins, such as `https://ops.example.org`, of pages that may send requests here too.
        is_bearer: whether a bearer token came with it.
    """
    if method in SAFE_METHODS or is_bearer:
        return True
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and origin in trusted:
        return True
    if site is not None:  # newer browsers, on HTTPS and on loopback
        return site == "same-origin"
    if origin is not None:  # plain HTTP in a local network
        return origin.partition("://")[2] == headers.get("host", "")
    return False
