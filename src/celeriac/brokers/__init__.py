"""The stores, and the way from a URL to one of them; a store is imported only when its URL is used."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from celeriac.broker import DEFAULT_DEAD_RETENTION, DEFAULT_DEADLINE, DEFAULT_RETENTION, Broker
from celeriac.errors import ConfigurationError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_CLASSES: Final = {
    "memory": ("celeriac.brokers.memory", "MemoryBroker"),
    "sqlite": ("celeriac.brokers.sqlite", "SqliteBroker"),
    "redis": ("celeriac.brokers.redis", "RedisBroker"),
    "rediss": ("celeriac.brokers.redis", "RedisBroker"),
    "unix": ("celeriac.brokers.redis", "RedisBroker"),
    "redis+sentinel": ("celeriac.brokers.redis", "RedisBroker"),
    "rediss+sentinel": ("celeriac.brokers.redis", "RedisBroker"),
}


STORES: Final = "celeriac.stores"  # the entry points of other packages: the scheme of a URL, and its class

_OPEN: Final = ("sqlite", "memory")  # they have no password, and their paths may hold anything
_OPTION: Final = re.compile(r"db|username|namespace|clock|sentinel_\w+|ssl_\w+|password")
_BETWEEN_OPTIONS: Final = re.compile(r"&|;(?=[^&;=]+=)")
_SECRET_WORDS: Final = ("password", "passwd", "secret", "token")
_END_OF_AUTHORITY: Final = re.compile(r"[/?#]")
_HOSTS: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d+)?(,(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d+)?)*|")


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
        ConfigurationError: the URL names no store, or has an option that its store does not know; or another
            package offers a store for it that cannot be used.
        MissingExtra: the store's client library is not installed.
    """
    return _class_for(url)(  # type: ignore[call-arg]
        url, namespace=namespace, retention=retention, dead_retention=dead_retention, deadline=deadline
    )


def load(url: str) -> None:
    """Import what the store behind *url* needs.

    Raises:
        ConfigurationError, MissingExtra: as `connect`.
    """
    _class_for(url)


def check_scheme(url: str) -> None:
    """Return if there is a store for *url*; it is not imported.

    Raises:
        ConfigurationError: there is none.
    """
    if _scheme_of(url) not in _CLASSES:
        _offer_for(url)


def _scheme_of(url: str) -> str:
    return url.partition(":")[0].lower()


def _class_for(url: str) -> type[Broker]:
    """Return the class of the store behind *url*: one of ours, else one that another package offers."""
    if (scheme := _scheme_of(url)) in _CLASSES:
        module, name = _CLASSES[scheme]
        kind: type[Broker] = getattr(importlib.import_module(module), name)
        return kind
    return _offered(_offer_for(url))


def _offer_for(url: str) -> EntryPoint:
    from importlib.metadata import entry_points  # takes a fifth of the import of Celeriac, and few need it

    others = {entry.name: entry for entry in entry_points(group=STORES)}
    if (scheme := _scheme_of(url)) not in others:
        known = ", ".join(f"{name}://" for name in (*_CLASSES, *others))
        raise ConfigurationError(
            f"{masked(url)!r} is not the URL of a store; it must begin with one of {known}"
        )
    return others[scheme]


def _offered(entry: EntryPoint) -> type[Broker]:
    try:
        kind = entry.load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"the store for {entry.name}:// is {entry.value}, and that cannot be imported: {error}. Repair "
            f"or remove the package that offers it"
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, Broker)):
        raise ConfigurationError(f"the store for {entry.name}:// is {entry.value}, and that is no Broker")
    return kind


def masked(url: str) -> str:
    """Return *url* with every password, those among its options too, replaced by `***`: fit for logs.

    A URL that is wrong is masked as well: a password may hold what should have been escaped in it. Where it
    cannot be told where the password ends, more is hidden than need be.
    """
    scheme, colon, rest = url.partition(":")
    if scheme.lower() in _OPEN:
        return url
    place = rest.lstrip("/")
    slashes = rest[: len(rest) - len(place)]
    return f"{scheme}{colon}{slashes}{_without_password(_without_secrets(place))}"


def _without_secrets(place: str) -> str:
    """Mask the options that are secrets, and after one of them all that may still be a part of it."""
    place, mark, options = place.partition("?")
    kept, hidden = list[str](), False
    for option in _BETWEEN_OPTIONS.split(options) if mark else ():
        name = unquote(option.partition("=")[0]).lower()
        is_secret = any(word in name for word in _SECRET_WORDS)
        if is_secret or not hidden or _OPTION.fullmatch(name):
            kept.append(f"{option.partition('=')[0]}=***" if is_secret else option)
        hidden = hidden or is_secret
    return place + mark + "&".join(kept)


def _without_password(place: str) -> str:
    """Mask what stands between the user's name and the last `@`."""
    where, _, options = place.partition("?")
    authority = _END_OF_AUTHORITY.split(where, maxsplit=1)[0]
    names = (option.partition("=")[0].lower() for option in options.split("&") if options)
    if "@" not in where and _HOSTS.fullmatch(authority) and all(map(_OPTION.fullmatch, names)):
        return place
    credentials, at, hosts = place.rpartition("@")
    user, colon, _ = credentials.partition(":")
    return f"{user}:***@{hosts}" if at and colon else place
