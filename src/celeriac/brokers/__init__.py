"""The stores, and the way from a URL to one of them; a store is imported only when its URL is used."""

from __future__ import annotations

import importlib
import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from celeriac.broker import DEFAULT_DEAD_RETENTION, DEFAULT_DEADLINE, DEFAULT_RETENTION, Broker
from celeriac.errors import ConfigurationError

_CLASSES: Final = {
    "memory": ("celeriac.brokers.memory", "MemoryBroker"),
    "sqlite": ("celeriac.brokers.sqlite", "SqliteBroker"),
    "redis": ("celeriac.brokers.redis", "RedisBroker"),
    "rediss": ("celeriac.brokers.redis", "RedisBroker"),
    "unix": ("celeriac.brokers.redis", "RedisBroker"),
    "redis+sentinel": ("celeriac.brokers.redis", "RedisBroker"),
    "rediss+sentinel": ("celeriac.brokers.redis", "RedisBroker"),
}


_SECRETS: Final = re.compile(r"([?&;][a-z_]*password=)[^&#]*", re.IGNORECASE)


def connect(
    url: str,
    *,
    namespace: str = "celeriac",
    retention: float = DEFAULT_RETENTION,
    dead_retention: float = DEFAULT_DEAD_RETENTION,
    deadline: float = DEFAULT_DEADLINE,
) -> Broker:
    """Make the store behind *url*; nothing is opened yet.

    Args:
        namespace: keeps applications apart that share a Redis (a SQLite file is one application's own).
        retention: seconds for which finished records are kept. dead_retention: those of failed tasks.
        deadline: seconds after which a verb gives up on a store that is away or busy.

    Raises:
        ConfigurationError: the URL names no store, or has an option that its store does not know.
        MissingExtra: the store's client library is not installed.
    """
    scheme = url.partition(":")[0].lower()
    if scheme not in _CLASSES:
        known = ", ".join(f"{name}://" for name in _CLASSES)
        raise ConfigurationError(
            f"{masked(url)!r} is not the URL of a store; it must begin with one of {known}"
        )
    module, name = _CLASSES[scheme]
    kind: type[Broker] = getattr(importlib.import_module(module), name)
    return kind(  # type: ignore[call-arg]
        url, namespace=namespace, retention=retention, dead_retention=dead_retention, deadline=deadline
    )


def masked(url: str) -> str:
    """Return *url* with every password, those among its options too, replaced by `***`: fit for logs."""
    return _SECRETS.sub(r"\1***", _without_password(url))


def _without_password(url: str) -> str:
    try:
        parts = urlsplit(url)
        if not parts.password:
            return url
    except ValueError:
        return url.partition("://")[0] + "://***"
    credentials, _, hosts = parts.netloc.rpartition("@")
    user = credentials.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{user}:***@{hosts}"))
