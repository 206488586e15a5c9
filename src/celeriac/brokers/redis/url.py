"""Where the server is: a URL into what a connection needs. Nothing is connected here."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from celeriac.brokers import masked
from celeriac.errors import ConfigurationError

DEFAULT_PORT: Final = 6379
SENTINEL_PORT: Final = 26379

_VALUE: Final = re.compile(r"[\w.+-]{0,20}")
_NAME: Final = re.compile(r"[a-z_]{1,40}")


class Address(msgspec.Struct, frozen=True):
    """A URL taken apart.

    Attributes:
        family: how to connect. hosts: the server, or all sentinels. path: the socket's, for `unix`.
        service: what the sentinels call the primary; "" without sentinels.
        tls, login: arguments for a connection. sentinel_login: the same for the sentinels.
        options: `namespace` and `clock`, where given.
    """

    family: Literal["tcp", "tls", "unix"]
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    db: int = 0
    login: dict[str, str] = {}
    sentinel_login: dict[str, str] = {}
    tls: dict[str, Any] = {}
    options: dict[str, str] = {}


def parse(url: str) -> Address:
    """Take *url* apart.

    Raises:
        ConfigurationError: it has an unknown option or an impossible part; the password is not shown.
    """
    try:
        return _parse(url)
    except ValueError as error:
        raise ConfigurationError(f"{hidden(url)!r} is not a Redis URL: {error}") from error


def hidden(url: str) -> str:
    """Return *url* with every password in it replaced by `***`, those among the options too."""
    return masked(url)


def _parse(url: str) -> Address:
    scheme = url.partition("://")[0].lower()
    netloc, path, query = _split(url)
    credentials, _, hosts = netloc.rpartition("@")
    family, sentinel = _SCHEMES[scheme]
    options = _options(query, family, sentinel)
    where: dict[str, Any] = {"family": family}
    if family == "unix":
        where["path"] = path or _fail("the path of the socket is missing")
    else:
        where["hosts"] = _hosts(hosts, SENTINEL_PORT if sentinel else DEFAULT_PORT)
        path = path.strip("/")
        if sentinel:
            where["service"] = path or _fail("the service's name is missing (…/service)")
        elif path:
            options.setdefault("db", _database(path))
        if not sentinel and len(where["hosts"]) > 1:
            _fail("several hosts need redis+sentinel://")
    return Address(
        **where,
        db=options.pop("db", 0),
        login=_login(credentials, options),
        sentinel_login=_sentinel_login(options),
        tls={name: options.pop(name) for name in list(options) if name.startswith("ssl_")},
        options=options,
    )


def _split(url: str) -> tuple[str, str, str]:
    """Return what stands between the scheme, the path and the query, the path unquoted."""
    try:
        parts = urlsplit(url)
    except ValueError:  # its text shows what may be the password
        raise ValueError("it cannot be taken apart") from None
    if parts.fragment:
        _fail("a '#' in the password must be written as %23")
    if "@" in parts.path and parts.scheme != "unix":
        _fail("a '/' in the password must be written as %2F")
    return parts.netloc, unquote(parts.path), parts.query


def _hosts(text: str, port: int) -> tuple[tuple[str, int], ...]:
    return tuple(_host(one, port) for one in (text or "localhost").split(","))


def _host(text: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        return parts.hostname or "localhost", parts.port or port
    except ValueError:  # as above
        raise ValueError("a host, or its port, is none: a port is a number up to 65535") from None


def _login(credentials: str, options: dict[str, Any]) -> dict[str, str]:
    user, _, password = credentials.partition(":")
    given = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in given.items() if value} | {
        name: options.pop(name) for name in ("username", "password") if name in options
    }


def _sentinel_login(options: dict[str, Any]) -> dict[str, str]:
    names = ("sentinel_username", "sentinel_password")
    return {name.removeprefix("sentinel_"): options.pop(name) for name in names if name in options}


def _options(query: str, family: str, sentinel: bool) -> dict[str, Any]:
    readers = dict(_OPTIONS)
    if family == "tls":
        readers |= _TLS_OPTIONS
    if sentinel:
        readers |= _SENTINEL_OPTIONS
    options: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in readers:
            # What follows a password may be a part of it, with an '&' that was not escaped.
            is_name = _NAME.fullmatch(name) and not any("password" in known for known in options)
            shown = f"the unknown option {name!r}" if is_name else "an unknown option"
            _fail(f"it has {shown}; known are {', '.join(sorted(readers))}")
        try:
            options[name] = readers[name](value)
        except ValueError as error:
            raise ValueError(f"its option {name} {error}") from None
    return options


def _shown(value: str) -> str:
    """Show a wrong value, unless it is so wrong that it may hold more than that."""
    return repr(value) if _VALUE.fullmatch(value) else "that"


def _fail(reason: str) -> Any:
    raise ValueError(reason)


def _whole(value: str) -> int:
    if not value.isdecimal():
        raise ValueError(f"must be a whole number, not {_shown(value)}")
    return int(value)


def _database(path: str) -> int:
    try:
        return _whole(path)
    except ValueError as error:
        raise ValueError(f"the number of its database {error}") from None


def _flag(value: str) -> bool:
    flags = {
        "true": True,
        "yes": True,
        "1": True,
        "on": True,
        "false": False,
        "no": False,
        "0": False,
        "off": False,
    }
    if value.lower() not in flags:
        raise ValueError(f"must be true or false, not {_shown(value)}")
    return flags[value.lower()]


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be {' or '.join(choices)}, not {_shown(value)}")
        return value

    return read


def _tls_version(value: str) -> int:
    import ssl

    versions = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
    if value not in versions:
        raise ValueError(f"must be {' or '.join(versions)}, not {_shown(value)}")
    return versions[value]


_SCHEMES: Final[dict[str, tuple[Any, bool]]] = {
    "redis": ("tcp", False),
    "rediss": ("tls", False),
    "unix": ("unix", False),
    "redis+sentinel": ("tcp", True),
    "rediss+sentinel": ("tls", True),
}

_OPTIONS: Final[dict[str, Callable[[str], Any]]] = {
    "db": _whole,
    "username": str,
    "password": str,
    "namespace": str,
    "clock": _one_of("server", "caller"),
}

_TLS_OPTIONS: Final[dict[str, Callable[[str], Any]]] = {
    "ssl_ca_certs": str,
    "ssl_ca_path": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_password": str,
    "ssl_cert_reqs": _one_of("required", "optional", "none"),
    "ssl_check_hostname": _flag,
    "ssl_ciphers": str,
    "ssl_min_version": _tls_version,
}

_SENTINEL_OPTIONS: Final[dict[str, Callable[[str], Any]]] = {
    "sentinel_username": str,
    "sentinel_password": str,
}
